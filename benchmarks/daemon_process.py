"""A labd of the benchmark's own: state directory, completed job, the daemon process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from uuid import UUID

import grpc

from labd.core.access import Role
from labd.core.jobs import JobId, JobState, JobType, NewJob, Priority, QcId
from labd.core.openings import TimeslotRules
from labd.store.jobs import Ending
from labd.store.store import Store
from labd.wire import lab_pb2 as lab
from labd.wire.lab_pb2_grpc import LabStub

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config" / "labd.toml"
QC_ID = QcId(UUID("5c1e5000-0000-4000-8000-0000000000a5"))
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=600.0, shows_owners=True
)
PAYLOAD = ROOT / "tests" / "data" / "payloads" / "bell.sweep.bin"


def completed_job(state_dir: Path, result_bytes: int) -> JobId:
    """Store a completed job whose result is so many random bytes on disk."""
    return asyncio.run(_completed_job(state_dir, result_bytes))


async def _completed_job(state_dir: Path, result_bytes: int) -> JobId:
    store = Store.open(state_dir, clock_ns=time.time_ns)
    try:
        store.put_quantum_computer(QC_ID, "star5", "star5")
        user = store.ensure_local_user(os.getuid(), "bench", Role.ADMIN)
        new = NewJob(
            id=store.new_job_id(),
            qc_id=QC_ID,
            job_type=JobType.PULSE,
            shots=1,
            circuits=1,
            is_timeslot=False,
            user_id=user.id,
            submitted_by=user.name,
            payload_bytes=0,
            playing_s=0.0,
            kind="",
            priority=Priority.NORMAL,
        )
        await store.submit(new, b"")
        await store.timeslots.claim(QC_ID, RULES)
        block = os.urandom(1 << 24)
        with store.result_path(new.id).open("wb") as file:
            for start in range(0, result_bytes, len(block)):
                file.write(block[: result_bytes - start])
        await store.end_executing(new.id, Ending(JobState.COMPLETED))
        return new.id
    finally:
        store.close()


class DaemonProcess:
    """`labd serve` on a free port, from start to SIGTERM."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        started = time.monotonic()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "labd.cli.daemon", "serve", "--config", str(CONFIG)),
                *("--state-dir", str(state_dir), "--listen", "127.0.0.1:0"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.start_s = time.monotonic() - started
        assert line.startswith("labd ready on http://"), line
        self.tcp = line.split()[3].removeprefix("http://").split("/")[0]
        self.unix = f"unix:{state_dir / 'labd.sock'}"
        self.private = f"unix:{state_dir / 'run' / 'grpc'}"

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)

    def make_token(self) -> str:
        """The private socket's clients have no name: they need one."""
        with grpc.insecure_channel(self.unix) as channel:
            reply: lab.CreateTokenReply = LabStub(channel).CreateToken(lab.CreateTokenRequest())
        return reply.secret

    def resident_bytes(self) -> int:
        """Resident memory of the daemon and its front, without the rack's."""
        return sum(_resident_bytes(pid) for pid in serving_pids(self._process.pid))


def serving_pids(daemon: int) -> list[int]:
    """The daemon and its front, without the racks."""
    listed = Path(f"/proc/{daemon}/task/{daemon}/children").read_text(encoding="ascii")
    fronts = [
        int(pid) for pid in listed.split() if b"front" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert fronts
    return [daemon, *fronts]


def processor_s(daemon: int) -> float:
    """Processor seconds that the daemon and its front have used."""
    ticks = 0
    for pid in serving_pids(daemon):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
