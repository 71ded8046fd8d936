"""What every simulated instrument has: identity, status registers, error queue, common commands.

All instruments of a rack share one lock, the room: commands are short, so nobody waits long, and
the machine room can look at all of them at one instant. Whoever changes what others may wait for
calls `moved`, which wakes them; they look again.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from labd_drivers.sim.scpi import ScpiError, Unit, quoted
from labd_drivers.sim.tree import Call, CommandTree, Found, Reply

Room = threading.Condition

_OPERATION_COMPLETE, _QUERY_ERROR, _DEVICE_ERROR = 0x01, 0x04, 0x08
_EXECUTION_ERROR, _COMMAND_ERROR, _POWER_ON = 0x10, 0x20, 0x80
_ERROR_BIT = {-1: _COMMAND_ERROR, -2: _EXECUTION_ERROR, -3: _DEVICE_ERROR, -4: _QUERY_ERROR}
_ERROR_AVAILABLE, _MESSAGE_AVAILABLE, _EVENT_SUMMARY, _MASTER_SUMMARY = 0x04, 0x10, 0x20, 0x40


class NotYet(Exception):
    """The command has to wait until something in the room has changed; it is then tried again."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What `*IDN?` and `*OPT?` answer."""

    manufacturer: str
    model: str
    serial: str
    firmware: str
    options: str = "0"


@dataclass(frozen=True, slots=True)
class Aim:
    """A command that a fault is about, with these suffixes."""

    found: Found

    def hits(self, found: Found) -> bool:
        """Whether a command is the one. Suffixes that were not given match any."""
        return found.command is self.found.command and all(
            mine == theirs or not given
            for mine, theirs, given in zip(
                self.found.suffixes, found.suffixes, self.found.given, strict=True
            )
        )


@dataclass(frozen=True, slots=True)
class Refusal(Aim):
    """A fault: the command gets an error instead."""

    code: int


@dataclass(frozen=True, slots=True)
class Lie(Aim):
    """A fault: the command is taken without an error, and not done.

    answer: what its query answers; empty: what is.
    """

    answer: str


class Setting(Protocol):
    """Something that `*RST` puts back."""

    def reset(self) -> None:
        """Back to the default."""


class Instrument:
    """One instrument, without its sockets. `execute` takes the room; other calls need it held."""

    MAX_ERRORS = 32

    def outputs(self) -> dict[str, float | bool]:
        """What its connectors put out now, by the driver's name of the parameter that decides."""
        return {}

    def __init__(self, name: str, identity: Identity, room: Room) -> None:
        self.name = name
        self.identity = identity
        self.room = room
        self.tree = CommandTree()
        self.settings: list[Setting] = []
        self.refusals: list[Refusal] = []
        self.lies: list[Lie] = []
        self.false_serial = ""
        self.revision = 0
        self._errors: deque[ScpiError] = deque()
        self._event_status = _POWER_ON
        self._event_enable = 0
        self._service_enable = 0
        self._is_completion_due = False
        self._add_common_commands()

    # ---- for instruments

    def is_busy(self) -> bool:
        """Whether an overlapping operation runs, so that `*OPC?` and `*WAI` must wait."""
        return False

    def reset(self) -> None:
        """`*RST`: settings to their defaults. Instruments add what else they forget."""
        for setting in self.settings:
            setting.reset()
        self._is_completion_due = False
        self.changed()

    def forget(self) -> None:
        """What is lost when the power goes: status and errors; instruments add their memory."""
        self.reset()
        self._errors.clear()
        self._event_status, self._event_enable, self._service_enable = _POWER_ON, 0, 0

    def changed(self) -> None:
        """A setting or a memory is different now; `revision` counts these changes."""
        self.revision += 1
        self.moved()

    def moved(self) -> None:
        """Something has started, ended or gone on: those who wait look again."""
        if self._is_completion_due and not self.is_busy():
            self._is_completion_due = False
            self._event_status |= _OPERATION_COMPLETE
        self.room.notify_all()

    def answer(self, found: Found, reply: Reply) -> Reply:
        """The reply as it leaves; instruments that answer with headers add them here."""
        del found
        return reply

    # ---- for sessions

    def execute(self, unit: Unit) -> Reply | None:
        """Do one command. Raises ScpiError where it is refused, NotYet where it must wait."""
        found = self.tree.find(unit.header)
        with self.room:
            for refusal in self.refusals:
                if refusal.hits(found):
                    raise ScpiError(refusal.code, str(unit))
            lie = next((lie for lie in self.lies if lie.hits(found)), None)
            call = Call(unit, found.suffixes)
            if unit.is_query:
                if found.command.query is None:
                    raise ScpiError(-113, str(unit))
                if lie is not None and lie.answer:
                    return self.answer(found, lie.answer)
                return self.answer(found, found.command.query(call))
            if found.command.write is None:
                raise ScpiError(-113, str(unit))
            if lie is None:
                found.command.write(call)
            return None

    def push_error(self, error: ScpiError) -> None:
        """Into the queue; when it is full, its last entry becomes -350."""
        with self.room:
            self._event_status |= _ERROR_BIT.get(-(-error.code // 100), _DEVICE_ERROR)
            if len(self._errors) >= self.MAX_ERRORS:
                self._errors[-1] = ScpiError(-350)
            else:
                self._errors.append(error)

    def pop_error(self) -> ScpiError:
        """The oldest error, or 0."""
        return self._errors.popleft() if self._errors else ScpiError(0)

    @property
    def n_errors(self) -> int:
        """Errors in the queue."""
        return len(self._errors)

    def status_byte(self, *, has_output: bool = False) -> int:
        """The status byte; has_output sets MAV."""
        with self.room:
            status = _ERROR_AVAILABLE * bool(self._errors) | _MESSAGE_AVAILABLE * has_output
            if self._event_status & self._event_enable:
                status |= _EVENT_SUMMARY
            status |= self.extra_status()
            return status | _MASTER_SUMMARY * bool(status & self._service_enable)

    def extra_status(self) -> int:
        """Bits of the status byte that are this kind of instrument's own."""
        return 0

    def clear_status(self) -> None:
        """`*CLS`."""
        self._errors.clear()
        self._event_status = 0
        self._is_completion_due = False

    def trigger(self) -> None:
        """Group execute trigger, `*TRG`."""

    # ---- common commands

    def _add_common_commands(self) -> None:
        add = self.tree.add
        add("*IDN", query=self._identify)
        add("*OPT", query=lambda _: self.identity.options)
        add("*CLS", write=lambda _: self.clear_status())
        add("*RST", write=lambda _: self.reset())
        add("*TST", query=lambda _: "0")
        add("*WAI", write=lambda _: self._wait())
        add("*TRG", write=lambda _: self.trigger())
        add("*OPC", write=self._note_completion, query=self._complete)
        add("*ESR", query=self._read_event_status)
        add("*ESE", write=self._set_event_enable, query=lambda _: str(self._event_enable))
        add("*SRE", write=self._set_service_enable, query=lambda _: str(self._service_enable))
        add("*STB", query=lambda _: str(self.status_byte()))
        add("SYSTem:ERRor[:NEXT]", query=lambda _: str(self.pop_error()))
        add("SYSTem:ERRor:CODE[:NEXT]", query=lambda _: str(self.pop_error().code))
        add("SYSTem:ERRor:COUNt", query=lambda _: str(self.n_errors))
        add("SYSTem:VERSion", query=lambda _: "1999.0")

    def _identify(self, call: Call) -> str:
        del call
        mine = self.identity
        serial = self.false_serial or mine.serial
        return f"{mine.manufacturer},{mine.model},{serial},{mine.firmware}"

    def _wait(self) -> None:
        if self.is_busy():
            raise NotYet

    def _note_completion(self, call: Call) -> None:
        del call
        if self.is_busy():
            self._is_completion_due = True
        else:
            self._event_status |= _OPERATION_COMPLETE

    def _complete(self, call: Call) -> str:
        del call
        self._wait()
        return "1"

    def _read_event_status(self, call: Call) -> str:
        del call
        status, self._event_status = self._event_status, 0
        return str(status)

    def _set_event_enable(self, call: Call) -> None:
        self._event_enable = call.integer(0, 0, 255)

    def _set_service_enable(self, call: Call) -> None:
        self._service_enable = call.integer(0, 0, 255) & ~_MASTER_SUMMARY


def quoted_errors(instrument: Instrument) -> str:
    """All errors, oldest first, as Tektronix scopes answer `ALLEv?`; the queue is then empty."""
    events = []
    while instrument.n_errors:
        error = instrument.pop_error()
        events.append(f"{error.code},{quoted(str(error).partition(',')[2].strip(chr(34)))}")
    return ",".join(events) or '0,"No events to report - queue empty"'
