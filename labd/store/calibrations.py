"""Calibration sets in SQL. A set is immutable: a better one is a new one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from uuid import UUID

from labd.core.jobs import QcId


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """What is known of a set without its values. created_at_ns: since 1970, UTC."""

    id: UUID
    qc_id: QcId
    created_at_ns: int
    dut_label: str
    is_valid: bool


_COLUMNS = "id, qc_id, created_at_ns, dut_label, is_valid"


def _set(row: tuple[bytes, bytes, int, str, int] | None) -> CalibrationSet | None:
    if row is None:
        return None
    id, qc_id, created_at_ns, dut_label, is_valid = row
    return CalibrationSet(
        UUID(bytes=id), QcId(UUID(bytes=qc_id)), created_at_ns, dut_label, bool(is_valid)
    )


def insert_calibration(
    db: sqlite3.Connection, calibration: CalibrationSet, observations: str
) -> None:
    """Store a set.

    observations: JSON text of an object, dut field -> {"value": ..., "unit": ...}.
    """
    db.execute(
        f"INSERT INTO calibration_sets ({_COLUMNS}, observations) VALUES (?, ?, ?, ?, ?, ?)",
        (
            calibration.id.bytes,
            calibration.qc_id.bytes,
            calibration.created_at_ns,
            calibration.dut_label,
            int(calibration.is_valid),
            observations,
        ),
    )


def latest_calibration(db: sqlite3.Connection, qc_id: QcId) -> CalibrationSet | None:
    """The set that was stored last for a quantum computer."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM calibration_sets WHERE qc_id = ? ORDER BY seq DESC LIMIT 1",
        (qc_id.bytes,),
    ).fetchone()
    return _set(row)


def find_calibration(db: sqlite3.Connection, calibration_id: UUID) -> CalibrationSet | None:
    """A set by its id."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM calibration_sets WHERE id = ?", (calibration_id.bytes,)
    ).fetchone()
    return _set(row)


def observations_of(db: sqlite3.Connection, calibration_id: UUID) -> str | None:
    """The set's observations as JSON text of an object."""
    row = db.execute(
        "SELECT observations FROM calibration_sets WHERE id = ?", (calibration_id.bytes,)
    ).fetchone()
    return None if row is None else str(row[0])
