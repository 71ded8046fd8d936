"""The SCPI rig: AWG5200s play, a DPO70000 records, SGS100As carry, GS200s bias.

The pure half, imported by whoever checks payloads: limits and `check`. `open_rig` imports the half
that needs QCoDeS. How a program is played stands in `plan`, how instruments are kept honest in
`link`.
"""

from __future__ import annotations

from collections.abc import Mapping

from labd.core.errors import Problem
from labd.core.program import RigProgram
from labd.core.rig import Rig, RigLimits
from labd.core.wiring import Wiring
from labd_drivers.rigs.scpi.limits import LONGEST_WAIT_S, problems_of

__all__ = ["LIMITS", "check", "open_rig"]

LIMITS = RigLimits(
    has_fast_feedback=False,
    no_feedback_reason=(
        "this rack has no fast feedback: the AWGs play a sequence that is fixed before it starts, "
        "and the digitizer's records reach the computer after it ends"
    ),
    max_segment_s=1.0,
    max_shots=10_000_000,
    longest_wait_s=LONGEST_WAIT_S,
)


def check(program: RigProgram, wiring: Wiring) -> tuple[Problem, ...]:
    """Everything in the program that the rack cannot do: too long, too many, too close."""
    return problems_of(program, wiring)


def open_rig(station: Mapping[str, object], wiring: Wiring) -> Rig:
    """Take over the station's open instruments, by name, and set them up for playing."""
    from labd_drivers.rigs.scpi.rig import ScpiRig

    return ScpiRig(station, wiring)
