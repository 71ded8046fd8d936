"""Notices to real servers and real programs: what arrives, what is tried again, what is not."""

from __future__ import annotations

import asyncio
import json
import os
import select
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labd import notify
from labd.core.notices import Notice, Topic
from labd.notify import N_WAITING, Notifier
from labd.notify_file import Command, NotifyTarget, Webhook

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "FIRST_RETRY_S", 0.01)


@dataclass
class Server:
    """Answers POSTs with the statuses in turn, the last one for ever; None: never."""

    statuses: list[int | None]
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        self.bodies.append(await reader.readexactly(int(fields["content-length"])))
        self.arrived.set()
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is None:
            await reader.read()
        else:
            extra = f"Location: http://127.0.0.1:{self.port}/elsewhere\r\n" if status < 400 else ""
            writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: 0\r\n\r\n".encode())
        writer.close()

    def events(self) -> list[str]:
        return [each["text"] for body in self.bodies for each in json.loads(body)["events"]]


@asynccontextmanager
async def serving(*statuses: int | None) -> AsyncIterator[Server]:
    server = Server(list(statuses))
    listener = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    async with listener:
        yield server


class Office:
    """A notifier with one target, and what was counted."""

    def __init__(
        self,
        how: Webhook | Command,
        *,
        timeout_s: float = 5.0,
        retries: int = 3,
        per_minute: float = 600.0,
    ) -> None:
        on: frozenset[Topic] = frozenset({"FAILED", "rack"})
        target = NotifyTarget("t", on, how, timeout_s, retries, per_minute)
        self.outcomes: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self.notifier = Notifier([target], self._count)
        self.notifier.start()

    def _count(self, target: str, outcome: str, n_notices: int) -> None:
        assert target == "t"
        self.outcomes[outcome] += n_notices
        self._changed.set()

    def post(self, text: str, topic: Topic = "FAILED") -> None:
        self.notifier.post(Notice(topic, 0, "star5", text))

    async def until(self, is_so: Callable[[Counter[str]], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so(self.outcomes):
                self._changed.clear()
                await self._changed.wait()


def to(server: Server, path: str = "/hook") -> Webhook:
    return Webhook("127.0.0.1", server.port, path, is_tls=False)


async def test_a_webhook_gets_json_at_exactly_its_url() -> None:
    async with serving(200) as server:
        office = Office(to(server, "/hook?key=a%20b"))
        office.post("it burns")
        await office.until(lambda seen: seen["delivered"] == 1)
        await office.notifier.stop()

    (head,) = server.heads
    assert head.startswith("POST /hook?key=a%20b HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}" in head
    assert json.loads(server.bodies[0])["text"] == "it burns"


async def test_only_what_is_wanted_is_told() -> None:
    async with serving(200) as server:
        office = Office(to(server))
        office.post("done", "COMPLETED")
        office.post("rack", "rack")
        await office.until(lambda seen: seen["delivered"] == 1)
        await office.notifier.stop()

    assert server.events() == ["rack"]


async def test_a_server_in_trouble_is_asked_again() -> None:
    async with serving(503, 429, 204) as server:
        office = Office(to(server))
        office.post("it burns")
        await office.until(lambda seen: seen["delivered"] == 1)
        await office.notifier.stop()

    assert server.events() == 3 * ["it burns"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404])
async def test_redirects_and_refusals_are_final(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(status) as server:
        office = Office(to(server))
        office.post("it burns")
        await office.until(lambda seen: seen["failed"] == 1)
        await office.notifier.stop()

    assert len(server.heads) == 1
    assert f"t was not notified: it answered {status}" in caplog.text
    assert "hook" not in caplog.text


async def test_a_server_that_never_answers_costs_the_limit_and_no_more() -> None:
    async with serving(None) as server:
        office = Office(to(server), timeout_s=0.3, retries=1)
        started = time.monotonic()
        office.post("it burns")
        posting_s = time.monotonic() - started
        await office.until(lambda seen: seen["failed"] == 1)
        await office.notifier.stop()

    assert len(server.heads) == 2
    assert posting_s < 0.3


async def test_nobody_there_is_tried_again_and_given_up() -> None:
    async with serving(200) as server:
        gone = to(server)
    office = Office(gone, retries=2)
    office.post("it burns")

    await office.until(lambda seen: seen["failed"] == 1)

    await office.notifier.stop()


async def test_what_gathers_is_told_together_at_the_rate_that_is_wanted() -> None:
    async with serving(200) as server:
        office = Office(to(server), per_minute=1.0)
        office.post("first")
        await office.until(lambda seen: seen["delivered"] == 1)
        for number in range(250):
            office.post(f"number {number}")
        await asyncio.sleep(0)
        n_before = len(server.bodies)
        await office.notifier.stop()

    assert n_before == 1
    assert [len(json.loads(body)["events"]) for body in server.bodies] == [1, 100, 100, 50]


async def test_an_outage_drops_the_oldest_and_says_how_many() -> None:
    async with serving(None, 200) as server:
        office = Office(to(server), timeout_s=0.5, retries=0)
        office.post("first")
        await server.arrived.wait()
        for number in range(N_WAITING + 5):
            office.post(f"number {number}")
        await office.until(lambda seen: seen["delivered"] == N_WAITING)
        await office.notifier.stop()

    told = json.loads(server.bodies[1])
    assert office.outcomes == {"dropped": 5, "failed": 1, "delivered": N_WAITING}
    assert (told["n_dropped"], told["events"][0]["text"]) == (5, "number 5")


def script(folder: Path, text: str) -> Path:
    path = folder / "tell"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_a_command_gets_its_words_as_they_are_and_json_on_stdin(tmp_path: Path) -> None:
    words = ("$HOME; `id`", "a b", "*")
    path = script(tmp_path, f'cat > {tmp_path}/stdin; printf "%s\\n" "$@" > {tmp_path}/words')
    office = Office(Command((str(path), *words)))
    office.post('"; rm -rf / #')

    await office.until(lambda seen: seen["delivered"] == 1)

    await office.notifier.stop()
    assert (tmp_path / "words").read_text().splitlines() == list(words)
    assert json.loads((tmp_path / "stdin").read_text())["text"] == '"; rm -rf / #'


async def test_a_command_that_fails_is_run_again(tmp_path: Path) -> None:
    path = script(tmp_path, f"echo x >> {tmp_path}/runs; test $(wc -l < {tmp_path}/runs) = 3")
    office = Office(Command((str(path),)))
    office.post("it burns")

    await office.until(lambda seen: seen["delivered"] == 1)

    await office.notifier.stop()
    assert (tmp_path / "runs").read_text() == "x\nx\nx\n"


async def test_a_command_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    path = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid; wait")
    office = Office(Command((str(path),)), timeout_s=1.5, retries=0)
    office.post("it burns")

    await office.until(lambda seen: seen["failed"] == 1)

    await office.notifier.stop()
    pid = int((tmp_path / "pid").read_text())
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], 5.0)[0]
    finally:
        os.close(process)


async def test_a_command_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    office = Office(Command((str(tmp_path / "nothing"),)), retries=0)
    office.post("it burns")

    await office.until(lambda seen: seen["failed"] == 1)

    await office.notifier.stop()


async def test_stopping_delivers_what_waits(tmp_path: Path) -> None:
    async with serving(200) as server:
        office = Office(to(server), per_minute=1.0)
        office.post("first")
        await server.arrived.wait()
        office.post("last")

        await office.notifier.stop()
        await office.notifier.stop()

    assert server.events() == ["first", "last"]


async def test_stopping_waits_for_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notify, "FLUSH_S", 0.1)
    async with serving(None) as server:
        office = Office(to(server), timeout_s=60.0)
        office.post("first")
        await server.arrived.wait()
        office.post("last")
        started = time.monotonic()

        await office.notifier.stop()

    assert time.monotonic() - started < 2.0
    assert "2 notices are lost" in caplog.text
