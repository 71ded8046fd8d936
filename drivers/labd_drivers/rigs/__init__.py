"""Rigs: how a program is played on a kind of rack. Named by dotted path in a lab's wiring file."""
