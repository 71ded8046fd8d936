"""The ASGI application. Every error is JSON with a `message`."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import labd
from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.errors import NotFound
from labd.core.station_description import Chip, dynamic_architecture, static_architecture
from labd.store.store import Store
from labd.supervisor import RackStatus

CLIENT_VERSIONS = {"name": "iqm-client", "min": "31.0", "max": "33.0"}
"""min <= version < max: those that ask over gRPC for what labd serves."""

StatusOf = Callable[[QuantumComputer], RackStatus]


class Pages:
    """What is behind the paths."""

    def __init__(
        self, computers: tuple[QuantumComputer, ...], store: Store, status_of: StatusOf
    ) -> None:
        self._computers = {computer.alias: computer for computer in computers}
        self._store = store
        self._status_of = status_of

    async def index(self, request: Request) -> Response:
        """The quantum computers that are served."""
        del request
        computers: list[Json] = []
        for computer in self._computers.values():
            status = self._status_of(computer)
            computers.append(
                {
                    "alias": computer.alias,
                    "id": str(computer.id),
                    "display_name": computer.display_name,
                    "rack": {"state": status.state.value, "what": status.what},
                }
            )
        return JSONResponse({"labd": labd.__version__, "quantum_computers": computers})

    async def about(self, request: Request) -> Response:
        """That gRPC is spoken on this port: clients look for iqm_server."""
        self._computer(request)
        return JSONResponse({"iqm_server": True, "software_versions": {"labd": labd.__version__}})

    async def client_libraries(self, request: Request) -> Response:
        """Which versions of IQM's client speak this API: those of its gRPC era."""
        self._computer(request)
        return JSONResponse({"iqm-client": CLIENT_VERSIONS})

    async def static(self, request: Request) -> Response:
        """Qubits and their connections."""
        computer = self._computer(request)
        return JSONResponse(static_architecture(_chip(computer), computer.wiring.dut_label))

    async def dynamic(self, request: Request) -> Response:
        """The gates that a calibration set has values for."""
        computer = self._computer(request)
        text = request.path_params["calibration_id"]
        try:
            calibration = (
                self._store.calibration_sets.active(computer.id)
                if text == "default"
                else self._store.calibration_sets.get(UUID(text))
            )
        except (ValueError, NotFound) as error:
            raise HTTPException(404, f"calibration set {text} not found") from error
        if calibration is None or calibration.qc_id != computer.id:
            raise HTTPException(404, f"{computer.alias} has no calibration set {text}")
        observations: JsonObject = json.loads(
            self._store.calibration_sets.observations(calibration.id)
        )
        return JSONResponse(
            dynamic_architecture(_chip(computer), str(calibration.id), list(observations))
        )

    def _computer(self, request: Request) -> QuantumComputer:
        alias = request.path_params["alias"].removesuffix(":timeslot")
        try:
            return self._computers[alias]
        except KeyError:
            known = ", ".join(self._computers)
            what = f"quantum computer {alias} not found: labd serves {known}"
            raise HTTPException(404, what) from None


def _chip(computer: QuantumComputer) -> Chip:
    return Chip.from_design_record(computer.chip_design_record)


async def _error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code)


def make_app(
    computers: tuple[QuantumComputer, ...], store: Store, status_of: StatusOf
) -> Starlette:
    """The application over the configured quantum computers."""
    pages = Pages(computers, store, status_of)
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/{alias}/about", pages.about),
            Route("/{alias}/info/client-libraries", pages.client_libraries),
            Route("/{alias}/api/v1/quantum-architecture", pages.static),
            Route("/{alias}/api/v1/calibration/{calibration_id}/gates", pages.dynamic),
        ],
        exception_handlers={HTTPException: _error},
    )
