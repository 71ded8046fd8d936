"""Circuit jobs over HTTP, both generations of paths: the same jobs and rules as over gRPC."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from people_lab import PeopleLab, Tunnel
from quick_lab import lookup

from labd.core import errors
from labd.web.refusals import STATUS
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

MAX_PAYLOAD_BYTES = 1_000_000
NOBODY = 65534
JOB_PATHS = (
    ("GET", "/star5/jobs/{}/status"),
    ("GET", "/star5/jobs/{}/measurements"),
    ("GET", "/star5/jobs/{}/error_log"),
    ("GET", "/star5/jobs/{}/request_parameters"),
    ("GET", "/star5/jobs/{}/circuits_batch"),
    ("GET", "/star5/jobs/{}/calibration_set_id"),
    ("GET", "/star5/jobs/{}/timeline"),
    ("POST", "/star5/jobs/{}/abort"),
    ("GET", "/star5/circuits/{}/counts"),
    ("GET", "/api/v1/jobs/{}"),
    ("GET", "/api/v1/jobs/{}/payload"),
    ("GET", "/api/v1/jobs/{}/artifacts/measurements"),
    ("GET", "/api/v1/jobs/{}/artifacts/measurement_counts"),
    ("GET", "/api/v1/jobs/{}/artifacts/sweep_results"),
    ("POST", "/api/v1/jobs/{}/cancel"),
    ("DELETE", "/api/v1/jobs/{}"),
)
OTHER_PATHS = (
    ("POST", "/star5/circuits"),
    ("POST", "/api/v1/jobs/star5/circuit"),
    ("GET", "/api/v1/about"),
    ("GET", "/api/v1/quantum-computers"),
    ("GET", "/api/v1/quantum-computers/star5/health"),
    ("GET", "/api/v1/quantum-computers/star5/artifacts/settings"),
    ("GET", "/api/v1/calibration-sets/star5/default"),
    ("GET", "/api/v1/calibration-sets/star5/default/metrics"),
    ("GET", "/api/v1/calibration-sets/star5/default/dynamic-quantum-architecture"),
)
SUBMITS = ("/star5/circuits", "/api/v1/jobs/star5/circuit")

Json = Any


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleLab]:
    made = PeopleLab(tmp_path_factory.mktemp("lab"))
    made.edit("payload_bytes = 67108864 ", f"payload_bytes = {MAX_PAYLOAD_BYTES} ")
    with made:
        made.add("ann")
        made.add("ben")
        made.add("otto", "operator")
        yield made


def circuit_payload(shots: int = 10, **quick: str | float) -> bytes:
    instructions = [
        {"name": "prx", "qubits": ["QB1"], "args": {"angle_t": 0.5, "phase_t": 0.0}},
        {"name": "measure", "qubits": ["QB1"], "args": {"key": "m"}},
    ]
    circuits = [{"name": "c", "instructions": instructions}]
    return json.dumps({"circuits": circuits, "shots": shots, "quick": quick}).encode()


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body

    @property
    def json(self) -> Json:
        return json.loads(self.body)


def ask(
    lab: PeopleLab, who: str, verb: str, path: str, body: bytes | None = None, port: int = 0
) -> Answer:
    host, _, own_port = lab.address.partition(":")
    connection = http.client.HTTPConnection(host, port or int(own_port), timeout=20)
    headers = {"Authorization": f"Bearer {lab.tokens[who]}"} if who else {}
    try:
        connection.request(verb, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    finally:
        connection.close()


def submit(lab: PeopleLab, who: str = "ann", path: str = SUBMITS[0], **wish: Json) -> str:
    answer = ask(lab, who, "POST", path, circuit_payload(**wish))
    assert answer.status in (200, 201), answer.body
    return str(answer.json["id"])


def wait(lab: PeopleLab, job_id: str) -> iqm.JobV1:
    job = iqm.JobV1(id=iqm.Uuid(str=job_id))
    return lab.wait_for(job)


@pytest.mark.parametrize("path", SUBMITS)
def test_a_job_over_http_is_a_job_over_grpc(lab: PeopleLab, path: str) -> None:
    job_id = submit(lab, path=path)

    finished = wait(lab, job_id)
    result = lab.result(finished)

    assert finished.status == iqm.COMPLETED
    assert finished.type == iqm.CIRCUIT
    assert (finished.input.shots, finished.input.circuits) == (10, 1)
    for artifact in (
        f"/star5/jobs/{job_id}/measurements",
        f"/api/v1/jobs/{job_id}/artifacts/measurements",
    ):
        assert ask(lab, "ann", "GET", artifact).body == result
    counted = ask(lab, "ann", "GET", f"/star5/circuits/{job_id}/counts").json
    later = ask(lab, "ann", "GET", f"/api/v1/jobs/{job_id}/artifacts/measurement_counts").json
    assert counted == {"status": "ready", "counts_batch": later}
    assert later == [{"measurement_keys": ["m"], "counts": {"0": 5, "1": 5}}]


def test_a_job_over_grpc_is_a_job_over_http(lab: PeopleLab) -> None:
    request = iqm.SubmitJobRequestV1(
        qc_id=lab.qc_id, type=iqm.CIRCUIT, payload=circuit_payload(), use_timeslot=False
    )
    (job,) = lab.call("iqm.server.Jobs/SubmitJobV1", request, lab.tokens["ann"])
    assert isinstance(job, iqm.JobV1)
    job_id = str(UUID(bytes=job.id.raw))
    wait(lab, job_id)

    shown = ask(lab, "ann", "GET", f"/api/v1/jobs/{job_id}").json
    timeline = ask(lab, "ann", "GET", f"/star5/jobs/{job_id}/timeline").json
    (circuit,) = ask(lab, "ann", "GET", f"/star5/jobs/{job_id}/circuits_batch").json

    assert (shown["status"], shown["type"]) == ("completed", "circuit")
    assert [each["status"] for each in shown["timeline"]] == [
        "created",
        "execution_started",
        "ready",
    ]
    assert [each["status"] for each in timeline][0::4] == ["received", "ready"]
    assert circuit["instructions"][0]["locus"] == ["QB1"]
    assert circuit["instructions"][0]["args"]["angle"] == pytest.approx(3.14159, rel=1e-4)


@pytest.mark.parametrize(("verb", "path"), JOB_PATHS)
def test_others_jobs_are_not_there(lab: PeopleLab, verb: str, path: str) -> None:
    job_id, unknown = submit(lab, "ann"), str(uuid4())
    wait(lab, job_id)

    theirs = ask(lab, "ben", verb, path.format(job_id))
    nobodys = ask(lab, "ben", verb, path.format(unknown))

    assert theirs.status == nobodys.status == 404
    assert theirs.body == nobodys.body.replace(unknown.encode(), job_id.encode())


def test_operators_see_all_jobs(lab: PeopleLab) -> None:
    job_id = submit(lab, "ann")

    assert ask(lab, "otto", "GET", f"/api/v1/jobs/{job_id}").status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be other accounts")
@pytest.mark.parametrize(("verb", "path"), [*JOB_PATHS, *OTHER_PATHS])
def test_nothing_is_told_to_strangers(lab: PeopleLab, verb: str, path: str) -> None:
    host, _, port = lab.address.partition(":")
    with Tunnel((host, int(port)), NOBODY) as tunnel:
        answer = ask(lab, "", verb, path.format(uuid4()), b"x" * 100_000, port=tunnel.port)

    assert answer.status == 401
    assert "`labctl token new`" in answer.json["message"]


@pytest.mark.parametrize("path", SUBMITS)
def test_mistakes_are_told_all_at_once_and_nothing_is_stored(lab: PeopleLab, path: str) -> None:
    before = len(lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=200)).jobs)

    answer = ask(lab, "ann", "POST", path, b'{"circuits": [], "shots": 0}')
    too_large = ask(lab, "ann", "POST", path, b"x" * (MAX_PAYLOAD_BYTES + 200_000))

    assert answer.status == too_large.status == 422
    assert len(answer.json["errors"]) == 2
    assert all(each in answer.json["message"] for each in answer.json["errors"])
    assert str(MAX_PAYLOAD_BYTES) in too_large.json["message"]
    assert len(lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=200)).jobs) == before


def test_limits_and_timeslots_hold_over_http(lab: PeopleLab) -> None:
    slotless = ask(lab, "ben", "POST", "/star5:timeslot/circuits", circuit_payload())
    later = ask(lab, "ben", "POST", f"{SUBMITS[1]}?use_timeslot=true", circuit_payload())
    odd = ask(lab, "ben", "POST", f"{SUBMITS[1]}?use_timeslot=maybe", circuit_payload())
    pulses = ask(lab, "ben", "POST", "/api/v1/jobs/star5/run", b"")
    lab.lab.SetLimit(lab_pb2.SetLimitRequest(user="ben", name="queued_jobs", limit=0))
    full = ask(lab, "ben", "POST", SUBMITS[0], circuit_payload())

    assert (slotless.status, later.status, odd.status, pulses.status) == (409, 409, 400, 400)
    assert slotless.json["error_code"] == later.json["error_code"] == "no_booked_timeslots"
    assert full.status == 429
    assert "ben has used" in full.json["message"]


def test_deeds_over_http_leave_their_lines(lab: PeopleLab) -> None:
    job_id = submit(lab, "ann", s=60.0)

    cancelled = ask(lab, "ann", "POST", f"/star5/jobs/{job_id}/abort")
    ended = wait(lab, job_id)
    late = ask(lab, "ann", "POST", f"/api/v1/jobs/{job_id}/cancel")
    deleted = ask(lab, "ann", "DELETE", f"/api/v1/jobs/{job_id}")

    assert (cancelled.status, late.status, deleted.status) == (204, 409, 204)
    assert ended.status == iqm.CANCELLED
    lines = [
        line
        for line in lab.lab.ReadAudit(lab_pb2.ReadAuditRequest(last=50))
        if line.object == job_id
    ]
    assert [line.action for line in lines] == ["job.submit", "job.cancel", "job.delete"]
    assert {line.user for line in lines} == {"ann"}
    assert all(line.credential.startswith("token ") for line in lines)


def test_a_failed_job_says_why(lab: PeopleLab) -> None:
    job_id = submit(lab, "ann", do="fail")
    wait(lab, job_id)

    status = ask(lab, "ann", "GET", f"/star5/jobs/{job_id}/status").json
    log = ask(lab, "ann", "GET", f"/star5/jobs/{job_id}/error_log").json
    missing = ask(lab, "ann", "GET", f"/star5/jobs/{job_id}/measurements")
    (told,) = ask(lab, "ann", "GET", f"/api/v1/jobs/{job_id}").json["errors"]

    assert status["status"] == "failed"
    assert status["message"] == log["user_error_message"] == told["message"]
    assert "caught fire" in told["message"]
    assert missing.status == 404
    assert "caught fire" in missing.json["message"]


def test_who_asks_to_go_on_is_told_to(lab: PeopleLab) -> None:
    host, _, port = lab.address.partition(":")
    body = circuit_payload()
    head = (
        f"POST /star5/circuits HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {lab.tokens['ann']}\r\nExpect: 100-Continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        go_on = connection.recv(4096)
        connection.sendall(body)
        answer = connection.recv(4096)

    assert go_on.startswith(b"HTTP/1.1 100")
    assert answer.startswith(b"HTTP/1.1 200")


def test_labd_answers_while_it_counts_and_sends_much(lab: PeopleLab) -> None:
    job_id = submit(lab, "ann", shots=5_000_000)
    wait(lab, job_id)
    answers: list[Answer] = []
    paths = (f"/star5/circuits/{job_id}/counts", f"/star5/jobs/{job_id}/measurements")

    def fetch(path: str) -> None:
        answers.append(ask(lab, "ann", "GET", path))

    fetching = [threading.Thread(target=fetch, args=(path,)) for path in paths]
    for thread in fetching:
        thread.start()
    slowest_s = 0.0
    while any(thread.is_alive() for thread in fetching):
        started = time.monotonic()
        grpc_answer = lab.jobs.GetJobV1(lookup(iqm.JobV1(id=iqm.Uuid(str=job_id))))
        slowest_s = max(slowest_s, time.monotonic() - started)
        assert grpc_answer.status == iqm.COMPLETED

    assert slowest_s < 0.5
    counted, sent = sorted(answers, key=lambda answer: len(answer.body))
    assert counted.json["counts_batch"][0]["counts"] == {"0": 2_500_000, "1": 2_500_000}
    assert len(sent.body) == 20_000_010


def test_every_refusal_has_a_status() -> None:
    kinds = {each for each in errors.Refusal.__subclasses__() if each.__module__ == errors.__name__}

    assert set(STATUS) == kinds


def test_a_stream_ends_when_its_reader_is_kept_out(lab: PeopleLab) -> None:
    job_id = submit(lab, "ann", shots=5_000_000)
    wait(lab, job_id)
    made = lab.token("ann")
    host, _, port = lab.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request(
        "GET", f"/star5/jobs/{job_id}/measurements", headers={"Authorization": made.secret}
    )
    answer = connection.getresponse()
    answer.read(1000)

    lab.lab.RevokeToken(lab_pb2.RevokeTokenRequest(id=made.token.id))

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
    connection.close()
    with pytest.raises(grpc.RpcError):
        lab.call("labd.v1.Lab/WhoAmI", lab_pb2.Empty(), made.secret)
