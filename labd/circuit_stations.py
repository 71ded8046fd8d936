"""What circuits are compiled against, by quantum computer and calibration set, read once."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from uuid import UUID

from labd.config import QuantumComputer
from labd.core.circuit_station import CircuitStation
from labd.core.errors import InvalidPayload, JobTypeNotSupported, NotFound, Problem
from labd.core.jobs import JobType
from labd.core.station_description import Chip
from labd.payloads.observations import values_of
from labd.store.calibrations import CalibrationSets

MAX_KNOWN = 8


@dataclass(frozen=True, slots=True)
class CalibratedStation:
    """A station with a calibration set, and which one that is."""

    set_id: UUID
    station: CircuitStation


class CircuitStations:
    """Stations by the calibration set that a job names, or by the active one."""

    def __init__(self, sets: CalibrationSets) -> None:
        self._sets = sets
        self._known: OrderedDict[UUID, CalibratedStation] = OrderedDict()

    def forget(self) -> None:
        """The wiring may have changed: put stations together anew."""
        self._known.clear()

    def active_id(self, computer: QuantumComputer) -> UUID:
        """The active set. Raises JobTypeNotSupported where there is none: no circuits then."""
        activation = self._sets.activation(computer.id)
        if activation is None:
            raise JobTypeNotSupported(JobType.CIRCUIT.value, (JobType.PULSE.value,))
        return activation.set_id

    def qubits(self, computer: QuantumComputer) -> tuple[str, ...]:
        """The chip's qubits, in its order."""
        return Chip.from_design_record(computer.chip_design_record).qubits

    def station(self, computer: QuantumComputer, set_id: UUID) -> CalibratedStation:
        """The station with that set. Raises InvalidPayload where this computer has none such."""
        known = self._known.get(set_id)
        if known is None:
            known = self._read(computer, set_id)
            self._known[set_id] = known
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(set_id)
        return known

    def _read(self, computer: QuantumComputer, set_id: UUID) -> CalibratedStation:
        try:
            found = self._sets.get(set_id)
        except NotFound:
            found = None
        if found is None or found.qc_id != computer.id:
            what = f"{computer.alias} has no set {set_id}; leave it out for the active one"
            raise InvalidPayload((Problem("calibration_set_id", what),))
        station = CircuitStation(
            chip=Chip.from_design_record(computer.chip_design_record),
            wiring=computer.wiring,
            limits=computer.rig.LIMITS,
            observations=values_of(json.loads(self._sets.observations(set_id))),
        )
        return CalibratedStation(set_id, station)
