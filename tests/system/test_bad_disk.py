"""Wherever labd writes or reads, a disk may refuse: it is said, all else goes on, and it heals."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from bad_disk import ERRORS, BadDisk, BadDiskLab
from labctl_runner import Labctl, listed
from loud_lab import LoudLab
from notify_socket import Systemd
from quick_lab import QuickLab, lookup

from labd.wire import iqm_server_pb2 as iqm

PATIENCE_S = 30.0
TEE = shutil.which("tee")
SET = "6b2f5b1e-7a6b-4c52-8e1d-3f0a5d9c1e77"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    server = Systemd(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    yield server
    server.close()


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def id_of(job: iqm.JobV1) -> str:
    return str(UUID(bytes=job.id.raw))


def page(lab: QuickLab, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{lab.address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def another_set(lab: QuickLab) -> str:
    """A calibration set that the store does not have."""
    path = lab.config.parent / "star5" / "calibration-set.json"
    document = json.loads(path.read_text())
    document["calibration_set_id"] = SET
    copy = lab.folder / "another-set.json"
    copy.write_text(json.dumps(document))
    return str(copy)


NEED_ANOTHER = ("release", "give", "activate")
"""Refused for another reason as long as the deed before has not been done."""


def deeds(lab: QuickLab, queued: str, done: str) -> list[tuple[str, ...]]:
    """Calls that each write another thing, in an order in which all of them can be done."""
    return [
        ("hold", queued, "later"),
        ("release", queued),
        ("priority", queued, "low"),
        ("tag", queued, "bell"),
        ("pin", done, "a figure"),
        ("unpin", done),
        ("delete", done),
        ("pause", "a filter"),
        ("take", "star5", "--for", "20m", "--note", "wiring"),
        ("give", "star5"),
        ("users", "add", "ann", "--uid", "54321"),
        ("token", "new", "--user", "root"),
        ("limits", "set", "queued_jobs", "77", "--role", "user"),
        ("slots", "book", "tomorrow 09:00", "12:00"),
        ("calibrations", "import", another_set(lab)),
        ("calibrations", "activate", SET),
        ("backup", str(lab.folder / "backup.tar")),
        ("cancel", queued),
        ("resume",),
    ]


def test_what_cannot_be_written_is_refused_and_done_once_it_can(tmp_path: Path) -> None:
    with BadDiskLab(tmp_path) as lab:
        labctl = Labctl(f"http://{lab.address}/star5")
        done = lab.submit(bytes=2000)
        lab.wait_for(done)
        lab.wait_for(lab.submit(do="fail"))
        labctl.answer("pause", "a cable")
        queued = lab.submit()
        asked = deeds(lab, id_of(queued), id_of(done))
        before = actions(labctl)

        tried = [call for call in asked if not set(call) & set(NEED_ANOTHER)]
        for error, sentence in ERRORS.items():
            lab.disk.refuse(writes=error)
            for call in tried:
                said = labctl.refused(*call)
                assert f"labd cannot store anything now ({sentence})" in said, call
            codes = {refused(lab, pad="x" * n_bytes).code() for n_bytes in (1, 400_000)}
            assert codes == {grpc.StatusCode.UNAVAILABLE}
        assert lab.result(done)
        for question in ("status", "list", "users list", "calibrations list", "audit verify"):
            labctl.answer(*question.split())
        assert "it caught fire" in labctl.answer("list", "--json")
        assert page(lab, "/metrics")[0] == 200
        lab.signal(signal.SIGHUP)
        until(lambda: "a reload was not noted" in lab.log(), "the reload is made")

        lab.disk.heal()
        for call in asked:
            labctl.answer(*call)

        assert lab.wait_for(lab.submit(pad="x" * 400_000)).status == iqm.COMPLETED
        labctl.answer("audit", "verify")
        assert len(actions(labctl)) - len(before) == len(asked) + 1
        assert labctl.run("fsck").exit_code == 0


def actions(labctl: Labctl) -> list[str]:
    lines = listed(labctl.facts("audit", "list", "-n", "99"), "lines")
    return [str(line["action"]) for line in lines]


def refused(lab: QuickLab, pad: str) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        lab.submit(pad=pad)
    return caught.value


def test_jobs_racks_and_guards_outlive_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    lab = BadDiskLab(tmp_path)
    told = tmp_path / "told.txt"
    table = f'name = "file"\non = ["INTERRUPTED", "rack"]\ncommand = ["{TEE}", "-a", "{told}"]\n'
    lab.config.write_text(f"[[notify]]\n{table}{lab.config.read_text()}")
    with lab:
        labctl = Labctl(f"http://{lab.address}/star5")
        running = lab.submit(do="measure", blocks=3, then="wait")
        queued = lab.submit(do="measure", blocks=10)
        until(lambda: running_shots(lab, running) > 0, "something was measured")
        guard = lab.child("labd.guard")

        lab.disk.refuse(writes="EIO")
        os.kill(lab.child("quick_rack"), signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        until(lambda: "its pid is not written down" in lab.log(), "there is another guard")
        until(lambda: "its end is not recorded yet" in lab.log(), "the job has ended")
        assert lab.get(running).status == iqm.EXECUTING
        lab.disk.heal()

        assert lab.wait_for(running).status == iqm.INTERRUPTED
        assert lab.wait_for(queued).status == iqm.COMPLETED
        told_of_it = labctl.answer("results", id_of(running), "--partial")
        assert "of 1000 shots were measured" in told_of_it
        assert lab.child("labd.guard") != guard
        until(lambda: told.exists() and "is ready again" in told.read_text(), "all is told")
        assert id_of(running) in told.read_text()


def running_shots(lab: QuickLab, job: iqm.JobV1) -> int:
    for progress in lab.lab.WatchProgress(lookup(job), timeout=PATIENCE_S):
        return int(progress.shots_done)
    return 0


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[QuickLab, BadDisk]]:
    """Only its results are on a bad disk."""
    folder = tmp_path_factory.mktemp("results")
    lab = QuickLab(folder)
    disk = BadDisk(folder, lab.state / "results")
    lab.surroundings = disk.environment
    with lab:
        yield lab, disk


@pytest.mark.parametrize("error", ERRORS)
def test_a_result_that_cannot_be_written_fails_its_job_and_not_the_rack(
    results: tuple[QuickLab, BadDisk], error: str
) -> None:
    lab, disk = results
    lab.wait_for(lab.submit())
    rack = lab.child("quick_rack")

    disk.refuse(writes=error)
    failed = lab.wait_for(lab.submit(do="measure", blocks=10))
    disk.heal()

    assert failed.status == iqm.FAILED
    assert os.strerror(getattr(errno, error)) in failed.error
    assert lab.wait_for(lab.submit(do="measure", blocks=10)).status == iqm.COMPLETED
    assert lab.child("quick_rack") == rack


def test_what_was_measured_is_kept_though_there_is_no_room_to_say_so(
    results: tuple[QuickLab, BadDisk],
) -> None:
    lab, disk = results
    running = lab.submit(do="measure", blocks=3, then="wait")
    until(lambda: running_shots(lab, running) > 0, "something was measured")
    lab.kill()
    leftover = lab.state / "results" / "nobodys.bin"
    leftover.touch()

    disk.refuse(writes="ENOSPC")
    lab.restart()
    asked = ("results", id_of(running), "--partial")
    labctl = Labctl(f"http://{lab.address}/star5")
    until(lambda: not leftover.exists(), "all files were looked at")
    assert "nothing was measured of it" in labctl.refused(*asked)
    disk.heal()
    (lab.state / "labd.spare").unlink()  # as it was given back, and is taken now

    until(lambda: labctl.run(*asked).exit_code == 0, "it is kept")
    assert "of 1000 shots were measured" in labctl.answer(*asked)


def test_a_disk_that_cannot_be_read_is_told_of_on_every_way_and_heals(
    tmp_path: Path, systemd: Systemd
) -> None:
    with BadDiskLab(tmp_path) as lab:
        labctl = Labctl(f"http://{lab.address}/star5")
        lab.wait_for(done := lab.submit(bytes=2000))
        running = lab.submit(s=1.0)
        queued = lab.submit()
        until(lambda: running_shots(lab, running) > 0, "the rack is at work")

        lab.disk.refuse(reads="EIO")
        lab.signal(signal.SIGHUP)  # a line of the audit is written: nobody's cache holds any more
        systemd.wait_for("STATUS=the disk refuses")
        with pytest.raises(grpc.RpcError) as asked:
            lab.result(done)
        pages = [page(lab, path) for path in ("/metrics", f"/api/v1/jobs/{id_of(done)}")]
        for question in ("list", "status", "show last", "audit verify", "fsck"):
            assert "labd cannot store anything now" in labctl.refused(*question.split()), question
        lab.disk.heal()

        assert asked.value.code() is grpc.StatusCode.UNAVAILABLE
        assert {status for status, _ in pages} == {503}, pages
        assert lab.wait_for(running).status == iqm.COMPLETED
        assert lab.wait_for(queued).status == iqm.COMPLETED
        assert len(lab.result(done)) > 2000
        systemd.wait_for("STATUS=star5 ready, 0 queued")
        assert page(lab, "/metrics")[0] == 200
        assert labctl.run("fsck").exit_code == 0
        assert "Traceback" not in lab.log()


def test_outputs_are_made_safe_whatever_the_disk_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = LoudLab(tmp_path)
    try:
        lab.start()
        lab.submit(s=60.0)
        lab.wait_until_loud()
        lab.strike(["guard", "rack"])
        lab.kill()
        disk = BadDisk(tmp_path, lab.state)
        for name, value in disk.environment.items():
            monkeypatch.setenv(name, value)
        disk.refuse(writes="EIO", reads="EIO")

        status, told = lab.make_safe()

        assert (status, told["problems"]) == (0, [])
        assert lab.unsafe() == {}
    finally:
        lab.close()
