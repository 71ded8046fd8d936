"""The rack's end of the flight recorder: everything that goes over VISA is written down in passing.

It stands between a resource and its VISA library, below every driver, so that what is recorded is
what was sent and received, whichever driver, rig or recovery did it. Instruments that do not speak
VISA leave no record.
"""

from __future__ import annotations

import mmap
import time
from typing import TYPE_CHECKING, cast

from pyvisa.constants import StatusCode

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
        resource.visalib = cast("VisaLibraryBase", _Recording(resource.visalib, recorder))


class _Recording:
    """A VISA library as one resource uses it."""

    def __init__(self, library: VisaLibraryBase, recorder: Recorder) -> None:
        self._library = library
        self._recorder = recorder

    def __getattr__(self, name: str) -> object:
        return getattr(self._library, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type[VisaLibraryBase]:  # type: ignore[override]
        """QCoDeS asks for the library's class to tell which one it is."""
        return type(self._library)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """As the library's."""
        self._recorder.sent(data)
        try:
            return self._library.write(session, data)
        except Exception as error:  # whatever it is, it is passed on
            self._recorder.failed(_sentence(error))
            raise

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """As the library's."""
        try:
            piece, status = self._library.read(session, count)
        except Exception as error:  # whatever it is, it is passed on
            self._recorder.failed(_sentence(error))
            raise
        self._recorder.received(piece, is_end=status != StatusCode.success_max_count_read)
        return piece, status


def _sentence(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
