"""What a rig plays: the compiler's output and the shape of what comes back.

Nothing here is as long as a wait: a program is a sparse list of sample blocks. A waveform stands
once in the program however often it is played, and its digest names it across jobs, so that a rig
knows what it has already uploaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

ComplexSamples = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class BlockWaveform:
    """The samples of one block.

    samples: complex64, shape (n_samples,), fractions of full scale, |I| and |Q| <= 1, finite.
        A REAL channel has its voltage in the real part.
    digest: 16 bytes, equal for equal samples.
    """

    samples: ComplexSamples
    digest: bytes


@dataclass(frozen=True, slots=True)
class Block:
    """A waveform at a place: index into `RigProgram.waveforms`, start after the segment's start."""

    waveform: int
    start_samples: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """One readout trigger of a segment.

    channel: readout channel. start_samples: where the trigger marker rises, channel delay included.
    acquisitions: indices into the channel's acquisition table, for the demodulator.
    """

    channel: str
    start_samples: int
    acquisitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """All that is played between two segment triggers.

    blocks: per channel name, in order of start, never overlapping.
    duration_samples: length on the common clock up to the last instruction's end.
    """

    duration_samples: int
    blocks: Mapping[str, tuple[Block, ...]]
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True)
class RigProgram:
    """What `load` takes.

    segments: distinct segments; order: indices into segments, one per playlist segment.
    sample_rate_hz: the common clock. end_delay_samples: silence after every segment.
    record_delay_samples, record_samples: every trigger's record covers
        [trigger + record_delay, trigger + record_delay + record_samples), at the common clock.
    """

    sample_rate_hz: float
    waveforms: tuple[BlockWaveform, ...]
    segments: tuple[Segment, ...]
    order: tuple[int, ...]
    end_delay_samples: int
    record_delay_samples: int
    record_samples: int

    @property
    def n_triggers(self) -> int:
        """Readout triggers (records) in one shot, over all segments."""
        per_segment = [len(segment.triggers) for segment in self.segments]
        return sum(per_segment[index] for index in self.order)

    @property
    def shot_s(self) -> float:
        """How long one shot plays, silences after segments included."""
        n_samples = sum(
            self.segments[index].duration_samples + self.end_delay_samples for index in self.order
        )
        return n_samples / self.sample_rate_hz

    def __post_init__(self) -> None:
        """Only indices that exist."""
        if any(not 0 <= index < len(self.segments) for index in self.order):
            raise IndexError("RigProgram.order names a segment that does not exist")


@dataclass(frozen=True, slots=True)
class Records:
    """What `run` returns.

    samples: per readout channel, complex64, shape (n_shots, n_triggers, record_samples), volts at
    the digitizer's inputs (I + iQ); triggers in the order of `RigProgram.order`, then of time.
    """

    n_shots: int
    samples: Mapping[str, npt.NDArray[np.complex64]]
