"""What the daemon itself writes into the audit."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.audit_trail import AuditTrail, own_entry
from labd.core.audit import AuditLine, Head, verify
from labd.core.errors import NotFound, PermissionDenied, Refusal, Unauthenticated
from labd.store.audit import Wanted
from labd.store.store import Store

pytestmark = pytest.mark.anyio

HOUR_NS = 3_600_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path, clock_ns=clock)
    yield opened
    opened.close()


def all_lines(store: Store) -> list[AuditLine]:
    return [line for page in store.audit.pages(Wanted()) for line in page]


async def written(store: Store) -> list[AuditLine]:
    """All lines, once those under way are written: changes are written in order."""
    await asyncio.sleep(0)
    await store.audit.record(own_entry("daemon.stop", "labd"))
    return all_lines(store)[:-1]


def refuse(trail: AuditTrail, refusal: Refusal, *, user: str = "", method: str = "S/M") -> None:
    trail.refused(refusal, method=method, user=user, credential="", origin="10.0.0.7:1234")


async def test_start_and_stop_are_lines_and_their_head_goes_to_the_log(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    trail = AuditTrail(store.audit, clock)
    with caplog.at_level(logging.INFO):
        trail.begin("1.2.3")
        trail.end()

    lines = all_lines(store)
    assert [(line.user, line.action) for line in lines] == [
        ("labd", "daemon.start"),
        ("labd", "daemon.stop"),
    ]
    assert json.loads(lines[0].details) == {"version": "1.2.3"}
    assert [record.getMessage() for record in caplog.records] == [
        f"audit head {Head(line.number, line.hash)}" for line in lines
    ]


async def test_a_refused_call_is_a_line(store: Store, clock: Clock) -> None:
    trail = AuditTrail(store.audit, clock)
    refuse(trail, PermissionDenied("eve", "user", "call PutUser"), user="eve")
    refuse(trail, Unauthenticated("no such token"))
    refuse(trail, NotFound("job", "x"), user="eve")

    lines = await written(store)

    assert [(line.user, line.action, line.object, line.origin) for line in lines] == [
        ("eve", "access.refused", "S/M", "10.0.0.7:1234"),
        ("", "access.refused", "S/M", "10.0.0.7:1234"),
    ]
    assert json.loads(lines[0].details)["error_code"] == "permission_denied"
    assert verify(lines) is None


async def test_an_attack_is_few_lines_that_tell_how_many_calls_it_was(
    store: Store, clock: Clock
) -> None:
    trail = AuditTrail(store.audit, clock)
    for _ in range(5000):
        refuse(trail, Unauthenticated("no such token"))
    for n in range(5000):
        refuse(trail, Unauthenticated("no such token"), method=f"S/M{n}")
    clock.now_ns += HOUR_NS
    refuse(trail, Unauthenticated("no such token"))

    lines = await written(store)

    assert len(lines) == 61
    told = sum(1 + json.loads(line.details)["n_unwritten_before"] for line in lines)
    assert told == 10_001
