"""What reaches the fridge during one pass of the sequence loop: samples, sources, biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of what an AWG output puts out; the output is at zero volts between pieces.

    start_samples: from the start of the pass.
    volts: float32, 1-D, read-only, volts at the output, one per sample.
    digest: equal for pieces with equal volts; propagators are cached by it.
    """

    start_samples: int
    volts: npt.NDArray[np.float32]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """A microwave vector source as it is set: carrier, level, output and IQ modulator."""

    frequency_hz: float
    power_dbm: float
    is_on: bool
    is_iq_on: bool


@dataclass(frozen=True, slots=True)
class Shot:
    """One pass of the sequence loop of all AWGs.

    outputs: pieces of each AWG output in order of time, without overlap; key like "awg1.ch1".
    triggers_samples: instants at which the digitizer records, ascending.
    sources: microwave sources by name, like "lo_qb1".
    biases_v: voltage at the output of each bias source (0 if off), like "bias_qb1".
    """

    sample_rate_hz: float
    duration_samples: int
    outputs: Mapping[str, tuple[Piece, ...]]
    triggers_samples: tuple[int, ...]
    sources: Mapping[str, Source]
    biases_v: Mapping[str, float]
