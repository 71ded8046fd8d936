"""Every method that changes something leaves its line: who, what, when, from where."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from people_lab import METHODS, PeopleLab
from test_access_cells import ALIAS, CASES, STRANGER, Bench, slot_request

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

DOER = "adam"
ObjectOf = Callable[[Message, Message], str]


def text_of(message: iqm.Uuid) -> str:
    return str(UUID(bytes=message.raw))


def asked_id(request: Message, reply: Message) -> str:
    del reply
    named = request.id  # type: ignore[attr-defined]
    return named if isinstance(named, str) else text_of(named)


def new_job(request: Message, reply: Message) -> str:
    del request
    job = reply.summary.job if isinstance(reply, lab_pb2.JobDetails) else reply
    return text_of(job.id)  # type: ignore[attr-defined]


def new_slot(request: Message, reply: Message) -> str:
    del request
    return text_of(reply.id)  # type: ignore[attr-defined]


def set_id(request: Message, reply: Message) -> str:
    del request
    return text_of(reply.head.id)  # type: ignore[attr-defined]


def token_id(request: Message, reply: Message) -> str:
    del request
    return str(reply.token.id)  # type: ignore[attr-defined]


def machine(request: Message, reply: Message) -> str:
    del request, reply
    return ALIAS


def stranger(request: Message, reply: Message) -> str:
    del request, reply
    return STRANGER


def the_store(request: Message, reply: Message) -> str:
    del request, reply
    return "store"


DEEDS: dict[str, tuple[str, ObjectOf]] = {
    "iqm.server.Jobs/SubmitJobV1": ("job.submit", new_job),
    "iqm.server.Jobs/CancelJobV1": ("job.cancel", asked_id),
    "labd.v1.Lab/SubmitJob": ("job.submit", new_job),
    "labd.v1.Lab/DeleteJob": ("job.delete", asked_id),
    "labd.v1.Lab/HoldJob": ("job.hold", asked_id),
    "labd.v1.Lab/ReleaseJob": ("job.release", asked_id),
    "labd.v1.Lab/SetPriority": ("job.priority", asked_id),
    "labd.v1.Lab/SetTags": ("job.tags", asked_id),
    "labd.v1.Lab/PinJob": ("job.pin", asked_id),
    "labd.v1.Lab/UnpinJob": ("job.unpin", asked_id),
    "labd.v1.Lab/Fsck": ("store.fsck", the_store),
    "labd.v1.Lab/Backup": ("store.backup", the_store),
    "labd.v1.Lab/PauseMachine": ("machine.pause", machine),
    "labd.v1.Lab/DrainMachine": ("machine.drain", machine),
    "labd.v1.Lab/ResumeMachine": ("machine.resume", machine),
    "labd.v1.Lab/PutUser": ("user.put", stranger),
    "labd.v1.Lab/CreateToken": ("token.create", token_id),
    "labd.v1.Lab/RevokeToken": ("token.revoke", asked_id),
    "labd.v1.Lab/SetLimit": ("limit.set", lambda *_: f"user {STRANGER}"),
    "labd.v1.Lab/BookTimeslot": ("timeslot.book", new_slot),
    "labd.v1.Lab/ChangeTimeslot": ("timeslot.change", asked_id),
    "labd.v1.Lab/CancelTimeslot": ("timeslot.cancel", asked_id),
    "labd.v1.Lab/ImportCalibration": ("calibration.import", set_id),
    "labd.v1.Lab/ActivateCalibration": ("calibration.activate", asked_id),
    "labd.v1.Lab/RollBackCalibration": ("calibration.roll_back", set_id),
}
"""Method -> action, and what stands as its object. All other methods only read."""

NOTHING_TO_READ = {"labd.v1.Lab/GetPartialResults"}
"""No rack has measured anything here, which is the answer."""

READING = re.compile(r"/(Get|List|Subscribe|Watch|Diff|Read|WhoAmI)")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    lab = PeopleLab(tmp_path_factory.mktemp("lab"))
    lab.edit("stop_grace_s = 5.0", "stop_grace_s = 0.1")
    with lab:
        yield Bench(lab)


def lines_after(bench: Bench, number: int) -> list[lab_pb2.AuditLine]:
    return list(bench.lab.lab.ReadAudit(lab_pb2.ReadAuditRequest(first_number=number + 1)))


def head(bench: Bench) -> int:
    (last,) = bench.lab.lab.ReadAudit(lab_pb2.ReadAuditRequest(last=1))
    return int(last.number)


def test_a_method_either_reads_or_leaves_a_line() -> None:
    assert {method for method in METHODS if not READING.search(method)} == set(DEEDS)


@pytest.mark.parametrize("method", DEEDS)
def test_a_deed_leaves_its_line(bench: Bench, method: str) -> None:
    action, object_of = DEEDS[method]
    request = CASES[method][1](bench, STRANGER)
    before, began_ns = head(bench), time.time_ns()

    reply, *_ = bench.lab.call(method, request, bench.lab.tokens[DOER])

    ended_ns = time.time_ns()
    (line,) = lines_after(bench, before)
    assert (line.user, line.action) == (DOER, action)
    assert line.object == object_of(request, reply)
    assert line.credential == f"token {bench.lab.tokens[DOER].split('_')[1]}"
    assert re.fullmatch(r"127\.0\.0\.1:\d+", line.origin)
    assert began_ns <= line.at_ns <= ended_ns
    assert isinstance(json.loads(line.details), dict)
    bench.lab.lab.ResumeMachine(lab_pb2.MachineRequest(alias=ALIAS))


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(DEEDS)))
def test_reading_leaves_no_line(bench: Bench, method: str) -> None:
    request = CASES[method][1](bench, STRANGER)
    before = head(bench)

    with suppress(*[grpc.RpcError] * (method in NOTHING_TO_READ)):
        bench.lab.call(method, request, bench.lab.tokens[DOER])

    assert lines_after(bench, before) == []


@pytest.mark.parametrize("method", [name for name, deed in DEEDS.items() if deed[1] is asked_id])
def test_what_was_refused_for_its_content_leaves_no_line(bench: Bench, method: str) -> None:
    request = CASES[method][1](bench, STRANGER)
    if isinstance(request, lab_pb2.RevokeTokenRequest):
        request.id = "unknown"
    else:
        request.id.CopyFrom(iqm.Uuid(raw=uuid4().bytes))  # type: ignore[attr-defined]
    before = head(bench)

    with pytest.raises(grpc.RpcError):
        bench.lab.call(method, request, bench.lab.tokens[DOER])

    assert lines_after(bench, before) == []


def test_who_was_refused_leaves_a_line(bench: Bench) -> None:
    before = head(bench)
    for token in (bench.lab.tokens["ann"], "labd_aaaaaaaa_" + 43 * "A"):
        with pytest.raises(grpc.RpcError):
            bench.lab.call("labd.v1.Lab/BookTimeslot", slot_request("ann"), token)
    bench.lab.token("ann")  # nobody waits for a refusal's line; this one's comes after them

    lines = lines_after(bench, before)[:2]

    assert [(line.user, line.action, line.object) for line in lines] == [
        (who, "access.refused", "labd.v1.Lab/BookTimeslot") for who in ("ann", "")
    ]
    assert all(line.origin.startswith("127.0.0.1:") for line in lines)
    assert "AAAA" not in str(lines)


def test_the_details_of_a_submit_say_what_was_submitted(bench: Bench) -> None:
    before = head(bench)
    bench.lab.submit_as("ann")

    (line,) = lines_after(bench, before)

    assert set(json.loads(line.details)) >= {
        *("alias", "type", "shots", "circuits", "use_timeslot", "priority"),
        *("payload_sha256", "run_p90_s"),
    }
