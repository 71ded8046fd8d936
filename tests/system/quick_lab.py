"""labd as a process with a quick rack, and the stubs to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2_grpc, sweep_pb2

ROOT = Path(__file__).parents[2]
BELL = (ROOT / "tests" / "data" / "payloads" / "bell.sweep.bin").read_bytes()
HERE = Path(__file__).parent
FINAL = (iqm.COMPLETED, iqm.CANCELLED, iqm.FAILED, iqm.INTERRUPTED)


def payload(**wish: str | float) -> bytes:
    """A Bell payload that tells the quick rack what to do."""
    task = sweep_pb2.SweepTaskRequest.FromString(BELL)
    task.queue_name = "quick:" + json.dumps(wish)
    return task.SerializeToString()


def lookup(job: iqm.JobV1) -> iqm.JobLookupV1:
    return iqm.JobLookupV1(id=job.id)


class QuickLab:
    """The daemon under a folder: config/ (to be edited before the start) and state/."""

    RACK_MODULE = "quick_rack"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.config = Path(shutil.copytree(ROOT / "config", folder / "config")) / "labd.toml"
        wiring = folder / "config" / "star5" / "wiring.toml"
        wiring.write_text(wiring.read_text().partition("[outputs]")[0])  # there are no instruments
        self.process: subprocess.Popen[str] | None = None
        self.address = "127.0.0.1:0"
        self.ready_s = 0.0
        self.surroundings: dict[str, str] = {}
        self._channel: grpc.Channel | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.disconnect()

    def edit(self, old: str, new: str) -> Self:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))
        return self

    def start(self) -> Self:
        started = time.monotonic()
        self.launch()
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("labd ready on http://"), self.log()
        self.ready_s = time.monotonic() - started
        self.address = line.split()[3].removeprefix("http://").split("/")[0]
        return self

    def launch(self) -> None:
        """Start the process; it is not ready yet."""
        log = (self.folder / "labd.log").open("a")
        with log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, str(HERE / "serve_quick.py")),
                    *(str(self.config), str(self.state), self.address),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",
                    "LABD_RACK_MODULE": self.RACK_MODULE,
                    **self.surroundings,
                },
            )

    def log(self) -> str:
        return (self.folder / "labd.log").read_text()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 30.0) -> int:
        """The exit status; the pipe is closed."""
        assert self.process is not None
        assert self.process.stdout is not None
        status = self.process.wait(timeout_s)
        self.process.stdout.close()
        return status

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()
        self.disconnect()

    def restart(self) -> Self:
        self.disconnect()
        return self.start()

    def children(self) -> list[int]:
        assert self.process is not None
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def child(self, what: str) -> int:
        """The pid of the child whose command line has that in it."""
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            for pid in self.children():
                if what in Path(f"/proc/{pid}/cmdline").read_text():
                    return pid
            time.sleep(0.01)
        raise AssertionError(what)

    def disconnect(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    @property
    def channel(self) -> grpc.Channel:
        if self._channel is None:
            self._channel = grpc.insecure_channel(self.address)
        return self._channel

    @property
    def jobs(self) -> iqm_grpc.JobsStub:
        return iqm_grpc.JobsStub(self.channel)

    @property
    def computers(self) -> iqm_grpc.QuantumComputersStub:
        return iqm_grpc.QuantumComputersStub(self.channel)

    @property
    def calibrations(self) -> iqm_grpc.CalibrationsStub:
        return iqm_grpc.CalibrationsStub(self.channel)

    @property
    def lab(self) -> lab_pb2_grpc.LabStub:
        return lab_pb2_grpc.LabStub(self.channel)

    @property
    def qc_id(self) -> iqm.Uuid:
        listed: iqm.QuantumComputersListV1 = self.computers.ListQuantumComputersV1(
            iqm.ListQuantumComputerFiltersV1()
        )
        return listed.items[0].id

    def submit(self, data: bytes | None = None, **wish: str | float) -> iqm.JobV1:
        request = iqm.SubmitJobRequestV1(
            qc_id=self.qc_id,
            type=iqm.PULSE,
            payload=payload(**wish) if data is None else data,
            use_timeslot=False,
        )
        job: iqm.JobV1 = self.jobs.SubmitJobV1(request)
        return job

    def get(self, job: iqm.JobV1) -> iqm.JobV1:
        found: iqm.JobV1 = self.jobs.GetJobV1(lookup(job))
        return found

    def updates(self, job: iqm.JobV1) -> Iterator[iqm.JobV1]:
        for event in self.jobs.SubscribeToJobV1(lookup(job), timeout=60):
            if event.HasField("update"):
                yield event.update

    def wait_for(self, job: iqm.JobV1, *states: int) -> iqm.JobV1:
        """Follow a job until it is in one of the states (final ones by default)."""
        for update in self.updates(job):
            if update.status in (states or FINAL):
                return update
        raise AssertionError("the subscription ended early")

    def result(self, job: iqm.JobV1) -> bytes:
        return joined(self.jobs.GetJobResultsV1(lookup(job)))

    def started(self) -> list[str]:
        """Ids of the jobs that the rack was given, in order."""
        path = self.state / "run" / "star5" / "started.txt"
        return path.read_text().split() if path.exists() else []


def metadata_of(error: grpc.RpcError) -> dict[str, str | bytes]:
    """The trailing metadata of a refused call."""
    return {item.key: item.value for item in error.trailing_metadata()}


def joined(chunks: Iterable[iqm.DataChunk]) -> bytes:
    return b"".join(chunk.data for chunk in chunks)
