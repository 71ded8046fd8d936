"""iqm.server.QuantumComputers: which there are, and what clients must know of them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

import labd
from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.errors import InvalidArgument, NotFound
from labd.core.station_description import channel_properties, dut_fields
from labd.identity import Caller
from labd.payloads.settings import Observation, pack_settings_resource
from labd.rpc.caller import Context
from labd.rpc.chunks import stream_bytes
from labd.rpc.laboratory import Laboratory
from labd.wire import iqm_server_pb2 as iqm

RESOURCES = (
    "about",
    "configuration",
    "settings",
    "duts",
    "dut-fields/<dut label>",
    "chip-design-records/<dut label>",
    "channel-properties",
)


class QuantumComputers:
    """The three methods of the service."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def get(
        self, request: iqm.QuantumComputerLookupV1, caller: Caller, context: Context
    ) -> iqm.QuantumComputerV1:
        """One quantum computer, by id or alias."""
        del caller, context
        match request.WhichOneof("lookup"):
            case "id":
                computer = self._laboratory.quantum_computer(request.id)
            case "alias":
                computer = self._laboratory.by_alias(request.alias)
            case _:
                raise InvalidArgument("lookup", "neither an id nor an alias is given")
        return self._laboratory.quantum_computer_message(computer.id)

    async def list(
        self, request: iqm.ListQuantumComputerFiltersV1, caller: Caller, context: Context
    ) -> iqm.QuantumComputersListV1:
        """All of them, in the order of the configuration."""
        del request, caller, context
        return iqm.QuantumComputersListV1(
            items=[
                self._laboratory.quantum_computer_message(computer.id)
                for computer in self._laboratory.config.quantum_computers
            ]
        )

    async def resource(
        self, request: iqm.QuantumComputerResourceLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """One of RESOURCES, in chunks."""
        del caller, context
        computer = self._laboratory.quantum_computer(request.qc_id)
        data = self.resource_bytes(computer, request.resource_name)
        async for chunk in stream_bytes(data, self._laboratory.config.server.chunk_bytes):
            yield chunk

    def resource_bytes(self, computer: QuantumComputer, name: str) -> bytes:
        """One of RESOURCES. Raises NotFound."""
        label = computer.wiring.dut_label
        match name.split("/", 1):
            case ["settings"]:
                return pack_settings_resource(
                    computer.wiring,
                    _scalars(self._observations(computer)),
                    has_fast_feedback=computer.rig.LIMITS.has_fast_feedback,
                )
            case ["about"]:
                return _json(self._about(computer))
            case ["configuration"]:
                return _json(_configuration(computer))
            case ["duts"]:
                return _json([{"label": label, "dut_type": "chip"}])
            case ["dut-fields", dut] if dut == label:
                return _json(dut_fields(_units(self._observations(computer))))
            case ["chip-design-records", dut] if dut == label:
                return _json(computer.chip_design_record)
            case ["channel-properties"]:
                return _json(
                    channel_properties(
                        computer.wiring,
                        has_fast_feedback=computer.rig.LIMITS.has_fast_feedback,
                    )
                )
            case ["dut-fields" | "chip-design-records", dut]:
                raise NotFound("resource", name, f"the chip is {label}, not {dut}")
            case _:
                raise NotFound("resource", name, f"there are {', '.join(RESOURCES)}")

    def _observations(self, computer: QuantumComputer) -> JsonObject:
        sets = self._laboratory.store.calibration_sets
        active = sets.active(computer.id)
        if active is None:
            return {}
        observations: JsonObject = json.loads(sets.observations(active.id))
        return observations

    def _about(self, computer: QuantumComputer) -> JsonObject:
        status = self._laboratory.supervisors[computer.id].status
        instruments: list[Json] = [
            {
                "name": one.name,
                "model": one.model,
                "serial": one.serial,
                "firmware": one.firmware,
            }
            for one in status.instruments
        ]
        return {
            "iqm_server": True,
            "software_versions": {"labd": labd.__version__},
            "rack": {"state": status.state.value, "what": status.what, "instruments": instruments},
        }


def _configuration(computer: QuantumComputer) -> JsonObject:
    """What kind of rack plays this quantum computer's jobs."""
    instruments: JsonObject = {
        one.name: {"driver": one.driver} for one in computer.station.values()
    }
    return {
        "alias": computer.alias,
        "display_name": computer.display_name,
        "dut_label": computer.wiring.dut_label,
        "rig": computer.wiring.rig,
        "channels": list(computer.wiring.channels),
        "instruments": instruments,
    }


def _units(observations: JsonObject) -> dict[str, str]:
    return {
        path: str(observation.get("unit", "")) if isinstance(observation, dict) else ""
        for path, observation in observations.items()
    }


def _scalars(observations: JsonObject) -> dict[str, Observation]:
    """The observations that are one value each."""
    values = {
        path: observation.get("value")
        for path, observation in observations.items()
        if isinstance(observation, dict)
    }
    return {
        path: value for path, value in values.items() if isinstance(value, bool | int | float | str)
    }


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
