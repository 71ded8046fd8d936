"""The program of a pulse job, as IQM's clients compile it: frozen values, nothing expanded.

Every channel has tables of unique instructions, waveforms and acquisitions; a segment is a row of
references into its channels' instruction tables. All channels of a segment start together at 0,
instructions follow back to back, segments follow each other, and the list repeats for every shot.

These values may be wrong (an index that does not exist, a NaN): `labd.core.compile` finds all that
is wrong at once. Times are in samples of the channel's sample rate, phases in rad, modulation
frequencies in cycles per sample, amplitudes in fractions of full scale. Integers are whatever the
wire can carry (0 to 2**64 - 1): never allocate by one before it was checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.core.waveforms import Waveform
from labd.core.wiring import ChannelKind


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is played."""


@dataclass(frozen=True, slots=True)
class VirtualRZ:
    """The frame of all later pulses of the segment turns by phase_increment."""

    phase_increment: float


@dataclass(frozen=True, slots=True)
class RealPulse:
    """scale * waveform on a real channel."""

    waveform: int
    scale: float


@dataclass(frozen=True, slots=True)
class IQPulse:
    """Sample n is (scale_i I[n] + i scale_q Q[n]) exp(i (2 pi phase_mod_freq n + phase + frame)).

    frame: running sum of the phase increments of the channel in this segment, with this pulse's
    own, which counts before the pulse plays. The modulation restarts with every pulse.
    """

    waveform_i: int
    waveform_q: int
    scale_i: float
    scale_q: float
    phase: float
    phase_mod_freq: float
    phase_increment: float


@dataclass(frozen=True, slots=True)
class IQEntry:
    """One part of a multiplexed pulse: an instruction of the table or a pulse of its own."""

    pulse: int | IQPulse
    offset_samples: int


@dataclass(frozen=True, slots=True)
class RealEntry:
    """One part of a multiplexed real pulse."""

    pulse: int | RealPulse
    offset_samples: int


@dataclass(frozen=True, slots=True)
class MultiplexedIQPulse:
    """The sum of its entries, each shifted by its offset, cut to the instruction's duration.

    An entry turns with the channel's frame. Its own phase_increment turns that entry alone: entries
    have no order, so none of them moves the frame of what follows.
    """

    entries: tuple[IQEntry, ...]


@dataclass(frozen=True, slots=True)
class MultiplexedRealPulse:
    """The sum of its entries, each shifted by its offset, cut to the instruction's duration."""

    entries: tuple[RealEntry, ...]


@dataclass(frozen=True, slots=True)
class ConditionalInstruction:
    """if_true or if_false (instructions of the table), by the latest bit stored under condition."""

    condition: str
    if_true: int
    if_false: int


@dataclass(frozen=True, slots=True)
class ReadoutTrigger:
    """Plays the probe pulse and starts each acquisition delay_samples later."""

    probe: int
    acquisitions: tuple[int, ...]


Operation = (
    Wait
    | VirtualRZ
    | RealPulse
    | IQPulse
    | MultiplexedIQPulse
    | MultiplexedRealPulse
    | ConditionalInstruction
    | ReadoutTrigger
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """An operation and the time it takes."""

    duration_samples: int
    operation: Operation


@dataclass(frozen=True, slots=True)
class TimeTrace:
    """The record itself, for duration_samples."""

    duration_samples: int


@dataclass(frozen=True, slots=True)
class Integration:
    """The record integrated against the weights, a complex number."""

    weights: IQPulse


@dataclass(frozen=True, slots=True)
class Threshold:
    """1 where the real part of the integral is larger than the threshold, else 0.

    feedback_label: where the bit is kept for conditional instructions; "" for nowhere.
    """

    weights: IQPulse
    threshold: float
    feedback_label: str


AcquisitionMethod = TimeTrace | Integration | Threshold


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What is made of a record, from delay_samples after the trigger.

    method: None where the job names none.
    """

    label: str
    delay_samples: int
    method: AcquisitionMethod | None


@dataclass(frozen=True, slots=True)
class PlaylistChannel:
    """One channel's tables. kind is None where the job names none."""

    kind: ChannelKind | None
    sample_rate_hz: float
    instructions: tuple[Instruction, ...]
    waveforms: tuple[Waveform, ...]
    acquisitions: tuple[Acquisition, ...]


References = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Playlist:
    """Channels by name; segments: per channel name the references (uint64, 1-D, read-only)."""

    channels: Mapping[str, PlaylistChannel]
    segments: tuple[Mapping[str, References], ...]
