"""What a real labd accepts: limits, modes and timeslots, through real channels."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quick_lab import QuickLab, lookup, metadata_of, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2

Metadata = Sequence[tuple[str, str]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def user(lab: QuickLab) -> str:
    """A user of this test's own."""
    name = f"u{uuid4().hex[:8]}"
    lab.lab.PutUser(lab_pb2.PutUserRequest(name=name, role=lab_pb2.USER))
    return name


def as_user(lab: QuickLab, name: str) -> Metadata:
    made = lab.lab.CreateToken(lab_pb2.CreateTokenRequest(user=name, note="test"))
    return (("authorization", f"Bearer {made.secret}"),)


def submit(
    lab: QuickLab, who: Metadata, *, use_timeslot: bool = False, **wish: str | float
) -> iqm.JobV1:
    job: iqm.JobV1 = lab.jobs.SubmitJobV1(
        iqm.SubmitJobRequestV1(
            qc_id=lab.qc_id, type=iqm.PULSE, payload=payload(**wish), use_timeslot=use_timeslot
        ),
        metadata=who,
    )
    return job


def limit(lab: QuickLab, name: str, value: float, **whose: str) -> lab_pb2.Limit:
    wanted = lab_pb2.SetLimitRequest(name=name, limit=value, **whose)  # type: ignore[arg-type]
    answer: lab_pb2.Limit = lab.lab.SetLimit(wanted)
    return answer


def refusal(call: Callable[[], object]) -> tuple[str, str, str]:
    """Code, error_code and sentence."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code = str(metadata_of(caught.value)["error_code"])
    return caught.value.code().name, code, str(caught.value.details())


@contextlib.contextmanager
def paused(lab: QuickLab, note: str = "a test") -> Iterator[None]:
    lab.lab.PauseMachine(lab_pb2.MachineRequest(note=note))
    yield
    lab.lab.ResumeMachine(lab_pb2.MachineRequest())


def in_s(seconds: float) -> Timestamp:
    at = Timestamp()
    at.FromNanoseconds(time.time_ns() + round(seconds * 1e9))
    return at


def test_the_queue_of_a_user_is_limited_and_frees_by_cancelling(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    limit(lab, "queued_jobs", 2, user=user)
    with paused(lab):
        first, _ = submit(lab, who), submit(lab, who)

        refused = refusal(lambda: submit(lab, who))
        lab.jobs.CancelJobV1(lookup(first), metadata=who)
        third = submit(lab, who)

    assert refused == (
        "RESOURCE_EXHAUSTED",
        "quota_exceeded",
        f"{user} has used 2 of 2 queued_jobs and asks for 1 more;"
        " a place frees when one of them ends or is cancelled",
    )
    assert lab.wait_for(third).status == iqm.COMPLETED


def test_a_place_frees_by_finishing(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    limit(lab, "queued_jobs", 1, user=user)
    running = submit(lab, who, s=0.5)
    lab.wait_for(running, iqm.EXECUTING)

    _, refused, _ = refusal(lambda: submit(lab, who))
    lab.wait_for(running)

    assert refused == "quota_exceeded"
    assert lab.wait_for(submit(lab, who)).status == iqm.COMPLETED


def test_results_use_up_the_disk_until_they_are_deleted(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    limit(lab, "result_bytes", 5000, user=user)
    job = submit(lab, who, bytes=6000)
    lab.wait_for(job)

    _, _, sentence = refusal(lambda: submit(lab, who))
    lab.lab.DeleteJob(lookup(job), metadata=who)

    assert "of 5000 result_bytes; delete results with `labctl delete`" in sentence
    lab.wait_for(submit(lab, who))


def test_limits_are_seen_by_their_user_and_by_operators(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    limit(lab, "queued_shots", 10_000, user=user)
    with paused(lab):
        submit(lab, who)

        own = lab.lab.GetLimits(lab_pb2.GetLimitsRequest(), metadata=who)
        seen = lab.lab.GetLimits(lab_pb2.GetLimitsRequest(user=user))

    assert own == seen
    assert own.user == user
    named = {each.name: each for each in own.limits}
    assert (named["queued_shots"].limit, named["queued_shots"].source) == (10_000, "user")
    assert named["queued_shots"].used > 0
    assert named["queued_jobs"].used == 1
    assert not named["queued_jobs"].HasField("limit")
    root = lab.lab.GetLimits(lab_pb2.GetLimitsRequest()).user
    asked = lab_pb2.GetLimitsRequest(user=root)
    assert refusal(lambda: lab.lab.GetLimits(asked, metadata=who))[:2] == (
        "PERMISSION_DENIED",
        "permission_denied",
    )


def test_a_roles_limit_holds_until_it_is_taken_back(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    wanted = lab_pb2.SetLimitRequest(role=lab_pb2.USER, name="queued_jobs", limit=0)

    set_ = lab.lab.SetLimit(wanted)
    refused = refusal(lambda: submit(lab, who))
    back = lab.lab.SetLimit(lab_pb2.SetLimitRequest(role=lab_pb2.USER, name="queued_jobs"))

    assert (set_.limit, set_.source) == (0, "role")
    assert refused[1] == "quota_exceeded"
    assert not back.HasField("limit")
    lab.wait_for(submit(lab, who))


@pytest.mark.parametrize(
    "wrong",
    [
        lab_pb2.SetLimitRequest(user="root", name="jobs", limit=1),
        lab_pb2.SetLimitRequest(user="root", name="queued_jobs", limit=float("nan")),
        lab_pb2.SetLimitRequest(user="root", name="queued_jobs", limit=-1),
        lab_pb2.SetLimitRequest(user="root", name="queued_jobs", limit=1, is_unlimited=True),
        lab_pb2.SetLimitRequest(name="queued_jobs", limit=1),
    ],
)
def test_a_limit_that_cannot_be_is_refused(lab: QuickLab, wrong: lab_pb2.SetLimitRequest) -> None:
    assert refusal(lambda: lab.lab.SetLimit(wrong))[0] == "INVALID_ARGUMENT"


def test_users_set_no_limits_and_pause_no_machine(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    own = lab_pb2.SetLimitRequest(user=user, name="queued_jobs", limit=10)
    calls: list[Callable[[], object]] = [
        lambda: lab.lab.SetLimit(own, metadata=who),
        lambda: lab.lab.PauseMachine(lab_pb2.MachineRequest(), metadata=who),
        lambda: lab.lab.DrainMachine(lab_pb2.MachineRequest(), metadata=who),
        lambda: lab.lab.ResumeMachine(lab_pb2.MachineRequest(), metadata=who),
    ]

    assert {refusal(call)[0] for call in calls} == {"PERMISSION_DENIED"}


def test_a_drained_machine_runs_its_queue_empty_and_accepts_nothing(lab: QuickLab) -> None:
    blocker = lab.submit(s=0.3)
    queued = lab.submit()

    machine = lab.lab.DrainMachine(lab_pb2.MachineRequest(note="warming up"))
    refused = refusal(lambda: lab.submit())

    assert (machine.mode, machine.note) == (lab_pb2.DRAINING, "warming up")
    assert refused[:2] == ("UNAVAILABLE", "unavailable")
    assert refused[2] == "star5 is being drained and accepts no jobs now: warming up"
    assert [lab.wait_for(job).status for job in (blocker, queued)] == [iqm.COMPLETED] * 2
    resumed = lab.lab.ResumeMachine(lab_pb2.MachineRequest())
    assert (resumed.mode, resumed.note, resumed.n_queued) == (lab_pb2.RUNNING, "", 0)
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_paused_machine_accepts_jobs_and_starts_none(lab: QuickLab, user: str) -> None:
    with paused(lab, "fixing awg3"):
        job = lab.submit()
        seen = lab.lab.GetMachine(lab_pb2.MachineRequest(), metadata=as_user(lab, user))
        time.sleep(0.2)
        waiting = lab.get(job)

    assert (seen.mode, seen.note, seen.n_queued) == (lab_pb2.PAUSED, "fixing awg3", 1)
    assert seen.changed_by
    assert seen.rack_state == "ready"
    assert (waiting.status, waiting.queue_position) == (iqm.IN_QUEUE, 0)
    assert lab.wait_for(job).status == iqm.COMPLETED


def test_without_a_slot_use_timeslot_is_refused(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)

    refused = refusal(lambda: submit(lab, who, use_timeslot=True))
    slot = lab.lab.BookTimeslot(lab_pb2.BookTimeslotRequest(user=user, end=in_s(60)))
    job = submit(lab, who, use_timeslot=True)

    assert refused[:2] == ("FAILED_PRECONDITION", "no_booked_timeslots")
    assert lab.wait_for(job).status == iqm.COMPLETED
    lab.lab.CancelTimeslot(lab_pb2.CancelTimeslotRequest(id=slot.id))


def test_users_share_the_queue_and_positions_follow(lab: QuickLab, user: str) -> None:
    who = as_user(lab, user)
    with paused(lab):
        mine = [lab.submit() for _ in range(6)]
        updates = lab.updates(mine[-1])
        before = next(updates).queue_position
        theirs = [submit(lab, who) for _ in range(3)]
        after = next(each.queue_position for each in updates if each.queue_position >= 8)

    assert [job.queue_position for job in mine] == list(range(6))
    assert (before, after) == (5, 8)
    assert theirs[0].queue_position == 1
    assert [update.status for update in updates][-1] == iqm.COMPLETED


def test_positions_are_told_once_a_second_and_states_at_once(lab: QuickLab) -> None:
    with paused(lab):
        jobs = [lab.submit() for _ in range(30)]
        told: list[tuple[float, iqm.JobV1]] = []

        def follow() -> None:
            told.extend((time.monotonic(), update) for update in lab.updates(jobs[-1]))

        started = time.monotonic()
        follower = threading.Thread(target=follow)
        follower.start()
        while not told:
            time.sleep(0.01)
        for job in jobs[:20]:
            lab.jobs.CancelJobV1(lookup(job))
            time.sleep(0.03)
        while told[-1][1].queue_position != 9:
            time.sleep(0.01)
        cancelled = time.monotonic()
        lab.jobs.CancelJobV1(lookup(jobs[-1]))
        follower.join(10)
        for job in jobs[20:-1]:
            lab.jobs.CancelJobV1(lookup(job))

    positions = [update for _, update in told if update.status == iqm.IN_QUEUE]
    assert len(positions) <= 3 + (cancelled - started)
    at, last = told[-1]
    assert last.status == iqm.CANCELLED
    assert at - cancelled < 0.5


def test_fifty_at_once_and_a_kill_between_never_exceed_the_limit(tmp_path: Path) -> None:
    with QuickLab(tmp_path) as lab:
        lab.lab.PutUser(lab_pb2.PutUserRequest(name="alice", role=lab_pb2.USER))
        who = as_user(lab, "alice")
        limit(lab, "queued_jobs", 40, user="alice")
        lab.lab.PauseMachine(lab_pb2.MachineRequest(note="a test"))
        request = iqm.SubmitJobRequestV1(qc_id=lab.qc_id, type=iqm.PULSE, payload=payload())
        accepted: list[bytes] = []
        n_lost = 0
        for is_killed in (True, True, False):
            answers, killer = Counter[str](), threading.Timer(0.03, lab.kill)
            with (
                grpc.insecure_channel(lab.address) as channel,
                ThreadPoolExecutor(50) as pool,
            ):
                jobs = iqm_grpc.JobsStub(channel)
                waiting = [
                    pool.submit(_try, jobs, request, who, accepted, answers) for _ in range(50)
                ]
                if is_killed:
                    killer.start()
                for each in waiting:
                    each.result()
            if is_killed:
                killer.join()
                n_lost += answers["UNAVAILABLE"]
                lab.restart()

        machine = lab.lab.GetMachine(lab_pb2.MachineRequest())
        used = lab.lab.GetLimits(lab_pb2.GetLimitsRequest(user="alice")).limits[0].used

        assert machine.mode == lab_pb2.PAUSED
        assert machine.n_queued == used == 40
        assert len(accepted) <= 40
        assert len(accepted) + n_lost >= 40
        with contextlib.closing(sqlite3.connect(lab.state / "labd.db")) as db:
            stored = {id for (id,) in db.execute("SELECT id FROM jobs")}
        assert set(accepted) <= stored


def _try(
    jobs: iqm_grpc.JobsStub,
    request: iqm.SubmitJobRequestV1,
    who: Metadata,
    accepted: list[bytes],
    answers: Counter[str],
) -> None:
    try:
        accepted.append(jobs.SubmitJobV1(request, metadata=who, timeout=20).id.raw)
    except grpc.RpcError as error:
        answers[error.code().name] += 1
    else:
        answers["OK"] += 1


def test_where_timeslots_are_required_and_jobs_must_fit_in_them(tmp_path: Path) -> None:
    lab = QuickLab(tmp_path).edit("required = false ", "required = true ")
    lab.edit('overrun = "hold" ', 'overrun = "refuse" ')
    with lab:
        without = refusal(lambda: submit(lab, ()))
        unbooked = refusal(lambda: submit(lab, (), use_timeslot=True))
        slot = lab.lab.BookTimeslot(
            lab_pb2.BookTimeslotRequest(start=in_s(3600), end=in_s(3600.05))
        )
        too_short = refusal(lambda: submit(lab, (), use_timeslot=True))
        lab.lab.ChangeTimeslot(lab_pb2.ChangeTimeslotRequest(id=slot.id, end=in_s(7200)))
        job = submit(lab, (), use_timeslot=True)

        assert without[:2] == ("FAILED_PRECONDITION", "timeslot_required")
        assert unbooked[:2] == ("FAILED_PRECONDITION", "no_booked_timeslots")
        assert too_short[:2] == ("FAILED_PRECONDITION", "timeslot_too_short")
        assert lab.get(job).status == iqm.IN_QUEUE


def test_a_job_of_a_machine_that_is_not_configured_any_more_is_not_found(tmp_path: Path) -> None:
    with QuickLab(tmp_path) as lab:
        done = lab.submit(bytes=10)
        lab.wait_for(done)
        lab.lab.PauseMachine(lab_pb2.MachineRequest())
        queued = lab.submit()
        lab.stop()
        lab.edit("5c1e5000-0000-4000-8000-0000000000a5", "5c1e5000-0000-4000-8000-0000000000a6")
        lab.edit('calibration_set = "star5/calibration-set.json"', 'calibration_set = ""')
        lab.restart()

        answers = [
            refusal(lambda call=call, job=job: call(lookup(job)))  # type: ignore[misc]
            for call in (lab.jobs.GetJobV1, lab.jobs.CancelJobV1)
            for job in (done, queued)
        ]

        assert {answer[:2] for answer in answers} == {("NOT_FOUND", "not_found")}
        assert "it is not configured any more" in answers[0][2]
        assert lab.result(done)
