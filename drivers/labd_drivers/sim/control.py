"""The control socket: faults in, status out. `faults` says what it understands."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from labd_drivers.sim.fault_board import Spoiling, Treatment
from labd_drivers.sim.faults import FAULT_NAMES, InstrumentStatus
from labd_drivers.sim.instrument import Aim, Instrument, Lie, Refusal
from labd_drivers.sim.scpi import ScpiError, Unit
from labd_drivers.sim.server import InstrumentServer
from labd_drivers.sim.tree import Found

_STRANGERS_SERIAL = "B999999"
_KEYS = {
    *("do", "instrument", "fault", "seconds", "header", "code", "answer"),
    *("at_message", "at_header", "at_instrument"),
}


class BadRequest(Exception):
    """A request that is refused, with a sentence."""


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """A `fault` request, checked."""

    instrument: str
    fault: str
    seconds: float = 0.0
    header: str = ""
    code: int = -200
    answer: str = ""
    at_message: int = 0
    at_header: str = ""
    at_instrument: str = ""


class ControlServer:
    """Listens on loopback for fault requests about these instruments."""

    def __init__(self, servers: Mapping[str, InstrumentServer], host: str, port: int) -> None:
        self._servers = servers
        control = self

        class Handler(socketserver.StreamRequestHandler):
            """One client, line by line."""

            def handle(self) -> None:
                """Answer until the client goes."""
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with contextlib.suppress(OSError):
                    for line in self.rfile:
                        self.wfile.write(json.dumps(control.answer(line)).encode() + b"\n")

        self._server = socketserver.ThreadingTCPServer((host, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="control", daemon=True
        )

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """No more requests. Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, line: bytes) -> dict[str, object]:
        """Do what a line asks."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not _KEYS.issuperset(request):
                raise BadRequest(f"a JSON object with keys {', '.join(sorted(_KEYS))}, please")
            match request.pop("do", None):
                case "status":
                    listed = {name: asdict(self._status(name)) for name in self._servers}
                    return {"ok": True, "instruments": listed}
                case "outputs":
                    return {"ok": True, "outputs": self._outputs()}
                case "clear":
                    self._clear(str(request.get("instrument", "")))
                case "fault":
                    self._fault(_checked(request))
                case other:
                    raise BadRequest(f"do {other}: fault, clear, outputs or status")
        except (BadRequest, ValueError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}

    def _server_of(self, name: str) -> InstrumentServer:
        if name not in self._servers:
            raise BadRequest(f"no instrument {name!r}: {', '.join(self._servers)}")
        return self._servers[name]

    def _status(self, name: str) -> InstrumentStatus:
        server = self._servers[name]
        standing = server.faults.standing
        faults = ["mute"] * standing.is_mute
        faults += [] if standing.spoiling is None else [standing.spoiling.value]
        faults += ["slow"] * bool(standing.delay_s) + ["refuse"] * bool(server.instrument.refusals)
        faults += ["lie"] * bool(server.instrument.lies)
        faults += ["identity"] * bool(server.instrument.false_serial)
        return InstrumentStatus(
            port=server.port,
            model=server.instrument.identity.model,
            n_messages=server.faults.n_messages,
            n_connections=server.n_connections,
            is_listening=server.is_listening,
            n_errors=server.instrument.n_errors,
            fault=",".join(faults),
            n_planned=server.faults.n_planned,
        )

    def _outputs(self) -> dict[str, dict[str, float | bool]]:
        listed = {}
        for name, server in self._servers.items():
            with server.instrument.room:
                listed[name] = server.instrument.outputs()
        return listed

    def _clear(self, name: str) -> None:
        for server in [self._server_of(name)] if name else self._servers.values():
            server.faults.clear()
            server.come_back()
            with server.instrument.room:
                server.instrument.refusals.clear()
                server.instrument.lies.clear()
                server.instrument.false_serial = ""

    def _fault(self, request: FaultRequest) -> None:
        server = self._server_of(request.instrument)
        strike = _strike(server, request)
        where = self._server_of(request.at_instrument) if request.at_instrument else server
        if request.at_header:
            is_awaited = _awaited(where, request.at_header)
            where.faults.await_command(max(request.at_message, 1), is_awaited, strike)
        elif request.at_message > 0:
            where.faults.plan(request.at_message, strike)
        else:
            strike()


def _checked(fields: Mapping[str, str | float | int]) -> FaultRequest:
    texts = ("instrument", "fault", "header", "answer", "at_header", "at_instrument")
    for key, kind in (*((text, str) for text in texts), ("code", int)):
        if not isinstance(fields.get(key, kind()), kind):
            raise BadRequest(f"{key} has to be {kind.__name__}")
    request = FaultRequest(
        instrument=str(fields.get("instrument", "")),
        fault=str(fields.get("fault", "")),
        seconds=float(fields.get("seconds", 0.0)),
        header=str(fields.get("header", "")),
        code=int(fields.get("code", -200)),
        answer=str(fields.get("answer", "")),
        at_message=int(fields.get("at_message", 0)),
        at_header=str(fields.get("at_header", "")),
        at_instrument=str(fields.get("at_instrument", "")),
    )
    if request.fault not in FAULT_NAMES:
        raise BadRequest(f"no fault {request.fault!r}: {', '.join(FAULT_NAMES)}")
    return request


def _strike(server: InstrumentServer, request: FaultRequest) -> Callable[[], None]:
    """What a fault does. Raises BadRequest for a header that the instrument does not know."""
    instrument, faults = server.instrument, server.faults
    match request.fault:
        case "mute":
            return lambda: faults.stand(replace(faults.standing, is_mute=True))
        case "slow":
            return lambda: faults.stand(replace(faults.standing, delay_s=request.seconds))
        case "garbage" | "short" | "half" | "long":
            spoiling = Spoiling(request.fault)
            return lambda: faults.stand(replace(faults.standing, spoiling=spoiling))
        case "drop":
            return lambda: server.drop(request.seconds)
        case "power-cycle":
            return lambda: _power_cycle(server, request.seconds)
        case "error":
            return lambda: instrument.push_error(ScpiError(request.code, "fault injected"))
        case "identity":
            return lambda: _pretend(instrument, request.answer or _STRANGERS_SERIAL)
        case "lie":
            lie = Lie(_found(server, request.header), request.answer)
            return lambda: _add(instrument, lie)
        case _:
            refusal = Refusal(_found(server, request.header), request.code)
            return lambda: _add(instrument, refusal)


def _found(server: InstrumentServer, header: str) -> Found:
    """The command of a header. Raises BadRequest where the instrument knows none."""
    try:
        return server.instrument.tree.find(header.lstrip(":").rstrip("?"))
    except ScpiError as error:
        raise BadRequest(f"{server.instrument.name} has no command {header!r}") from error


def _awaited(server: InstrumentServer, header: str) -> Callable[[Unit], bool]:
    """Whether a command is that one: a query where the header ends in `?`, else none."""
    aim, is_query = Aim(_found(server, header)), header.endswith("?")
    tree = server.instrument.tree

    def is_awaited(unit: Unit) -> bool:
        try:
            return unit.is_query is is_query and aim.hits(tree.find(unit.header))
        except ScpiError:
            return False

    return is_awaited


def _add(instrument: Instrument, fault: Refusal | Lie) -> None:
    with instrument.room:
        if isinstance(fault, Lie):
            instrument.lies.append(fault)
        else:
            instrument.refusals.append(fault)


def _pretend(instrument: Instrument, serial: str) -> None:
    with instrument.room:
        instrument.false_serial = serial


def _power_cycle(server: InstrumentServer, off_s: float) -> None:
    with server.instrument.room:
        server.instrument.forget()
    server.faults.stand(Treatment())
    server.drop(off_s)
