"""What the daemon and a rack process say to each other, and how it stands on the socket.

One frame is a 4-byte big-endian length and that many bytes of UTF-8 JSON: an object whose "type"
names one of the messages below and whose other members are the message's fields. Payloads and
results do not travel here: their paths do. This file is pure (no sockets): `pack_message` makes a
frame, a `MessageReader` is fed with whatever arrived and gives the complete messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Final, cast

from labd.core.health import Sign

MAX_FRAME_BYTES: Final = 1 << 20
"""A longer frame is not ours: the stream is broken."""

_HEADER_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Daemon to rack: run this job. Paths are absolute; the result file must not exist yet.

    job_type: PULSE or CIRCUIT. calibration_path: the set's document, for circuits; else empty.
    """

    job_id: str
    payload_path: str
    result_path: str
    job_type: str = "PULSE"
    calibration_path: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Daemon to rack: give up this job at the next block boundary. Ignored if it is not running."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Daemon to rack: give up what runs, make the instruments safe, close them, exit."""


@dataclass(frozen=True, slots=True)
class Ping:
    """Daemon to rack: say that you live."""


@dataclass(frozen=True, slots=True)
class Pong:
    """Rack to daemon: the answer to a ping, whatever else is going on."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument's answer to ``*IDN?``, by its name in the station."""

    name: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Granted:
    """Daemon to rack: every output is safe; the instruments are the rack's until it lets go.

    known: the instruments as they were when they were opened last. One that is another now is not
    taken for the same.
    """

    known: tuple[Instrument, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """Rack to daemon: the station is open; jobs can be run."""

    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True)
class Faulted:
    """Rack to daemon: an instrument failed; is_absent: it could not even be connected to."""

    instrument: str
    what: str
    is_absent: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """Rack to daemon: while no job ran, the instruments were asked how they are."""

    signs: tuple[Sign, ...]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Rack to daemon: the station cannot be used now. `what`: a sentence. `Released` follows."""

    what: str


@dataclass(frozen=True, slots=True)
class Released:
    """Rack to daemon: after trouble the station is closed; it is opened again once granted."""


@dataclass(frozen=True, slots=True)
class Started:
    """Rack to daemon: the job's payload is being read."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Rack to daemon: what the job needs at most from now on (labd.core.budget).

    total_s: from its start, reading and compiling aside. step_s: from now to the next sign of
    progress; each of them, this one too, begins it anew.
    """

    job_id: str
    total_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Rack to daemon: shots measured so far, out of repeats times soft-sweep spots."""

    job_id: str
    shots_done: int
    shots_total: int


@dataclass(frozen=True, slots=True)
class Completed:
    """Rack to daemon: the result file is complete and on disk. timings_s: seconds by phase."""

    job_id: str
    timings_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Failed:
    """Rack to daemon: the job could not be finished; `error` is the sentence for its owner.

    instrument: whose fault it is; empty where it is none's.
    """

    job_id: str
    error: str
    instrument: str = ""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Rack to daemon: the job was given up as asked."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Rack to daemon: the instruments are safe and closed; the process ends now."""


ToRack = Run | Cancel | Granted | Shutdown | Ping
FromRack = (
    Pong
    | Ready
    | Faulted
    | Probed
    | Unavailable
    | Released
    | Started
    | Budgeted
    | Progress
    | Completed
    | Failed
    | Cancelled
    | Stopped
)
Message = ToRack | FromRack

_NAMES: Final[Mapping[type[Message], str]] = {
    Run: "run",
    Cancel: "cancel",
    Granted: "granted",
    Shutdown: "shutdown",
    Ping: "ping",
    Pong: "pong",
    Ready: "ready",
    Faulted: "faulted",
    Probed: "probed",
    Unavailable: "unavailable",
    Released: "released",
    Started: "started",
    Budgeted: "budgeted",
    Progress: "progress",
    Completed: "completed",
    Failed: "failed",
    Cancelled: "cancelled",
    Stopped: "stopped",
}
_TYPES: Final = {name: message_type for message_type, name in _NAMES.items()}


@dataclass(eq=False)
class BadMessage(Exception):
    """Bytes that are not a message of ours: the peer is broken, the connection is useless."""

    what: str

    def __str__(self) -> str:
        """The sentence."""
        return self.what


def pack_message(message: Message) -> bytes:
    """One frame, ready to be sent. Raises BadMessage if it would be too long."""
    body = {"type": _NAMES[type(message)], **_members_of(message)}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > MAX_FRAME_BYTES:
        raise BadMessage(f"a message of {len(text)} bytes is longer than {MAX_FRAME_BYTES} bytes")
    return len(text).to_bytes(_HEADER_BYTES, "big") + text


def unpack_message(body: bytes) -> Message:
    """The message in a frame's body. Raises BadMessage, naming what is wrong with it."""
    try:
        members = json.loads(body)
    except ValueError as error:
        raise BadMessage(f"a frame is not JSON: {error}") from error
    name = members.pop("type", None) if isinstance(members, dict) else None
    if not isinstance(name, str) or name not in _TYPES:
        raise BadMessage(f"a frame is not a message of a known type: {body[:80]!r}")
    message_type = _TYPES[name]
    expected = {item.name for item in fields(message_type)}
    if set(members) != expected:
        raise BadMessage(f"{name} has the members {sorted(members)}, expected {sorted(expected)}")
    return _build(message_type, members)


class MessageReader:
    """Cuts a byte stream into messages. Feed it with what arrived, in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> tuple[Message, ...]:
        """The messages that are complete now, in order. Raises BadMessage on anything else."""
        self._buffer += chunk
        messages: list[Message] = []
        while len(self._buffer) >= _HEADER_BYTES:
            n_bytes = int.from_bytes(self._buffer[:_HEADER_BYTES], "big")
            if n_bytes > MAX_FRAME_BYTES:
                raise BadMessage(f"a frame of {n_bytes} bytes is longer than {MAX_FRAME_BYTES}")
            end = _HEADER_BYTES + n_bytes
            if len(self._buffer) < end:
                break
            messages.append(unpack_message(bytes(self._buffer[_HEADER_BYTES:end])))
            del self._buffer[:end]
        return tuple(messages)


_Scalar = str | int | float | bool
_Json = _Scalar | Mapping[str, float] | Sequence[Mapping[str, _Scalar]]


def _members_of(message: Message) -> Mapping[str, _Json]:
    """The message's fields as JSON values."""
    match message:
        case Ready(instruments):
            return {"instruments": [asdict(instrument) for instrument in instruments]}
        case Granted(known):
            return {"known": [asdict(instrument) for instrument in known]}
        case Probed(signs):
            return {"signs": [asdict(sign) for sign in signs]}
        case Completed(job_id, timings_s):
            return {"job_id": job_id, "timings_s": dict(timings_s)}
        case _:
            return asdict(message)


def _build(message_type: type[Message], members: Mapping[str, object]) -> Message:
    """The message of that type from its members, whose names were checked."""
    if message_type is Ready:
        return Ready(_instruments(members["instruments"]))
    if message_type is Granted:
        return Granted(_instruments(members["known"]))
    if message_type is Probed:
        return Probed(tuple(_sign(one) for one in _objects(members["signs"], Sign)))
    if message_type is Completed:
        return Completed(_text(members, "job_id"), _timings(members["timings_s"]))
    if message_type is Progress:
        done, total = _count(members, "shots_done"), _count(members, "shots_total")
        return Progress(_text(members, "job_id"), done, total)
    if message_type is Budgeted:
        total_s, step_s = _number(members, "total_s"), _number(members, "step_s")
        return Budgeted(_text(members, "job_id"), total_s, step_s)
    if message_type is Faulted:
        is_absent = members["is_absent"]
        if not isinstance(is_absent, bool):
            raise BadMessage("is_absent is neither true nor false")
        return Faulted(_text(members, "instrument"), _text(members, "what"), is_absent)
    texts = {name: _text(members, name) for name in members}
    return cast("Callable[..., Message]", message_type)(**texts)


def _text(members: Mapping[str, object], name: str) -> str:
    value = members[name]
    if not isinstance(value, str):
        raise BadMessage(f"{name} is a {type(value).__name__}, expected text")
    return value


def _count(members: Mapping[str, object], name: str) -> int:
    value = members[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadMessage(f"{name} is a {type(value).__name__}, expected a whole number")
    return value


def _number(members: Mapping[str, object], name: str) -> float:
    value = members[name]
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadMessage(f"{name} is a {type(value).__name__}, expected a number")
    return value


def _timings(value: object) -> Mapping[str, float]:
    if not isinstance(value, dict):
        raise BadMessage(f"timings_s is a {type(value).__name__}, expected an object")
    wrong = [name for name, seconds in value.items() if not isinstance(seconds, int | float)]
    if wrong:
        raise BadMessage(f"timings_s holds no number of seconds for {wrong}")
    return MappingProxyType(value)


def _objects(value: object, item_type: type[Instrument] | type[Sign]) -> list[Mapping[str, object]]:
    """Objects that have the members of that type, whatever these are."""
    names = [item.name for item in fields(item_type)]
    kind = item_type.__name__.lower()
    if not isinstance(value, list) or any(not isinstance(one, dict) for one in value):
        raise BadMessage(f"{kind}s is not a list of objects")
    if any(sorted(one) != sorted(names) for one in value):
        raise BadMessage(f"{kind} does not have exactly the members {names}")
    return value


def _instruments(value: object) -> tuple[Instrument, ...]:
    names = [item.name for item in fields(Instrument)]
    return tuple(
        Instrument(**{name: _text(one, name) for name in names})
        for one in _objects(value, Instrument)
    )


def _sign(members: Mapping[str, object]) -> Sign:
    return Sign(_text(members, "instrument"), _number(members, "took_s"), _text(members, "trouble"))
