"""One instrument and what is needed to trust it: a lock, deadlines, its error queue.

QCoDeS drivers are not thread safe, read no error queue, and believe what they sent. So all talk to
an instrument stands inside `Link.doing`, which holds the instrument's lock and turns whatever goes
wrong into an InstrumentFault that names the instrument, what was being done and what its error
queue says; and every programming phase ends with `Link.settle`.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from struct import error as StructError  # noqa: N812
from traceback import clear_frames
from typing import Final

from pyvisa.constants import ResourceAttribute
from pyvisa.errors import Error as PyVisaError
from pyvisa.resources import MessageBasedResource
from pyvisa_py.protocols.rpc import RPCError
from qcodes.instrument import VisaInstrument
from qcodes.instrument_drivers.tektronix import TektronixDPOModeError
from qcodes.instrument_drivers.yokogawa import YokogawaGS200Exception

from labd.core.errors import InstrumentFault, JobFailure, OutOfMemory, brief, sentence_of
from labd.core.log_fields import about
from labd.core.rig import RunInterrupted
from labd_drivers.rigs.scpi.line import AnswerTooLong, Line

_log = logging.getLogger(__name__)

TROUBLE: Final = (
    AnswerTooLong,
    TektronixDPOModeError,
    YokogawaGS200Exception,
    PyVisaError,
    RPCError,
    StructError,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
)
"""What drivers and VISA raise when an instrument is silent, gone, or answers nonsense.

TimeoutError is an OSError, UnicodeDecodeError a ValueError, a QCoDeS mapping's KeyError a
LookupError.
"""

ANYTHING: Final = (Exception, SystemExit, KeyboardInterrupt)
"""What drivers raise. Whoever has a signal end the process raises something else."""
MAX_ERRORS: Final = 40
"""An error queue longer than this is not read to its end."""
MAX_TOLD: Final = 8
"""So many of them are told."""
MAX_MESSAGE_BYTES: Final = 16_384
"""Commands are sent together up to this size."""
RECOVERY_TIMEOUT_S: Final = 1.0
"""How long an instrument in trouble is given to answer for its error queue."""

_POWER_ON, _ERRORS = 0x80, 0x3C


@dataclass(frozen=True, slots=True)
class Status:
    """What an instrument has noted of itself. errors: of its queue, oldest first."""

    is_restarted: bool
    errors: tuple[str, ...]

    def __str__(self) -> str:
        """What is wrong, as a sentence; empty where nothing is."""
        if self.is_restarted:
            return "it was switched off and on"
        told = [_counted(brief(error), len([*some])) for error, some in groupby(self.errors)]
        n_more = len(told) - MAX_TOLD
        more = (f"and {n_more} more",) if n_more > 0 else ()
        return "; ".join((*told[:MAX_TOLD], *more))


def _counted(error: str, n_times: int) -> str:
    return error if n_times == 1 else f"{error} ({n_times} times)"


StatusReader = Callable[[VisaInstrument], Status]


def scpi_status(driver: VisaInstrument) -> Status:
    """Of a SCPI instrument; its event register and its error queue are empty then."""
    events, _, error = driver.ask("*ESR?;:SYSTem:ERRor?").strip().partition(";")
    errors: list[str] = []
    while int(error.partition(",")[0]) and len(errors) < MAX_ERRORS:
        errors.append(error)
        error = driver.ask("SYSTem:ERRor?").strip()
    return Status(bool(int(events) & _POWER_ON), tuple(errors))


def tektronix_scope_status(driver: VisaInstrument) -> Status:
    """Of a Tektronix scope: the texts of its events can be read after `*ESR?` has been."""
    events = int(driver.ask("*ESR?"))
    errors = (driver.ask("ALLEv?").strip(),) if events & _ERRORS else ()
    return Status(bool(events & _POWER_ON), errors)


class Link:
    """One instrument. Everything that is said to it goes through here, one thread at a time."""

    def __init__(
        self, name: str, driver: VisaInstrument, status_of: StatusReader = scpi_status
    ) -> None:
        self.name = name
        self.driver = driver
        self._line = Line.of(driver.visa_handle)
        self._status_of = status_of
        self._lock = threading.RLock()
        self._usual_s = driver.visa_handle.timeout / 1000.0
        self._patience_s = self._usual_s
        self._is_silent = False

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Hold the instrument while doing this; whatever goes wrong is an InstrumentFault.

        One that no longer answers is not waited for again until `clear` or `trouble` tries anew.
        """
        with self._lock:
            if self._is_silent:
                raise InstrumentFault(self.name, what, "it no longer answers")
            try:
                yield
            except (JobFailure, RunInterrupted, OutOfMemory):
                raise
            except MemoryError as error:
                clear_frames(error.__traceback__)  # they hold what has filled the memory
                raise OutOfMemory(self.name, what) from None
            except ANYTHING as error:  # it is their instrument's fault
                raise self._fault(what, error) from error

    def settle(self, what: str, extra_s: float = 0.0) -> None:
        """Wait until all that was sent is done; raise InstrumentFault if any of it was refused.

        extra_s: how much longer than for an answer that may take.
        """
        with self.doing(what), self.patience(extra_s):
            self.driver.ask("*OPC?")
        self.demand_well(what)

    def demand_well(self, what: str) -> None:
        """Raise InstrumentFault if it has refused something, or was switched off and on."""
        with self.doing(what):
            status = self._status_of(self.driver)
        if status.is_restarted or status.errors:
            refused = "" if status.is_restarted else "it refused: "
            raise InstrumentFault(self.name, what, f"{refused}{status}")

    def clear(self) -> None:
        """Empty the error queue and the event register, and forget what is in them."""
        self._is_silent = False
        self.hurry(self._usual_s)
        with self.doing("clearing its status"):
            self.driver.write("*CLS")
            self._status_of(self.driver)

    def hurry(self, timeout_s: float) -> None:
        """From now on wait no longer than this for an answer, until `clear`."""
        self._patience_s = timeout_s
        with suppress(*TROUBLE):
            self.driver.visa_handle.timeout = timeout_s * 1000.0

    def trouble(self) -> str:
        """A sentence if it is silent, has an error, or was switched off and on; else nothing."""
        self._is_silent = False
        try:
            with self.doing("asking for its status"):
                status = self._status_of(self.driver)
        except InstrumentFault as fault:
            return fault.what
        queue = "its error queue says " if status.errors and not status.is_restarted else ""
        return f"{queue}{status}"

    def send(self, what: str, commands: Iterable[str]) -> None:
        """Send many commands in few messages. Each must be absolute; refusals show in `settle`."""
        with self.doing(what):
            message = ""
            for command in commands:
                if message and len(message) + len(command) > MAX_MESSAGE_BYTES:
                    self.driver.visa_handle.write_raw(f"{message}\n".encode("ascii"))
                    message = ""
                message += f";:{command}" if message else command
            if message:
                self.driver.visa_handle.write_raw(f"{message}\n".encode("ascii"))

    def send_block(self, what: str, command: str, payload: bytes) -> None:
        """Send a command that ends in a definite block."""
        size = str(len(payload))
        head = f"{command}#{len(size)}{size}".encode("ascii")
        with self.doing(what):
            self.driver.visa_handle.write_raw(b"".join((head, payload, b"\n")))

    def query_block(self, what: str, command: str, n_bytes: int, extra_s: float = 0.0) -> bytes:
        """The data of the definite block that answers a query: as much as it may be at most.

        extra_s: as for `settle`.
        """
        handle = self.driver.visa_handle
        with self.doing(what), self.patience(extra_s), self._line.expecting(n_bytes):
            handle.write(command)
            if handle.resource_class != "SOCKET":
                return _read_block(handle)
            # A raw socket is read up to the next newline, of which binary data are full.
            handle.set_visa_attribute(ResourceAttribute.termchar_enabled, False)
            try:
                head = handle.read_bytes(2)
                if not head.startswith(b"#"):
                    raise ValueError(f"{head!r} does not begin a block")
                n_sent = int(handle.read_bytes(int(head[1:])))
                if n_sent > n_bytes:
                    raise ValueError(f"a block of {n_sent} bytes begins, {n_bytes} were expected")
                block = handle.read_bytes(n_sent, chunk_size=n_sent)
                if handle.read_bytes(1) != b"\n":
                    raise AnswerTooLong.to(command, n_sent)
            finally:
                handle.set_visa_attribute(ResourceAttribute.termchar_enabled, True)
            return block

    def _fault(self, what: str, error: BaseException) -> InstrumentFault:
        """The fault to be raised, after the instrument has been cleared if it can be."""
        sentence = sentence_of(error)
        if not isinstance(error, TROUBLE):
            sentence = f"its driver raised {type(error).__name__}: {sentence}"
        if isinstance(error, AnswerTooLong):
            self._hang_up()
            return InstrumentFault(self.name, what, sentence)
        try:
            with self._deadline(min(RECOVERY_TIMEOUT_S, self._patience_s)):
                self._demand_open()
                self.driver.device_clear()
                status = self._status_of(self.driver)
        except ANYTHING as worse:
            fields = about(instrument=self.name)
            _log.info("%s does not recover: %s", self.name, sentence_of(worse), extra=fields)
            self._is_silent = True
            return InstrumentFault(self.name, what, f"{sentence} (and it no longer answers)")
        if status.is_restarted:
            sentence += f"; {status}"
        elif status.errors:
            sentence += f"; its error queue says {status}"
        return InstrumentFault(self.name, what, sentence)

    def _hang_up(self) -> None:
        """Close the line: whoever would listen on would listen for ever."""
        self._is_silent = True
        with suppress(*TROUBLE):
            self.driver.visa_handle.close()

    def _demand_open(self) -> None:
        """Raise OSError if a raw socket was closed by its peer: a device clear would hang."""
        handle = self.driver.visa_handle
        sessions = getattr(handle.visalib, "sessions", {})  # pyvisa-py's
        connection = getattr(sessions.get(handle.session), "interface", None)
        if isinstance(connection, socket.socket):
            readable, _, _ = select.select([connection], [], [], 0)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                raise ConnectionResetError("the connection is closed")

    @contextmanager
    def patience(self, extra_s: float) -> Iterator[None]:
        """Wait that much longer for each of the answers inside."""
        with self._deadline(self._patience_s + extra_s):
            yield

    @contextmanager
    def _deadline(self, timeout_s: float) -> Iterator[None]:
        before = self.driver.visa_handle.timeout
        self.driver.visa_handle.timeout = timeout_s * 1000.0
        try:
            yield
        finally:
            self.driver.visa_handle.timeout = before


def _read_block(handle: MessageBasedResource) -> bytes:
    """The data of a definite block, where messages have an end. Raises ValueError.

    VISA's own would read on for ever where a head announces more than comes.
    """
    answer = bytearray(handle.read_raw())
    if not answer.startswith(b"#"):
        raise ValueError(f"{bytes(answer[:2])!r} does not begin a block")
    start = 2 + int(answer[1:2])
    end = start + int(answer[2:start])
    while len(answer) < end:
        piece = handle.read_raw()
        if not piece:
            n_bytes = end - start
            raise ValueError(f"a block of {n_bytes} bytes begins, and ends after {len(answer)}")
        answer += piece
    return bytes(answer[start:end])


class Crew:
    """Threads for work on several instruments at once: one piece of work for each instrument."""

    def __init__(self, n_instruments: int) -> None:
        self._pool = ThreadPoolExecutor(max(n_instruments, 1), thread_name_prefix="instrument")

    def do(self, work: Mapping[str, Callable[[], None]]) -> None:
        """Do all of it, side by side. Raises the first fault, in order, after all have ended."""
        faults = self.try_all(work)
        if faults:
            raise faults[0]

    def try_all(self, work: Mapping[str, Callable[[], None]]) -> tuple[InstrumentFault, ...]:
        """Do all of it, side by side, and give back the faults instead of raising one."""
        if len(work) == 1:
            return _try(*work.values())
        pending: list[Future[tuple[InstrumentFault, ...]]] = [
            self._pool.submit(_try, one) for one in work.values()
        ]
        return tuple(fault for future in pending for fault in future.result())

    def dismiss(self) -> None:
        """End the threads, which are idle."""
        self._pool.shutdown()


def _try(work: Callable[[], None]) -> tuple[InstrumentFault, ...]:
    try:
        work()
    except InstrumentFault as fault:
        return (fault,)
    return ()
