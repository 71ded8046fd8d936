"""One segment of an experiment, played with a working set's gates, whole or bent on purpose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from labd.calibrate.lab import Lab, Pair
from labd.calibrate.working_set import WorkingSet
from labd.client import gates
from labd.client.envelopes import CosineRiseFall
from labd.client.segment import Segment
from labd.client.tables import Readout
from labd.core.gates_prx import CalibratedPrx, read_prx
from labd.core.station_description import PREFERRED_IMPLEMENTATIONS
from labd.core.waveforms import sample

HALF_PI = math.pi / 2


@dataclass(eq=False)
class NotCalibratable(Exception):
    """A set lacks what an experiment begins from, or has what no experiment knows."""

    locus: str
    what: str

    def __str__(self) -> str:
        """Locus and sentence."""
        return f"{self.locus}: {self.what}"


def prx_implementations(working: WorkingSet, qubit: str) -> tuple[str, ...]:
    """The rotations that the set has for a qubit, the default one first. Raises NotCalibratable."""
    known = PREFERRED_IMPLEMENTATIONS["prx"]
    found = tuple(name for name in known if working.gates.has("prx", name, qubit))
    if not found:
        raise NotCalibratable(qubit, f"the set has no prx of {', '.join(known)}")
    return found


def cz_path(working: WorkingSet, pair: Pair) -> str:
    """The path of a pair's gate, ``gates.cz.crf.QB1__QB3``. Raises NotCalibratable."""
    for locus in ("__".join(pair.qubits), "__".join(pair.qubits[::-1])):
        if working.gates.has("cz", "crf", locus):
            return f"gates.cz.crf.{locus}"
    there = [
        name
        for name in PREFERRED_IMPLEMENTATIONS["cz"]
        for ends in (pair.qubits, pair.qubits[::-1])
        if working.gates.has("cz", name, "__".join(ends))
    ]
    what = f"the set's cz is {there[0]}" if there else "the set has no cz"
    raise NotCalibratable(pair.locus, f"{what}; crf can be calibrated")


class Rotations:
    """The calibrated rotations of a working set, each read once."""

    def __init__(self, lab: Lab, working: WorkingSet) -> None:
        self.lab = lab
        self.working = working
        self._read: dict[tuple[str, str | None], CalibratedPrx] = {}

    def of(self, qubit: str, implementation: str | None) -> CalibratedPrx:
        """A rotation, the default one if none is named. Raises NotCalibratable."""
        key = (qubit, implementation)
        if key not in self._read:
            chosen = implementation or prx_implementations(self.working, qubit)[0]
            data = self.working.gates.data("prx", chosen, qubit)
            self._read[key] = read_prx(data, chosen, self.lab.drives[qubit])
            if data.mistakes:
                raise NotCalibratable(qubit, "; ".join(data.mistakes))
        return self._read[key]


class Stage:
    """A segment under construction. Phases and angles in rad."""

    def __init__(self, segment: Segment, rotations: Rotations) -> None:
        self.segment = segment
        self.lab = rotations.lab
        self.working = rotations.working
        self._rotations = rotations

    def rotate(
        self,
        qubit: str,
        angle: float,
        phase: float = 0.0,
        *,
        implementation: str | None = None,
        scale: float = 1.0,
        amplitude_q: float | None = None,
    ) -> None:
        """PRX by a calibrated implementation, the default one if none is named.

        scale: on the amplitude of every pulse. amplitude_q: in place of the calibrated one.
        """
        pulse = self._rotations.of(qubit, implementation)
        if amplitude_q is not None:
            pulse = replace(pulse, amplitude_q=amplitude_q)
        wave_i = sample(pulse.wave_i, pulse.n_samples)
        wave_q = sample(pulse.wave_q, pulse.n_samples)
        for each in pulse.pulses(angle, phase):
            if each.phase_increment:
                self.segment.virtual_z(qubit, -each.phase_increment)
            self.segment.drive(
                qubit,
                wave_i,
                wave_q,
                scale_i=each.scale_i * scale,
                scale_q=each.scale_q * scale,
                phase_rad=each.phase,
            )

    def wait(self, qubits: Iterable[str], duration_s: float) -> None:
        """Let qubits idle for a duration on the grid."""
        if duration_s > 0:
            for qubit in qubits:
                self.segment.wait(qubit, duration_s)

    def cz(self, pair: Pair, *, scale: float = 1.0) -> None:
        """CZ with its phase corrections. scale: on the coupler's amplitude."""
        path, number = cz_path(self.working, pair), self.working.number
        duration_s = number(f"{path}.duration")
        envelope = CosineRiseFall(
            duration_s,
            full_width=number(f"{path}.coupler.full_width") / duration_s,
            rise_time=number(f"{path}.coupler.rise_time") / duration_s,
        )
        self.segment.sync(pair.coupler, *pair.qubits)
        self.segment.flux(pair.coupler, envelope, scale=scale * number(f"{path}.coupler.amplitude"))
        self.segment.sync(pair.coupler, *pair.qubits)
        for qubit in pair.qubits:
            self.segment.virtual_z(qubit, number(f"{path}.rz.{qubit}"))

    def read(self, tones: Mapping[str, Readout]) -> None:
        """Read out together, after everything. tones: by qubit."""
        self.segment.sync()
        by_line: dict[str, list[Readout]] = {}
        for qubit, tone in tones.items():
            by_line.setdefault(self.lab.probe_lines[qubit], []).append(tone)
        for line, readouts in by_line.items():
            self.segment.measure(line, readouts)


def tone_of(lab: Lab, working: WorkingSet, qubit: str, gate: str = "measure") -> Readout:
    """A qubit's calibrated readout that returns complex integrals, labelled with its name.

    gate: measure or measure_fidelity.
    """
    line, own = lab.probe_lines[qubit], f"gates.{gate}.constant.{qubit}"
    if gate == "measure":
        return gates.readout_of(working.values, line, qubit, qubit, bits=False)
    renamed = {
        f"gates.measure.constant.{qubit}.{path.removeprefix(own + '.')}": value
        for path, value in working.values.observations.items()
        if path.startswith(own + ".")
    }
    values = replace(working.values, observations={**working.values.observations, **renamed})
    return gates.readout_of(values, line, qubit, qubit, bits=False)
