"""The rack's end of the flight recorder: everything that goes over VISA is written down in passing.

It stands between a resource and its VISA library, below every driver, so that what is recorded is
what was sent and received, whichever driver, rig or recovery did it. Instruments that do not speak
VISA leave no record.

When the process crashes it says behind the board in which thread; the board says whose line that
thread used. A driver that leaves by `os._exit` is told on in the same way.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, cast

from pyvisa.constants import ResourceAttribute, StatusCode

from labd.core.budget import UPLOAD_BYTES_PER_S
from labd.core.errors import sentence_of
from labd.core.flight import BOARD_BYTES, N_REGIONS, Recorder

if TYPE_CHECKING:
    from pyvisa.highlevel import VisaLibraryBase
    from pyvisa.resources import MessageBasedResource
    from pyvisa.typing import VISASession


class FlightBoard:
    """The memory that is shared with the daemon."""

    def __init__(self, descriptor: int) -> None:
        """descriptor: of BOARD_BYTES of memory, which stays mapped as long as the process lives."""
        self._view = memoryview(mmap.mmap(descriptor, BOARD_BYTES))
        self._recorders: dict[str, Recorder] = {}

    def record(self, name: str, resource: MessageBasedResource) -> None:
        """Write down what is said over this resource, as the instrument's of that name.

        An instrument that is opened again goes on in its region; those beyond N_REGIONS get none.
        """
        recorder = self._recorders.get(name)
        if recorder is None:
            index = len(self._recorders)
            if index == N_REGIONS:
                return
            recorder = Recorder(self._view, index, name, time.monotonic_ns)
            self._recorders[name] = recorder
        timeout_s = resource.timeout / 1000.0
        recording = _Recording(resource.visalib, recorder, timeout_s)
        resource.visalib = cast("VisaLibraryBase", recording)


class _Recording:
    """A VISA library as one resource uses it."""

    def __init__(self, library: VisaLibraryBase, recorder: Recorder, timeout_s: float) -> None:
        self._library = library
        self._recorder = recorder
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> object:
        return getattr(self._library, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type[VisaLibraryBase]:  # type: ignore[override]
        """QCoDeS asks for the library's class to tell which one it is."""
        return type(self._library)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """As the library's."""
        self._recorder.sent(data)
        with self._inside(len(data)):
            return self._library.write(session, data)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """As the library's."""
        with self._inside():
            piece, status = self._library.read(session, count)
        self._recorder.received(piece, is_end=status != StatusCode.success_max_count_read)
        return piece, status

    def clear(self, session: VISASession) -> StatusCode:
        """As the library's."""
        with self._inside():
            return self._library.clear(session)

    def set_attribute(
        self, session: VISASession, attribute: ResourceAttribute, state: int
    ) -> StatusCode:
        """As the library's."""
        if attribute == ResourceAttribute.timeout_value:
            self._timeout_s = state / 1000.0
        return self._library.set_attribute(session, attribute, state)

    @contextmanager
    def _inside(self, n_bytes: int = 0) -> Iterator[None]:
        """Note who goes below the driver, for how long at most, and what goes wrong there.

        n_bytes: that are sent.
        """
        limit_s = self._timeout_s + n_bytes / UPLOAD_BYTES_PER_S
        self._recorder.enter(threading.get_ident(), limit_s)
        try:
            yield
        except Exception as error:  # whatever it is, it is passed on
            self._recorder.failed(sentence_of(error))
            raise
        finally:
            self._recorder.leave()


def tell_of_crashes(descriptor: int) -> None:
    """Have the process say behind its board in which thread it crashes, or leaves at once."""
    os.lseek(descriptor, BOARD_BYTES, os.SEEK_SET)
    faulthandler.enable(descriptor)
    leave, pid = os._exit, os.getpid()

    def tell_and_leave(status: int) -> NoReturn:
        if os.getpid() == pid:  # children that a driver has forked leave like this, too
            faulthandler.dump_traceback(descriptor)
        leave(status)

    os._exit = tell_and_leave
