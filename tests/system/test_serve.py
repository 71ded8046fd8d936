from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from quick_lab import BELL, QuickLab, joined, lookup, metadata_of, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2

CHIP = "M000_LAB_Z00_A00_01"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    made = QuickLab(tmp_path_factory.mktemp("lab"))
    with made.edit("payload_bytes = 67108864", "payload_bytes = 3000000") as running:
        yield running


def refused(call: Callable[[], object]) -> tuple[str, str, str]:
    """Code, error_code and sentence of a refused call, unary or streaming."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    error_code = str(metadata_of(error).get("error_code", ""))
    return error.code().name, error_code, error.details() or ""


def resource(lab: QuickLab, name: str) -> bytes:
    request = iqm.QuantumComputerResourceLookupV1(qc_id=lab.qc_id, resource_name=name)
    return joined(lab.computers.GetQuantumComputerResourceV1(request))


def http(lab: QuickLab, path: str) -> tuple[int, object]:
    try:
        with urllib.request.urlopen(f"http://{lab.address}{path}") as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


# ---- jobs


def test_a_job_goes_from_submit_to_results(lab: QuickLab) -> None:
    job = lab.submit(bytes=10_000_000)

    final = lab.wait_for(job)
    result = lab.result(job)

    assert final.status == iqm.COMPLETED
    assert len(result) == 10_000_000 + len(f"result of {UUID(bytes=job.id.raw)}")
    assert result.endswith(str(UUID(bytes=job.id.raw)).encode())
    assert final.execution_started_at.ToNanoseconds() <= final.execution_ended_at.ToNanoseconds()
    assert final.created_at.ToNanoseconds() <= final.execution_started_at.ToNanoseconds()


def test_the_answer_to_a_submit_has_every_required_field(lab: QuickLab) -> None:
    job = lab.submit(s=0.1)

    assert job.IsInitialized()
    assert (job.type, job.input.job_type) == (iqm.PULSE, iqm.PULSE)
    assert (job.input.shots, job.input.circuits) == (1000, 1)
    assert job.quantum_computer.alias == "star5"
    assert UUID(bytes=job.id.raw).version == 7
    assert job.HasField("queue_position")
    lab.wait_for(job)


def test_a_payload_comes_back_as_it_was_submitted(lab: QuickLab) -> None:
    small = lab.submit(payload(pad="x" * 100))
    large = lab.submit(payload(pad="x" * 2_000_000))

    assert joined(lab.jobs.GetJobPayloadV1(lookup(small))) == payload(pad="x" * 100)
    assert joined(lab.jobs.GetJobPayloadV1(lookup(large))) == payload(pad="x" * 2_000_000)
    assert lab.wait_for(large).status == iqm.COMPLETED


def test_a_job_id_as_text_is_taken_too(lab: QuickLab) -> None:
    job = lab.submit()

    found = lab.jobs.GetJobV1(iqm.JobLookupV1(id=iqm.Uuid(str=str(UUID(bytes=job.id.raw)).upper())))

    assert found.id == job.id


def test_a_gzipped_request_is_taken(lab: QuickLab) -> None:
    request = iqm.SubmitJobRequestV1(qc_id=lab.qc_id, type=iqm.PULSE, payload=payload())

    job = lab.jobs.SubmitJobV1(request, compression=grpc.Compression.Gzip)

    assert lab.wait_for(job).status == iqm.COMPLETED


def test_who_submits_over_the_unix_socket_is_known_by_uid(lab: QuickLab) -> None:
    with grpc.insecure_channel(f"unix:{lab.state / 'labd.sock'}") as channel:
        jobs = iqm_grpc.JobsStub(channel)
        request = iqm.SubmitJobRequestV1(qc_id=lab.qc_id, type=iqm.PULSE, payload=payload(s=5))
        job = jobs.SubmitJobV1(request)
        jobs.CancelJobV1(lookup(job))

    final = lab.wait_for(job)

    assert final.status == iqm.CANCELLED
    if final.error != "cancelled while it was executing":
        assert final.error == f"cancelled by uid {os.getuid()}"
    assert (lab.state / "labd.sock").stat().st_mode & 0o777 == 0o660


def test_a_failed_job_says_why(lab: QuickLab) -> None:
    job = lab.submit(do="fail")

    final = lab.wait_for(job)

    assert (final.status, final.error) == (iqm.FAILED, "awg1, while playing: it caught fire")


def test_the_list_has_the_newest_jobs_first(lab: QuickLab) -> None:
    submitted = [lab.submit(s=0.2) for _ in range(3)]

    listed = lab.lab.ListJobs(lab_pb2.ListJobsRequest(limit=3, alias="star5")).jobs

    assert [each.job.id for each in listed] == [job.id for job in reversed(submitted)]
    assert listed[0].job.queue_position > listed[1].job.queue_position
    lab.wait_for(submitted[-1])


def test_progress_is_followed_to_the_end(lab: QuickLab) -> None:
    job = lab.submit(s=0.3)

    seen = [(each.shots_done, each.shots_total) for each in lab.lab.WatchProgress(lookup(job))]

    assert seen[0] == (0, 0)
    assert seen == sorted(seen)
    assert seen[-1][1] == 10
    assert lab.get(job).status == iqm.COMPLETED


# ---- refusals


def test_an_unknown_job_is_refused_by_every_method(lab: QuickLab) -> None:
    unknown = iqm.JobLookupV1(id=iqm.Uuid(raw=uuid4().bytes))
    calls: list[Callable[[], object]] = [
        lambda: lab.jobs.GetJobV1(unknown),
        lambda: lab.jobs.CancelJobV1(unknown),
        lambda: list(lab.jobs.SubscribeToJobV1(unknown)),
        lambda: list(lab.jobs.GetJobPayloadV1(unknown)),
        lambda: list(lab.jobs.GetJobResultsV1(unknown)),
        lambda: list(lab.lab.WatchProgress(unknown)),
    ]

    for call in calls:
        code, error_code, sentence = refused(call)
        assert (code, error_code) == ("NOT_FOUND", "not_found")
        assert sentence == f"job {UUID(bytes=unknown.id.raw)} not found"


@pytest.mark.parametrize("bad", [iqm.Uuid(), iqm.Uuid(raw=b"short"), iqm.Uuid(str="no-uuid")])
def test_an_id_that_is_none_is_refused(lab: QuickLab, bad: iqm.Uuid) -> None:
    code, error_code, sentence = refused(lambda: lab.jobs.GetJobV1(iqm.JobLookupV1(id=bad)))

    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_argument")
    assert sentence.startswith("id: not a UUID")


def test_results_that_do_not_exist_yet_are_refused_with_the_reason(lab: QuickLab) -> None:
    running, waiting = lab.submit(s=5), lab.submit()
    lab.wait_for(running, iqm.EXECUTING)

    of_running = refused(lambda: lab.result(running))
    of_waiting = refused(lambda: lab.result(waiting))
    lab.jobs.CancelJobV1(lookup(running))
    lab.wait_for(running)
    of_cancelled = refused(lambda: lab.result(running))

    assert {each[:2] for each in (of_running, of_waiting, of_cancelled)} == {
        ("NOT_FOUND", "not_found")
    }
    assert of_running[2].endswith("it is executing; subscribe and wait for its end")
    assert "it is queued at position 0" in of_waiting[2]
    assert of_cancelled[2].endswith("it is CANCELLED: cancelled while it was executing")


def test_a_circuit_job_is_refused_where_no_calibration_is(tmp_path: Path) -> None:
    setting = 'calibration_set = "star5/calibration-set.json"'
    with QuickLab(tmp_path).edit(setting, "") as lab:
        request = iqm.SubmitJobRequestV1(qc_id=lab.qc_id, type=iqm.CIRCUIT, payload=b"{}")

        code, error_code, sentence = refused(lambda: lab.jobs.SubmitJobV1(request))

    assert (code, error_code) == ("INVALID_ARGUMENT", "job_type_not_supported")
    assert sentence == "CIRCUIT jobs are not executed here; supported: PULSE"


def test_an_unknown_quantum_computer_is_refused_by_every_method(lab: QuickLab) -> None:
    unknown = iqm.Uuid(raw=uuid4().bytes)
    submit = iqm.SubmitJobRequestV1(qc_id=unknown, type=iqm.PULSE, payload=BELL)
    about = iqm.QuantumComputerResourceLookupV1(qc_id=unknown, resource_name="about")
    latest = iqm.LatestQuantumComputerCalibrationLookupV1(qc_id=unknown)
    calls: list[Callable[[], object]] = [
        lambda: lab.jobs.SubmitJobV1(submit),
        lambda: list(lab.computers.GetQuantumComputerResourceV1(about)),
        lambda: lab.computers.GetQuantumComputerV1(iqm.QuantumComputerLookupV1(id=unknown)),
        lambda: lab.computers.GetQuantumComputerV1(iqm.QuantumComputerLookupV1(alias="moon")),
        lambda: lab.calibrations.GetLatestQuantumComputerCalibrationV1(latest),
        lambda: lab.lab.ListJobs(lab_pb2.ListJobsRequest(alias="moon")),
    ]

    for call in calls:
        code, error_code, sentence = refused(call)
        assert (code, error_code) == ("NOT_FOUND", "not_found")
        assert sentence.endswith("not found: labd serves star5")


def test_an_unplayable_payload_is_refused_with_its_mistakes(lab: QuickLab) -> None:
    data = (Path(__file__).parents[1] / "data/payloads/reset_feedback.sweep.bin").read_bytes()

    with pytest.raises(grpc.RpcError) as caught:
        lab.submit(data)

    metadata = metadata_of(caught.value)
    details = metadata["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    listed = struct_pb2.Value.FromString(details)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert metadata["error_code"] == "invalid_payload"
    assert "feedback" in json_format.MessageToJson(listed)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\xff" * 100, b"x" * 1000])
def test_bytes_that_are_no_payload_are_refused(lab: QuickLab, data: bytes) -> None:
    code, error_code, sentence = refused(lambda: lab.submit(data))

    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_payload")
    assert len(sentence) > 20


def test_a_payload_above_the_limit_is_refused_with_the_limit(lab: QuickLab) -> None:
    code, error_code, sentence = refused(lambda: lab.submit(b"x" * 8_000_000))

    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_payload")
    assert "8000000 bytes are more than the limit of 3000000" in sentence


def test_a_finished_job_cannot_be_cancelled(lab: QuickLab) -> None:
    job = lab.submit()
    lab.wait_for(job)

    code, error_code, sentence = refused(lambda: lab.jobs.CancelJobV1(lookup(job)))

    assert (code, error_code) == ("FAILED_PRECONDITION", "job_not_submitted_to_qc")
    assert sentence.endswith("is already COMPLETED and cannot be cancelled")


def test_unknown_resources_and_chips_are_refused(lab: QuickLab) -> None:
    for name in ("nothing", "", "dut-fields/other", "chip-design-records/other", "settings/x"):
        code, error_code, sentence = refused(lambda name=name: resource(lab, name))  # type: ignore[misc]
        assert (code, error_code) == ("NOT_FOUND", "not_found"), name
        assert sentence.startswith(f"resource {name} not found")


def test_an_unknown_calibration_set_is_refused(lab: QuickLab) -> None:
    unknown = iqm.CalibrationLookupV1(id=iqm.Uuid(raw=uuid4().bytes))

    first = refused(lambda: lab.calibrations.GetCalibrationV1(unknown))
    second = refused(lambda: list(lab.calibrations.GetFullCalibrationDataV1(unknown)))

    assert first == second
    assert first[:2] == ("NOT_FOUND", "not_found")


# ---- resources


def test_resources_are_what_clients_read(lab: QuickLab) -> None:
    about = json.loads(resource(lab, "about"))
    duts = json.loads(resource(lab, "duts"))
    record = json.loads(resource(lab, f"chip-design-records/{CHIP}"))
    fields = json.loads(resource(lab, f"dut-fields/{CHIP}"))
    channels = json.loads(resource(lab, "channel-properties"))
    configuration = json.loads(resource(lab, "configuration"))
    settings = sweep_settings(resource(lab, "settings"))

    assert about["iqm_server"] is True
    assert duts == [{"label": CHIP, "dut_type": "chip"}]
    assert {"mask_set_name", "variant", "content"} <= set(record)
    assert {"path": "controllers.QB1.flux.voltage", "unit": "V"} in fields
    assert channels["PL-1__readout"]["sampling_rate"] == 2e9
    assert configuration["rig"] == "labd_drivers.rigs.scpi"
    assert "QB1__drive" in settings


def sweep_settings(data: bytes) -> list[str]:
    from labd.wire import data_pb2

    return list(data_pb2.SettingNode.FromString(data).subnodes)


def test_the_configured_calibration_set_is_the_latest(lab: QuickLab) -> None:
    request = iqm.LatestQuantumComputerCalibrationLookupV1(qc_id=lab.qc_id)
    latest = lab.calibrations.GetLatestQuantumComputerCalibrationV1(request)
    by_id = iqm.CalibrationLookupV1(id=latest.id)
    data = json.loads(joined(lab.calibrations.GetFullCalibrationDataV1(by_id)))
    shipped = json.loads((lab.config.parent / "star5" / "calibration-set.json").read_text())

    assert latest == lab.calibrations.GetCalibrationV1(by_id)
    assert (latest.dut_label, latest.is_valid) == (CHIP, True)
    assert data == shipped


def test_a_quantum_computer_is_found_by_alias_and_by_id(lab: QuickLab) -> None:
    by_alias = lab.computers.GetQuantumComputerV1(iqm.QuantumComputerLookupV1(alias="star5"))
    by_id = lab.computers.GetQuantumComputerV1(iqm.QuantumComputerLookupV1(id=lab.qc_id))

    assert by_alias == by_id
    assert by_id.display_name == "Five-qubit star"
    code, error_code, _ = refused(
        lambda: lab.computers.GetQuantumComputerV1(iqm.QuantumComputerLookupV1())
    )
    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_argument")


# ---- the same port


def test_http_and_grpc_share_the_port(lab: QuickLab) -> None:
    status, about = http(lab, "/star5/about")
    with_timeslot = http(lab, "/star5:timeslot/about")

    assert status == 200
    assert isinstance(about, dict)
    assert about["iqm_server"] is True
    assert with_timeslot == (status, about)


def test_clients_learn_which_of_their_versions_fit(lab: QuickLab) -> None:
    versions = {"iqm-client": {"name": "iqm-client", "min": "31.0", "max": "33.0"}}

    assert http(lab, "/star5/info/client-libraries") == (200, versions)


def test_http_errors_are_json_with_a_message(lab: QuickLab) -> None:
    assert http(lab, "/star6/about") == (
        404,
        {"message": "quantum computer star6 not found: labd serves star5"},
    )
    assert http(lab, "/star5/api/v1/calibration/nothing/gates") == (
        404,
        {"message": "calibration set nothing not found"},
    )
    assert http(lab, "/no/such/page") == (404, {"message": "Not Found"})


def test_architectures_are_served(lab: QuickLab) -> None:
    _, static = http(lab, "/star5/api/v1/quantum-architecture")
    calibration = "5c1e5000-0000-4000-8000-000000000001"
    _, dynamic = http(lab, f"/star5/api/v1/calibration/{calibration}/gates")

    assert isinstance(static, dict)
    assert isinstance(dynamic, dict)
    assert static["dut_label"] == CHIP
    assert ["QB1", "QB3"] in static["connectivity"]
    assert dynamic["calibration_set_id"] == calibration
    assert {"prx", "cz", "measure"} <= set(dynamic["gates"])


def test_the_root_lists_the_quantum_computers(lab: QuickLab) -> None:
    _, root = http(lab, "/")

    assert isinstance(root, dict)
    (computer,) = root["quantum_computers"]
    assert computer["alias"] == "star5"
    assert computer["rack"] == {"state": "ready", "what": ""}


def test_health_and_reflection_answer(lab: QuickLab) -> None:
    health = health_pb2_grpc.HealthStub(lab.channel).Check(
        health_pb2.HealthCheckRequest(service="iqm.server.Jobs")
    )
    stub = reflection_pb2_grpc.ServerReflectionStub(lab.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]))

    assert health.status == health_pb2.HealthCheckResponse.SERVING
    names = {service.name for service in answer.list_services_response.service}
    assert {
        *("iqm.server.Jobs", "iqm.server.QuantumComputers", "iqm.server.Calibrations"),
        *("labd.v1.Lab", "grpc.health.v1.Health"),
    } <= names


def test_a_quiet_client_that_pings_is_not_thrown_out(lab: QuickLab) -> None:
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    with grpc.insecure_channel(lab.address, options) as channel:
        jobs = iqm_grpc.JobsStub(channel)
        job = lab.submit(s=2)
        states = [
            event.update.status
            for event in jobs.SubscribeToJobV1(lookup(job))
            if event.HasField("update")
        ]

    assert states[-1] == iqm.COMPLETED


# ---- the process


def test_it_stays_small(lab: QuickLab) -> None:
    assert lab.process is not None
    resident = int(Path(f"/proc/{lab.process.pid}/statm").read_text().split()[1])
    resident += int(Path(f"/proc/{lab.child('labd/front')}/statm").read_text().split()[1])

    assert resident * os.sysconf("SC_PAGE_SIZE") < 160 * 2**20


def test_the_daemon_never_imports_what_belongs_to_the_rack() -> None:
    code = (
        "import sys, labd.daemon, labd.config, labd_drivers.rigs.scpi;"
        "print([n for n in ('qcodes', 'pandas', 'pyvisa', 'matplotlib') if n in sys.modules])"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert shown == "[]\n"


def test_the_private_sockets_are_private(lab: QuickLab) -> None:
    for name in ("grpc", "http"):
        assert (lab.state / "run" / name).stat().st_mode & 0o777 == 0o600


def test_a_front_that_dies_is_replaced(lab: QuickLab) -> None:
    before = lab.child("labd/front")
    os.kill(before, signal.SIGKILL)
    lab.disconnect()

    for _ in range(200):
        try:
            with socket.create_connection(lab.address.split(":"), timeout=5) as client:  # type: ignore[arg-type]
                client.sendall(b"GET /star5/about HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if client.recv(100).startswith(b"HTTP/1.1 200"):
                    break
        except ConnectionError:
            pass
        time.sleep(0.05)

    assert lab.child("labd/front") != before
    assert lab.submit().IsInitialized()
