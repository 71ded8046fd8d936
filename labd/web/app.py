"""The ASGI application. Every error is JSON with a `message`.

What a client must ask to find out that this is labd is open to everybody; all else is let in as a
call of the API that tells as much.
"""

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
from labd.core.access import METRICS
from labd.core.errors import NotFound, PermissionDenied, Refusal, Unauthenticated
from labd.core.station_description import Chip, dynamic_architecture, static_architecture
from labd.gate import Gate, Visit
from labd.metrics import CONTENT_TYPE, Metrics
from labd.store.store import Store
from labd.supervisor import RackStatus

CLIENT_VERSIONS = {"name": "iqm-client", "min": "31.0", "max": "33.0"}
"""min <= version < max: those that ask over gRPC for what labd serves."""

StatusOf = Callable[[QuantumComputer], RackStatus]

ARCHITECTURE = "iqm.server.QuantumComputers/GetQuantumComputerResourceV1"
GATES = "iqm.server.Calibrations/GetFullCalibrationDataV1"
RACKS = "labd.v1.Lab/GetMachine"
"""What a page tells, as methods of labd.core.access."""

_STATUS = {Unauthenticated: 401, PermissionDenied: 403, NotFound: 404}


class Pages:
    """What is behind the paths."""

    def __init__(
        self,
        computers: tuple[QuantumComputer, ...],
        store: Store,
        status_of: StatusOf,
        gate: Gate,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._gate = gate
        self._computers = {computer.alias: computer for computer in computers}
        self._store = store
        self._status_of = status_of

    async def index(self, request: Request) -> Response:
        """The quantum computers that are served; for users also what state their racks are in."""
        is_user = await self._is_user(request)
        computers: list[Json] = []
        for computer in self._computers.values():
            shown: JsonObject = {
                "alias": computer.alias,
                "id": str(computer.id),
                "display_name": computer.display_name,
            }
            if is_user:
                status = self._status_of(computer)
                shown["rack"] = {"state": status.state.value, "what": status.what}
            computers.append(shown)
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
        async with self._visit(request, ARCHITECTURE):
            computer = self._computer(request)
            return JSONResponse(static_architecture(_chip(computer), computer.wiring.dut_label))

    async def dynamic(self, request: Request) -> Response:
        """The gates that a calibration set has values for."""
        async with self._visit(request, GATES):
            return self._gates(request)

    def _gates(self, request: Request) -> Response:
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

    async def metrics(self, request: Request) -> Response:
        """How everything is, for Prometheus."""
        async with self._visit(request, METRICS):
            return Response(await self._metrics.page(), media_type=CONTENT_TYPE)

    async def nothing(self, request: Request) -> Response:
        """What is not there is only told to users."""
        async with self._visit(request, RACKS):
            raise HTTPException(404)

    def _visit(self, request: Request, method: str) -> Visit:
        return self._gate.visit(method, _peer(request), _authorizations(request))

    async def _is_user(self, request: Request) -> bool:
        """Whether the caller is known. Raises Unauthenticated when he shows what is wrong."""
        shown = _authorizations(request)
        try:
            await self._gate.identities.identify(_peer(request), shown)
        except Unauthenticated:
            if not any(shown):
                return False
        async with self._visit(request, RACKS):
            return True

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


def _peer(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _authorizations(request: Request) -> list[str]:
    return request.headers.getlist("authorization")


async def _refusal(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refusal)
    status = _STATUS.get(type(error), 503)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    body = {"message": str(error), "error_code": error.error_code}
    return JSONResponse(body, status, headers)


async def _error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code)


def make_app(
    computers: tuple[QuantumComputer, ...],
    store: Store,
    status_of: StatusOf,
    gate: Gate,
    metrics: Metrics,
) -> Starlette:
    """The application over the configured quantum computers."""
    pages = Pages(computers, store, status_of, gate, metrics)
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/metrics", pages.metrics),
            Route("/{alias}/about", pages.about),
            Route("/{alias}/info/client-libraries", pages.client_libraries),
            Route("/{alias}/api/v1/quantum-architecture", pages.static),
            Route("/{alias}/api/v1/calibration/{calibration_id}/gates", pages.dynamic),
            Route("/{path:path}", pages.nothing),
        ],
        exception_handlers={HTTPException: _error, Refusal: _refusal},
    )
