"""Calibration sets against the station that they are for."""

from __future__ import annotations

import hashlib
import logging

from labd.audit_trail import own_entry
from labd.config import QuantumComputer
from labd.core.audit import JsonScalar
from labd.core.calibration_set import claims_of, missing
from labd.core.errors import Problem
from labd.core.observations import Components, Observations
from labd.core.station_description import Chip
from labd.payloads.calibration_json import write_observations
from labd.store.calibrations import CalibrationSet, CalibrationSets

_log = logging.getLogger(__name__)

FIRST = "first set, from the configuration"


def components_of(computer: QuantumComputer) -> Components:
    """The names that a set for this quantum computer may contain."""
    return Components.of(Chip.from_design_record(computer.chip_design_record), computer.wiring)


def lacking(computer: QuantumComputer, observations: Observations) -> tuple[Problem, ...]:
    """What the station's gates need and the set does not have."""
    chip = Chip.from_design_record(computer.chip_design_record)
    return missing(observations, claims_of(chip, computer.wiring))


def import_details(
    computer: QuantumComputer, calibration: CalibrationSet, text: str
) -> dict[str, JsonScalar]:
    """What the audit says of a stored set; the hash is of the observations as they are stored."""
    return {
        "alias": computer.alias,
        "n_observations": calibration.n_observations,
        "is_valid": calibration.is_valid,
        "parent_id": None if calibration.parent_id is None else str(calibration.parent_id),
        "note": calibration.note,
        "observations_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }


def activation_details(
    computer: QuantumComputer, note: str, problems: tuple[Problem, ...]
) -> dict[str, JsonScalar]:
    """What the audit says of an activation. problems: what the set lacks."""
    return {
        "alias": computer.alias,
        "note": note,
        "n_missing": len(problems),
        "forced": bool(problems),
    }


def activate_first_set(sets: CalibrationSets, computer: QuantumComputer, now_ns: int) -> None:
    """The configured set becomes the first and active one, where there is none. Blocks."""
    file = computer.calibration
    if file is None or sets.activation(computer.id) is not None:
        return
    problems = lacking(computer, file.observations)
    for problem in problems:
        _log.warning(
            "%s: the configured calibration set is incomplete: %s", computer.alias, problem
        )
    calibration = CalibrationSet(
        id=file.id,
        qc_id=computer.id,
        created_at_ns=now_ns,
        dut_label=computer.wiring.dut_label,
        is_valid=not problems,
        n_observations=len(file.observations),
        author="labd",
        note=FIRST,
    )
    text, key = write_observations(file.observations), str(file.id)
    entries = (
        own_entry("calibration.import", key, **import_details(computer, calibration, text)),
        own_entry("calibration.activate", key, **activation_details(computer, FIRST, problems)),
    )
    sets.put_first(calibration, text, entries)
