"""Tells people: notices go to commands and webhooks without ever holding up a job.

Each target has a courier of its own: a queue in memory, a task, a rate. A delivery has a limit of
time and a number of attempts; what cannot be delivered is logged and counted, and the next one is
tried. A webhook is asked for exactly the URL that is configured: no redirects, no proxies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import h11

import labd
from labd.core.log_fields import about
from labd.core.notices import Notice, Rate, pack_notices
from labd.notify_file import Command, NotifyTarget, Webhook

N_WAITING: Final = 1000
"""Notices that wait for one target; in a longer outage the oldest are dropped."""
N_TOGETHER: Final = 100
FIRST_RETRY_S: Final = 1.0
FLUSH_S: Final = 3.0
"""When labd stops, what waits gets so long."""
_MOST_HEAD_BYTES: Final = 16 * 1024
_TRY_LATER: Final = (408, 425, 429)

_log = logging.getLogger(__name__)

Counted = Callable[[str, str, int], None]
"""Told of a target's name, an outcome, and how many notices had it."""


class NotDelivered(Exception):
    """An attempt that failed, with the reason. is_final: another would fail, too."""

    def __init__(self, what: str, *, is_final: bool = False) -> None:
        super().__init__(what)
        self.is_final = is_final


class Courier:
    """Brings notices to one target."""

    def __init__(self, target: NotifyTarget, counted: Counted) -> None:
        self._target = target
        self._counted = counted
        self._waiting: deque[Notice] = deque()
        self._n_under_way = 0
        self._n_dropped = 0
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._tls: ssl.SSLContext | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(), name=f"notify-{self._target.name}")

    def post(self, notice: Notice) -> None:
        """Have it delivered if the target wants it. Returns at once."""
        if notice.topic not in self._target.on:
            return
        if len(self._waiting) == N_WAITING:
            self._waiting.popleft()
            self._n_dropped += 1
            self._counted(self._target.name, "dropped", 1)
        self._waiting.append(notice)
        self._wake.set()

    async def stop(self) -> None:
        """Deliver what waits, within FLUSH_S. Idempotent."""
        self._closing.set()
        self._wake.set()
        task, self._task = self._task, None
        if task is None:
            return
        await asyncio.wait([task], timeout=FLUSH_S)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        n_lost = len(self._waiting) + self._n_under_way
        if n_lost:
            _log.warning("%d notices are lost", n_lost, extra=about(target=self._target.name))

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        rate = Rate(self._target.most_per_minute, loop.time())
        while self._waiting or not self._closing.is_set():
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._pause(rate.wait_s(loop.time()))
            rate.take(loop.time())
            n_together = self._n_under_way = min(len(self._waiting), N_TOGETHER)
            notices = [self._waiting.popleft() for _ in range(n_together)]
            n_dropped, self._n_dropped = self._n_dropped, 0
            is_delivered = await self._deliver(pack_notices(notices, n_dropped))
            self._n_under_way = 0
            outcome = "delivered" if is_delivered else "failed"
            self._counted(self._target.name, outcome, n_together)

    async def _deliver(self, body: bytes) -> bool:
        """Whether the target took it, at last."""
        retry_s = FIRST_RETRY_S
        for attempt in range(self._target.retries + 1):
            if attempt:
                await self._pause(retry_s)
                retry_s *= 2
            try:
                await self._attempt(body)
            except NotDelivered as error:
                name = self._target.name
                _log.warning("%s was not notified: %s", name, error, extra=about(target=name))
                if error.is_final:
                    break
            else:
                return True
        return False

    async def _attempt(self, body: bytes) -> None:
        """Raises NotDelivered."""
        limit_s = self._target.timeout_s
        try:
            async with asyncio.timeout(limit_s):
                match self._target.how:
                    case Webhook() as webhook:
                        await _post(webhook, body, await self._context(webhook))
                    case Command() as command:
                        await _run(command, body)
        except TimeoutError:
            raise NotDelivered(f"it did not end within {limit_s:g} s") from None
        except (OSError, h11.ProtocolError) as error:
            raise NotDelivered(str(error) or type(error).__name__) from error

    async def _context(self, webhook: Webhook) -> ssl.SSLContext | None:
        """What certificates are checked with; read once, by a thread."""
        if webhook.is_tls and self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls

    async def _pause(self, seconds: float) -> None:
        """Wait so long; not while labd stops."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)


class Notifier:
    """All targets."""

    def __init__(self, targets: Sequence[NotifyTarget], counted: Counted) -> None:
        self._couriers = [Courier(target, counted) for target in targets]

    def start(self) -> None:
        """Begin to deliver."""
        for courier in self._couriers:
            courier.start()

    def post(self, notice: Notice) -> None:
        """Have it delivered to whoever wants it. Returns at once."""
        for courier in self._couriers:
            courier.post(notice)

    async def stop(self) -> None:
        """Deliver what waits, within FLUSH_S. Idempotent."""
        await asyncio.gather(*(courier.stop() for courier in self._couriers))


async def _post(webhook: Webhook, body: bytes, tls: ssl.SSLContext | None) -> None:
    """One POST, of whose answer the status counts. Raises NotDelivered, OSError, ProtocolError."""
    reader, writer = await asyncio.open_connection(webhook.host, webhook.port, ssl=tls)
    try:
        client = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
        head = h11.Request(
            method="POST",
            target=webhook.path,
            headers=[
                ("Host", webhook.authority),
                ("User-Agent", f"labd/{labd.__version__}"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
                ("Connection", "close"),
            ],
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(client.send(event) or b"")
        await writer.drain()
        _judge(await _answer(client, reader))
    finally:
        writer.transport.abort()


async def _answer(client: h11.Connection, reader: asyncio.StreamReader) -> int:
    """The answer's status."""
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await reader.read(_MOST_HEAD_BYTES))
        elif isinstance(event, h11.Response):
            return event.status_code
        elif isinstance(event, h11.ConnectionClosed):
            raise NotDelivered("it closed the connection without an answer")


def _judge(status: int) -> None:
    if 200 <= status < 300:
        return
    what = f"it answered {status}"
    if 300 <= status < 400:
        what += ", and redirects are not followed: configure the URL that is meant"
    raise NotDelivered(what, is_final=300 <= status < 500 and status not in _TRY_LATER)


async def _run(command: Command, body: bytes) -> None:
    """Run the program with the JSON on its standard input. Raises NotDelivered, OSError."""
    process = await asyncio.create_subprocess_exec(
        *command.arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        start_new_session=True,
    )
    try:
        await process.communicate(body)
    finally:
        # All that it started ends with it, also when it has run out of time.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        raise NotDelivered(f"{command.arguments[0]} ended with status {process.returncode}")
