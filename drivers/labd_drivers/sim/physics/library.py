"""Propagators and responses of a chip, computed once for each distinct pulse, wait and setting."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from labd_drivers.sim.physics.chip import Chip
from labd_drivers.sim.physics.propagate import (
    ComplexArray,
    FloatArray,
    amplitude_of,
    decay_of,
    idle_superoperator,
    pulse_superoperator,
)
from labd_drivers.sim.physics.pulses import Burst, Drive
from labd_drivers.sim.physics.readout import Response, Window, response_of, window_of
from labd_drivers.sim.physics.shot import Shot

MEMORY_LIFETIMES = 8.5
"""A qubit left alone for so many times the longer of T1 and T2 is taken as thermal."""

_MOST_PROPAGATORS = 8192
_MOST_RESPONSES = 64

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """The most recently used results of a pure function, by its arguments."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The kept value, or a new one."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._kept[key] = make()
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return made


class PulseLibrary:
    """What a chip does in a drive pulse, in a wait, in a probe burst. Qubits go by index."""

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.decays = [decay_of(qubit) for qubit in chip.qubits]
        self.memory_s = [MEMORY_LIFETIMES * max(q.t1_s, q.t2_s) for q in chip.qubits]
        self._drives: Cache[ComplexArray] = Cache(_MOST_PROPAGATORS)
        self._waits: Cache[ComplexArray] = Cache(_MOST_PROPAGATORS)
        self._transitions: Cache[FloatArray] = Cache(_MOST_PROPAGATORS)
        self._responses: Cache[Response] = Cache(_MOST_RESPONSES)
        self._windows: Cache[Window] = Cache(_MOST_RESPONSES)

    def drive(self, drive: Drive, shot: Shot) -> ComplexArray:
        """(9, 9) superoperator of one drive event."""
        qubit = self.chip.qubits[drive.qubit]
        detuning = self.detuning(drive.qubit, shot)
        power_dbm = shot.sources[qubit.source].power_dbm
        first = drive.start_samples - drive.envelope.start_samples
        last = drive.stop_samples - drive.envelope.start_samples
        dt_s = 1.0 / shot.sample_rate_hz

        def make() -> ComplexArray:
            samples = drive.envelope.samples[first:last]
            if not qubit.is_q_inverted:
                samples = np.conj(samples).astype(np.complex128)
            scale = qubit.drive_rad_per_s_v * amplitude_of(power_dbm, qubit.nominal_power_dbm)
            anharmonicity = 2.0 * np.pi * qubit.anharmonicity_hz
            return pulse_superoperator(
                scale * samples, dt_s, self.decays[drive.qubit], detuning, anharmonicity
            )

        key = (drive.qubit, drive.envelope.digest, first, last, power_dbm, detuning, dt_s)
        return self._drives.get(key, make)

    def wait(self, qubit: int, duration_s: float, shot: Shot) -> ComplexArray:
        """(9, 9) superoperator of free evolution."""
        detuning = self.detuning(qubit, shot)

        def make() -> ComplexArray:
            anharmonicity = 2.0 * np.pi * self.chip.qubits[qubit].anharmonicity_hz
            return idle_superoperator(self.decays[qubit], duration_s, detuning, anharmonicity)

        return self._waits.get((qubit, duration_s, detuning), make)

    def transition(self, qubit: int, duration_s: float) -> FloatArray:
        """float64 (3, 3), [to, from]: chances between levels over a wait."""
        return self._transitions.get(
            (qubit, duration_s), lambda: self.decays[qubit].transition(duration_s)
        )

    def response(self, burst: Burst, shot: Shot) -> Response:
        """The resonators' response to a probe burst."""
        source = shot.sources[self.chip.probe_line.source]

        def make() -> Response:
            nominal_dbm = self.chip.probe_line.nominal_power_dbm
            probe = amplitude_of(source.power_dbm, nominal_dbm) * burst.envelope.samples
            return response_of(self.chip, probe, source.frequency_hz, shot.sample_rate_hz)

        return self._responses.get(self._response_key(burst, shot), make)

    def window(self, burst: Burst, shot: Shot, span: tuple[int, int]) -> Window:
        """The part of a burst's response, samples [start, stop) = span, that a record covers."""
        return self._windows.get(
            (*self._response_key(burst, shot), *span),
            lambda: window_of(self.chip, self.response(burst, shot), span),
        )

    def _response_key(self, burst: Burst, shot: Shot) -> tuple[bytes, float, float, float]:
        source = shot.sources[self.chip.probe_line.source]
        setting = (source.power_dbm, source.frequency_hz, shot.sample_rate_hz)
        return (burst.envelope.digest, *setting)

    def detuning(self, qubit: int, shot: Shot) -> float:
        """Qubit against its source's carrier, rad/s; zero where there is no source."""
        item = self.chip.qubits[qubit]
        source = shot.sources.get(item.source)
        if source is None:
            return 0.0
        frequency_hz = item.frequency_at(shot.biases_v.get(item.bias, 0.0))
        return 2.0 * np.pi * (frequency_hz - source.frequency_hz)
