"""A disk of 64 MiB that is full, or gives I/O errors: refused or failed cleanly, and healed."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from labctl_runner import Labctl
from quick_lab import QuickLab, lookup, metadata_of
from small_disk import Disk, fill, small_disk

from labd.wire import iqm_server_pb2 as iqm

RESERVE_BYTES = 4 << 20


class DiskLab(QuickLab):
    """Its state lies on the small disk."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        super().__init__(folder)
        self.state = disk.path / "state"
        self.edit("reserve_bytes = 536870912", f"reserve_bytes = {RESERVE_BYTES}")
        self.edit('unix_socket = ""', 'unix_socket = "none"')


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path) as made:
        yield made


@pytest.fixture
def lab(tmp_path: Path, disk: Disk) -> Iterator[DiskLab]:
    lab = DiskLab(tmp_path, disk)
    with lab:
        yield lab
        lab.kill()


def refusal(lab: QuickLab, pad: str = "") -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        lab.submit(pad=pad)
    return caught.value


def test_the_reserve_refuses_submits_and_what_runs_ends_then_space_heals_all(
    lab: DiskLab, disk: Disk
) -> None:
    running = lab.submit(s=2.0, bytes=1000)
    queued = lab.submit()
    lab.wait_for(running, iqm.EXECUTING)
    ballast = fill(disk.path, RESERVE_BYTES // 2)

    error = refusal(lab)
    ended = lab.wait_for(running)

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert metadata_of(error)["error_code"] == "unavailable"
    assert "labd's disk is full" in (error.details() or "")
    assert ended.status == iqm.COMPLETED
    assert len(lab.result(running)) > 1000
    assert lab.get(queued).status == iqm.IN_QUEUE
    why = Labctl(f"http://{lab.address}/star5").answer("why", "last")
    assert "labd's disk has room for 0.0 MiB" in why

    ballast.unlink()

    assert lab.wait_for(queued).status == iqm.COMPLETED
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_disk_that_is_full_to_the_last_byte_loses_nothing_and_heals(
    lab: DiskLab, disk: Disk
) -> None:
    done = lab.submit()
    lab.wait_for(done)
    running = lab.submit(s=1.0)
    lab.wait_for(running, iqm.EXECUTING)
    ballast = fill(disk.path, 1 << 20)
    fill_to_the_last_byte(disk.path / "rest")

    assert refusal(lab).code() is grpc.StatusCode.UNAVAILABLE
    assert refusal(lab, pad="x" * 400_000).code() is grpc.StatusCode.UNAVAILABLE
    assert lab.get(done).status == iqm.COMPLETED
    assert lab.result(done)
    (disk.path / "rest").unlink()
    ballast.unlink()

    assert lab.wait_for(running).status in (iqm.COMPLETED, iqm.FAILED, iqm.INTERRUPTED)
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    labctl = Labctl(f"http://{lab.address}/star5")
    assert labctl.run("fsck", "--repair").exit_code == 0


def test_on_a_full_disk_labd_starts_and_deletes_and_has_room_again(
    lab: DiskLab, disk: Disk
) -> None:
    jobs = [lab.submit(pad="x" * 400_000) for _ in range(4)]
    payloads = [lab.state / "payloads" / f"{id_of(job)}.bin" for job in jobs]
    for job in jobs:
        lab.wait_for(job)
    running = lab.submit(s=3600)
    lab.wait_for(running, iqm.EXECUTING)
    until((lab.state / "labd.spare").exists)
    lab.kill()
    fill(disk.path, 1 << 20)
    fill_to_the_last_byte(disk.path / "rest")
    assert room(disk) == 0
    stat = os.statvfs(disk.path)
    share = 3.5 * payloads[0].stat().st_size / (stat.f_blocks * stat.f_frsize)
    lab.edit("keep_share = 1.0", f"keep_share = {share:.6f}")

    lab.restart()
    labctl = Labctl(f"http://{lab.address}/star5")
    until(lambda: not payloads[0].exists())
    labctl.answer("delete", id_of(jobs[3]))

    assert lab.wait_for(running).status == iqm.INTERRUPTED
    assert [path.exists() for path in payloads] == [False, True, True, False]
    assert room(disk) > 0
    assert lab.result(jobs[2])
    (disk.path / "rest").unlink()
    (disk.path / "ballast").unlink()
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    until((lab.state / "labd.spare").exists)
    labctl.answer("audit", "verify")


def id_of(job: iqm.JobV1) -> str:
    return str(UUID(bytes=job.id.raw))


def room(disk: Disk) -> int:
    return os.statvfs(disk.path).f_bavail


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def fill_to_the_last_byte(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as rest:
        while True:
            rest.write(bytes(512))


def test_io_errors_of_the_disk_refuse_and_after_a_new_start_all_is_there(
    lab: DiskLab, disk: Disk
) -> None:
    done = lab.submit(bytes=2000)
    lab.wait_for(done)
    content = lab.result(done)
    running = lab.submit(s=3600)
    queued = lab.submit()
    lab.wait_for(running, iqm.EXECUTING)

    disk.cut_power()
    errors = [refusal(lab), refusal(lab, pad="x" * 400_000)]
    with pytest.raises(grpc.RpcError) as cancel:
        lab.jobs.CancelJobV1(lookup(queued))

    assert {error.code() for error in [*errors, cancel.value]} == {grpc.StatusCode.UNAVAILABLE}
    assert lab.process is not None
    assert lab.process.poll() is None
    lab.kill()
    wait_until_idle(disk)
    disk.mount()
    lab.restart()

    assert lab.get(done).status == iqm.COMPLETED
    assert lab.result(done) == content
    assert lab.wait_for(running).status == iqm.INTERRUPTED
    assert lab.wait_for(queued).status == iqm.COMPLETED


def wait_until_idle(disk: Disk) -> None:
    """Unmount as soon as the daemon's children have let go."""
    until = time.monotonic() + 20
    while True:
        try:
            disk.unmount()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
