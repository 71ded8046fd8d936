"""iqm.server.Calibrations: which set is the active one, and its values.

What the API calls the latest set is the active one: a set that was only stored is nobody's yet.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

from labd.core.errors import NotFound
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.chunks import stream_bytes
from labd.rpc.laboratory import Laboratory
from labd.wire import iqm_server_pb2 as iqm


class Calibrations:
    """The three methods of the service."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def latest(
        self,
        request: iqm.LatestQuantumComputerCalibrationLookupV1,
        caller: Caller,
        context: Context,
    ) -> iqm.CalibrationMetadataV1:
        """The active set of a quantum computer."""
        del caller, context
        computer = self._laboratory.quantum_computer(request.qc_id)
        active = self._laboratory.store.calibration_sets.active(computer.id)
        if active is None:
            raise NotFound("calibration set of", computer.alias, "none was activated yet")
        return convert.calibration_message(active)

    async def get(
        self, request: iqm.CalibrationLookupV1, caller: Caller, context: Context
    ) -> iqm.CalibrationMetadataV1:
        """A set's head."""
        del caller, context
        found = self._laboratory.store.calibration_sets.get(convert.uuid_of(request.id, "id"))
        return convert.calibration_message(found)

    async def full_data(
        self, request: iqm.CalibrationLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """A set's values as JSON, in chunks."""
        del caller, context
        calibration_id = convert.uuid_of(request.id, "id")
        observations = self._laboratory.store.calibration_sets.observations(calibration_id)
        head = json.dumps({"calibration_set_id": str(calibration_id)})
        data = f'{head[:-1]}, "observations": {observations}}}'.encode()
        async for chunk in stream_bytes(data, self._laboratory.config.server.chunk_bytes):
            yield chunk
