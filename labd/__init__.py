"""labd: the lab-controller daemon. IQM's job API in front, QCoDeS instruments behind."""

__version__ = "0.1.0"
