"""Drivers that misbehave on request, for the rack process of a FaultLab.

They are QCoDeS' own, of the same names, with something between them and VISA: when the instrument
that the wish file names is sent a message with the wished header in it, the deed is done, once,
after the message has left. LABD_TEST_WISH names the file: {"instrument", "header", "deed"}.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qcodes.instrument import VisaInstrument
from qcodes.instrument_drivers import rohde_schwarz, tektronix, yokogawa

WISH = Path(os.environ["LABD_TEST_WISH"])
LONG_S = 3600


class Surprise(Exception):
    """Nobody expects it."""


class _Library:
    """A VISA library as one resource uses it."""

    def __init__(self, library: Any, name: str) -> None:
        self._library = library
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._library)

    def write(self, session: Any, data: bytes) -> Any:
        written = self._library.write(session, data)
        deed = wished_deed(self._name, data)
        if deed:
            DEEDS[deed]()
        return written


def between(driver: VisaInstrument, name: str) -> None:
    """Put it between the driver and VISA."""
    handle: Any = driver.visa_handle
    handle.visalib = _Library(handle.visalib, name)


def wished_deed(instrument: str, message: bytes) -> str:
    """What is to be done now; then the wish is gone. Usually nothing."""
    try:
        wish = json.loads(WISH.read_text())
    except FileNotFoundError:
        return ""
    if wish["instrument"] != instrument or wish["header"].encode() not in message:
        return ""
    try:
        WISH.unlink()
    except FileNotFoundError:
        return ""  # another thread was faster
    return str(wish["deed"])


def raise_surprise() -> None:
    raise Surprise("42 is not the answer")


def leave() -> None:
    raise SystemExit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


def segfault() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def exit_now() -> None:
    os._exit(7)


def hang_with_the_gil() -> None:
    ctypes.PyDLL(None).sleep(LONG_S)


def hang_without_the_gil() -> None:
    ctypes.CDLL(None).sleep(LONG_S)


def hang_in_python() -> None:
    while True:
        time.sleep(0.01)


def spin_in_python() -> None:
    while True:
        pass


def eat_memory() -> None:
    """Up to the limit of the process, if it has one; else there is no end but ours."""
    soft = min(resource.getrlimit(what)[0] for what in (resource.RLIMIT_DATA, resource.RLIMIT_AS))
    if soft == resource.RLIM_INFINITY:
        raise MemoryError("labd has set no limit")
    eaten = []
    while True:
        eaten.append(bytearray(64 << 20))


def print_garbage() -> None:
    garbage = bytes(range(256)) * 256
    os.write(1, garbage)
    sys.stdout.write("not a message\n" * 1000)
    sys.stdout.flush()


def close_descriptors() -> None:
    os.closerange(3, 1024)


DEEDS: dict[str, Callable[[], None]] = {
    "surprise": raise_surprise,
    "exit": leave,
    "interrupt": interrupt,
    "segfault": segfault,
    "abort": abort,
    "_exit": exit_now,
    "hang-gil": hang_with_the_gil,
    "hang-c": hang_without_the_gil,
    "hang-python": hang_in_python,
    "spin": spin_in_python,
    "memory": eat_memory,
    "print": print_garbage,
    "close-fds": close_descriptors,
}


class TektronixAWG5208(tektronix.TektronixAWG5208):
    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        between(self, name)


class TektronixDPO70000(tektronix.TektronixDPO70000):
    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        between(self, name)


class RohdeSchwarzSGS100A(rohde_schwarz.RohdeSchwarzSGS100A):
    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        between(self, name)


class YokogawaGS200(yokogawa.YokogawaGS200):
    def __init__(self, name: str, *arguments: Any, **options: Any) -> None:
        super().__init__(name, *arguments, **options)
        between(self, name)
