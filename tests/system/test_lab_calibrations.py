"""Calibration sets through a real channel: imported, compared, activated, taken back, used."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from quick_lab import QuickLab, joined, lookup, metadata_of

from labd.wire import data_pb2, lab_pb2
from labd.wire import iqm_server_pb2 as iqm

Document: TypeAlias = "dict[str, dict[str, object]]"

FLUX = "controllers.QB1.flux.voltage"
FIRST = UUID("5c1e5000-0000-4000-8000-000000000001")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def shipped(lab: QuickLab) -> Document:
    text = (lab.config.parent / "star5" / "calibration-set.json").read_text()
    observations: Document = json.loads(text)["observations"]
    return observations


def with_flux(lab: QuickLab, volts: float) -> Document:
    return shipped(lab) | {FLUX: {"value": volts, "unit": "V", "uncertainty": 1e-4}}


def store(lab: QuickLab, observations: Document, **more: str) -> lab_pb2.CalibrationSet:
    request = lab_pb2.ImportCalibrationRequest(
        alias="star5", observations=json.dumps({"observations": observations, **more}).encode()
    )
    stored: lab_pb2.CalibrationSet = lab.lab.ImportCalibration(request)
    return stored


def activate(
    lab: QuickLab, which: lab_pb2.CalibrationSet, *, force: bool = False
) -> lab_pb2.CalibrationSet:
    request = lab_pb2.ActivateCalibrationRequest(id=which.head.id, note="why", force=force)
    activated: lab_pb2.CalibrationSet = lab.lab.ActivateCalibration(request)
    return activated


def roll_back(lab: QuickLab) -> lab_pb2.CalibrationSet:
    request = lab_pb2.RollBackCalibrationRequest(alias="star5", note="worse")
    rolled_back: lab_pb2.CalibrationSet = lab.lab.RollBackCalibration(request)
    return rolled_back


def latest(lab: QuickLab) -> iqm.CalibrationMetadataV1:
    request = iqm.LatestQuantumComputerCalibrationLookupV1(qc_id=lab.qc_id)
    head: iqm.CalibrationMetadataV1 = lab.calibrations.GetLatestQuantumComputerCalibrationV1(
        request
    )
    return head


def refused(call: Callable[[], object]) -> tuple[str, str, list[str]]:
    """Code, error_code, and the listed mistakes or the sentence."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    metadata = metadata_of(caught.value)
    listed = [caught.value.details() or ""]
    if "grpc-status-details-bin" in metadata:
        packed = metadata["grpc-status-details-bin"]
        assert isinstance(packed, bytes)
        listed = json_format.MessageToDict(struct_pb2.Value.FromString(packed))["errors"]
    return caught.value.code().name, str(metadata["error_code"]), listed


def test_the_configured_set_is_the_first_active_one(lab: QuickLab) -> None:
    listed = lab.lab.ListCalibrations(lab_pb2.ListCalibrationsRequest())

    first = listed.sets[-1]
    assert UUID(bytes=first.head.id.raw) == FIRST
    assert first.author == "labd"
    assert first.head.is_valid
    assert first.n_observations == len(shipped(lab))


def test_a_stored_set_is_used_only_after_it_was_activated(lab: QuickLab) -> None:
    before = latest(lab)
    stored = store(lab, with_flux(lab, 0.07))

    assert latest(lab) == before
    assert not stored.is_active

    activated = activate(lab, stored)

    assert activated.is_active
    assert activated.activation_note == "why"
    assert activated.active_since.seconds > 0
    assert latest(lab) == stored.head


def test_everything_that_is_derived_follows_the_active_set(lab: QuickLab) -> None:
    observations = with_flux(lab, 0.08)
    observations["characterization.model.QB1.t2_time"] = {"value": 2e-5, "unit": "s"}
    activated = activate(lab, store(lab, observations))

    def resource(name: str) -> bytes:
        request = iqm.QuantumComputerResourceLookupV1(qc_id=lab.qc_id, resource_name=name)
        return joined(lab.computers.GetQuantumComputerResourceV1(request))

    settings = data_pb2.SettingNode.FromString(resource("settings"))
    fields = json.loads(resource(f"dut-fields/{latest(lab).dut_label}"))
    with urllib.request.urlopen(
        f"http://{lab.address}/star5/api/v1/calibration/default/gates"
    ) as answer:
        gates = json.loads(answer.read())

    assert settings.subnodes["QB1__flux"].settings["voltage"].value.float64_value == 0.08
    assert {"path": "characterization.model.QB1.t2_time", "unit": "s"} in fields
    assert UUID(gates["calibration_set_id"]).bytes == activated.head.id.raw


def test_a_job_keeps_the_set_that_was_active_when_it_started(lab: QuickLab) -> None:
    first = activate(lab, store(lab, with_flux(lab, 0.01)))
    job = lab.wait_for(lab.submit())
    activate(lab, store(lab, with_flux(lab, 0.02)))

    details = lab.lab.GetJobDetails(lookup(job))

    assert details.calibration_set_id == first.head.id


def test_observations_are_kept_as_given(lab: QuickLab) -> None:
    observations = with_flux(lab, 0.03)
    observations["gates.measure.constant.QB1.integration_weights_I"] = {
        "value": {"__ndarray__": "true", "data": "AACAPwAAAEA=", "dtype": "float32", "shape": [2]},
        "unit": "",
        "invalid": False,
        "source": {"type": "measurement_source", "run": [1, None]},
    }
    stored = store(lab, observations)

    data = json.loads(
        joined(
            lab.calibrations.GetFullCalibrationDataV1(iqm.CalibrationLookupV1(id=stored.head.id))
        )
    )

    assert data["observations"] == observations


def test_rolling_back_goes_through_the_sets_that_were_active(lab: QuickLab) -> None:
    first, second, third = (
        activate(lab, store(lab, with_flux(lab, volts))) for volts in (0.11, 0.12, 0.13)
    )

    assert latest(lab) == third.head
    assert roll_back(lab).head == second.head
    assert roll_back(lab).head == first.head
    assert latest(lab) == first.head


def test_a_difference_names_both_sides(lab: QuickLab) -> None:
    old, new = with_flux(lab, 0.2), with_flux(lab, 0.3)
    del old["gates.prx.drag_crf.QB1.amplitude_q"]
    new["controllers.options.end_delay"] = {"value": 0.0003, "unit": "s", "invalid": True}
    first, second = store(lab, old), store(lab, new)

    reply = lab.lab.DiffCalibrations(
        lab_pb2.DiffCalibrationsRequest(old_id=first.head.id, new_id=second.head.id)
    )

    assert [change.path for change in reply.changes] == [
        FLUX,
        "controllers.options.end_delay",
        "gates.prx.drag_crf.QB1.amplitude_q",
    ]
    assert json.loads(reply.changes[0].old_json)["value"] == 0.2
    assert json.loads(reply.changes[0].new_json)["value"] == 0.3
    assert not reply.changes[2].HasField("old_json")


def test_every_mistake_of_a_document_is_told_at_once(lab: QuickLab) -> None:
    observations = shipped(lab) | {
        "controllers.QB9.flux.voltage": {"value": 0.1},
        "gates.prx.drag_crf.QB1.amplitude_i": {"value": float("nan")},
        "gates.cz.crf.QB1__QB2.duration": {"value": 4e-8},
        "whatever": {"value": 1},
        "gates.prx.drag_crf.QB2.amplitude_i": {"unit": ""},
    }

    code, error_code, mistakes = refused(lambda: store(lab, observations, author="me"))

    assert (code, error_code) == ("INVALID_ARGUMENT", "invalid_calibration")
    for expected in (
        "author: no such key",
        "QB9.flux.voltage: the station has no component 'QB9'; did you mean QB",
        "gates.prx.drag_crf.QB1.amplitude_i: value: nan is not finite",
        "no coupler joins QB1 and QB2",
        "whatever: an unknown kind of observation",
        "gates.prx.drag_crf.QB2.amplitude_i: an observation is an object with a value",
    ):
        assert any(expected in mistake for mistake in mistakes), (expected, mistakes)
    assert len(mistakes) == 6


@pytest.mark.parametrize(
    ("document", "mistake"),
    [
        (b"", "this is no JSON"),
        (b"[]", "an object is required"),
        (b"\xff", "this is no JSON"),
        (b"{}", "observations: an object with at least one observation"),
        (b'{"observations": {"a": ' + b"[" * 100_000 + b"}}", "nested too deeply"),
        (b" " * (4 * 1024 * 1024 + 1), "are more than 4194304"),
        (b'{"observations": {}, "observations": {}}', "observations: stands there twice"),
        (b'{"calibration_set_id": "first", "observations": {}}', "'first' is not a UUID"),
    ],
)
def test_what_is_no_document_is_refused(lab: QuickLab, document: bytes, mistake: str) -> None:
    request = lab_pb2.ImportCalibrationRequest(alias="star5", observations=document)

    code, _, mistakes = refused(lambda: lab.lab.ImportCalibration(request))

    assert code == "INVALID_ARGUMENT"
    assert any(mistake in each for each in mistakes), mistakes


def test_an_incomplete_set_is_stored_and_not_activated_by_accident(lab: QuickLab) -> None:
    observations = shipped(lab)
    del observations["gates.prx.drag_crf.QB2.amplitude_q"]
    del observations["gates.cz.crf.QB3__QB4.rz.QB4"]
    stored = store(lab, observations)

    code, error_code, lacking = refused(lambda: activate(lab, stored))

    assert (code, error_code) == ("FAILED_PRECONDITION", "incomplete_calibration")
    assert lacking == [
        "prx on QB2, drag_crf, amplitude_q: missing",
        "cz on QB3__QB4, crf, rz.QB4: missing",
    ]
    assert not stored.head.is_valid

    assert activate(lab, stored, force=True).is_active
    roll_back(lab)


def test_ids_that_do_not_fit_are_refused(lab: QuickLab) -> None:
    unknown = iqm.Uuid(raw=uuid4().bytes)
    observations = json.dumps({"observations": shipped(lab)}).encode()
    orphan = lab_pb2.ImportCalibrationRequest(observations=observations, parent_id=unknown)
    listing = lab_pb2.ListCalibrationsRequest(page_token="x")

    assert refused(lambda: lab.lab.ImportCalibration(orphan))[:2] == ("NOT_FOUND", "not_found")
    assert refused(
        lambda: lab.lab.ActivateCalibration(lab_pb2.ActivateCalibrationRequest(id=unknown))
    )[:2] == ("NOT_FOUND", "not_found")
    assert refused(
        lambda: lab.lab.DiffCalibrations(
            lab_pb2.DiffCalibrationsRequest(old_id=unknown, new_id=unknown)
        )
    )[:2] == ("NOT_FOUND", "not_found")
    assert refused(lambda: lab.lab.ListCalibrations(listing))[0] == "INVALID_ARGUMENT"
    assert refused(lambda: store(lab, shipped(lab), calibration_set_id=str(FIRST)))[:2] == (
        "FAILED_PRECONDITION",
        "conflict",
    )


def test_the_listing_has_pages(lab: QuickLab) -> None:
    for volts in (0.4, 0.41, 0.42):
        store(lab, with_flux(lab, volts))

    listed: list[lab_pb2.CalibrationSet] = []
    token = ""
    while True:
        reply = lab.lab.ListCalibrations(
            lab_pb2.ListCalibrationsRequest(alias="star5", limit=2, page_token=token)
        )
        assert len(reply.sets) <= 2
        listed += reply.sets
        token = reply.next_page_token
        if not token:
            break

    assert len({each.head.id.raw for each in listed}) == len(listed) >= 4
    assert sum(each.is_active for each in listed) == 1
    assert UUID(bytes=listed[-1].head.id.raw) == FIRST
