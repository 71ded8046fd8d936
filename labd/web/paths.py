"""What a path names: a quantum computer by its alias, and whether for timeslots."""

from __future__ import annotations

from starlette.requests import Request

from labd.config import QuantumComputer
from labd.core.errors import NotFound
from labd.rpc.laboratory import Laboratory

_TIMESLOT = ":timeslot"


def computer_of(request: Request, laboratory: Laboratory) -> QuantumComputer:
    """The quantum computer of the path's alias. Raises NotFound."""
    alias: str = request.path_params["alias"]
    name = alias.removesuffix(_TIMESLOT)
    if not name:
        raise NotFound("quantum computer", alias)
    return laboratory.by_alias(name)


def is_for_timeslots(request: Request) -> bool:
    """Whether the alias is followed by what says that jobs are for timeslots."""
    alias: str = request.path_params["alias"]
    return alias.endswith(_TIMESLOT)
