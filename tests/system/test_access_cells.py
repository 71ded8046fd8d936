"""Role x call x ownership, every cell through a real channel.

What is expected is written down here from the API's reference, not taken from labd: jobs of
somebody else are not found by users; operators see all jobs, hold, drain and delete; admins keep
users, tokens, timeslots and calibration sets; what is not said is refused.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from people_lab import METHODS, PeopleLab, bearer, call
from quick_lab import joined, lookup, metadata_of

from labd.core.access import PAGES, TABLE
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

ALIAS = "star5"
PEOPLE = {"user": "ann", "operator": "otto", "admin": "adam"}
STRANGER = "zoe"
"""Who owns what is somebody else's."""

OK, NF, PD = "OK", "NOT_FOUND", "PERMISSION_DENIED"
EVERYBODY = {"user": (OK, OK), "operator": (OK, OK), "admin": (OK, OK)}
OPERATORS = {"user": (PD, PD), "operator": (OK, OK), "admin": (OK, OK)}
ADMINS = {"user": (PD, PD), "operator": (PD, PD), "admin": (OK, OK)}
A_JOB = {"user": (OK, NF), "operator": (OK, OK), "admin": (OK, OK)}
OF_USER = {"user": (OK, PD), "operator": (OK, OK), "admin": (OK, OK)}
OF_USER_FOR_ADMINS = {"user": (OK, PD), "operator": (OK, PD), "admin": (OK, OK)}
A_TOKEN = {"user": (OK, NF), "operator": (OK, NF), "admin": (OK, OK)}
"""role -> (what is his own, what is somebody else's)."""

_numbers = itertools.count()


class Bench:
    """A running lab whose rack is busy for good, so that what is submitted stays in the queue."""

    def __init__(self, lab: PeopleLab) -> None:
        self.lab = lab
        for role, name in PEOPLE.items():
            lab.add(name, role)
        lab.add(STRANGER)
        self.completed = {name: lab.submit_as(name) for name in (*PEOPLE.values(), STRANGER)}
        for job in self.completed.values():
            assert lab.wait_for(job).status == iqm.COMPLETED
        lab.wait_for(lab.submit(s=3600), iqm.EXECUTING)
        self.active = lab.lab.ListCalibrations(lab_pb2.ListCalibrationsRequest()).sets[0].head.id

    def queued(self, owner: str) -> iqm.JobLookupV1:
        return lookup(self.lab.submit_as(owner))

    def cancelled(self, owner: str) -> iqm.JobLookupV1:
        job = self.queued(owner)
        self.lab.jobs.CancelJobV1(job)
        return job

    def held(self, owner: str) -> iqm.JobLookupV1:
        job = self.queued(owner)
        request = lab_pb2.HoldJobRequest(id=job.id, note="n")
        self.lab.call("labd.v1.Lab/HoldJob", request, self.lab.tokens[owner])
        return job

    def slot(self, owner: str) -> iqm.Uuid:
        slot: lab_pb2.Timeslot = self.lab.lab.BookTimeslot(slot_request(owner))
        return slot.id

    def calibration(self) -> iqm.Uuid:
        stored: lab_pb2.CalibrationSet = self.lab.lab.ImportCalibration(self.import_request())
        return stored.head.id

    def import_request(self) -> lab_pb2.ImportCalibrationRequest:
        request = iqm.CalibrationLookupV1(id=self.active)
        whole = json.loads(joined(self.lab.calibrations.GetFullCalibrationDataV1(request)))
        text = json.dumps({"observations": whole["observations"]})
        return lab_pb2.ImportCalibrationRequest(alias=ALIAS, observations=text.encode())

    def to_roll_back(self) -> lab_pb2.RollBackCalibrationRequest:
        for _ in range(2):
            request = lab_pb2.ActivateCalibrationRequest(id=self.calibration())
            self.lab.lab.ActivateCalibration(request)
        return lab_pb2.RollBackCalibrationRequest(alias=ALIAS)


def slot_request(owner: str) -> lab_pb2.BookTimeslotRequest:
    start_s = int(time.time()) + 86_400 + 7200 * next(_numbers)
    return lab_pb2.BookTimeslotRequest(
        alias=ALIAS,
        user=owner,
        start=Timestamp(seconds=start_s),
        end=Timestamp(seconds=start_s + 3600),
    )


Ask = Callable[[Bench, str], Message]
"""The request of a call that concerns something of that owner's."""

JOBS: dict[str, Ask] = {
    "iqm.server.Jobs/GetJobV1": lambda b, owner: lookup(b.completed[owner]),
    "iqm.server.Jobs/SubscribeToJobV1": lambda b, owner: lookup(b.completed[owner]),
    "iqm.server.Jobs/GetJobPayloadV1": lambda b, owner: lookup(b.completed[owner]),
    "iqm.server.Jobs/GetJobResultsV1": lambda b, owner: lookup(b.completed[owner]),
    "iqm.server.Jobs/CancelJobV1": Bench.queued,
    "labd.v1.Lab/GetJobDetails": lambda b, owner: lookup(b.completed[owner]),
    "labd.v1.Lab/GetFlightRecord": lambda b, owner: lookup(b.completed[owner]),
    "labd.v1.Lab/WatchProgress": lambda b, owner: lookup(b.completed[owner]),
    "labd.v1.Lab/DeleteJob": Bench.cancelled,
    "labd.v1.Lab/HoldJob": lambda b, owner: lab_pb2.HoldJobRequest(id=b.queued(owner).id, note="n"),
    "labd.v1.Lab/ReleaseJob": Bench.held,
    "labd.v1.Lab/SetPriority": lambda b, owner: lab_pb2.SetPriorityRequest(
        id=b.queued(owner).id, priority=lab_pb2.LOW
    ),
    "labd.v1.Lab/SetTags": lambda b, owner: lab_pb2.SetTagsRequest(
        id=b.completed[owner].id, tags=["t"]
    ),
    "labd.v1.Lab/PinJob": lambda b, owner: lab_pb2.PinJobRequest(
        id=b.completed[owner].id, note="n"
    ),
    "labd.v1.Lab/UnpinJob": lambda b, owner: lookup(b.completed[owner]),
}

CASES: dict[str, tuple[dict[str, tuple[str, str]], Ask]] = {
    **{method: (A_JOB, ask) for method, ask in JOBS.items()},
    "iqm.server.Jobs/SubmitJobV1": (EVERYBODY, lambda b, _: b.lab.submit_request()),
    "iqm.server.QuantumComputers/GetQuantumComputerV1": (
        EVERYBODY,
        lambda b, _: iqm.QuantumComputerLookupV1(alias=ALIAS),
    ),
    "iqm.server.QuantumComputers/ListQuantumComputersV1": (
        EVERYBODY,
        lambda b, _: iqm.ListQuantumComputerFiltersV1(),
    ),
    "iqm.server.QuantumComputers/GetQuantumComputerResourceV1": (
        EVERYBODY,
        lambda b, _: iqm.QuantumComputerResourceLookupV1(qc_id=b.lab.qc_id, resource_name="about"),
    ),
    "iqm.server.Calibrations/GetLatestQuantumComputerCalibrationV1": (
        EVERYBODY,
        lambda b, _: iqm.LatestQuantumComputerCalibrationLookupV1(qc_id=b.lab.qc_id),
    ),
    "iqm.server.Calibrations/GetCalibrationV1": (
        EVERYBODY,
        lambda b, _: iqm.CalibrationLookupV1(id=b.active),
    ),
    "iqm.server.Calibrations/GetFullCalibrationDataV1": (
        EVERYBODY,
        lambda b, _: iqm.CalibrationLookupV1(id=b.active),
    ),
    "labd.v1.Lab/SubmitJob": (
        EVERYBODY,
        lambda b, _: lab_pb2.SubmitJobRequest(job=b.lab.submit_request()),
    ),
    "labd.v1.Lab/ListJobs": (OF_USER, lambda b, owner: lab_pb2.ListJobsRequest(user=owner)),
    "labd.v1.Lab/GetMachine": (EVERYBODY, lambda b, _: lab_pb2.MachineRequest(alias=ALIAS)),
    "labd.v1.Lab/PauseMachine": (OPERATORS, lambda b, _: lab_pb2.MachineRequest(alias=ALIAS)),
    "labd.v1.Lab/DrainMachine": (OPERATORS, lambda b, _: lab_pb2.MachineRequest(alias=ALIAS)),
    "labd.v1.Lab/ResumeMachine": (OPERATORS, lambda b, _: lab_pb2.MachineRequest(alias=ALIAS)),
    "labd.v1.Lab/ListConnections": (OPERATORS, lambda b, _: lab_pb2.Empty()),
    "labd.v1.Lab/WhoAmI": (EVERYBODY, lambda b, _: lab_pb2.Empty()),
    "labd.v1.Lab/ListUsers": (OPERATORS, lambda b, _: lab_pb2.Empty()),
    "labd.v1.Lab/PutUser": (ADMINS, lambda b, owner: lab_pb2.PutUserRequest(name=owner, note="n")),
    "labd.v1.Lab/CreateToken": (
        OF_USER_FOR_ADMINS,
        lambda b, owner: lab_pb2.CreateTokenRequest(user=owner),
    ),
    "labd.v1.Lab/ListTokens": (
        OF_USER_FOR_ADMINS,
        lambda b, owner: lab_pb2.ListTokensRequest(user=owner),
    ),
    "labd.v1.Lab/RevokeToken": (
        A_TOKEN,
        lambda b, owner: lab_pb2.RevokeTokenRequest(id=b.lab.token(owner).token.id),
    ),
    "labd.v1.Lab/GetLimits": (OF_USER, lambda b, owner: lab_pb2.GetLimitsRequest(user=owner)),
    "labd.v1.Lab/SetLimit": (
        ADMINS,
        lambda b, owner: lab_pb2.SetLimitRequest(user=owner, name="queued_jobs", limit=1000),
    ),
    "labd.v1.Lab/ListTimeslots": (EVERYBODY, lambda b, _: lab_pb2.ListTimeslotsRequest()),
    "labd.v1.Lab/BookTimeslot": (ADMINS, lambda b, owner: slot_request(owner)),
    "labd.v1.Lab/ChangeTimeslot": (
        ADMINS,
        lambda b, owner: lab_pb2.ChangeTimeslotRequest(id=b.slot(owner), note="n"),
    ),
    "labd.v1.Lab/CancelTimeslot": (
        OF_USER_FOR_ADMINS,
        lambda b, owner: lab_pb2.CancelTimeslotRequest(id=b.slot(owner)),
    ),
    "labd.v1.Lab/ImportCalibration": (ADMINS, lambda b, _: b.import_request()),
    "labd.v1.Lab/ListCalibrations": (EVERYBODY, lambda b, _: lab_pb2.ListCalibrationsRequest()),
    "labd.v1.Lab/DiffCalibrations": (
        EVERYBODY,
        lambda b, _: lab_pb2.DiffCalibrationsRequest(old_id=b.active, new_id=b.active),
    ),
    "labd.v1.Lab/ActivateCalibration": (
        ADMINS,
        lambda b, _: lab_pb2.ActivateCalibrationRequest(id=b.calibration()),
    ),
    "labd.v1.Lab/RollBackCalibration": (ADMINS, lambda b, _: b.to_roll_back()),
    "labd.v1.Lab/GetPartialResults": (
        {"user": (NF, NF), "operator": (NF, NF), "admin": (NF, NF)},
        lambda b, owner: lookup(b.completed[owner]),
    ),
    "labd.v1.Lab/Fsck": (ADMINS, lambda b, _: lab_pb2.FsckRequest(is_quick=True, repairs=True)),
    "labd.v1.Lab/Backup": (ADMINS, lambda b, _: lab_pb2.Empty()),
    "labd.v1.Lab/ReadAudit": (ADMINS, lambda b, _: lab_pb2.ReadAuditRequest(last=1)),
}
"""Method -> who may, and what is asked."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    lab = PeopleLab(tmp_path_factory.mktemp("lab"))
    with lab:
        yield Bench(lab)


def outcome(bench: Bench, method: str, request: Message, token: str) -> str:
    try:
        bench.lab.call(method, request, token)
    except grpc.RpcError as error:
        return str(error.code().name)
    return OK


def refusal(bench: Bench, method: str, request: Message, token: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        bench.lab.call(method, request, token)
    return caught.value


def sentence(error: grpc.RpcError) -> str:
    return error.details() or ""


def test_every_method_has_its_cells_and_its_row() -> None:
    assert set(CASES) == set(METHODS) == set(TABLE) - PAGES


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("is_own", [True, False], ids=["own", "others"])
@pytest.mark.parametrize("method", CASES)
def test_cell(bench: Bench, method: str, role: str, is_own: bool) -> None:
    expected, ask = CASES[method]
    caller = PEOPLE[role]
    request = ask(bench, caller if is_own else STRANGER)

    result = outcome(bench, method, request, bench.lab.tokens[caller])
    if "Machine" in method:
        bench.lab.lab.ResumeMachine(lab_pb2.MachineRequest(alias=ALIAS))

    assert result == expected[role][0 if is_own else 1]


@pytest.mark.parametrize("method", CASES)
def test_wrong_credentials_are_told_how_to_get_right_ones(bench: Bench, method: str) -> None:
    request = CASES[method][1](bench, STRANGER)

    error = refusal(bench, method, request, "labd_aaaaaaaa_" + 43 * "A")

    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert metadata_of(error)["error_code"] == "unauthenticated"
    assert "the token is not known here; get a token from an admin" in sentence(error)


@pytest.mark.parametrize("role", PEOPLE)
def test_the_metrics_are_for_whoever_is_let_in(bench: Bench, role: str) -> None:
    assert metrics_status(bench, bench.lab.tokens[PEOPLE[role]]) == 200
    assert metrics_status(bench, "labd_aaaaaaaa_" + 43 * "A") == 401


def metrics_status(bench: Bench, token: str) -> int:
    request = urllib.request.Request(f"http://{bench.lab.address}/metrics")
    request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_who_may_not_is_told_why_and_how(bench: Bench) -> None:
    error = refusal(bench, "labd.v1.Lab/PutUser", lab_pb2.PutUserRequest(), bench.lab.tokens["ann"])

    assert metadata_of(error)["error_code"] == "permission_denied"
    assert error.details() == (
        "ann is a user here and may not add or change users; ask an admin for the role, or use the"
        " token of someone who has it"
    )


@pytest.mark.parametrize("method", JOBS)
def test_a_strangers_job_and_no_job_are_answered_alike(bench: Bench, method: str) -> None:
    token = bench.lab.tokens["ann"]
    strangers = JOBS[method](bench, STRANGER)
    nobodys = type(strangers).FromString(strangers.SerializeToString())
    nobodys.id.CopyFrom(iqm.Uuid(raw=uuid4().bytes))  # type: ignore[attr-defined]

    answers = []
    for request in (strangers, nobodys):
        error = refusal(bench, method, request, token)
        written = str(uuid_text(request))
        answers.append((error.code(), sentence(error).replace(written, "ID"), metadata_of(error)))

    assert answers[0] == answers[1]
    assert answers[0][:2] == (grpc.StatusCode.NOT_FOUND, "job ID not found")


def uuid_text(request: Message) -> str:
    raw: bytes = request.id.raw  # type: ignore[attr-defined]
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def test_a_strangers_job_and_no_job_take_as_long(bench: Bench) -> None:
    requests = (lookup(bench.completed[STRANGER]), iqm.JobLookupV1(id=iqm.Uuid(raw=uuid4().bytes)))
    took: tuple[list[float], list[float]] = ([], [])
    token = bearer(bench.lab.tokens["ann"])

    for _ in range(150):
        for request, times in zip(requests, took, strict=True):
            started = time.perf_counter()
            with pytest.raises(grpc.RpcError):
                call(bench.lab.channel, "iqm.server.Jobs/GetJobV1", request, token)
            times.append(time.perf_counter() - started)

    strangers, nobodys = (statistics.median(times) for times in took)
    assert 0.7 < strangers / nobodys < 1.4
