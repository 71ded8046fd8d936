"""The gates that a calibration set makes possible: chosen, read once each, or refused with reasons.

Where several implementations are calibrated, the first in labd's order is the default; the order is
that of IQM's clients. A gate that is calibrated incompletely is refused, not replaced by another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from labd.core.circuit_station import CircuitStation, Rack
from labd.core.gate_data import CalibratedGates, GateData
from labd.core.gates_cz import CalibratedCz, is_symmetric, read_cz
from labd.core.gates_measure import CalibratedMeasurement, read_measurement
from labd.core.gates_prx import CalibratedPrx, read_prx
from labd.core.station_description import PREFERRED_IMPLEMENTATIONS
from labd.core.wiring import ControllerChannel

_T = TypeVar("_T")

_RESET = ("reset_wait", "reset_wait")
_PRX_OF_FEEDBACK = {
    "prx_composite": None,
    "prx_composite_drag_crf": "drag_crf",
    "prx_composite_drag_gaussian": "drag_gaussian",
}
"""Which prx an implementation of cc_prx is made of; None for the default."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a gate cannot be had, a sentence each."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CalibratedFeedback:
    """A conditional rotation. implementation: of the prx that it plays; None for the default.

    delays_samples: by readout channel, from a readout's end until its bits can be acted upon.
    """

    implementation: str | None
    delays_samples: Mapping[str, int]


class GateLibrary:
    """One station's gates. Every method returns the same value for the same question."""

    def __init__(self, station: CircuitStation) -> None:
        self.rack = Rack(station)
        self.observations = station.observations
        self._calibrated = CalibratedGates(station.observations)
        self._prx: dict[tuple[str, str | None], CalibratedPrx | Refused] = {}
        self._cz: dict[tuple[str, str, str | None], CalibratedCz | Refused] = {}
        self._measure: dict[tuple[str, str | None, bool], CalibratedMeasurement | Refused] = {}
        self._feedback: dict[tuple[str, str | None], CalibratedFeedback | Refused] = {}
        self._has_final = bool(self._calibrated.implementations("measure_fidelity"))

    def prx(self, qubit: str, implementation: str | None = None) -> CalibratedPrx | Refused:
        """A qubit's rotations."""
        key = (qubit, implementation)
        if key not in self._prx:
            self._prx[key] = self._read_prx(qubit, implementation)
        return self._prx[key]

    def cz(self, one: str, other: str, implementation: str | None = None) -> CalibratedCz | Refused:
        """The controlled-Z of two qubits."""
        key = (one, other, implementation)
        if key not in self._cz:
            self._cz[key] = self._read_cz(one, other, implementation)
        return self._cz[key]

    def measurement(
        self, qubit: str, implementation: str | None = None, *, is_final: bool
    ) -> CalibratedMeasurement | Refused:
        """A qubit's readout. is_final: nothing follows on the qubit, which need not survive it."""
        key = (qubit, implementation, is_final and self._has_final)
        if key not in self._measure:
            self._measure[key] = self._read_measurement(*key)
        return self._measure[key]

    def feedback(
        self, qubit: str, implementation: str | None = None
    ) -> CalibratedFeedback | Refused:
        """A qubit's conditional rotations."""
        key = (qubit, implementation)
        if key not in self._feedback:
            self._feedback[key] = self._read_feedback(qubit, implementation)
        return self._feedback[key]

    def measurable_qubits(self) -> frozenset[str]:
        """Qubits whose readout is calibrated."""
        named = (
            qubit
            for implementation in self._calibrated.implementations("measure")
            for qubit in self._calibrated.loci("measure", implementation)
        )
        return frozenset(named) & self.rack.qubits

    def longest_record_samples(self) -> int:
        """From the earliest start of any qubit's window to the latest end.

        All readouts of a job share one record window; this one holds any of them.
        """
        found = [
            self.measurement(qubit, is_final=is_final)
            for qubit in self.measurable_qubits()
            for is_final in (False, True)
        ]
        sound = [each for each in found if not isinstance(each, Refused)]
        ends = [each.delay_samples + each.weights.wave_i.n_samples for each in sound]
        return max(ends, default=0) - min((each.delay_samples for each in sound), default=0)

    def has_reset_by_waiting(self) -> bool:
        """Whether the set says of any qubit how long it takes to relax."""
        return bool(self._calibrated.loci(*_RESET))

    def reset_wait_samples(self, qubit: str) -> int | Refused:
        """How long a qubit waits to be in 0."""
        data = self._calibrated.data(*_RESET, qubit)
        duration_s = data.number("duration")
        if duration_s < 0:
            data.mistakes.append(f"{data.path}.duration is {duration_s:g} s; it is at least 0")
        if data.mistakes:
            return Refused(tuple(data.mistakes))
        return self.rack.rounded_up(duration_s)

    def _read_prx(self, qubit: str, implementation: str | None) -> CalibratedPrx | Refused:
        channel = self.rack.drive(qubit)
        if channel is None:
            return Refused((f"the rack has no drive channel for {qubit}",))
        chosen = self._chosen("prx", (qubit,), implementation)
        if isinstance(chosen, Refused):
            return chosen
        data = self._calibrated.data("prx", chosen[0], chosen[1])
        return _sound(read_prx(data, chosen[0], channel), data)

    def _read_cz(self, one: str, other: str, implementation: str | None) -> CalibratedCz | Refused:
        coupler = self.rack.coupler(one, other)
        if coupler is None:
            joined = ", ".join(self.rack.neighbours(one)) or "no qubit"
            return Refused((f"no coupler joins {one} and {other}; {one} is joined to {joined}",))
        loci = (f"{one}__{other}", f"{other}__{one}")
        chosen = self._chosen("cz", loci, implementation)
        if isinstance(chosen, Refused):
            return chosen
        name, locus = chosen
        if is_symmetric(name):
            locus = min(each for each in loci if self._calibrated.has("cz", name, each))
        qubits = (one, other) if locus == loci[0] else (other, one)
        data = self._calibrated.data("cz", name, locus)
        return _sound(read_cz(data, name, qubits, coupler, self.rack), data)

    def _read_measurement(
        self, qubit: str, implementation: str | None, is_final: bool
    ) -> CalibratedMeasurement | Refused:
        channel = self.rack.readout(qubit)
        if channel is None or channel.name not in self.rack.wiring.readouts:
            return Refused((f"the rack has no readout channel for {qubit}",))
        gate = "measure_fidelity" if is_final else "measure"
        chosen = self._chosen(gate, (qubit,), implementation)
        if isinstance(chosen, Refused):
            return chosen
        data = self._calibrated.data(gate, *chosen)
        center_hz = self._center_hz(channel)
        return _sound(read_measurement(data, qubit, channel, center_hz, self.rack), data)

    def _center_hz(self, channel: ControllerChannel) -> float:
        """The frequency that the probe line's tones are offset from."""
        known = self.observations.get(f"controllers.{channel.component}.readout.center_frequency")
        if isinstance(known, int | float):
            return float(known)
        return self.rack.wiring.readouts[channel.name].center_frequency_hz

    def _read_feedback(
        self, qubit: str, implementation: str | None
    ) -> CalibratedFeedback | Refused:
        if not self.rack.limits.has_fast_feedback:
            return Refused((self.rack.limits.no_feedback_reason,))
        chosen = self._chosen("cc_prx", (qubit,), implementation)
        if isinstance(chosen, Refused):
            return chosen
        implementation = _PRX_OF_FEEDBACK[chosen[0]]
        prx = self.prx(qubit, implementation)
        if isinstance(prx, Refused):
            return prx
        if prx.is_half_pi:
            return Refused(
                (f"a conditional rotation is one pulse; the default prx of {qubit} is two",)
            )
        data = self._calibrated.data("cc_prx", *chosen)
        delays_s = data.array("control_delays").tolist()
        sources = sorted(self.rack.wiring.readouts)
        if len(delays_s) != len(sources):
            data.mistakes.append(
                f"{data.path}.control_delays has {len(delays_s)} values; "
                f"there is one per readout channel: {', '.join(sources)}"
            )
        if any(delay < 0 for delay in delays_s):
            data.mistakes.append(f"{data.path}.control_delays has a negative value")
        samples = [self.rack.rounded_up(max(0.0, delay)) for delay in delays_s]
        delays = dict(zip(sources, samples, strict=False))
        return _sound(CalibratedFeedback(implementation, delays), data)

    def _chosen(
        self, gate: str, loci: Sequence[str], implementation: str | None
    ) -> tuple[str, str] | Refused:
        """The implementation asked for, or else the default, and its locus as calibrated."""
        compiled = PREFERRED_IMPLEMENTATIONS[gate]
        calibrated = {
            name: next(locus for locus in loci if self._calibrated.has(gate, name, locus))
            for name in self._calibrated.implementations(gate)
            if any(self._calibrated.has(gate, name, locus) for locus in loci)
        }
        usable = [name for name in compiled if name in calibrated]
        where = loci[0].replace("__", ", ")
        if implementation is None and usable:
            return usable[0], calibrated[usable[0]]
        if implementation in usable:
            return implementation, calibrated[implementation]
        if implementation is None and calibrated:
            others = ", ".join(sorted(calibrated))
            known = ", ".join(compiled)
            return Refused((f"{gate} of {where} is calibrated as {others}; labd compiles {known}",))
        if implementation is None:
            return Refused((f"the calibration set has no {gate} of {where}",))
        there = f"calibrated are {', '.join(usable)}" if usable else "none is calibrated"
        return Refused((f"{gate}.{implementation} of {where} is not to be had; {there}",))


def _sound(value: _T, data: GateData) -> _T | Refused:
    return Refused(tuple(data.mistakes)) if data.mistakes else value
