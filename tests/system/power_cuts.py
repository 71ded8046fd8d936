"""Cut the power of labd's disk again and again under load, then count: lost, doubled, unreadable.

Alone, as root: ``python tests/system/power_cuts.py [CUTS] [FULL|NORMAL] [SEED]`` (100 cuts, FULL by
default). The state directory lies on an ext4 in an image file; a cut is the file system's shutdown
without a flush of its journal, then SIGKILL, unmount, mount: what was not on the disk is gone.
Acknowledgements are noted outside of it, by the clients, before the cut. Exit status 1 if anything
was lost, doubled or unreadable; with synchronous=NORMAL that must happen, or the test proves
nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import grpc
from quick_lab import FINAL, QuickLab, payload
from small_disk import Disk

from labd.store.fsck import Check
from labd.store.store import Store
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc

N_CLIENTS = 4
LARGE_EVERY = 10
DISK_MIB = 512
MATTERS = ("SHA-256", "cannot be read", "bytes", "restore a backup", "events", "line")
"""Words of findings that are harm; a file of nobody is not."""


@dataclass(slots=True)
class Tally:
    """What the cuts did. completed: jobs that a client saw COMPLETED before a cut.

    waiting: acknowledged ones that nobody saw so yet, the eldest first.
    """

    n_cuts: int = 0
    acknowledged: set[str] = field(default_factory=set)
    waiting: deque[str] = field(default_factory=deque)
    completed: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    n_cuts_with_loss: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.undone or self.doubled or self.unreadable)

    def __str__(self) -> str:
        return (
            f"{self.n_cuts} power cuts in {self.seconds:.0f} s: acknowledged"
            f" {len(self.acknowledged)}, seen completed {len(self.completed)}; lost"
            f" {len(self.lost)}, completed and undone {len(self.undone)}, run twice"
            f" {len(self.doubled)}, unreadable {len(self.unreadable)}"
            f" ({self.n_cuts_with_loss} cuts lost something)"
        )


class CutLab(QuickLab):
    """A lab on a disk of its own; what the rack started is noted outside of it."""

    def __init__(self, folder: Path, disk: Disk, synchronous: str) -> None:
        super().__init__(folder)
        self.state = disk.path / "state"
        self.edit('unix_socket = ""', 'unix_socket = "none"')
        self.edit("reserve_bytes = 536870912", "reserve_bytes = 1048576")
        self.noted = folder / "started.txt"
        self.surroundings = {
            "LABD_TEST_SYNCHRONOUS": synchronous,
            "LABD_TEST_STARTED": str(self.noted),
        }

    def started(self) -> list[str]:
        return self.noted.read_text().split() if self.noted.exists() else []


class Load:
    """Clients that submit and look until the power is gone."""

    def __init__(self, lab: QuickLab, tally: Tally, rng: random.Random) -> None:
        self._address, self._tally = lab.address, tally
        self._qc_id = lab.qc_id
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(random.Random(rng.random()),))
            for _ in range(N_CLIENTS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No acknowledgement is noted any more: the power goes."""
        self._is_over.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(20)

    def _work(self, rng: random.Random) -> None:
        with grpc.insecure_channel(self._address) as channel:
            jobs, waiting = iqm_grpc.JobsStub(channel), self._tally.waiting
            while not self._is_over.is_set():
                pad = "x" * (300_000 if rng.randrange(LARGE_EVERY) == 0 else rng.randrange(2000))
                request = iqm.SubmitJobRequestV1(
                    qc_id=self._qc_id, type=iqm.PULSE, payload=payload(bytes=3000, pad=pad)
                )
                try:
                    job = jobs.SubmitJobV1(request, timeout=5)
                    eldest = waiting[0] if waiting else job.id.raw.hex()
                    seen = jobs.GetJobV1(
                        iqm.JobLookupV1(id=iqm.Uuid(raw=bytes.fromhex(eldest))), timeout=5
                    )
                except grpc.RpcError:
                    return
                if self._is_over.wait(rng.uniform(0.0, 0.05)):
                    return
                self._tally.acknowledged.add(job.id.raw.hex())
                waiting.append(job.id.raw.hex())
                if seen.status == iqm.COMPLETED:
                    self._tally.completed.add(eldest)
                if seen.status in FINAL:
                    with contextlib.suppress(ValueError):  # another client saw it, too
                        waiting.remove(eldest)


def cut_power(folder: Path, n_cuts: int, synchronous: str, seed: int) -> Tally:
    """Cut so many times at random moments; after each look at every job and every file."""
    rng, tally, begun = random.Random(seed), Tally(), time.monotonic()
    disk = Disk(folder, DISK_MIB)
    why = disk.make()
    if why:
        raise OSError(why)
    lab = CutLab(folder, disk, synchronous)
    try:
        lab.start()
        for _ in range(n_cuts):
            load = Load(lab, tally, rng)
            n_started = len(lab.started())
            load.start()
            _wait_until(lambda n=n_started: len(lab.started()) > n)  # type: ignore[misc]
            time.sleep(rng.uniform(0.05, 0.5))
            load.stop()
            disk.cut_power()
            lab.kill()
            load.join()
            _remount(disk)
            tally.n_cuts += 1
            _check(lab, tally)
            tally.seconds = time.monotonic() - begun
            if tally.n_cuts % 10 == 0:
                print(tally, flush=True)
            lab.restart()
    finally:
        lab.kill()
        with contextlib.suppress(AssertionError):
            _remount(disk)
            disk.unmount()
    return tally


def _remount(disk: Disk) -> None:
    _wait_until(lambda: _is_unmounted(disk))
    disk.mount()


def _is_unmounted(disk: Disk) -> bool:
    """Not before the daemon's children have let go."""
    with contextlib.suppress(AssertionError):
        disk.unmount()
        return True
    return False


def _wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def _check(lab: CutLab, tally: Tally) -> None:
    """As the disk is now, before the next labd starts."""
    states = _states(lab)
    before = len(tally.lost) + len(tally.undone)
    tally.lost |= {each for each in tally.acknowledged if each not in states}
    tally.undone |= {each for each in tally.completed if states.get(each) != "COMPLETED"}
    tally.waiting = deque(each for each in tally.waiting if states.get(each) == "IN_QUEUE")
    tally.n_cuts_with_loss += len(tally.lost) + len(tally.undone) > before
    runs = Counter(UUID(each).hex for each in lab.started())
    tally.doubled |= {each for each, n in runs.items() if n > 1}
    store = Store.open(lab.state, clock_ns=time.time_ns)
    try:
        check: Check = store.check(is_quick=False)
        for finding in check.findings():
            if finding is not None and any(word in finding.what for word in MATTERS):
                tally.unreadable.append(f"{finding.object}: {finding.what}")
    finally:
        store.close()


def _states(lab: CutLab) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(lab.state / "labd.db")) as db:
        try:
            rows = db.execute("SELECT id, state FROM jobs").fetchall()
        except sqlite3.OperationalError:  # not even the tables came to the disk
            return {}
    return {job_id.hex(): state for job_id, state in rows}


if __name__ == "__main__":
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    level = sys.argv[2] if len(sys.argv) > 2 else "FULL"
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if os.geteuid() != 0:
        sys.exit("only root can mount a disk and cut its power")
    with tempfile.TemporaryDirectory(prefix="labd-cuts-") as name:
        result = cut_power(Path(name), cuts, level, seed)
    print(f"synchronous={level}: {result}")
    for line in result.unreadable[:20]:
        print(line)
    sys.exit(0 if result.is_good else 1)
