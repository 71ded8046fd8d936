"""Calibration sets as pages: the gates that they have values for, and the values."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.errors import NotFound
from labd.core.station_description import Chip, dynamic_architecture
from labd.identity import Caller
from labd.rpc.laboratory import Laboratory
from labd.store.calibrations import CalibrationSet
from labd.web.paths import computer_of

ACTIVE = "default"
"""What clients call the set that is active now."""


class CalibrationPages:
    """What is behind the paths that name a quantum computer and a set."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._sets = laboratory.store.calibration_sets

    async def gates(self, request: Request, caller: Caller) -> Response:
        """The gates that a calibration set has values for."""
        del caller
        computer, calibration = self._set(request)
        observations = self._observations(calibration)
        chip = Chip.from_design_record(computer.chip_design_record)
        return JSONResponse(dynamic_architecture(chip, str(calibration.id), list(observations)))

    async def whole(self, request: Request, caller: Caller) -> Response:
        """A set with all its observations."""
        del caller
        _, calibration = self._set(request)
        observations = self._observations(calibration)

        def listed() -> list[Json]:
            return [
                _observation(number, name, each, calibration)
                for number, (name, each) in enumerate(observations.items())
                if isinstance(each, dict)
            ]

        shown = _head(calibration, "calibration-set")
        return JSONResponse({**shown, "observations": await asyncio.to_thread(listed)})

    async def metrics(self, request: Request, caller: Caller) -> Response:
        """How good the gates of a set were found to be: nothing is kept about it yet."""
        del caller
        _, calibration = self._set(request)
        shown = _head(calibration, "quality-metric-set")
        return JSONResponse({**shown, "describes_id": str(calibration.id), "observations": []})

    def _observations(self, calibration: CalibrationSet) -> JsonObject:
        observations: JsonObject = json.loads(self._sets.observations(calibration.id))
        return observations

    def _set(self, request: Request) -> tuple[QuantumComputer, CalibrationSet]:
        """The set that the path names. Raises NotFound, HTTPException."""
        computer = computer_of(request, self._laboratory)
        text: str = request.path_params["calibration_id"]
        try:
            found = self._sets.active(computer.id) if text == ACTIVE else self._sets.get(UUID(text))
        except (ValueError, NotFound) as error:
            raise HTTPException(404, f"calibration set {text} not found") from error
        if found is None or found.qc_id != computer.id:
            raise HTTPException(404, f"{computer.alias} has no calibration set {text}")
        return computer, found


def _head(calibration: CalibrationSet, kind: str) -> JsonObject:
    stored = _instant(calibration)
    return {
        "observation_set_id": str(calibration.id),
        "observation_set_type": kind,
        "describes_id": None,
        "dut_label": calibration.dut_label,
        "invalid": not calibration.is_valid,
        "created_timestamp": stored,
        "end_timestamp": stored,
    }


def _observation(
    number: int, name: str, observation: JsonObject, calibration: CalibrationSet
) -> JsonObject:
    stored = _instant(calibration)
    return {
        "observation_id": number,
        "dut_field": name,
        "value": observation.get("value"),
        "unit": observation.get("unit") or "",
        "uncertainty": observation.get("uncertainty"),
        "invalid": observation.get("invalid") is True,
        "created_timestamp": stored,
        "modified_timestamp": stored,
        "dut_label": calibration.dut_label,
        "source": {"type": "specification_source"},
        "tags": [],
    }


def _instant(calibration: CalibrationSet) -> str:
    return datetime.fromtimestamp(calibration.created_at_ns / 1e9, UTC).isoformat()
