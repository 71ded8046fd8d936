"""Circuits over HTTP as iqm-client 36 speaks it: under /api/v1, the quantum computer by its alias.

The client speaks no gRPC at all: what its predecessors ask for as resources is here artifacts of a
quantum computer. Pulse jobs are handed in over gRPC only; those that are there are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

import labd
from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.errors import InvalidArgument, JobTypeNotSupported, NotFound
from labd.core.jobs import Job, JobState, JobType
from labd.core.station_description import Chip, static_architecture
from labd.gate import Gate
from labd.identity import Caller
from labd.payloads.channels import pack_channel_properties
from labd.rpc.quantum_computers import QuantumComputers
from labd.web.calibration_pages import CalibrationPages
from labd.web.circuit_jobs import PROTOBUF, CircuitJobs
from labd.web.door import Door, Page
from labd.web.paths import computer_of
from labd.web.refusals import SOURCE

STATUSES: Mapping[JobState, str] = {
    JobState.IN_QUEUE: "waiting",
    JobState.EXECUTING: "processing",
    JobState.COMPLETED: "completed",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "failed",
    JobState.CANCELLED: "cancelled",
}
_TIMELINE: Mapping[JobState, str] = {
    JobState.IN_QUEUE: "created",
    JobState.EXECUTING: "execution_started",
    JobState.COMPLETED: "ready",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "interrupted",
    JobState.CANCELLED: "cancelled",
}
_TYPES: Mapping[JobType, str] = {JobType.CIRCUIT: "circuit", JobType.PULSE: "run"}
_ARTIFACTS: Mapping[JobType, tuple[str, ...]] = {
    JobType.CIRCUIT: ("measurements", "measurement_counts"),
    JobType.PULSE: ("sweep_results",),
}
_SAID = {"true": True, "false": False}

COMPUTERS = "iqm.server.QuantumComputers"
JOBS = "iqm.server.Jobs"
CALIBRATIONS = "iqm.server.Calibrations/GetFullCalibrationDataV1"


class ServerApi:
    """What is behind the paths."""

    def __init__(self, jobs: CircuitJobs, calibrations: CalibrationPages, gate: Gate) -> None:
        self._jobs = jobs
        self._calibrations = calibrations
        self._laboratory = jobs.laboratory
        self._resources = QuantumComputers(jobs.laboratory)
        self._gate = gate

    def routes(self) -> list[BaseRoute]:
        """All paths, each let in as the method of the gRPC API that does the same."""
        job = "/jobs/{job_id}"
        sets = "/calibration-sets/{alias}/{calibration_id}"
        computer = "/quantum-computers/{alias}"
        listing, artifact = (
            f"{COMPUTERS}/ListQuantumComputersV1",
            f"{COMPUTERS}/GetQuantumComputerResourceV1",
        )
        results = f"{JOBS}/GetJobResultsV1"
        sets_pages = self._calibrations
        return [
            self._route("GET", "/about", listing, self.about),
            self._route("GET", "/quantum-computers", listing, self.quantum_computers),
            self._route("GET", f"{computer}/health", "labd.v1.Lab/GetMachine", self.health),
            self._route("GET", f"{computer}/artifacts/{{name}}", artifact, self.artifact),
            self._route("GET", sets, CALIBRATIONS, sets_pages.whole),
            self._route("GET", f"{sets}/metrics", CALIBRATIONS, sets_pages.metrics),
            self._route(
                "GET", f"{sets}/dynamic-quantum-architecture", CALIBRATIONS, sets_pages.gates
            ),
            self._route("POST", f"{job}/cancel", f"{JOBS}/CancelJobV1", self.cancel),
            self._route("POST", "/jobs/{alias}/{job_type}", f"{JOBS}/SubmitJobV1", self.submit),
            self._route("GET", job, f"{JOBS}/GetJobV1", self.job),
            self._route("DELETE", job, "labd.v1.Lab/DeleteJob", self.delete),
            self._route("GET", f"{job}/payload", f"{JOBS}/GetJobPayloadV1", self.payload),
            self._route("GET", f"{job}/artifacts/measurements", results, self.measurements),
            self._route("GET", f"{job}/artifacts/measurement_counts", results, self.counts),
            self._route("GET", f"{job}/artifacts/sweep_results", results, self.sweep_results),
        ]

    def _route(self, verb: str, path: str, method: str, page: Page) -> Route:
        return Route(f"/api/v1{path}", Door(self._gate, method, page), methods=[verb])

    # ---- quantum computers

    async def about(self, request: Request, caller: Caller) -> Response:
        """What answers here."""
        del request, caller
        return JSONResponse({"iqm_server": True, "software_versions": {"labd": labd.__version__}})

    async def quantum_computers(self, request: Request, caller: Caller) -> Response:
        """All of them, in the order of the configuration."""
        del request, caller
        listed: list[Json] = [
            {
                "id": str(each.id),
                "alias": each.alias,
                "display_name": each.display_name,
                "proxy_path": None,
            }
            for each in self._laboratory.config.quantum_computers
        ]
        return JSONResponse({"quantum_computers": listed})

    async def health(self, request: Request, caller: Caller) -> Response:
        """Whether the rack is ready, and if not, why."""
        del caller
        computer = self._computer(request)
        status = self._laboratory.supervisors[computer.id].status
        return JSONResponse({"status": status.state.value, "message": status.what})

    async def artifact(self, request: Request, caller: Caller) -> Response:
        """What clients must know of a quantum computer."""
        del caller
        computer = self._computer(request)
        match request.path_params["name"]:
            case "about":
                return JSONResponse(
                    {
                        "version": labd.__version__,
                        "software_versions": {"labd": labd.__version__},
                    }
                )
            case "chip-design-records":
                return JSONResponse([_record(computer)])
            case "static-quantum-architectures":
                chip = Chip.from_design_record(computer.chip_design_record)
                return JSONResponse([static_architecture(chip, computer.wiring.dut_label)])
            case "channel-properties":
                has_fast_feedback = computer.rig.LIMITS.has_fast_feedback
                packed = pack_channel_properties(
                    computer.wiring, has_fast_feedback=has_fast_feedback
                )
                return Response(packed, media_type=PROTOBUF)
            case "settings":
                packed = self._resources.resource_bytes(computer, "settings")
                return Response(packed, media_type=PROTOBUF)
            case name:
                raise NotFound("artifact", f"{name} of {computer.alias}")

    # ---- jobs

    async def submit(self, request: Request, caller: Caller) -> Response:
        """Queue a circuit job."""
        computer = self._computer(request)
        if request.path_params["job_type"] != "circuit":
            what = f"{request.path_params['job_type']} (over HTTP; over gRPC pulse jobs too)"
            raise JobTypeNotSupported(what, (JobType.CIRCUIT.value,))
        said = request.query_params.get("use_timeslot", "false")
        if said not in _SAID:
            raise InvalidArgument("use_timeslot", f"true or false, not {said!r}")
        job = await self._jobs.submit(request, computer, caller, use_timeslot=_SAID[said])
        return JSONResponse(self._shown(job), 201)

    async def job(self, request: Request, caller: Caller) -> Response:
        """A job as it stands."""
        return JSONResponse(self._shown(self._jobs.job(request, caller)))

    async def payload(self, request: Request, caller: Caller) -> Response:
        """What was asked for."""
        job = self._jobs.circuit_job(request, caller)
        return JSONResponse(await self._jobs.payload(job))

    async def measurements(self, request: Request, caller: Caller) -> Response:
        """Rows of bits by circuit and measurement key."""
        return self._jobs.result(self._jobs.circuit_job(request, caller))

    async def counts(self, request: Request, caller: Caller) -> Response:
        """How often each bitstring was measured."""
        return JSONResponse(await self._jobs.counts(self._jobs.circuit_job(request, caller)))

    async def sweep_results(self, request: Request, caller: Caller) -> Response:
        """The results of a pulse job."""
        job = self._jobs.job(request, caller)
        if job.job_type is not JobType.PULSE:
            raise NotFound("sweep results of job", str(job.id), "it is a circuit job")
        return self._jobs.result(job)

    async def cancel(self, request: Request, caller: Caller) -> Response:
        """Cancel a job."""
        job = await self._jobs.cancel(self._jobs.job(request, caller), caller)
        return JSONResponse(self._shown(job))

    async def delete(self, request: Request, caller: Caller) -> Response:
        """Forget a job."""
        await self._jobs.delete(self._jobs.job(request, caller), caller)
        return Response(status_code=204)

    def _computer(self, request: Request) -> QuantumComputer:
        return computer_of(request, self._laboratory)

    def _shown(self, job: Job) -> JsonObject:
        calibration_id = None if job.calibration_set_id is None else str(job.calibration_set_id)
        events = self._laboratory.store.events_after(job.id, 0)
        is_completed = job.state is JobState.COMPLETED
        supervisor = self._laboratory.supervisors.get(job.qc_id)
        done, total = (0, 0) if supervisor is None else supervisor.progress(job.id)
        return {
            "id": str(job.id),
            "type": _TYPES[job.job_type],
            "status": STATUSES[job.state],
            "queue_position": self._laboratory.desk.with_position(job).queue_position,
            "compilation": {"calibration_set_id": calibration_id},
            "execution": {"progress": {"shots": {"value": done, "max_value": total}}}
            if total
            else None,
            "errors": _errors(job),
            "messages": [],
            "timeline": [
                {
                    "source": SOURCE,
                    "status": _TIMELINE[event.state],
                    "timestamp": datetime.fromtimestamp(event.at_ns / 1e9, UTC).isoformat(),
                }
                for event in events
            ],
            "artifacts": [{"type": name} for name in _ARTIFACTS[job.job_type]]
            if is_completed
            else [],
        }


def _errors(job: Job) -> list[Json]:
    if job.error is None or job.state is JobState.CANCELLED:
        return []
    return [{"message": job.error, "error_code": job.state.value.lower(), "source": SOURCE}]


def _record(computer: QuantumComputer) -> JsonObject:
    """The chip design record, with the chip's name where this client looks for it."""
    record = computer.chip_design_record
    return {**record, "cheddar": {"chip_label": computer.wiring.dut_label}}
