from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quick_lab import QuickLab, metadata_of, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

S_NS = 1_000_000_000
ON_TIME_S = 2.0
HOUR_S = 3600.0

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    made = QuickLab(tmp_path_factory.mktemp("lab"))
    with made.edit("idle_release_min = 10.0", "idle_release_min = 0.01") as lab:
        yield lab


@pytest.fixture(scope="module")
def bob(running: QuickLab) -> Metadata:
    """A user; those who run the tests are admins."""
    return add_user(running, "bob")


@pytest.fixture
def lab(running: QuickLab, bob: Metadata) -> Iterator[QuickLab]:
    """A lab without slots and jobs, before and after."""
    yield running
    for slot in slots(running):
        running.lab.CancelTimeslot(lab_pb2.CancelTimeslotRequest(id=slot.id))
    for summary in running.lab.ListJobs(lab_pb2.ListJobsRequest()).jobs:
        if summary.job.status in (iqm.IN_QUEUE, iqm.EXECUTING):
            running.jobs.CancelJobV1(iqm.JobLookupV1(id=summary.job.id))


def add_user(lab: QuickLab, name: str, role: str = "USER") -> Metadata:
    """A user, and what his calls carry."""
    lab.lab.PutUser(lab_pb2.PutUserRequest(name=name, role=role))
    secret = lab.lab.CreateToken(lab_pb2.CreateTokenRequest(user=name)).secret
    return (("authorization", f"Bearer {secret}"),)


def ahead(seconds: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(time.time_ns() + round(seconds * S_NS))
    return stamp


def book(
    lab: QuickLab, start_s: float | None, end_s: float, user: str = "", note: str = ""
) -> lab_pb2.Timeslot:
    slot: lab_pb2.Timeslot = lab.lab.BookTimeslot(
        lab_pb2.BookTimeslotRequest(
            alias="star5",
            user=user,
            start=None if start_s is None else ahead(start_s),
            end=ahead(end_s),
            note=note,
        )
    )
    return slot


def slots(lab: QuickLab, by: Metadata = ()) -> list[lab_pb2.Timeslot]:
    request = lab_pb2.ListTimeslotsRequest(alias="star5")
    return list(lab.lab.ListTimeslots(request, metadata=by).timeslots)


def submit(
    lab: QuickLab, *, use_timeslot: bool = False, seconds: float = 0.0, by: Metadata = ()
) -> iqm.JobV1:
    job: iqm.JobV1 = lab.jobs.SubmitJobV1(
        iqm.SubmitJobRequestV1(
            qc_id=lab.qc_id, type=iqm.PULSE, payload=payload(s=seconds), use_timeslot=use_timeslot
        ),
        metadata=by,
    )
    return job


def started_after_s(lab: QuickLab, job: iqm.JobV1, instant: Timestamp) -> float:
    """How long after an instant the job started."""
    final = lab.wait_for(job)
    assert final.status == iqm.COMPLETED
    return (final.execution_started_at.ToNanoseconds() - instant.ToNanoseconds()) / S_NS


def refused(call: Callable[[], object]) -> tuple[str, str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    return error.code().name, str(metadata_of(error)["error_code"]), error.details() or ""


# ---- what starts when


def test_a_slot_job_starts_when_its_owners_slot_begins(lab: QuickLab) -> None:
    slot = book(lab, 1.0, HOUR_S)
    jobs = [submit(lab, use_timeslot=True) for _ in range(2)]

    delays_s = [started_after_s(lab, job, slot.start) for job in jobs]

    assert all(0.0 <= delay_s <= ON_TIME_S for delay_s in delays_s)


def test_a_slot_booked_for_now_starts_the_job_that_waits_for_a_later_one(lab: QuickLab) -> None:
    book(lab, HOUR_S, 2 * HOUR_S)
    job = submit(lab, use_timeslot=True)
    assert lab.get(job).status == iqm.IN_QUEUE

    slot = book(lab, None, HOUR_S / 2)

    assert 0.0 <= started_after_s(lab, job, slot.start) <= ON_TIME_S


def test_a_strangers_job_waits_until_the_slot_is_cancelled(lab: QuickLab) -> None:
    slot = book(lab, None, HOUR_S, "bob")
    job = submit(lab)
    assert lab.get(job).status == iqm.IN_QUEUE

    ended = lab.lab.CancelTimeslot(lab_pb2.CancelTimeslotRequest(id=slot.id))

    assert ended.end.ToNanoseconds() < time.time_ns()
    assert 0.0 <= started_after_s(lab, job, ended.end) <= ON_TIME_S


def test_a_strangers_job_waits_until_the_slot_is_over(lab: QuickLab) -> None:
    slot = book(lab, None, 0.4, "bob")
    job = submit(lab)

    delay_s = started_after_s(lab, job, slot.end)

    assert 0.0 <= delay_s <= ON_TIME_S


def test_a_strangers_job_that_would_last_into_a_slot_waits_until_it_is_over(lab: QuickLab) -> None:
    lab.wait_for(submit(lab, seconds=0.6))
    slot = book(lab, 0.5, 0.9, "bob")
    job = submit(lab, seconds=0.6)

    delay_s = started_after_s(lab, job, slot.end)

    assert 0.0 <= delay_s <= ON_TIME_S


def test_a_slot_without_work_of_its_owner_is_released(lab: QuickLab) -> None:
    slot = book(lab, None, HOUR_S, "bob")
    job = submit(lab)

    delay_s = started_after_s(lab, job, slot.start)

    assert 0.6 <= delay_s <= 0.6 + ON_TIME_S


def test_a_slot_that_is_moved_nearer_begins_then(lab: QuickLab) -> None:
    slot = book(lab, HOUR_S, 2 * HOUR_S)
    job = submit(lab, use_timeslot=True)

    moved = lab.lab.ChangeTimeslot(
        lab_pb2.ChangeTimeslotRequest(id=slot.id, start=ahead(0.3), note="sooner")
    )

    assert moved.note == "sooner"
    assert moved.end == slot.end
    assert 0.0 <= started_after_s(lab, job, moved.start) <= ON_TIME_S


def test_slots_and_their_jobs_survive_a_kill(lab: QuickLab) -> None:
    slot = book(lab, 2.0, HOUR_S)
    job = submit(lab, use_timeslot=True)

    lab.kill()
    lab.restart()

    assert [each.id for each in slots(lab)] == [slot.id]
    assert started_after_s(lab, job, slot.start) >= 0.0


def test_in_his_slot_the_owner_goes_before_those_who_came_first(
    lab: QuickLab, bob: Metadata
) -> None:
    blocker = submit(lab, seconds=0.5)
    lab.wait_for(blocker, iqm.EXECUTING)
    strangers = submit(lab)
    book(lab, None, HOUR_S, "bob")
    free = submit(lab, by=bob)
    booked = submit(lab, use_timeslot=True, by=bob)

    final = [lab.wait_for(job) for job in (booked, free, strangers)]

    starts_ns = [job.execution_started_at.ToNanoseconds() for job in final]
    assert starts_ns == sorted(starts_ns)


# ---- booking


def test_a_slot_in_the_way_is_named(lab: QuickLab) -> None:
    book(lab, HOUR_S, 2 * HOUR_S, "bob", "tune-up")

    code, error_code, sentence = refused(lambda: book(lab, 1.5 * HOUR_S, 3 * HOUR_S))

    assert (code, error_code) == ("FAILED_PRECONDITION", "conflict")
    assert "the slot of bob from " in sentence
    assert "is in the way" in sentence
    assert [(each.user, each.note, each.is_own) for each in slots(lab)] == [
        ("bob", "tune-up", False)
    ]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"alias": "star5"}, "end: say when the slot ends"),
        ({"alias": "star5", "end": Timestamp(seconds=1)}, "end: 1970-01-01 00:00:01 UTC is past"),
        ({"alias": "star5", "end": Timestamp(seconds=2**40)}, "end: not an instant"),
        ({"alias": "star5", "end": Timestamp(seconds=1, nanos=-1)}, "end: not an instant"),
    ],
)
def test_times_that_make_no_slot_are_refused(
    lab: QuickLab, request_: dict[str, str | Timestamp], sentence: str
) -> None:
    request = lab_pb2.BookTimeslotRequest(**request_)  # type: ignore[arg-type]

    code, error_code, details = refused(lambda: lab.lab.BookTimeslot(request))

    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_argument")
    assert sentence in details


@pytest.mark.parametrize("role", ["USER", "OPERATOR"])
def test_booking_and_changing_are_for_admins(lab: QuickLab, role: str) -> None:
    by = add_user(lab, f"one-{role.lower()}", role)
    slot = book(lab, HOUR_S, 2 * HOUR_S)
    booking = lab_pb2.BookTimeslotRequest(alias="star5", end=ahead(HOUR_S))
    change = lab_pb2.ChangeTimeslotRequest(id=slot.id, note="mine")

    answers = [
        refused(lambda: lab.lab.BookTimeslot(booking, metadata=by)),
        refused(lambda: lab.lab.ChangeTimeslot(change, metadata=by)),
    ]

    assert {answer[:2] for answer in answers} == {("PERMISSION_DENIED", "permission_denied")}
    assert slots(lab) == [slot]


def test_a_slot_is_cancelled_by_its_owner_or_an_admin_and_by_nobody_else(
    lab: QuickLab, bob: Metadata
) -> None:
    mine = lab_pb2.CancelTimeslotRequest(id=book(lab, HOUR_S, 2 * HOUR_S).id)
    his = lab_pb2.CancelTimeslotRequest(id=book(lab, 3 * HOUR_S, 4 * HOUR_S, "bob").id)

    denied = refused(lambda: lab.lab.CancelTimeslot(mine, metadata=bob))
    lab.lab.CancelTimeslot(his, metadata=bob)

    assert denied[0] == "PERMISSION_DENIED"
    assert "may not cancel somebody else's timeslot" in denied[2]
    assert [slot.id for slot in slots(lab)] == [mine.id]


def test_notes_are_lines(lab: QuickLab) -> None:
    code, _, sentence = refused(lambda: book(lab, None, HOUR_S, note="two\nlines"))

    assert code == "INVALID_ARGUMENT"
    assert sentence == "note: a line of at most 200 characters, please"


def test_slots_of_unknown_users_and_machines_are_not_found(lab: QuickLab) -> None:
    unknown = lab_pb2.CancelTimeslotRequest(id=iqm.Uuid(raw=bytes(16)))

    assert refused(lambda: book(lab, None, HOUR_S, "mallory"))[0] == "NOT_FOUND"
    assert refused(lambda: lab.lab.CancelTimeslot(unknown))[0] == "NOT_FOUND"
    assert (
        refused(lambda: lab.lab.ListTimeslots(lab_pb2.ListTimeslotsRequest(alias="no")))[0]
        == "NOT_FOUND"
    )


def test_owners_are_shown_unless_the_lab_hides_them_from_users(tmp_path: Path) -> None:
    with QuickLab(tmp_path).edit("show_owners = true", "show_owners = false") as lab:
        bob, olga = add_user(lab, "bob"), add_user(lab, "olga", "OPERATOR")
        add_user(lab, "alice")
        book(lab, HOUR_S, 2 * HOUR_S, "alice", "secret plan")
        book(lab, 3 * HOUR_S, 4 * HOUR_S, "bob", "tune-up")

        seen = {
            name: [(slot.user, slot.note, slot.is_own) for slot in slots(lab, by)]
            for name, by in (("bob", bob), ("olga", olga))
        }

        assert seen["bob"] == [("", "", False), ("bob", "tune-up", True)]
        assert seen["olga"] == [("alice", "secret plan", False), ("bob", "tune-up", False)]


# ---- at the door


def test_a_slot_job_without_a_slot_is_refused(lab: QuickLab) -> None:
    book(lab, None, HOUR_S, "bob")

    code, error_code, sentence = refused(lambda: submit(lab, use_timeslot=True))

    assert (code, error_code) == ("FAILED_PRECONDITION", "no_booked_timeslots")
    assert "has no active or upcoming timeslot on star5" in sentence


def test_a_job_longer_than_its_slot_waits(lab: QuickLab) -> None:
    book(lab, HOUR_S, HOUR_S + 0.0001)

    job = submit(lab, use_timeslot=True)

    assert job.status == iqm.IN_QUEUE


def test_a_job_longer_than_its_slot_is_refused_where_that_is_configured(tmp_path: Path) -> None:
    made = QuickLab(tmp_path).edit('overrun = "hold"', 'overrun = "refuse"')
    with made.edit("required = false", "required = true") as lab:
        no_slot = refused(lambda: submit(lab))
        book(lab, HOUR_S, HOUR_S + 0.0001)

        too_long = refused(lambda: submit(lab, use_timeslot=True))
        book(lab, None, HOUR_S / 2)
        job = submit(lab, use_timeslot=True)

        assert no_slot[:2] == ("FAILED_PRECONDITION", "timeslot_required")
        assert "/star5:timeslot" in no_slot[2]
        assert too_long[:2] == ("FAILED_PRECONDITION", "timeslot_too_short")
        assert lab.wait_for(job).status == iqm.COMPLETED
