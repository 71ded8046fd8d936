"""Slepian flux pulses: as fast as they can be without leaving the coupler's eigenstate.

J. M. Martinis and M. R. Geller, Phys. Rev. A 90, 022307 (2014). The control angle θ runs in
accelerated time τ as θ0 + λ1 (1 - cos 2πτ) + λ2 (1 - cos 4πτ); real time passes as sin θ dτ; an
angle is a frequency, f = f_static + 2 g / tan θ, and a frequency is a flux of the coupler's SQUID.
All frequencies are fractions of the coupler's highest one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labd.core.waveforms import FloatArray

# IQM's clients interpolate θ(t) linearly between so many points; so does labd, for the same pulse.
_N_NODES = 51
_N_STEPS_BETWEEN = 16


@dataclass(frozen=True, slots=True)
class Slepian:
    """One pulse. full_width, center_offset: in windows. asymmetry: of the SQUID, 0 to 1."""

    full_width: float
    center_offset: float
    lambda_1: float
    lambda_2: float
    initial_frequency: float
    static_frequency: float
    coupling: float
    asymmetry: float

    def samples(self, n_samples: int) -> FloatArray:
        """The pulse at the samples' midpoints, peak 1; not finite where there is no such pulse."""
        u = (np.arange(n_samples) + 0.5) / n_samples - 0.5 - self.center_offset
        inside = np.abs(u) < self.full_width / 2
        wave = np.zeros(n_samples)
        with np.errstate(all="ignore"):
            volts = self._volts(u[inside] / self.full_width + 0.5)
            wave[inside] = np.abs(volts / np.abs(volts).max(initial=0.0))
        wave.flags.writeable = False
        return wave

    def _volts(self, times: FloatArray) -> FloatArray:
        """Flux at times from 0 to 1, less that at the initial frequency; any unit."""
        tau = np.linspace(0.0, 1.0, _N_NODES)
        real = self._real_time()
        angles = np.interp(times * real[-1], real, self._angle(tau))
        frequencies = self.static_frequency + 2 * self.coupling / np.tan(angles)
        initial = self._flux(np.array([self.initial_frequency]))
        return np.asarray(self._flux(frequencies) - initial, dtype=np.float64)

    def _angle(self, tau: FloatArray) -> FloatArray:
        detuning = self.initial_frequency - self.static_frequency
        first = np.arctan(2 * self.coupling / np.float64(detuning))
        swing = self.lambda_1 * (1 - np.cos(2 * math.pi * tau))
        return np.asarray(first + swing + self.lambda_2 * (1 - np.cos(4 * math.pi * tau)))

    def _real_time(self) -> FloatArray:
        """Real time at the nodes: Simpson's rule between them."""
        tau = np.linspace(0.0, 1.0, (_N_NODES - 1) * _N_STEPS_BETWEEN + 1)
        speed = np.sin(self._angle(tau))
        step = tau[1] - tau[0]
        thirds = (speed[:-2:2] + 4 * speed[1:-1:2] + speed[2::2]) * step / 3
        passed = np.concatenate([[0.0], np.cumsum(thirds)])
        return np.asarray(np.abs(passed[:: _N_STEPS_BETWEEN // 2]))

    def _flux(self, frequencies: FloatArray) -> FloatArray:
        asymmetry = self.asymmetry**2
        cosine = np.sqrt((frequencies**4 - asymmetry) / (1 - asymmetry))
        return np.asarray(-np.arccos(cosine))
