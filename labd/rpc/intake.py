"""What is looked at before a job is stored: its type, its size, and whether the rack can play it.

Checking compiles the whole job (milliseconds to seconds), in a thread; a payload that was found
good once is known by its content, so that repeats cost a hash. Clients put a new sweep id into
every payload: it is left out of the hash. Circuits are checked against the calibration set they
name, or the active one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from google.protobuf.message import DecodeError

from labd.circuit_stations import CircuitStations
from labd.config import Limits, QuantumComputer
from labd.core.errors import InvalidPayload, Problem
from labd.core.jobs import JobType
from labd.payloads.circuit import check_circuits, read_circuits
from labd.payloads.sweep import Summary, check_payload
from labd.wire import sweep_pb2

T = TypeVar("T")

MAX_KNOWN = 256
KIND_BYTES = 16
_ID_END = 38
_ID_PREFIX = re.compile(rb"\x0a\x24[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How a SweepRequest begins on the wire: field 1, a UUID as a text of 36 bytes."""


class Intake:
    """The check at the door, with its memory of payloads that passed."""

    def __init__(self, limits: Limits, stations: CircuitStations) -> None:
        self._limits = limits
        self._stations = stations
        self._known: OrderedDict[bytes, Summary] = OrderedDict()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    def use(self, limits: Limits) -> None:
        """Check with these limits, and what was checked before once more."""
        self._limits = limits
        self._stations.forget()
        self._known.clear()

    async def check(self, computer: QuantumComputer, job_type: JobType, payload: bytes) -> Summary:
        """What the payload asks for. Raises JobTypeNotSupported, InvalidPayload."""
        if len(payload) > self._limits.payload_bytes:
            what = f"{len(payload)} bytes are more than the limit of {self._limits.payload_bytes}"
            raise InvalidPayload((Problem("payload", what),))
        if job_type is JobType.CIRCUIT:
            return await self._check_circuits(computer, payload)
        key = content_key(computer, payload)
        if key is None:
            return await self._in_thread(lambda: self._check_pulses(computer, payload))
        return await self._remembered(
            key, key, lambda: self._in_thread(lambda: self._check_pulses(computer, payload))
        )

    async def _check_circuits(self, computer: QuantumComputer, payload: bytes) -> Summary:
        """Against the set that the payload names, or the one that is active now."""
        active_id = self._stations.active_id(computer)
        content = hashlib.sha256(computer.id.bytes + payload).digest()
        key = hashlib.sha256(active_id.bytes + content).digest()
        return await self._remembered(
            key, content, lambda: self._compiled(computer, payload, active_id)
        )

    async def _compiled(
        self, computer: QuantumComputer, payload: bytes, active_id: UUID
    ) -> Summary:
        qubits = self._stations.qubits(computer)
        asked = await self._in_thread(lambda: read_circuits(payload, qubits))
        wanted = asked.calibration_set_id
        station = self._stations.station(computer, wanted or active_id).station
        summary = await self._in_thread(
            lambda: check_circuits(
                asked.job, station, computer.rig, max_result_bytes=self._limits.result_bytes
            )
        )
        return replace(summary, calibration_set_id=wanted)

    async def _remembered(
        self, key: bytes, content: bytes, check: Callable[[], Awaitable[Summary]]
    ) -> Summary:
        """What a check says, made once for the same key. content: makes the kind."""
        known = self._known.get(key)
        if known is None:
            known = replace(await check(), kind=content[:KIND_BYTES].hex())
            self._known[key] = known
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return known

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _check_pulses(self, computer: QuantumComputer, payload: bytes) -> Summary:
        return check_payload(
            payload,
            computer.wiring,
            computer.rig,
            max_result_bytes=self._limits.result_bytes,
        )

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def content_key(computer: QuantumComputer, payload: bytes) -> bytes | None:
    """A hash of all that decides whether the payload is good; None where it cannot be read."""
    try:
        task = sweep_pb2.SweepTaskRequest.FromString(payload)
    except DecodeError:
        return None
    request = task.payload.value
    hashed = hashlib.sha256(computer.id.bytes)
    if _ID_PREFIX.match(request) and task.sweep_id:
        is_same = request[2:_ID_END] == task.sweep_id.encode()
        hashed.update(f"{is_same}\0{task.queue_name}\0{task.payload.type_url}\0".encode())
        hashed.update(memoryview(request)[_ID_END:])
    else:
        hashed.update(payload)
    return hashed.digest()
