"""The ASGI application. Every error is JSON with a `message`.

What a client must ask to find out that this is labd is open to everybody; all else is let in as the
method of the gRPC API that does or tells as much.
"""

from __future__ import annotations

import sqlite3

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import labd
from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.access import METRICS
from labd.core.errors import NotFound, Refusal, Unauthenticated
from labd.core.station_description import Chip, static_architecture
from labd.gate import Gate
from labd.identity import Caller
from labd.metrics import CONTENT_TYPE, Metrics
from labd.rpc.acceptance import Acceptance
from labd.rpc.laboratory import Laboratory
from labd.web.calibration_pages import CalibrationPages
from labd.web.circuit_jobs import CircuitJobs
from labd.web.door import Door, authorizations_of, peer_of
from labd.web.paths import computer_of
from labd.web.refusals import on_http_error, on_refusal, on_refusing_disk
from labd.web.server_api import ServerApi
from labd.web.station_api import StationApi

CLIENT_VERSIONS = {"name": "iqm-client", "min": "31.0", "max": "33.0"}
"""min <= version < max: those that ask for this. Later ones do not."""

ARCHITECTURE = "iqm.server.QuantumComputers/GetQuantumComputerResourceV1"
GATES = "iqm.server.Calibrations/GetFullCalibrationDataV1"
RACKS = "labd.v1.Lab/GetMachine"
"""What a page tells, as methods of labd.core.access."""

_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Pages:
    """What is behind the paths that are not about jobs."""

    def __init__(self, laboratory: Laboratory, gate: Gate, metrics: Metrics) -> None:
        self._laboratory = laboratory
        self._metrics = metrics
        self._gate = gate

    async def index(self, request: Request) -> Response:
        """The quantum computers that are served; for users also what state their racks are in."""
        is_user = await self._is_user(request)
        computers: list[Json] = []
        for computer in self._laboratory.config.quantum_computers:
            shown: JsonObject = {
                "alias": computer.alias,
                "id": str(computer.id),
                "display_name": computer.display_name,
            }
            if is_user:
                status = self._laboratory.supervisors[computer.id].status
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

    async def static(self, request: Request, caller: Caller) -> Response:
        """Qubits and their connections."""
        del caller
        computer = self._computer(request)
        chip = Chip.from_design_record(computer.chip_design_record)
        return JSONResponse(static_architecture(chip, computer.wiring.dut_label))

    async def metrics(self, request: Request, caller: Caller) -> Response:
        """How everything is, for Prometheus."""
        del request, caller
        return Response(await self._metrics.page(), media_type=CONTENT_TYPE)

    async def nothing(self, request: Request, caller: Caller) -> Response:
        """What is not there is only told to users."""
        del request, caller
        raise HTTPException(404)

    async def _is_user(self, request: Request) -> bool:
        """Whether the caller is known. Raises Unauthenticated when he shows what is wrong."""
        peer, shown = peer_of(request), authorizations_of(request)
        try:
            await self._gate.identities.identify(peer, shown)
        except Unauthenticated:
            if not any(shown):
                return False
        async with self._gate.visit(RACKS, peer, shown):
            return True

    def _computer(self, request: Request) -> QuantumComputer:
        try:
            return computer_of(request, self._laboratory)
        except NotFound as error:
            raise HTTPException(404, str(error)) from error


def make_app(
    laboratory: Laboratory, acceptance: Acceptance, gate: Gate, metrics: Metrics
) -> Starlette:
    """The application over the configured quantum computers."""
    pages = Pages(laboratory, gate, metrics)
    calibrations = CalibrationPages(laboratory)
    jobs = CircuitJobs(laboratory, acceptance)
    gates = "/{alias}/api/v1/calibration/{calibration_id}/gates"
    return Starlette(
        routes=[
            Route("/", pages.index),
            Route("/metrics", Door(gate, METRICS, pages.metrics), methods=["GET"]),
            *ServerApi(jobs, calibrations, gate).routes(),
            Route("/{alias}/about", pages.about),
            Route("/{alias}/info/client-libraries", pages.client_libraries),
            Route(
                "/{alias}/api/v1/quantum-architecture",
                Door(gate, ARCHITECTURE, pages.static),
                methods=["GET"],
            ),
            Route(gates, Door(gate, GATES, calibrations.gates), methods=["GET"]),
            *StationApi(jobs, gate).routes(),
            Route("/{path:path}", Door(gate, RACKS, pages.nothing), methods=_VERBS),
        ],
        exception_handlers={
            HTTPException: on_http_error,
            Refusal: on_refusal,
            sqlite3.Error: on_refusing_disk,
            OSError: on_refusing_disk,
        },
    )
