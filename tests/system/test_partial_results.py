"""What was measured of a job that did not complete, through a real daemon, however it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import grpc
import numpy as np
import pytest
from labctl_runner import Labctl
from quick_lab import QuickLab, lookup, payload

from labd.client import Client, NotFound
from labd.wire import iqm_server_pb2 as iqm


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    lab = QuickLab(tmp_path_factory.mktemp("lab"))
    with lab.edit("stop_grace_s = 5.0", "stop_grace_s = 0.1") as running:
        yield running


def measured(lab: QuickLab, job: iqm.JobV1, n_shots: int) -> None:
    """Wait until the rack has measured so many shots."""
    for progress in lab.lab.WatchProgress(lookup(job), timeout=30):
        if progress.shots_done >= n_shots:
            return


def client(lab: QuickLab) -> Client:
    return Client(f"http://{lab.address}/star5")


def uuid_text(job: iqm.JobV1) -> str:
    return str(UUID(bytes=job.id.raw))


@pytest.mark.parametrize(
    ("then", "status"), [("wait", iqm.CANCELLED), ("fail", iqm.FAILED), ("die", iqm.INTERRUPTED)]
)
def test_what_was_measured_is_kept_however_the_job_ended(
    lab: QuickLab, then: str, status: int
) -> None:
    job = lab.submit(do="measure", blocks=3, then=then)
    if then == "wait":
        measured(lab, job, 300)
        lab.jobs.CancelJobV1(lookup(job))
    ended = lab.wait_for(job)

    with client(lab) as labd:
        found = labd.store.partial_results(job.id.raw.hex())
        arrays = found.results(labd.payload(job.id.raw.hex()))
    assert ended.status == status
    assert found.valid().sum() == 300
    assert found.valid()[0, :300].all()
    assert arrays.array("QB1__m1").shape[0] == 1000
    with pytest.raises(grpc.RpcError) as refused:
        lab.result(job)
    assert "labctl results --partial" in (refused.value.details() or "")


def test_a_killed_labd_keeps_what_was_measured(lab: QuickLab) -> None:
    job = lab.submit(do="measure", blocks=7, then="wait")
    measured(lab, job, 700)

    lab.kill()
    lab.restart()

    assert lab.wait_for(job).status == iqm.INTERRUPTED
    labctl = Labctl(f"http://{lab.address}/star5")
    until_partial(lab, job)
    assert labctl.answer("results", uuid_text(job), "--partial").splitlines()[:3] == [
        "700 of 1000 shots were measured",
        "0 of 1 spots are whole, 1000 bins each",
        "spot 0 has its first 700 bins",
    ]


def until_partial(lab: QuickLab, job: iqm.JobV1) -> None:
    """labd looks through its files after it is ready."""
    until = time.monotonic() + 20
    while not lab.lab.GetJobDetails(lookup(job)).keeping.is_partial:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_stopped_labd_keeps_what_was_measured(lab: QuickLab) -> None:
    job = lab.submit(do="measure", blocks=4, then="wait")
    measured(lab, job, 400)

    lab.stop()
    lab.restart()

    assert lab.wait_for(job).status == iqm.INTERRUPTED
    until_partial(lab, job)
    with client(lab) as labd:
        assert labd.store.partial_results(job.id.raw.hex()).mask.bins_valid == (400,)


def test_labctl_saves_arrays_with_their_mask(lab: QuickLab, tmp_path: Path) -> None:
    job = lab.submit(do="measure", blocks=2, then="fail")
    lab.wait_for(job)
    labctl, file = Labctl(f"http://{lab.address}/star5"), tmp_path / "part.npz"

    labctl.answer("results", uuid_text(job), "--partial", "--npz", str(file))
    told = labctl.facts("results", uuid_text(job), "--partial")
    shown = labctl.answer("show", uuid_text(job))

    with np.load(file) as arrays:
        assert arrays["valid"].sum() == 200
        assert arrays["QB1__m1"].shape[1] == 1000
    mask = told["mask"]
    assert isinstance(mask, dict)
    assert (mask["bins_valid"], mask["shots_total"]) == ([200], 1000)
    assert "labctl results --partial" in " ".join(shown.split())


def test_a_completed_job_has_no_partial_results(lab: QuickLab) -> None:
    job = lab.submit(do="measure", blocks=10, then="finish")
    assert lab.wait_for(job).status == iqm.COMPLETED

    with client(lab) as labd, pytest.raises(NotFound, match="nothing was measured"):
        labd.store.partial_results(job.id.raw.hex())
    assert list((lab.state / "results").glob(f"{uuid_text(job)}.*part*")) == []


def test_a_job_that_measured_nothing_leaves_nothing(lab: QuickLab) -> None:
    job = lab.submit(do="measure", blocks=0, then="fail")
    lab.wait_for(job)

    assert list((lab.state / "results").glob(f"{uuid_text(job)}*")) == []
    assert lab.wait_for(lab.submit(payload())).status == iqm.COMPLETED


# ---- pins, checks, backups, by labctl


def test_pins_checks_and_backups_by_labctl(lab: QuickLab, tmp_path: Path) -> None:
    job = lab.submit()
    lab.wait_for(job)
    labctl, archive = Labctl(f"http://{lab.address}/star5"), tmp_path / "backup.tar"

    assert labctl.answer("pin", uuid_text(job), "figure 3") == "pinned\n"
    assert "pinned by" in labctl.answer("show", uuid_text(job))
    assert labctl.answer("unpin", uuid_text(job)) == "not pinned\n"
    assert " MB checked" in labctl.answer("fsck", "--repair")
    told = labctl.facts("backup", str(archive))
    (lab.state / "results" / f"{uuid_text(job)}.bin").write_bytes(b"harm")
    harmed = labctl.run("fsck", "--json")
    labctl.run("fsck", "--repair")

    assert told["bytes"] == archive.stat().st_size > 10_000
    assert harmed.exit_code == 1
    finding = json.loads(harmed.stdout.splitlines()[0])
    assert finding["object"] == uuid_text(job)
    assert "its result has 4 bytes" in labctl.refused("results", uuid_text(job), "--raw", "x")
    actions = [
        line["action"] for line in json.loads(labctl.answer("audit", "list", "--json"))["lines"]
    ]
    assert {"job.pin", "job.unpin", "store.fsck", "store.backup"} <= set(actions)


def test_retention_runs_at_the_start_and_says_so(lab: QuickLab) -> None:
    job = lab.submit()
    lab.wait_for(job)
    lab.stop()
    lab.edit("keep_days = 0.0 ", "keep_days = 0.0000001 ")

    lab.restart()

    labctl = Labctl(f"http://{lab.address}/star5")
    until_expired(lab, job)
    assert "retention removed it at" in labctl.refused("payload", uuid_text(job), "-o", "x")
    assert lab.get(job).status == iqm.COMPLETED


def until_expired(lab: QuickLab, job: iqm.JobV1) -> None:
    until = time.monotonic() + 20
    while not lab.lab.GetJobDetails(lookup(job)).keeping.HasField("expired_at"):
        assert time.monotonic() < until
        time.sleep(0.02)
