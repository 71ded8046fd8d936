"""What is looked at before a job is stored: its type, its size, and whether the rack can play it.

Checking compiles the whole job (milliseconds to seconds), in a thread; a payload that was found
good once is known by its content, so that repeats cost a hash. Clients put a new sweep id into
every payload: it is left out of the hash.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from google.protobuf.message import DecodeError

from labd.config import Limits, QuantumComputer
from labd.core.errors import InvalidPayload, JobTypeNotSupported, Problem
from labd.core.jobs import JobType
from labd.payloads.sweep import Summary, check_payload
from labd.wire import sweep_pb2

MAX_KNOWN = 256
KIND_BYTES = 16
_ID_END = 38
_ID_PREFIX = re.compile(rb"\x0a\x24[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How a SweepRequest begins on the wire: field 1, a UUID as a text of 36 bytes."""


class Intake:
    """The check at the door, with its memory of payloads that passed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: OrderedDict[bytes, Summary] = OrderedDict()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    async def check(self, computer: QuantumComputer, job_type: JobType, payload: bytes) -> Summary:
        """What the payload asks for. Raises JobTypeNotSupported, InvalidPayload."""
        if job_type is not JobType.PULSE:
            raise JobTypeNotSupported(job_type.value, (JobType.PULSE.value,))
        if len(payload) > self._limits.payload_bytes:
            what = f"{len(payload)} bytes are more than the limit of {self._limits.payload_bytes}"
            raise InvalidPayload((Problem("payload", what),))
        key = content_key(computer, payload)
        if key is not None and key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        summary = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._check, computer, payload
        )
        if key is not None:
            summary = replace(summary, kind=key[:KIND_BYTES].hex())
            self._known[key] = summary
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)
        return summary

    def _check(self, computer: QuantumComputer, payload: bytes) -> Summary:
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
