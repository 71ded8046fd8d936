from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from quick_lab import QuickLab, joined, lookup, metadata_of, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

LARGE = 300 * 1024
"""A payload of so many bytes is a file."""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def request(
    lab: QuickLab,
    data: bytes | None = None,
    key: str = "",
    tags: tuple[str, ...] = (),
    priority: lab_pb2.Priority = lab_pb2.NORMAL,
) -> lab_pb2.SubmitJobRequest:
    job = iqm.SubmitJobRequestV1(
        qc_id=lab.qc_id, type=iqm.PULSE, payload=payload() if data is None else data
    )
    return lab_pb2.SubmitJobRequest(job=job, idempotency_key=key, tags=tags, priority=priority)


def submit(lab: QuickLab, *tags: str, **wish: str | float) -> iqm.JobV1:
    details = lab.lab.SubmitJob(request(lab, payload(**wish), tags=tags))
    job: iqm.JobV1 = details.summary.job
    return job


def ids(jobs: object) -> list[bytes]:
    return [each.job.id.raw for each in jobs]  # type: ignore[attr-defined]


def listed(lab: QuickLab, **conditions: object) -> list[bytes]:
    """Ids of all jobs on all pages."""
    found: list[bytes] = []
    token = ""
    while True:
        page = lab.lab.ListJobs(
            lab_pb2.ListJobsRequest(page_token=token, **conditions)  # type: ignore[arg-type]
        )
        found += ids(page.jobs)
        token = page.next_page_token
        if not token:
            return found


def refusal(call: Callable[[object], object], message: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message)
    return caught.value.code(), str(metadata_of(caught.value)["error_code"])


@pytest.fixture
def blocked(lab: QuickLab) -> Iterator[iqm.JobV1]:
    """A job that runs until the test is over: those after it wait."""
    blocker = submit(lab, s=60)
    lab.wait_for(blocker, iqm.EXECUTING)
    yield blocker
    lab.jobs.CancelJobV1(lookup(blocker))
    lab.wait_for(blocker)


# ---- submit, details


def test_a_job_comes_with_its_tags_and_priority(lab: QuickLab) -> None:
    details = lab.lab.SubmitJob(
        request(lab, tags=(" t1 ", "cooldown 7", "t1"), priority=lab_pb2.LOW)
    )
    lab.wait_for(details.summary.job)

    found = lab.lab.GetJobDetails(lookup(details.summary.job))
    assert list(found.summary.tags) == ["cooldown 7", "t1"]
    assert found.summary.priority == lab_pb2.LOW
    assert found.summary.user
    assert [event.state for event in found.events] == ["IN_QUEUE", "EXECUTING", "COMPLETED"]
    assert found.payload_bytes == len(payload())
    assert found.result_bytes > 0
    assert found.timings_s["play"] == 0.0
    assert len(found.calibration_set_id.raw) == 16


def test_a_waiting_job_says_why_and_until_when(lab: QuickLab, blocked: iqm.JobV1) -> None:
    job = submit(lab)

    details = lab.lab.GetJobDetails(lookup(job))

    assert details.waiting.kind == lab_pb2.Waiting.JOBS_BEFORE
    assert details.waiting.sentence
    assert details.estimate.run_p50_s <= details.estimate.run_p90_s
    assert details.estimate.start_p50.ToNanoseconds() <= details.estimate.start_p90.ToNanoseconds()
    summary = lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=1)).jobs[0]
    assert summary.waiting.kind == details.waiting.kind
    running = lab.lab.GetJobDetails(lookup(blocked))
    assert not running.HasField("waiting")
    assert not running.HasField("estimate")


@pytest.mark.parametrize(
    "tags", [("",), ("  ",), ("x" * 65,), ("a\nb",), tuple(f"t{n}" for n in range(17))]
)
def test_tags_that_cannot_be_are_refused(lab: QuickLab, tags: tuple[str, ...]) -> None:
    assert refusal(lab.lab.SubmitJob, request(lab, tags=tags)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_argument",
    )


def test_a_priority_that_is_none_is_refused(lab: QuickLab) -> None:
    wanted = request(lab, priority=9)  # type: ignore[arg-type]

    code, _ = refusal(lab.lab.SubmitJob, wanted)

    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_twenty_retries_at_once_make_one_job(lab: QuickLab, blocked: iqm.JobV1) -> None:
    wanted = request(lab, key="retries", tags=("retried",))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lab.lab.SubmitJob, [wanted] * 20))

    assert len({answer.summary.job.id.raw for answer in answers}) == 1
    assert listed(lab, tags=["retried"]) == [answers[0].summary.job.id.raw]
    assert {answer.summary.job.queue_position for answer in answers} == {0}


def test_a_large_payload_sent_again_leaves_one_file(lab: QuickLab) -> None:
    data = payload(pad="x" * LARGE)
    before = len(list((lab.state / "payloads").iterdir()))

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lab.lab.SubmitJob, [request(lab, data, key="large")] * 4))

    assert len({answer.summary.job.id.raw for answer in answers}) == 1
    assert len(list((lab.state / "payloads").iterdir())) == before + 1


@pytest.mark.parametrize(
    "other",
    [
        {"data": payload(s=0.001)},
        {"tags": ("other",)},
        {"priority": lab_pb2.LOW},
    ],
)
def test_a_key_that_was_used_for_another_job_is_refused(
    lab: QuickLab, other: dict[str, object]
) -> None:
    lab.lab.SubmitJob(request(lab, key="used"))

    assert refusal(lab.lab.SubmitJob, request(lab, key="used", **other)) == (  # type: ignore[arg-type]
        grpc.StatusCode.ALREADY_EXISTS,
        "idempotency_key_reused",
    )


@pytest.mark.parametrize("key", ["x" * 256, "a\nb"])
def test_a_key_that_is_none_is_refused(lab: QuickLab, key: str) -> None:
    code, _ = refusal(lab.lab.SubmitJob, request(lab, key=key))

    assert code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_key_holds_over_a_kill_and_gives_the_job_as_it_is_then(tmp_path: Path) -> None:
    with QuickLab(tmp_path) as lab:
        wanted = request(lab, key="night run 7")
        first = lab.lab.SubmitJob(wanted).summary.job
        lab.wait_for(first)
        lab.kill()

        lab.restart()
        again = lab.lab.SubmitJob(wanted).summary.job

        assert again.id == first.id
        assert again.status == iqm.COMPLETED
        assert lab.started() == [str(UUID(bytes=first.id.raw))]


# ---- list


def test_pages_go_through_all_jobs_once_newest_first(lab: QuickLab) -> None:
    jobs = [submit(lab, "paged") for _ in range(7)]

    first = lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=3, tags=["paged"]))

    assert ids(first.jobs) == [job.id.raw for job in reversed(jobs[4:])]
    assert listed(lab, limit=3, tags=["paged"]) == [job.id.raw for job in reversed(jobs)]
    assert list(first.jobs[0].tags) == ["paged"]


def test_conditions_hold_together(lab: QuickLab, blocked: iqm.JobV1) -> None:
    done = submit(lab, "rabi", "qb1")
    lab.jobs.CancelJobV1(lookup(done))
    waiting = submit(lab, "rabi", "qb1")
    submit(lab, "rabi")

    assert listed(lab, tags=["rabi", "qb1"]) == [waiting.id.raw, done.id.raw]
    assert listed(lab, tags=["rabi", "qb1"], states=["CANCELLED"]) == [done.id.raw]
    assert listed(lab, tags=["rabi", "qb1"], type="CIRCUIT") == []
    assert listed(lab, tags=["rabi", "qb1"], alias="star5", type="PULSE") == [
        waiting.id.raw,
        done.id.raw,
    ]
    since = Timestamp()
    since.CopyFrom(waiting.created_at)
    assert listed(lab, tags=["rabi", "qb1"], created_from=since) == [waiting.id.raw]
    assert listed(lab, tags=["rabi", "qb1"], created_until=since) == [done.id.raw]
    page = lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=1, states=["IN_QUEUE"]))
    assert page.jobs[0].job.queue_position == len(listed(lab, states=["IN_QUEUE"])) - 1


@pytest.mark.parametrize(
    ("conditions", "code"),
    [
        ({"states": ["DONE"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"type": "QASM"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"alias": "moon"}, grpc.StatusCode.NOT_FOUND),
        ({"user": "nobody knows"}, grpc.StatusCode.NOT_FOUND),
        ({"created_from": Timestamp(seconds=2**40)}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"page_token": "AAAA"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"page_token": "ä"}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_conditions_that_name_nothing_are_refused(
    lab: QuickLab, conditions: dict[str, object], code: grpc.StatusCode
) -> None:
    wanted = lab_pb2.ListJobsRequest(**conditions)  # type: ignore[arg-type]

    assert refusal(lab.lab.ListJobs, wanted)[0] is code


def test_a_page_token_of_another_list_is_refused(lab: QuickLab) -> None:
    for _ in range(2):
        submit(lab, "token")
    page = lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=1, tags=["token"]))

    other = lab_pb2.ListJobsRequest(limit=1, page_token=page.next_page_token)

    assert refusal(lab.lab.ListJobs, other)[0] is grpc.StatusCode.INVALID_ARGUMENT


# ---- hold, priority, tags


def test_a_held_job_lets_others_pass_and_goes_on_when_released(lab: QuickLab) -> None:
    blocker = submit(lab, s=60)
    lab.wait_for(blocker, iqm.EXECUTING)
    held, other = submit(lab), submit(lab)

    details = lab.lab.HoldJob(lab_pb2.HoldJobRequest(id=held.id, note="fridge warms up"))
    lab.jobs.CancelJobV1(lookup(blocker))
    lab.wait_for(other)

    assert details.summary.hold_note == "fridge warms up"
    assert lab.get(held).status == iqm.IN_QUEUE
    released = lab.lab.ReleaseJob(lookup(held))
    assert not released.summary.HasField("hold_note")
    assert lab.wait_for(held).status == iqm.COMPLETED


def test_a_job_of_a_higher_class_runs_first(lab: QuickLab, blocked: iqm.JobV1) -> None:
    first, second = submit(lab), submit(lab)

    details = lab.lab.SetPriority(lab_pb2.SetPriorityRequest(id=second.id, priority=lab_pb2.HIGH))

    assert details.summary.priority == lab_pb2.HIGH
    assert details.summary.job.queue_position == 0
    assert lab.get(first).queue_position == 1


def test_tags_replace_those_before(lab: QuickLab) -> None:
    job = submit(lab, "old")

    details = lab.lab.SetTags(lab_pb2.SetTagsRequest(id=job.id, tags=["new", "newer"]))

    assert list(details.summary.tags) == ["new", "newer"]
    assert listed(lab, tags=["old"]) == []
    assert listed(lab, tags=["newer"]) == [job.id.raw]


# ---- delete


def files_of(lab: QuickLab, job: iqm.JobV1) -> list[str]:
    name = str(UUID(bytes=job.id.raw))
    return sorted(path.parent.name for path in lab.state.glob(f"*/{name}*"))


def test_a_deleted_job_is_gone_with_its_files(lab: QuickLab) -> None:
    job = submit(lab, "gone", pad="x" * LARGE)
    lab.wait_for(job)
    assert files_of(lab, job) == ["payloads", "results"]

    lab.lab.DeleteJob(lookup(job))

    assert files_of(lab, job) == []
    assert listed(lab, tags=["gone"]) == []
    for call in (lab.jobs.GetJobV1, lab.lab.GetJobDetails, lab.lab.DeleteJob):
        assert refusal(call, lookup(job)) == (grpc.StatusCode.NOT_FOUND, "not_found")


def test_a_job_that_has_not_ended_is_not_deleted(lab: QuickLab, blocked: iqm.JobV1) -> None:
    waiting = submit(lab)

    for job in (blocked, waiting):
        assert refusal(lab.lab.DeleteJob, lookup(job)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "conflict",
        )


def test_a_stream_of_results_that_runs_is_finished(lab: QuickLab) -> None:
    n_bytes = 64 * 2**20
    job = submit(lab, bytes=n_bytes)
    lab.wait_for(job)
    stream = lab.jobs.GetJobResultsV1(lookup(job))
    first = next(stream)

    lab.lab.DeleteJob(lookup(job))

    assert len(first.data) + len(joined(stream)) > n_bytes
    assert files_of(lab, job) == []


def test_the_key_of_a_deleted_job_stays_used(lab: QuickLab) -> None:
    wanted = request(lab, key="deleted")
    job = lab.lab.SubmitJob(wanted).summary.job
    lab.wait_for(job)
    lab.lab.DeleteJob(lookup(job))

    assert refusal(lab.lab.SubmitJob, wanted) == (grpc.StatusCode.NOT_FOUND, "not_found")


def test_files_that_a_crash_left_of_a_deleted_job_go_after_the_next_start(tmp_path: Path) -> None:
    with QuickLab(tmp_path) as lab:
        kept, deleted = submit(lab, pad="x" * LARGE), submit(lab, pad="x" * LARGE)
        lab.wait_for(deleted)
        lab.wait_for(kept)
        saved = {path: path.read_bytes() for path in lab.state.glob("*/*.bin")}
        lab.lab.DeleteJob(lookup(deleted))
        lab.kill()
        for path, data in saved.items():
            path.write_bytes(data)

        lab.restart()

        until = time.monotonic() + 10
        while files_of(lab, deleted) and time.monotonic() < until:
            time.sleep(0.01)
        assert files_of(lab, deleted) == []
        assert files_of(lab, kept) == ["payloads", "results"]
        assert len(joined(lab.jobs.GetJobPayloadV1(lookup(kept)))) > LARGE


# ---- whose they are


class Alice:
    """A user without a role beside the admin who runs the test."""

    def __init__(self, lab: QuickLab) -> None:
        lab.lab.PutUser(lab_pb2.PutUserRequest(name="alice"))
        made = lab.lab.CreateToken(lab_pb2.CreateTokenRequest(user="alice"))
        self._metadata = (("authorization", f"Bearer {made.secret}"),)

    def by(self, call: Callable[..., Message]) -> Callable[[object], Message]:
        """That method, called by her."""
        return lambda message: call(message, metadata=self._metadata)

    def submit(self, lab: QuickLab, *tags: str) -> bytes:
        details = self.by(lab.lab.SubmitJob)(request(lab, tags=tags))
        return bytes(details.summary.job.id.raw)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def alice(lab: QuickLab) -> Alice:
    return Alice(lab)


def test_a_user_lists_his_own_jobs_and_an_admin_all(lab: QuickLab, alice: Alice) -> None:
    foreign, own = submit(lab, "shared"), alice.submit(lab, "shared")

    def hers(user: str = "") -> list[bytes]:
        wanted = lab_pb2.ListJobsRequest(tags=["shared"], user=user)
        return ids(alice.by(lab.lab.ListJobs)(wanted).jobs)  # type: ignore[attr-defined]

    assert hers() == hers(user="alice") == [own]
    assert listed(lab, tags=["shared"]) == [own, foreign.id.raw]
    assert listed(lab, tags=["shared"], user="alice") == [own]
    for name in ("root", "nobody knows"):
        assert refusal(alice.by(lab.lab.ListJobs), lab_pb2.ListJobsRequest(user=name)) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "permission_denied",
        )


def test_somebody_elses_job_is_answered_like_one_that_is_not(lab: QuickLab, alice: Alice) -> None:
    foreign = submit(lab)
    lab.wait_for(foreign)

    def answers(job_id: iqm.Uuid) -> list[tuple[grpc.StatusCode, str]]:
        wanted = iqm.JobLookupV1(id=job_id)
        calls: list[tuple[Callable[..., Message], Message]] = [
            (lab.lab.GetJobDetails, wanted),
            (lab.lab.DeleteJob, wanted),
            (lab.lab.ReleaseJob, wanted),
            (lab.lab.HoldJob, lab_pb2.HoldJobRequest(id=job_id)),
            (lab.lab.SetPriority, lab_pb2.SetPriorityRequest(id=job_id)),
            (lab.lab.SetTags, lab_pb2.SetTagsRequest(id=job_id, tags=["mine"])),
        ]
        return [refusal(alice.by(call), message) for call, message in calls]

    unknown = iqm.Uuid(raw=uuid4().bytes)

    assert answers(foreign.id) == answers(unknown)
    assert set(answers(unknown)) == {(grpc.StatusCode.NOT_FOUND, "not_found")}
    assert lab.get(foreign).status == iqm.COMPLETED


def test_a_user_gives_no_high_priority(lab: QuickLab, alice: Alice) -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "permission_denied")

    assert refusal(alice.by(lab.lab.SubmitJob), request(lab, priority=lab_pb2.HIGH)) == denied
    job_id = iqm.Uuid(raw=alice.submit(lab))
    wanted = lab_pb2.SetPriorityRequest(id=job_id, priority=lab_pb2.HIGH)
    assert refusal(alice.by(lab.lab.SetPriority), wanted) == denied


def test_what_an_admin_holds_no_user_releases(
    lab: QuickLab, alice: Alice, blocked: iqm.JobV1
) -> None:
    job_id = iqm.Uuid(raw=alice.submit(lab))
    lab.lab.HoldJob(lab_pb2.HoldJobRequest(id=job_id, note="ask me"))

    wanted = iqm.JobLookupV1(id=job_id)

    assert refusal(alice.by(lab.lab.ReleaseJob), wanted)[1] == "permission_denied"
    lab.lab.ReleaseJob(wanted)


def test_keys_are_per_user(lab: QuickLab, alice: Alice) -> None:
    wanted = request(lab, key="the same")

    mine = lab.lab.SubmitJob(wanted)
    hers = alice.by(lab.lab.SubmitJob)(wanted)

    assert hers.summary.job.id != mine.summary.job.id  # type: ignore[attr-defined]


# ---- audit


def test_every_deed_is_in_the_audit(lab: QuickLab) -> None:
    job = submit(lab, s=0.0)
    lab.wait_for(job)
    lab.lab.SetTags(lab_pb2.SetTagsRequest(id=job.id, tags=["b", "a"]))
    lab.lab.DeleteJob(lookup(job))

    lines = list(lab.lab.ReadAudit(lab_pb2.ReadAuditRequest(object=str(UUID(bytes=job.id.raw)))))

    assert [line.action for line in lines] == ["job.submit", "job.tags", "job.delete"]
    assert json.loads(lines[1].details) == {"tags": "a, b"}
    assert json.loads(lines[2].details)["state"] == "COMPLETED"
