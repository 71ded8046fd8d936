"""The composition root: everything is constructed here, started in order, stopped in reverse.

Stopping: no job is claimed any more; the running one gets its grace; the racks are made safe; then
subscriptions end with server_cancel, last of all, because IQM's client comes back 5 s later and
must find the next labd.

systemd is told that labd is ready when it listens and every rack has said what it is good for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import labd
from labd import sdnotify
from labd.audit_trail import AuditTrail
from labd.calibrating import activate_first_set
from labd.changes import Changes
from labd.circuit_stations import CircuitStations
from labd.config import Config, QuantumComputer
from labd.connections import Connections
from labd.core.jobs import Job, QcId
from labd.core.log_fields import about
from labd.desk import Desk
from labd.foresight import Foresight
from labd.gate import Gate
from labd.guard.plan import plan_of
from labd.guard_process import Guard, GuardCommand
from labd.identity import Identities
from labd.keeper import Keeper
from labd.listeners import FrontProcess, bind_tcp, bind_unix, lock_unix
from labd.log_lines import LogFormat, use_format
from labd.meters import Meters
from labd.metrics import Metrics, Sight
from labd.notify import Notifier
from labd.rack_process import RackCommand
from labd.rack_status import RackStatus
from labd.reload import Fresh, Reloader, use_level
from labd.reload_plan import Plan
from labd.rpc.acceptance import Acceptance
from labd.rpc.intake import Intake
from labd.rpc.laboratory import Laboratory
from labd.rpc.server import RpcServer
from labd.rpc.services import services
from labd.status_line import StatusLine
from labd.store.store import Store
from labd.supervisor import STOP_LIMIT_S, Supervisor, private_directory
from labd.telling import Telling, sight_of
from labd.web.app import make_app
from labd.web.server import WebServer

REPORT_LIMIT_S = 60.0
"""labd is ready without a rack that has not even said by then why it cannot be used."""

_log = logging.getLogger(__name__)


class Daemon:
    """labd, whole. Make it, `run` it once.

    reread: labd.toml as it is at SIGHUP. is_verbose: log every step whatever is configured.
    rack_module: what `python -m` runs as a rack.
    """

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config],
        *,
        is_verbose: bool = False,
        rack_module: str = "labd.rack",
    ) -> None:
        self._config = config
        self._reread = reread
        self._is_verbose = is_verbose
        self._rack_module = rack_module
        self._stop_wish = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reload_wish = asyncio.Event()
        self._supervisors: dict[QcId, Supervisor] = {}

    def stop(self) -> None:
        """Begin stopping; called again, hurry."""
        if self._stop_wish.is_set():
            self._hurry.set()
        self._stop_wish.set()

    async def run(self, on_ready: Callable[[str], None]) -> None:
        """Serve until `stop`. on_ready gets the ``host:port`` that is listened on.

        Raises StateDirectoryInUse, AddressInUse, OSError, sqlite3.Error before it is ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wish.set)
        self._use_log()
        async with contextlib.AsyncExitStack() as stack:
            meters = Meters()
            store = Store.open(
                self._config.server.state_dir,
                clock_ns=time.time_ns,
                reserve_bytes=self._config.storage.reserve_bytes,
                on_commit=meters.committed,
            )
            stack.callback(store.close)
            trail = AuditTrail(store.audit, time.monotonic_ns)
            trail.begin(labd.__version__)
            stack.callback(trail.end)
            interrupted = _prepare(store, self._config)
            keeper = Keeper(store, self._config.storage)
            keeping_house = asyncio.create_task(keeper.keep(), name="keeper")
            stack.callback(keeping_house.cancel)
            for keeping in (sdnotify.keep_alive(self._is_alive), trail.log_head_daily()):
                stack.callback(asyncio.create_task(keeping).cancel)
            address = await self._start(store, trail, meters, interrupted, stack)
            for keeping in (self._tell_systemd(store), self._reload_at_wish()):
                stack.callback(asyncio.create_task(keeping).cancel)
            on_ready(address)
            await self._stop_wish.wait()
            _log.info("stopping")
            sdnotify.notify_stopping(self._config.server.stop_grace_s + STOP_LIMIT_S)

    async def _start(
        self,
        store: Store,
        trail: AuditTrail,
        meters: Meters,
        interrupted: Sequence[Job],
        stack: contextlib.AsyncExitStack,
    ) -> str:
        """Start all parts; each one's end is pushed on the stack in the order of starting."""
        changes = Changes()
        supervisors = self._supervisors
        computers = self._config.quantum_computers
        foresight = Foresight(computers, store.history, changes, supervisors, store.shortage)
        notifier = Notifier(self._config.notify, meters.notified)
        telling = Telling(computers, store, foresight.note, meters, notifier)
        notifier.start()
        stack.push_async_callback(notifier.stop)
        for job in interrupted:
            telling.count_and_notify(job)
        desk = Desk(store, changes, telling.job)
        for each in computers:
            supervisors[each.id] = Supervisor(
                desk,
                self._rack_command(store, each),
                _guard(store, each, self._config.server.log_format),
                each.id,
                each.timeslots,
                tuple(each.station),
                telling.rack,
            )
        intake = Intake(self._config.limits, CircuitStations(store.calibration_sets))
        stack.callback(intake.close)
        listeners = await self._bind(stack)
        private = store.directory.run
        descriptor = _private_sockets(private, stack)

        connections = Connections(time.time_ns)
        identities = Identities(store.people, self._config.access, time.time_ns)
        gate = Gate(identities, connections, trail)
        laboratory = Laboratory(self._config, desk, supervisors, foresight, meters)
        acceptance = Acceptance(laboratory, intake)
        front = FrontProcess(listeners, private, self._config.tls, connections)

        def look() -> Sight:
            return sight_of(supervisors, computers, connections, front.pid)

        metrics = Metrics(computers, meters, store.vitals, store.directory.path, look)
        web = WebServer(make_app(laboratory, acceptance, gate, metrics))
        stack.push_async_callback(front.stop)
        await web.start(f"/proc/self/fd/{descriptor}/http")
        stack.push_async_callback(web.stop)
        parts = _Parts(laboratory, intake, identities, foresight)
        self._reloader = Reloader(
            await asyncio.to_thread(Fresh.of, self._config),
            self._reread,
            lambda made: self._use(made, store, parts),
            store.audit,
        )
        rpc = RpcServer(services(laboratory, acceptance, gate), gate)
        await _start_privately(rpc, f"unix:/proc/self/fd/{descriptor}/grpc")
        stack.push_async_callback(rpc.stop)
        stack.callback(desk.stop)
        for supervisor in supervisors.values():
            supervisor.start()
        stack.push_async_callback(self._stop_racks, list(supervisors.values()))
        foresight.start()
        stack.push_async_callback(foresight.stop)
        await front.start()
        host, port = listeners[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def _bind(self, stack: contextlib.AsyncExitStack) -> list[socket.socket]:
        """The public sockets, TCP first. Raises AddressInUse."""
        server = self._config.server
        tcp = await bind_tcp(server.host, server.port)
        stack.callback(tcp.close)
        listeners = [tcp]
        if server.unix_socket is not None:
            stack.callback(os.close, lock_unix(server.unix_socket))
            listeners.append(bind_unix(server.unix_socket))
            stack.callback(server.unix_socket.unlink, missing_ok=True)
        return listeners

    # ---- while it serves

    def _computers(self) -> tuple[QuantumComputer, ...]:
        return self._config.quantum_computers

    def _status_of(self, computer: QuantumComputer) -> RackStatus:
        return self._supervisors[computer.id].status

    def _is_alive(self) -> bool:
        return all(supervisor.is_alive for supervisor in self._supervisors.values())

    async def _tell_systemd(self, store: Store) -> None:
        """Ready, once every rack has reported; and how the lab stands, for ever."""
        line = StatusLine(self._computers, self._status_of, store.queue)
        telling = asyncio.create_task(line.keep(), name="status")
        try:
            reports = [each.has_reported.wait() for each in self._supervisors.values()]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*reports), REPORT_LIMIT_S)
            line.tell("READY=1")
            _log.info("ready")
            await telling
        finally:
            telling.cancel()

    async def _reload_at_wish(self) -> None:
        while True:
            await self._reload_wish.wait()
            self._reload_wish.clear()
            await self._reloader.reload()

    def _use_log(self) -> None:
        use_level(self._config.server.log_level, is_verbose=self._is_verbose)
        use_format(self._config.server.log_format)

    def _use(self, made: Plan, store: Store, parts: _Parts) -> None:
        """Make a plan hold."""
        config = self._config = made.config
        self._use_log()
        parts.laboratory.use(config)
        parts.intake.use(config.limits)
        parts.identities.use(config.access)
        parts.foresight.use(config.quantum_computers)
        for computer in config.quantum_computers:
            self._supervisors[computer.id].use(
                self._rack_command(store, computer),
                plan_of(computer.wiring.outputs, computer.station),
                computer.timeslots,
                tuple(computer.station),
                is_rack_changed=computer.id in made.racks,
            )

    def _rack_command(self, store: Store, computer: QuantumComputer) -> RackCommand:
        return RackCommand(
            name=computer.alias,
            station=computer.station_path,
            wiring=computer.wiring_path,
            chip=computer.chip_path,
            max_result_bytes=self._config.limits.result_bytes,
            directory=private_directory(store.directory.run, computer.alias),
            module=self._rack_module,
            log_format=self._config.server.log_format,
            memory_bytes=computer.rack_memory_bytes,
            care=computer.care,
        )

    async def _stop_racks(self, supervisors: list[Supervisor]) -> None:
        grace_s = self._config.server.stop_grace_s
        await asyncio.gather(*(each.stop(grace_s, self._hurry) for each in supervisors))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Who works with the configuration, beside the racks' keepers."""

    laboratory: Laboratory
    intake: Intake
    identities: Identities
    foresight: Foresight


def _guard(store: Store, computer: QuantumComputer, log_format: LogFormat) -> Guard:
    plan = plan_of(computer.wiring.outputs, computer.station)
    directory = private_directory(store.directory.run, computer.alias)
    return Guard(GuardCommand(computer.alias, directory, plan, log_format))


def _private_sockets(directory: Path, stack: contextlib.AsyncExitStack) -> int:
    """A descriptor of the directory that has them: a socket's path has at most 107 bytes."""
    for name in ("grpc", "http"):
        (directory / name).unlink(missing_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


async def _start_privately(rpc: RpcServer, address: str) -> None:
    """On a socket with mode 0600."""
    umask = os.umask(0o177)
    try:
        await rpc.start(address)
    finally:
        os.umask(umask)


def _prepare(store: Store, config: Config) -> tuple[Job, ...]:
    """What follows a start: interrupted jobs, which are returned, and first calibration sets."""
    for computer in config.quantum_computers:
        store.put_quantum_computer(computer.id, computer.alias, computer.display_name)
    interrupted = store.recover()
    for job in interrupted:
        fields = about(job=job.id, state=job.state.value, user=job.submitted_by)
        _log.warning("job %s: interrupted by the last stop", job.id, extra=fields)
    for computer in config.quantum_computers:
        activate_first_set(store.calibration_sets, computer, time.time_ns())
    return interrupted
