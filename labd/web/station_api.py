"""Circuits over HTTP as iqm-client up to 32 speaks it: relative to the URL that its user typed.

A URL that ends in ``:timeslot`` hands jobs in for the user's timeslots. The client polls the
status, then fetches measurements, parameters, circuits and timeline one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from labd.chip_files import Json, JsonObject
from labd.core.errors import NotFound
from labd.core.jobs import Job, JobEvent, JobState
from labd.gate import Gate
from labd.identity import Caller
from labd.web.circuit_jobs import CircuitJobs
from labd.web.door import Door, Page
from labd.web.paths import computer_of, is_for_timeslots

STATUSES: Mapping[JobState, str] = {
    JobState.IN_QUEUE: "pending_execution",
    JobState.EXECUTING: "execution_started",
    JobState.COMPLETED: "ready",
    JobState.FAILED: "failed",
    JobState.INTERRUPTED: "failed",
    JobState.CANCELLED: "aborted",
}
"""What the client calls a job's states. Of these it makes an exception of "failed" alone."""

_PARAMETERS = {
    "heralding_mode": "none",
    "move_validation_mode": "strict",
    "move_gate_frame_tracking_mode": "full",
    "max_circuit_duration_over_t2": None,
    "active_reset_cycles": None,
    "dd_mode": "disabled",
    "dd_strategy": None,
}
"""What a request says beside its circuits, and what it means where it says nothing."""
_LATER_NAMES = {
    "move_validation_mode": "move_gate_validation",
    "move_gate_frame_tracking_mode": "move_gate_frame_tracking",
}


class StationApi:
    """What is behind the paths."""

    def __init__(self, jobs: CircuitJobs, gate: Gate) -> None:
        self._jobs = jobs
        self._laboratory = jobs.laboratory
        self._gate = gate

    def routes(self) -> list[BaseRoute]:
        """All paths, each let in as the method of IQM's gRPC API that does the same."""
        job = "/{alias}/jobs/{job_id}"
        return [
            self._route("POST", "/{alias}/circuits", "SubmitJobV1", self.submit),
            self._route("GET", f"{job}/status", "GetJobV1", self.status),
            self._route("GET", f"{job}/measurements", "GetJobResultsV1", self.measurements),
            self._route("GET", f"{job}/error_log", "GetJobV1", self.error_log),
            self._route("GET", f"{job}/request_parameters", "GetJobPayloadV1", self.parameters),
            self._route("GET", f"{job}/circuits_batch", "GetJobPayloadV1", self.circuits_batch),
            self._route("GET", f"{job}/calibration_set_id", "GetJobV1", self.calibration_set_id),
            self._route("GET", f"{job}/timeline", "GetJobV1", self.timeline),
            self._route("POST", f"{job}/abort", "CancelJobV1", self.abort),
            self._route("GET", "/{alias}/circuits/{job_id}/counts", "GetJobResultsV1", self.counts),
        ]

    def _route(self, verb: str, path: str, method: str, page: Page) -> Route:
        return Route(path, Door(self._gate, f"iqm.server.Jobs/{method}", page), methods=[verb])

    async def submit(self, request: Request, caller: Caller) -> Response:
        """Queue a job."""
        computer = computer_of(request, self._laboratory)
        for_timeslots = is_for_timeslots(request)
        job = await self._jobs.submit(request, computer, caller, use_timeslot=for_timeslots)
        return JSONResponse({"id": str(job.id)})

    async def status(self, request: Request, caller: Caller) -> Response:
        """How a job stands."""
        job = self._job(request, caller)
        shown: JsonObject = {"status": STATUSES[job.state]}
        if job.error is not None:
            shown["message"] = job.error
        position = self._laboratory.desk.with_position(job).queue_position
        if position is not None:
            shown["queue_position"] = position
        return JSONResponse(shown)

    async def measurements(self, request: Request, caller: Caller) -> Response:
        """Rows of bits by circuit and measurement key."""
        return self._jobs.result(self._job(request, caller))

    async def counts(self, request: Request, caller: Caller) -> Response:
        """How often each bitstring was measured; none while the job has not ended."""
        job = self._job(request, caller)
        counted = await self._jobs.counts(job) if job.state is JobState.COMPLETED else None
        return JSONResponse({"status": STATUSES[job.state], "counts_batch": counted})

    async def error_log(self, request: Request, caller: Caller) -> Response:
        """Why a job has no results."""
        job = self._job(request, caller)
        if job.error is None:
            raise NotFound("error of job", str(job.id), f"it is {job.state.value}")
        return JSONResponse({"user_error_message": job.error, "full_error_log": job.error})

    async def parameters(self, request: Request, caller: Caller) -> Response:
        """What was asked for beside the circuits."""
        job = self._job(request, caller)
        asked = await self._jobs.payload(job)
        shown: JsonObject = {"shots": job.shots}
        for name, default in _PARAMETERS.items():
            told = asked.get(name)
            later = asked.get(_LATER_NAMES.get(name, ""))
            shown[name] = next((each for each in (later, told) if each is not None), default)
        return JSONResponse(shown)

    async def circuits_batch(self, request: Request, caller: Caller) -> Response:
        """The circuits."""
        asked = await self._jobs.payload(self._job(request, caller))
        return JSONResponse(asked["circuits"])

    async def calibration_set_id(self, request: Request, caller: Caller) -> Response:
        """The calibration set that the job uses, or null while it is not chosen."""
        chosen = self._job(request, caller).calibration_set_id
        return JSONResponse(None if chosen is None else str(chosen))

    async def timeline(self, request: Request, caller: Caller) -> Response:
        """When the job came and what became of it."""
        job = self._job(request, caller)
        events = self._laboratory.store.events_after(job.id, 0)
        return JSONResponse([entry for event in events for entry in _entries(event)])

    async def abort(self, request: Request, caller: Caller) -> Response:
        """Cancel a job."""
        await self._jobs.cancel(self._job(request, caller), caller)
        return Response(status_code=204)

    def _job(self, request: Request, caller: Caller) -> Job:
        computer = computer_of(request, self._laboratory)
        job = self._jobs.circuit_job(request, caller)
        if job.qc_id != computer.id:
            raise NotFound("job", str(job.id), f"{computer.alias} has none such")
        return job


def _entries(event: JobEvent) -> list[Json]:
    names = [STATUSES[event.state]]
    if event.state is JobState.IN_QUEUE:
        names = ["received", *names]
    if event.state is JobState.COMPLETED:
        names = ["execution_ended", *names]
    at = datetime.fromtimestamp(event.at_ns / 1e9, UTC).isoformat()
    return [{"status": name, "timestamp": at} for name in names]
