"""SCPI program messages: from bytes to commands with their parameters. Pure.

The grammar is that of IEEE 488.2-1992, chapter 7, with SCPI-1999's header paths: a header after `;`
continues where the one before it ended, unless it begins with `:`; common commands (`*OPC?`) leave
the path alone; a newline outside a block ends a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ERROR_TEXTS = {
    0: "No error",
    -102: "Syntax error",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -200: "Execution error",
    -221: "Settings conflict",
    -222: "Data out of range",
    -224: "Illegal parameter value",
    -225: "Out of memory",
    -230: "Data corrupt or stale",
    -256: "File name not found",
    -257: "File name error",
    -300: "Device-specific error",
    -350: "Queue overflow",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
    2244: "Source waveform is not active",
}


class ScpiError(Exception):
    """An error for the instrument's queue: SCPI code and what it was about."""

    def __init__(self, code: int, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        """As `SYSTem:ERRor?` answers it: ``-222,"Data out of range;POW 99"``."""
        text = ERROR_TEXTS.get(self.code, "Device-specific error")
        detail = self.detail.replace('"', "'")
        return f'{self.code},"{text};{detail}"' if detail else f'{self.code},"{text}"'

    @property
    def is_command_error(self) -> bool:
        """Whether the parser lost its way, so that the rest of the message is dropped."""
        return -200 < self.code <= -100


@dataclass(frozen=True, slots=True)
class Word:
    """A parameter without quotes: a number, with or without a unit, or a keyword."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted parameter, without its quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Data:
    """The bytes of a definite or indefinite block. A view: copy what must outlive the message."""

    octets: memoryview


Parameter = Word | Text | Data


@dataclass(frozen=True, slots=True)
class Unit:
    """One command or query. header: absolute, without a leading colon, as it was sent."""

    header: str
    is_query: bool
    parameters: tuple[Parameter, ...]

    def __str__(self) -> str:
        """The header as sent, for error details."""
        return self.header + ("?" if self.is_query else "")


_HEADER = re.compile(rb"[ \t\r]*(\*[A-Za-z]+|:?[A-Za-z]\w*(?::[A-Za-z]\w*)*)(\?)?([ \t\r]*)", re.A)
_BLANK = re.compile(rb"[ \t\r]*")
_WORD = re.compile(rb"[^,;\n\"'#\x80-\xff]+|#[HhQqBb][0-9A-Fa-f]+")
_QUOTED = {0x22: re.compile(rb'"((?:[^"\n]|"")*)"'), 0x27: re.compile(rb"'((?:[^'\n]|'')*)'")}
_QUOTE = {0x22: b'"', 0x27: b"'"}
_SEMICOLON, _COMMA, _NEWLINE, _HASH = b";,\n#"


def parse(message: memoryview) -> Iterator[Unit]:
    """The units of what arrived, one after the other.

    message: one or more program messages, blocks included; its last byte is the end of a message
        (END on a framed transport), with or without a newline before it.
    Raises ScpiError (-102, -151, -161) where the grammar is left; what was yielded before stands.
    """
    at, end, path = 0, len(message), ""
    while at < end:
        octet = message[at]
        if octet in b" \t\r;":
            at += 1
        elif octet == _NEWLINE:
            at, path = at + 1, ""
        else:
            unit, at = _parse_unit(message, at, path)
            if not unit.header.startswith("*"):
                path = unit.header.rpartition(":")[0]
            yield unit


def _parse_unit(message: memoryview, at: int, path: str) -> tuple[Unit, int]:
    found = _HEADER.match(message, at)
    if found is None:
        raise ScpiError(-102, _excerpt(message, at))
    name = str(found[1], "ascii")
    if name.startswith(":"):
        name = name[1:]
    elif path and not name.startswith("*"):
        name = f"{path}:{name}"
    at = found.end()
    parameters: tuple[Parameter, ...] = ()
    if at < len(message) and message[at] not in b";\n":
        if not found[3]:
            raise ScpiError(-102, _excerpt(message, found.start()))
        parameters, at = _parse_parameters(message, at)
    return Unit(name, found[2] is not None, parameters), at


def _parse_parameters(message: memoryview, at: int) -> tuple[tuple[Parameter, ...], int]:
    found: list[Parameter] = []
    while True:
        parameter, at = _parse_parameter(message, at)
        found.append(parameter)
        at = _skip_blanks(message, at)
        if at == len(message) or message[at] in b";\n":
            return tuple(found), at
        if message[at] != _COMMA:
            raise ScpiError(-102, _excerpt(message, at))
        at = _skip_blanks(message, at + 1)


def _skip_blanks(message: memoryview, at: int) -> int:
    blank = _BLANK.match(message, at)
    return at if blank is None else blank.end()


def _parse_parameter(message: memoryview, at: int) -> tuple[Parameter, int]:
    octet = message[at] if at < len(message) else _NEWLINE
    if octet in _QUOTED:
        quoted = _QUOTED[octet].match(message, at)
        if quoted is None:
            raise ScpiError(-151, _excerpt(message, at))
        quote = _QUOTE[octet]
        return Text(quoted[1].replace(quote + quote, quote).decode("latin-1")), quoted.end()
    if octet == _HASH and at + 1 < len(message) and message[at + 1] in b"0123456789":
        return _parse_block(message, at)
    word = _WORD.match(message, at)
    if word is None:
        raise ScpiError(-102, _excerpt(message, at))
    return Word(str(word[0], "ascii").rstrip()), word.end()


def _parse_block(message: memoryview, at: int) -> tuple[Data, int]:
    head = block_head(message, at)
    if head is None:
        raise ScpiError(-161, _excerpt(message, at))
    start, length = head
    if length is None:
        stop = len(message) - (message[-1] == _NEWLINE and len(message) > start)
        return Data(message[start:stop]), len(message)
    if start + length > len(message):
        raise ScpiError(-161, f"{len(message) - start} of {length} bytes")
    return Data(message[start : start + length]), start + length


def block_head(octets: memoryview | bytearray, at: int) -> tuple[int, int | None] | None:
    """Where the block that begins with ``#<digit>`` at `at` has its data: (start, length).

    length is None for an indefinite block (``#0``); None as a whole: the head is not complete.
    Raises ScpiError -161 where its length is not a number.
    """
    n_digits = octets[at + 1] - 0x30
    if n_digits == 0:
        return at + 2, None
    start = at + 2 + n_digits
    if start > len(octets):
        return None
    digits = bytes(octets[at + 2 : start])
    if not digits.isdigit():
        raise ScpiError(-161, repr(digits))
    return start, int(digits)


def _excerpt(message: memoryview, at: int) -> str:
    """What stands there, for the error's detail; only what can be printed."""
    octets = bytes(message[at : at + 24])
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "?" for octet in octets)


def quoted(text: str) -> str:
    """A string as response data: in double quotes, quotes doubled."""
    return '"' + text.replace('"', '""') + '"'


def definite_block(octets: bytes | memoryview) -> bytes:
    """Bytes as a definite block: ``#``, number of digits, length, data."""
    length = str(len(octets))
    return b"#%d%s" % (len(length), length.encode()) + octets
