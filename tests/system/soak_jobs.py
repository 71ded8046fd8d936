"""What clients do in a soak: short jobs of every kind, alone and in batches, checked by value.

Which kind a job is of follows from its number alone, so that a round of jobs is like the next one.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import grpc
from quick_lab import FINAL, ROOT, joined, lookup, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc

N_CLIENTS = 4
BATCH = 10
RESULT_BYTES = 2000
LARGE = "x" * 300_000
CALL_LIMIT_S = 60.0
N_SHOTS = 10
BELL_CIRCUIT = json.loads((ROOT / "tests/data/circuits/bell.json").read_bytes())["circuits"][0]
STATES = {
    "fail": (iqm.FAILED, "it caught fire"),
    "fault": (iqm.FAILED, "it is mute"),
    "cancel": (iqm.CANCELLED, ""),
}
"""How jobs end that do not complete, and what their error has in it."""


@dataclass(slots=True)
class Tally:
    """What came of the jobs. latencies_s: of those submitted alone, in order; wrong: sentences."""

    states: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    acknowledged: list[UUID] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def n_jobs(self) -> int:
        return len(self.acknowledged)


def kind_of(number: int) -> str:
    """Most are plain; of every 500, ten fail, ten are cancelled, one has an instrument's fault."""
    if number % 500 == 251:
        return "fault"
    kinds = {7: "fail", 23: "cancel", 31: "large", 43: "circuits"}
    return kinds.get(number % 50, "plain")


class SoakClients:
    """Clients with a connection each, as long as the soak lasts."""

    def __init__(self, address: str, qc_id: iqm.Uuid, tally: Tally, n_programs: int) -> None:
        """n_programs: so many different payloads of each kind."""
        self._qc_id = qc_id
        self._n_programs = n_programs
        self._tally = tally
        self._noting = threading.Lock()
        self._channels = [
            grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),))
            for _ in range(N_CLIENTS)
        ]
        self._address = address
        self._pool = ThreadPoolExecutor(N_CLIENTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown()
        for channel in self._channels:
            channel.close()

    def run(self, numbers: Sequence[int]) -> None:
        """These jobs, shared among the clients; returns when all are over and checked."""
        stubs = [iqm_grpc.JobsStub(channel) for channel in self._channels]
        shares = [numbers[place::N_CLIENTS] for place in range(N_CLIENTS)]
        list(self._pool.map(self._run_share, stubs, shares))

    def _run_share(self, jobs: iqm_grpc.JobsStub, numbers: Sequence[int]) -> None:
        n_alone = len(numbers) - min(BATCH, len(numbers) // 2)
        for number in numbers[:n_alone]:
            began = time.monotonic()
            self._look_in(number, job := self._submit(jobs, number))
            self._check(jobs, number, job)
            if kind_of(number) == "plain":
                with self._noting:
                    self._tally.latencies_s.append(time.monotonic() - began)
        batch = [(number, self._submit(jobs, number)) for number in numbers[n_alone:]]
        for number, job in batch:
            self._check(jobs, number, job)

    def _submit(self, jobs: iqm_grpc.JobsStub, number: int) -> iqm.JobV1:
        kind = kind_of(number)
        request = iqm.SubmitJobRequestV1(
            qc_id=self._qc_id,
            type=iqm.CIRCUIT if kind == "circuits" else iqm.PULSE,
            payload=_payload_of(kind, number % self._n_programs),
        )
        job: iqm.JobV1 = jobs.SubmitJobV1(request, timeout=CALL_LIMIT_S)
        with self._noting:
            self._tally.kinds[kind] += 1
            self._tally.acknowledged.append(UUID(bytes=job.id.raw))
        return job

    def _look_in(self, number: int, job: iqm.JobV1) -> None:
        """Now and then somebody subscribes on a connection of his own, and leaves at once."""
        if number % 20:
            return
        with grpc.insecure_channel(
            self._address, (("grpc.use_local_subchannel_pool", 1),)
        ) as channel:
            call = iqm_grpc.JobsStub(channel).SubscribeToJobV1(lookup(job), timeout=CALL_LIMIT_S)
            next(iter(call))
            if number % 40:
                call.cancel()

    def _check(self, jobs: iqm_grpc.JobsStub, number: int, job: iqm.JobV1) -> None:
        kind = kind_of(number)
        if kind == "cancel":
            _follow(jobs, job, (iqm.EXECUTING, *FINAL))
            jobs.CancelJobV1(lookup(job), timeout=CALL_LIMIT_S)
        ended = _follow(jobs, job, FINAL)
        what = _what_is_wrong(jobs, kind, ended)
        with self._noting:
            self._tally.states[iqm.JobStatus.Name(ended.status)] += 1
            if what:
                self._tally.wrong.append(f"job {number}, {kind}: {what}")


def _payload_of(kind: str, number: int) -> bytes:
    match kind:
        case "fail" | "fault":
            return payload(do=kind, n=number)
        case "cancel":
            return payload(s=30.0, n=number)
        case "large":
            return payload(bytes=RESULT_BYTES, n=number, pad=LARGE)
        case "circuits":
            return json.dumps({"circuits": [BELL_CIRCUIT] * 3, "shots": N_SHOTS}).encode()
        case _:
            return payload(bytes=RESULT_BYTES, n=number)


def _follow(jobs: iqm_grpc.JobsStub, job: iqm.JobV1, states: Sequence[int]) -> iqm.JobV1:
    for event in jobs.SubscribeToJobV1(lookup(job), timeout=CALL_LIMIT_S):
        if event.HasField("update") and event.update.status in states:
            found: iqm.JobV1 = event.update
            return found
    raise AssertionError("the subscription ended early")


def _what_is_wrong(jobs: iqm_grpc.JobsStub, kind: str, ended: iqm.JobV1) -> str:
    """With the state, the reason and every byte of the result; empty where nothing is."""
    state, error = STATES.get(kind, (iqm.COMPLETED, ""))
    if ended.status != state or error not in ended.error:
        return f"{iqm.JobStatus.Name(ended.status)}, {ended.error}"
    if state != iqm.COMPLETED:
        return ""
    result = joined(jobs.GetJobResultsV1(lookup(ended), timeout=CALL_LIMIT_S))
    if kind == "circuits":
        is_right = json.loads(result) == [{"m": [[0], [1]] * (N_SHOTS // 2)}] * 3
    else:
        name = f"result of {UUID(bytes=ended.id.raw)}"
        is_right = result == bytes(RESULT_BYTES) + name.encode()
    return "" if is_right else f"another result: {result[-60:]!r}"
