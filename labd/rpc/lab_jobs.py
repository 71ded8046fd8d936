"""labd.v1.Lab: jobs, as far as IQM's API does not have it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from labd.audit_trail import entry, job_deletion
from labd.core.errors import InvalidArgument
from labd.core.flight import Exchange
from labd.core.jobs import Job, Priority
from labd.core.tags import clean_tags
from labd.core.waiting import Waiting
from labd.foresight import Estimate
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.acceptance import Acceptance
from labd.rpc.caller import Context
from labd.rpc.job_search import conditions_of, place_of, token_of
from labd.rpc.laboratory import Laboratory
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

DEFAULT_LIMIT = 50
MOST = 200
"""Jobs on a page: their messages are made on the event loop, 0.1 ms each."""


class LabJobs:
    """The methods of the service that concern jobs."""

    def __init__(self, laboratory: Laboratory, acceptance: Acceptance) -> None:
        self._laboratory = laboratory
        self._desk = laboratory.desk
        self._store = laboratory.store
        self._acceptance = acceptance

    async def submit(
        self, request: lab_pb2.SubmitJobRequest, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Queue a job with tags and a priority; the same key again gives the same job."""
        del context
        job = await self._acceptance.submit(
            request.job,
            caller,
            tags=clean_tags(request.tags),
            priority=_priority(request.priority),
            idempotency_key=request.idempotency_key,
        )
        return self._details(job)

    async def list_jobs(
        self, request: lab_pb2.ListJobsRequest, caller: Caller, context: Context
    ) -> lab_pb2.ListJobsReply:
        """A page of the jobs that fit, the newest first, with queue positions."""
        del context
        conditions = conditions_of(request, caller, self._laboratory)
        place = place_of(request.page_token, conditions)
        limit = min(request.limit or DEFAULT_LIMIT, MOST)
        page = await self._store.search.page(conditions, place, limit)
        jobs = self._desk.with_positions([job for job, _ in page.jobs])
        return lab_pb2.ListJobsReply(
            jobs=[self._summary(job, tags) for job, (_, tags) in zip(jobs, page.jobs, strict=True)],
            next_page_token=token_of(page.next_place, conditions),
        )

    async def details(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """All that is known of a job but its payload and results."""
        del context
        return self._details(self._laboratory.job(request.id, caller))

    async def flight_record(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> lab_pb2.FlightRecord:
        """What was said to the instruments in a job that did not complete; empty for others."""
        del context
        record = self._store.flight(self._laboratory.job(request.id, caller))
        if record is None:
            return lab_pb2.FlightRecord()
        return lab_pb2.FlightRecord(
            exchanges=[_exchange_message(one) for one in record.exchanges],
            n_left_out=record.n_left_out,
        )

    async def delete(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> lab_pb2.Empty:
        """Forget a job that has ended, with its payload and results; its events stay."""
        del context
        job = self._laboratory.job(request.id, caller)
        await self._desk.delete(job.id, job_deletion(caller, job))
        return lab_pb2.Empty()

    async def hold(
        self, request: lab_pb2.HoldJobRequest, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Let a queued job keep its place and not start."""
        del context
        job = self._laboratory.job(request.id, caller)
        by = entry(caller, "job.hold", "")
        note = convert.note_of(request.note)
        return self._details(await self._desk.hold(job.id, note, caller.user.role, by))

    async def release(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Let a held job start when it is its turn."""
        del context
        job = self._laboratory.job(request.id, caller)
        by = entry(caller, "job.release", "")
        return self._details(await self._desk.release(job.id, caller.user.role, by))

    async def set_priority(
        self, request: lab_pb2.SetPriorityRequest, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Put a queued job into another class."""
        del context
        job = self._laboratory.job(request.id, caller)
        priority = _priority(request.priority)
        by = entry(caller, "job.priority", "")
        return self._details(await self._desk.set_priority(job.id, priority, caller.user.role, by))

    async def set_tags(
        self, request: lab_pb2.SetTagsRequest, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Give a job these tags instead of those that it has."""
        del context
        job = self._laboratory.job(request.id, caller)
        tags = clean_tags(request.tags)
        by = entry(caller, "job.tags", str(job.id), tags=", ".join(tags))
        return self._details(await self._store.records.set_tags(job.id, tags, by))

    async def pin(
        self, request: lab_pb2.PinJobRequest, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Let retention leave a job's payload and results alone."""
        del context
        job, note = self._laboratory.job(request.id, caller), convert.note_of(request.note)
        by = entry(caller, "job.pin", str(job.id), note=note)
        return self._details(await self._store.keeping.set_pin(job.id, note, by))

    async def unpin(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> lab_pb2.JobDetails:
        """Undo `pin`."""
        del context
        job = self._laboratory.job(request.id, caller)
        by = entry(caller, "job.unpin", str(job.id))
        return self._details(await self._store.keeping.set_pin(job.id, None, by))

    async def watch_progress(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[lab_pb2.Progress]:
        """Shots done now, then at every change, until the job's end."""
        del context
        job = self._laboratory.job(request.id, caller)
        job_id, desk = job.id, self._desk
        last: tuple[int, int] | None = None
        with desk.changes.watch(("job", job_id), ("progress", job_id)) as watch:
            while True:
                record = desk.store.job_record(job_id)
                supervisor = self._laboratory.supervisors.get(job.qc_id)
                now = (0, 0) if supervisor is None else supervisor.progress(job_id)
                if last is None or (now != last and now[1] > 0):
                    last = now
                    yield lab_pb2.Progress(shots_done=now[0], shots_total=now[1])
                if record is None or record.state.is_final:
                    return
                await watch.wait()
                desk.raise_if_stopping()

    # ---- messages

    def _summary(self, job: Job, tags: tuple[str, ...]) -> lab_pb2.JobSummary:
        computer = self._laboratory.quantum_computer_message(job.qc_id)
        return lab_pb2.JobSummary(
            job=convert.job_message(job, computer),
            user=job.submitted_by,
            tags=tags,
            priority=lab_pb2.Priority.Name(job.priority.value),
            use_timeslot=job.is_timeslot,
            hold_note=job.hold_note,
            waiting=_waiting_message(self._laboratory.foresight.waiting(job)),
            estimate=_estimate_message(self._laboratory.foresight.estimate(job)),
        )

    def _details(self, job: Job) -> lab_pb2.JobDetails:
        summary = self._summary(self._desk.with_position(job), self._store.records.tags(job))
        details = lab_pb2.JobDetails(
            summary=summary,
            events=[
                lab_pb2.JobEvent(
                    state=event.state.value, at=convert.timestamp(event.at_ns), error=event.error
                )
                for event in self._store.events_after(job.id, 0)
            ],
            waiting=summary.waiting if summary.HasField("waiting") else None,
            estimate=summary.estimate if summary.HasField("estimate") else None,
            timings_s=self._store.timings_s(job.id),
            payload_bytes=job.payload_bytes,
            result_bytes=job.result_bytes,
            keeping=convert.keeping_message(self._store.keeping.of(job.id)),
        )
        if job.calibration_set_id is not None:
            details.calibration_set_id.CopyFrom(convert.uuid_message(job.calibration_set_id))
        return details


def _exchange_message(one: Exchange) -> lab_pb2.Exchange:
    return lab_pb2.Exchange(
        instrument=one.instrument,
        at=convert.timestamp(one.first_ns),
        last_at=convert.timestamp(one.last_ns),
        n_times=one.n_times,
        sent=one.sent,
        sent_bytes=one.sent_bytes,
        received=one.received,
        received_bytes=one.received_bytes,
        took_s=one.took_s,
        error=one.error,
    )


def _waiting_message(waiting: Waiting | None) -> lab_pb2.Waiting | None:
    if waiting is None:
        return None
    return lab_pb2.Waiting(
        kind=waiting.kind.value,
        sentence=waiting.sentence,
        until=None if waiting.until_ns is None else convert.timestamp(waiting.until_ns),
    )


def _estimate_message(estimate: Estimate | None) -> lab_pb2.Estimate | None:
    if estimate is None:
        return None
    p50_ns, p90_ns = estimate.start_p50_ns, estimate.start_p90_ns
    return lab_pb2.Estimate(
        start_p50=None if p50_ns is None else convert.timestamp(p50_ns),
        start_p90=None if p90_ns is None else convert.timestamp(p90_ns),
        run_p50_s=estimate.run_p50_s,
        run_p90_s=estimate.run_p90_s,
    )


def _priority(wanted: lab_pb2.Priority) -> Priority:
    """The class on the wire as labd's own. Raises InvalidArgument."""
    if wanted == lab_pb2.PRIORITY_UNSPECIFIED:
        return Priority.NORMAL
    try:
        return Priority(wanted)
    except ValueError:
        raise InvalidArgument("priority", f"{wanted} is none of LOW, NORMAL, HIGH") from None
