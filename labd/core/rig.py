"""The rig port: how a kind of rack plays programs.

A rig lives in `labd_drivers` (or in a lab's own package) and is named in `wiring.toml` by the
dotted path of its module. That module must import without qcodes or any I/O, because the daemon
loads it to check payloads; it holds the pure half and opens the I/O half on demand:

    LIMITS: RigLimits
    def check(program: RigProgram, wiring: Wiring) -> tuple[Problem, ...]
    def open_rig(station: Station, wiring: Wiring) -> Rig
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from labd.core.errors import Problem
from labd.core.health import Sign
from labd.core.program import Records, RigProgram
from labd.core.wiring import Wiring

SettingValue = float | bool | str


@dataclass(frozen=True, slots=True)
class RigLimits:
    """What the compiler must know of a kind of rack before it has a program.

    has_fast_feedback: whether ConditionalInstruction can be executed within a segment.
    no_feedback_reason: the sentence for the refusal where it cannot.
    max_segment_s: longest segment. max_shots: most playlist repeats.
    longest_wait_s: for an instrument that is slow and not silent, beyond its time-out; a job's
    budget gives room for it, so that an instrument's fault is told as such.
    """

    has_fast_feedback: bool
    no_feedback_reason: str
    max_segment_s: float
    max_shots: int
    longest_wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a `load` had to do: for the job's record and the benchmarks."""

    n_waveforms: int
    n_uploaded: int
    uploaded_bytes: int


class StationParameter(Protocol):
    """The part of a QCoDeS parameter that rigs may use."""

    def get(self) -> object:
        """Ask the instrument."""

    def set(self, value: SettingValue) -> None:
        """Tell the instrument."""


class RunInterrupted(Exception):
    """A `run` that ended early because it was told to; nothing is wrong."""


class Rig(Protocol):
    """One rack, open. All calls but `interrupt` come from one thread.

    Every method raises `labd.core.errors.InstrumentFault` naming the instrument when one refuses,
    is silent or lies; afterwards `make_safe` and `close` still work.
    """

    def probe(self) -> tuple[Sign, ...]:
        """Ask every instrument, while none is busy, whether it is as it was left.

        One that is silent, has an error in its queue, or was off and on again, is in trouble. Its
        errors are read by that. Never raises.
        """

    def apply(self, settings: Mapping[str, SettingValue]) -> None:
        """Set station parameters to setting values (by setting name, already within limits)."""

    def load(self, program: RigProgram) -> LoadReport:
        """Make the program ready to play. Waveforms that the rack holds are not sent again."""

    def max_shots_per_run(self) -> int:
        """Most shots of the loaded program that one `run` can take (digitizer memory)."""

    def run(self, n_shots: int) -> Records:
        """Play the loaded program n_shots times and return its records; blocks until read out.

        Raises RunInterrupted if `interrupt` was called since the last `stop`.
        """

    def interrupt(self) -> None:
        """From another thread: let the `run` in progress end early. `stop` takes it back."""

    def stop(self) -> None:
        """Stop playing. Idempotent, safe in any state."""

    def make_safe(self) -> bool:
        """Bring every output to its declared safe value; whether all are, as far as is known.

        Idempotent, safe in any state.
        """

    def close(self) -> None:
        """Close the instruments in reverse order of opening. Idempotent."""


class RigModule(Protocol):
    """What a rig's module offers (see the head of this file)."""

    LIMITS: RigLimits

    def check(self, program: RigProgram, wiring: Wiring) -> Sequence[Problem]:
        """Everything in a program that the rack cannot do: too long, too many, too close."""

    def open_rig(self, station: Mapping[str, object], wiring: Wiring) -> Rig:
        """Open the I/O half on the station's instruments, by name."""
