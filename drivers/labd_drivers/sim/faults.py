"""Faults on purpose: what the control socket of `labd-simrack` understands, and a client for it.

One JSON object a line, one back: ``{"ok": true, ...}`` or ``{"ok": false, "error": "..."}``.

    {"do": "fault", "instrument": "awg1", "fault": "mute"}
    {"do": "fault", "instrument": "scope", "fault": "slow", "seconds": 0.2}
    {"do": "fault", "instrument": "awg1", "fault": "drop", "seconds": 1.0, "at_message": 5}
    {"do": "fault", "instrument": "awg1", "fault": "mute", "at_header": "WLISt:WAVeform:DATA"}
    {"do": "fault", "instrument": "lo_qb1", "fault": "power-cycle", "at_header": "CURVe?",
     "at_instrument": "scope"}
    {"do": "clear", "instrument": "awg1"}          without "instrument": everywhere
    {"do": "status"}
    {"do": "outputs"}                              what comes out of each instrument now

Faults, each now, or when the n-th message from now arrives (`at_message`, 1 is the next one), or
just before the command `at_header` is done (a query if it ends in `?`; with `at_message` the n-th
of them). Message and command are the instrument's own, or those of `at_instrument`:

    mute         takes messages and does nothing
    slow         waits `seconds` before each message
    garbage      answers bytes that are no answer
    short        answers blocks with half of their data; their heads say so
    half         answers half of what it should, and the end never comes
    long         answers, and goes on with 4 MiB of the same
    refuse       the command `header` gets error `code` (default -200) and does nothing
    lie          the command `header` does nothing and gets no error; its query answers `answer`,
                 or what is if that is empty
    identity     `*IDN?` tells the serial number `answer`, or a stranger's if that is empty
    drop         connections are cut, new ones refused for `seconds`
    power-cycle  all state is lost, connections are cut, off for `seconds`
    error        error `code` appears in the queue

All but the last three stand until `clear`, which also ends an absence early. A power-cycle ends
`mute`, `slow`, `garbage`, `short`, `half` and `long`.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Literal, get_args

FaultName = Literal[
    "mute",
    "slow",
    "garbage",
    "short",
    "half",
    "long",
    "refuse",
    "lie",
    "identity",
    "drop",
    "power-cycle",
    "error",
]
JsonValue = str | float | int | bool | None

FAULT_NAMES: tuple[FaultName, ...] = get_args(FaultName)


@dataclass(frozen=True, slots=True)
class InstrumentStatus:
    """One instrument as `status` reports it. fault: the standing ones, comma separated."""

    port: int
    model: str
    n_messages: int
    n_connections: int
    is_listening: bool
    n_errors: int
    fault: str
    n_planned: int


class FaultRefused(Exception):
    """The rack did not understand, with its sentence."""


class FaultControl:
    """Talks to the control socket of a simulated rack. Use it as a context manager, or `close` it.

    >>> with FaultControl(port) as faults:
    ...     faults.inject("awg1", "drop", seconds=1.0, at_message=5)
    """

    def __init__(self, port: int, host: str = "127.0.0.1", timeout_s: float = 10.0) -> None:
        self._connection = socket.create_connection((host, port), timeout_s)
        self._lines = self._connection.makefile("rb")

    def inject(
        self,
        instrument: str,
        fault: FaultName,
        *,
        seconds: float = 0.0,
        header: str = "",
        code: int = -200,
        answer: str = "",
        at_message: int = 0,
        at_header: str = "",
        at_instrument: str = "",
    ) -> None:
        """Make something go wrong, now or when that message or command comes."""
        self._ask(
            {
                "do": "fault",
                "instrument": instrument,
                "fault": fault,
                "seconds": seconds,
                "header": header,
                "code": code,
                "answer": answer,
                "at_message": at_message,
                "at_header": at_header,
                "at_instrument": at_instrument,
            }
        )

    def clear(self, instrument: str = "") -> None:
        """End the standing and forget the planned faults of one instrument, or of all.

        An instrument that is away comes back.
        """
        self._ask({"do": "clear", "instrument": instrument})

    def status(self) -> dict[str, InstrumentStatus]:
        """All instruments, by name."""
        answer = self._ask({"do": "status"})
        listed = answer["instruments"]
        assert isinstance(listed, dict)
        return {name: InstrumentStatus(**fields) for name, fields in listed.items()}

    def outputs(self) -> dict[str, float | bool]:
        """What comes out of every instrument now, by ``instrument.parameter``."""
        listed = self._ask({"do": "outputs"})["outputs"]
        assert isinstance(listed, dict)
        return {
            f"{name}.{path}": value for name, ours in listed.items() for path, value in ours.items()
        }

    def close(self) -> None:
        """Close the connection; faults stay. Idempotent."""
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> FaultControl:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _ask(self, request: dict[str, JsonValue]) -> dict[str, object]:
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionError("the rack closed its control socket")
        answer: dict[str, object] = json.loads(line)
        if not answer["ok"]:
            raise FaultRefused(str(answer["error"]))
        return answer
