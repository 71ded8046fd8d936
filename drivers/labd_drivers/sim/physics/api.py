"""What the simulated instruments see of the physics: a Shot goes in, records come out."""

from labd_drivers.sim.physics.fridge import Fridge
from labd_drivers.sim.physics.shot import Piece, Shot, Source

__all__ = ["Fridge", "Piece", "Shot", "Source"]
