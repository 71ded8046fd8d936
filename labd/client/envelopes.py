"""Pulse envelopes: arrays, and the named shapes that labd computes itself.

A named shape's parameters are fractions of the pulse's duration; time runs from -1/2 to 1/2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.wire import playlist_pb2 as wire


@dataclass(frozen=True, slots=True)
class Constant:
    """One throughout."""

    duration_s: float


@dataclass(frozen=True, slots=True)
class Gaussian:
    """exp(-u²/2σ²)."""

    duration_s: float
    sigma: float
    center_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class TruncatedGaussian:
    """A Gaussian that starts and ends at zero, with `full_width` between its ends."""

    duration_s: float
    full_width: float = 1.0
    center_offset: float = 0.0


@dataclass(frozen=True, slots=True)
class CosineRiseFall:
    """A plateau with cosine flanks of `rise_time`; a raised cosine where that is half the width."""

    duration_s: float
    full_width: float = 1.0
    rise_time: float = 0.5
    center_offset: float = 0.0


NamedShape = Constant | Gaussian | TruncatedGaussian | CosineRiseFall
Samples = npt.NDArray[np.float64] | npt.NDArray[np.complex128]
Envelope = NamedShape | Samples


def pack_shape(shape: NamedShape, n_samples: int) -> wire.Waveform:
    """A named shape on the wire."""
    match shape:
        case Constant():
            return wire.Waveform(n_samples=n_samples, constant=wire.Constant())
        case Gaussian():
            named = wire.Gaussian(sigma=shape.sigma, center_offset=shape.center_offset)
            return wire.Waveform(n_samples=n_samples, gaussian=named)
        case TruncatedGaussian():
            truncated = wire.TruncatedGaussian(
                full_width=shape.full_width, center_offset=shape.center_offset
            )
            return wire.Waveform(n_samples=n_samples, truncated_gaussian=truncated)
        case CosineRiseFall():
            cosine = wire.CosineRiseFall(
                full_width=shape.full_width,
                rise_time=shape.rise_time,
                center_offset=shape.center_offset,
            )
            return wire.Waveform(n_samples=n_samples, cosine_rise_fall=cosine)


def pack_samples(samples: npt.NDArray[np.float64]) -> wire.Waveform:
    """Samples on the wire: real, 1-D, fractions of full scale."""
    return wire.Waveform(n_samples=len(samples), samples=wire.Samples(samples=samples.tolist()))
