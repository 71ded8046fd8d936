"""How long a job may take: from what was compiled, what the rack's pace is, what is to be moved.

A budget has two limits: for the job as a whole, and for one step of it (reading and compiling the
payload, setting and loading the instruments, one block of shots, completing the result). A rack
that hangs shows by its step; one that goes on and on without end by the whole. Both are generous:
they are no promise to the user but the point at which nobody believes any more that it will end.
Both give room for the rig's own longest wait for an instrument, and to each comes the station's
`patience_s`, so that an instrument's fault is told as such before the budget is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from labd.core.program import RigProgram

PAYLOAD_BYTES_PER_S: Final = 100_000.0
"""What is read and compiled at least: captured payloads go at more than ten times that."""
UPLOAD_BYTES_PER_S: Final = 500_000.0
"""What the instruments take at least."""
RESULT_BYTES_PER_S: Final = 2_000_000.0
"""What the disk takes at least."""
SPOT_S: Final = 2.0
"""For setting the instruments between two spots of a soft sweep."""
FACTOR: Final = 4.0
"""How much longer than its shots play, at the rack's pace, a job may take."""
BYTES_PER_SAMPLE: Final = 5
"""Of a waveform on its way to an instrument: a number and a marker."""


@dataclass(frozen=True, slots=True)
class Care:
    """How a station's jobs are looked after.

    patience_s: comes to every limit of a budget. retries_once: a job whose first attempt ended
    through no fault of its own gets a second one.
    """

    patience_s: float = 60.0
    retries_once: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """total_s: for the whole job from its start. step_s: until the next sign of progress."""

    total_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a compiled job asks of the rack.

    playing_s: of all shots of all spots. upload_bytes: at most. ramp_s: longest way of an output
    that must not jump. wait_s: that the rig waits at most for an instrument.
    """

    playing_s: float
    n_spots: int
    upload_bytes: int
    result_bytes: int
    ramp_s: float
    wait_s: float = 0.0


def preparing(payload_bytes: int) -> Budget:
    """For reading and compiling: all that is known of a job when it starts is its size."""
    step_s = payload_bytes / PAYLOAD_BYTES_PER_S
    return Budget(step_s, step_s)


def loading(work: Work) -> Budget:
    """For setting the instruments and loading the program."""
    return Budget(total_s(work, 1.0), _spot_s(work) + _upload_s(work))


def playing(work: Work, stretch: float, block_s: float) -> Budget:
    """For the shots. stretch: how much longer than they play blocks take; block_s: one's playing.

    A block may be the first of a spot.
    """
    step_s = FACTOR * max(stretch, 1.0) * block_s + _spot_s(work)
    return Budget(total_s(work, stretch), step_s)


def completing(work: Work, stretch: float) -> Budget:
    """For writing the rest of the result and bringing all of it to the disk."""
    step_s = work.wait_s + work.result_bytes / RESULT_BYTES_PER_S
    return Budget(total_s(work, stretch), step_s)


def total_s(work: Work, stretch: float) -> float:
    """For everything after the preparing."""
    return (
        FACTOR * max(stretch, 1.0) * work.playing_s
        + work.n_spots * _spot_s(work)
        + _upload_s(work)
        + work.result_bytes / RESULT_BYTES_PER_S
    )


def upload_bytes_of(program: RigProgram) -> int:
    """What the instruments are sent at most for a program: each segment on each of its channels."""
    n_samples = sum(each.duration_samples * len(each.blocks) for each in program.segments)
    return BYTES_PER_SAMPLE * n_samples


def _spot_s(work: Work) -> float:
    return SPOT_S + work.ramp_s + work.wait_s


def _upload_s(work: Work) -> float:
    return work.upload_bytes / UPLOAD_BYTES_PER_S


class BudgetClock:
    """A job's time against its budget. Instants are seconds of one clock."""

    def __init__(self, payload_bytes: int, patience_s: float, now_s: float) -> None:
        """The job begins now."""
        self._patience_s = patience_s
        self._began_s = self._stepped_s = now_s
        self._preparing = preparing(payload_bytes)
        self._budget = self._preparing

    @property
    def _total_s(self) -> float:
        return self._patience_s + self._budget.total_s

    @property
    def _step_s(self) -> float:
        return self._patience_s + self._budget.step_s

    @property
    def due_s(self) -> float:
        """When the job is to be given up."""
        return min(self._began_s + self._total_s, self._stepped_s + self._step_s)

    def grant(self, needed: Budget, now_s: float) -> None:
        """It has come so far, and needs so much."""
        self._budget = Budget(self._preparing.total_s + needed.total_s, needed.step_s)
        self._stepped_s = now_s

    def progress(self, now_s: float) -> None:
        """It goes on."""
        self._stepped_s = now_s

    def sentence(self, now_s: float) -> str:
        """Budget and elapsed time, for the job's owner."""
        elapsed_s, silent_s = now_s - self._began_s, now_s - self._stepped_s
        return (
            f"its time budget is over: {silent_s:.0f} s without progress of {self._step_s:.0f} s"
            f" allowed, {elapsed_s:.0f} s in all of {self._total_s:.0f} s allowed"
        )
