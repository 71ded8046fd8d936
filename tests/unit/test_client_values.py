"""The client's values: what is unset stays unset, what is unknown is not guessed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from labd.client.convert import pack_instant, pack_uuid
from labd.client.values_jobs import JobFilter, details_of, pack_filter, waiting_of
from labd.client.values_people import limit_of
from labd.core.jobs import JobState, Priority
from labd.core.waiting import WaitingKind
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2 as lab


def queued() -> lab.JobDetails:
    details = lab.JobDetails()
    job = details.summary.job
    job.id.raw = job.quantum_computer.id.raw = bytes(16)
    job.type, job.status = iqm.PULSE, iqm.IN_QUEUE
    job.input.job_type, job.input.shots, job.input.circuits = iqm.PULSE, 10, 1
    job.quantum_computer.alias = job.quantum_computer.display_name = "star5"
    job.created_at.seconds = job.updated_at.seconds = 1
    return details


def test_what_is_not_set_is_none() -> None:
    details = details_of(queued())

    assert (details.job.waiting, details.job.estimate, details.job.hold_note) == (None, None, None)
    assert details.calibration_set_id is None
    assert details.job.priority is Priority.NORMAL
    assert limit_of(lab.Limit(name="queued_jobs", used=3)).limit is None


def test_an_empty_note_still_holds() -> None:
    message = queued()
    message.summary.hold_note = ""

    assert details_of(message).job.hold_note == ""


def test_an_estimate_without_a_start_has_none() -> None:
    message = queued()
    message.estimate.run_p50_s, message.estimate.run_p90_s = 1.0, 2.0

    estimate = details_of(message).job.estimate

    assert estimate is not None
    assert (estimate.start_p50, estimate.run_p90_s) == (None, 2.0)


def test_a_reason_of_a_kind_from_the_future_keeps_its_sentence() -> None:
    known = waiting_of(lab.Waiting(kind="RACK", sentence="awg1 does not answer"))
    unknown = waiting_of(lab.Waiting(kind="KIND_UNSPECIFIED", sentence="the moon is full"))

    assert known.kind is WaitingKind.RACK
    assert (unknown.kind, unknown.sentence) == (None, "the moon is full")


def test_a_filter_names_states_as_the_api_does() -> None:
    chosen = JobFilter(states=(JobState.IN_QUEUE,), created_from=datetime(2026, 7, 1, tzinfo=UTC))

    request = pack_filter(chosen, limit=5, page_token="")

    assert list(request.states) == ["IN_QUEUE"]
    assert request.HasField("created_from")
    assert not request.HasField("created_until")


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        pack_instant(datetime(2026, 7, 1))


def test_a_text_that_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="badly formed"):
        pack_uuid("seven")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("labd.cli.labctl.root", ("grpc", "google.protobuf", "rich", "numpy")),
        ("labd.client, labd.cli.tables, labd.cli.tables_lab", ("numpy", "matplotlib", "pydantic")),
    ],
)
def test_labctl_loads_nothing_heavy_before_it_needs_it(module: str, heavy: tuple[str, ...]) -> None:
    script = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
