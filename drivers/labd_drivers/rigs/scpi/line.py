"""One instrument's line: no answer is longer than it may be.

It stands between a driver and its VISA library. An instrument that talks without end would else
fill the memory, because whoever reads an answer reads it to its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from pyvisa.constants import StatusCode
    from pyvisa.highlevel import VisaLibraryBase
    from pyvisa.resources import MessageBasedResource
    from pyvisa.typing import VISASession

MAX_ANSWER_BYTES: Final = 1 << 20
"""Of an answer that is no block of data."""
BLOCK_EXTRA_BYTES: Final = 16
"""What is around the data of a block: its head and the newline."""
_QUOTED_BYTES: Final = 40


class AnswerTooLong(Exception):
    """The instrument has said more than it can have to say, and goes on."""

    @classmethod
    def to(cls, command: str, n_bytes: int) -> AnswerTooLong:
        """It was asked that, and so much would have been enough."""
        return cls(f"its answer to {command} goes on beyond {n_bytes} bytes: its line is closed")


class Line:
    """A VISA library as one driver uses it."""

    def __init__(self, library: VisaLibraryBase) -> None:
        self._library = library
        self._asked = b""
        self._limit_bytes = MAX_ANSWER_BYTES
        self._n_bytes = 0

    @classmethod
    def of(cls, resource: MessageBasedResource) -> Line:
        """Put between a resource and its library."""
        line = cls(resource.visalib)
        resource.visalib = cast("VisaLibraryBase", line)
        return line

    def __getattr__(self, name: str) -> object:
        return getattr(self._library, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type[VisaLibraryBase]:  # type: ignore[override]
        """QCoDeS asks for the library's class to tell which one it is."""
        return type(self._library)

    @contextmanager
    def expecting(self, n_bytes: int) -> Iterator[None]:
        """The answers inside are blocks of so much data."""
        self._limit_bytes = n_bytes + BLOCK_EXTRA_BYTES
        try:
            yield
        finally:
            self._limit_bytes = MAX_ANSWER_BYTES

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """As the library's."""
        self._asked, self._n_bytes = data[:_QUOTED_BYTES], 0
        return self._library.write(session, data)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """As the library's. Raises AnswerTooLong."""
        piece, status = self._library.read(session, count)
        self._n_bytes += len(piece)
        if self._n_bytes > self._limit_bytes:
            asked = bytes(self._asked).decode("ascii", "replace").strip()
            raise AnswerTooLong.to(asked, self._limit_bytes)
        return piece, status
