"""An instrument's commands as a tree of keywords, and a call of one with its parameters read.

Patterns are written as manuals write them: ``[SOURce#8]:VOLTage[:LEVel][:AMPLitude]``. Capitals are
the short form, brackets are optional, ``#8`` is a numeric suffix from 1 (the default) to 8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from labd_drivers.sim.scpi import Data, Parameter, ScpiError, Text, Unit, Word

Reply = str | bytes
Write = Callable[["Call"], None]
Query = Callable[["Call"], Reply]

_UNITS = {
    "": 1.0, "HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6, "GHZ": 1e9, "V": 1.0, "MV": 1e-3, "UV": 1e-6,
    "VPP": 1.0, "A": 1.0, "MA": 1e-3, "UA": 1e-6, "S": 1.0, "MS": 1e-3, "US": 1e-6, "NS": 1e-9,
    "PS": 1e-12, "DBM": 1.0, "DB": 1.0, "DEG": 1.0, "PCT": 1.0, "OHM": 1.0,
}  # fmt: skip
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) ?([A-Za-z]*)")
_NON_DECIMAL = {"H": 16, "Q": 8, "B": 2}
_KEYWORD = re.compile(r"(\[?):?([A-Za-z_*][A-Za-z_0-9]*?)(?:#(\d+))?(\]?)(?=[:\[\]]|$)")
_MNEMONIC = re.compile(r"(.*?)(\d*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One command as a handler sees it: suffixes of its header, parameters, and what was sent."""

    unit: Unit
    suffixes: tuple[int, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters as parsed."""
        return self.unit.parameters

    def expect(self, n_min: int, n_max: int | None = None) -> None:
        """Refuse a wrong number of parameters (-109, -108)."""
        if len(self.parameters) < n_min:
            raise ScpiError(-109, str(self.unit))
        if len(self.parameters) > (n_min if n_max is None else n_max):
            raise ScpiError(-108, str(self.unit))

    def _parameter(self, index: int) -> Parameter:
        if index >= len(self.parameters):
            raise ScpiError(-109, str(self.unit))
        return self.parameters[index]

    def word(self, index: int) -> str:
        """A keyword, in capitals."""
        parameter = self._parameter(index)
        if not isinstance(parameter, Word):
            raise ScpiError(-104, str(self.unit))
        return parameter.text.upper()

    def text(self, index: int) -> str:
        """A quoted string."""
        parameter = self._parameter(index)
        if not isinstance(parameter, Text):
            raise ScpiError(-104, f"{self.unit} needs a quoted string")
        return parameter.text

    def name(self, index: int) -> str:
        """A name, quoted or not: some drivers forget the quotes."""
        parameter = self._parameter(index)
        if isinstance(parameter, Data):
            raise ScpiError(-104, str(self.unit))
        return parameter.text

    def block(self, index: int) -> memoryview:
        """The bytes of a block."""
        parameter = self._parameter(index)
        if not isinstance(parameter, Data):
            raise ScpiError(-104, f"{self.unit} needs a block")
        return parameter.octets

    def number(self, index: int) -> float:
        """A number in base units: ``10MHz`` is 1e7."""
        text = self.word(index)
        if text.startswith("#"):
            return float(int(text[2:], _NON_DECIMAL[text[1]]))
        found = _NUMBER.fullmatch(text)
        if found is None:
            raise ScpiError(-104, f"{self.unit} {text}")
        if found[2] not in _UNITS:
            raise ScpiError(-224, f"{self.unit} {text}")
        return float(found[1]) * _UNITS[found[2]]

    def integer(self, index: int, minimum: int, maximum: int) -> int:
        """A whole number within limits (-222)."""
        number = self.number(index)
        if not minimum <= number <= maximum or number != int(number):
            raise ScpiError(-222, f"{self.unit} {number:g}: {minimum} to {maximum}")
        return int(number)

    def switch(self, index: int) -> bool:
        """ON, OFF or a number."""
        text = self.word(index)
        if text in ("ON", "OFF"):
            return text == "ON"
        return round(self.number(index)) != 0

    def choice(self, index: int, options: tuple[str, ...]) -> str:
        """One of the options, given in its short or long form; returned as it stands in options."""
        text = self.word(index)
        for option in options:
            if text in (option.upper(), short_form(option)):
                return option
        raise ScpiError(-224, f"{self.unit} {text}: {', '.join(options)}")


def short_form(keyword: str) -> str:
    """The capitals (and digits) of a keyword: ``FREQuency`` -> ``FREQ``."""
    return "".join(letter for letter in keyword if not letter.islower())


@dataclass(slots=True)
class Command:
    """A node of the manual: its pattern and what it does."""

    pattern: str
    n_suffixes: int
    write: Write | None
    query: Query | None


@dataclass(slots=True)
class _Node:
    plain: dict[str, _Node] = field(default_factory=dict)
    numbered: dict[str, tuple[_Node, int]] = field(default_factory=dict)
    command: Command | None = None
    slots: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A header resolved: the command, its suffixes, and which of them were written."""

    command: Command
    suffixes: tuple[int, ...]
    given: tuple[bool, ...]


class CommandTree:
    """All commands of an instrument."""

    _CACHED_HEADERS = 8192

    def __init__(self) -> None:
        self._root = _Node()
        self._found: dict[str, Found] = {}

    def add(self, pattern: str, *, write: Write | None = None, query: Query | None = None) -> None:
        """Enter a command under all the headers its pattern allows."""
        parts = [
            (keyword, int(limit or 0), opening == "[")
            for opening, keyword, limit, _ in _KEYWORD.findall(pattern)
        ]
        command = Command(pattern, sum(1 for _, limit, _ in parts if limit), write, query)
        self._enter(self._root, parts, command, (), 0)

    def _enter(
        self,
        node: _Node,
        parts: list[tuple[str, int, bool]],
        command: Command,
        slots: tuple[int, ...],
        slot: int,
    ) -> None:
        if not parts:
            node.command, node.slots = command, slots
            return
        (keyword, limit, is_optional), rest = parts[0], parts[1:]
        following = slot + bool(limit)
        if is_optional:
            self._enter(node, rest, command, slots, following)
        if limit:
            child, _ = node.numbered.setdefault(keyword.upper(), (_Node(), limit))
            node.numbered[short_form(keyword)] = (child, limit)
            self._enter(child, rest, command, (*slots, slot), following)
        else:
            child = node.plain.setdefault(keyword.upper(), _Node())
            node.plain[short_form(keyword)] = child
            self._enter(child, rest, command, slots, following)

    def find(self, header: str) -> Found:
        """The command of an absolute header. Raises ScpiError -113 or -114."""
        found = self._found.get(header)
        if found is None:
            found = self._resolve(header)
            if len(self._found) >= self._CACHED_HEADERS:
                self._found.clear()
            self._found[header] = found
        return found

    def _resolve(self, header: str) -> Found:
        numbers: list[tuple[int, bool]] = []
        node = _walk(self._root, header.upper().split(":"), numbers)
        if node is None or node.command is None:
            raise ScpiError(-113, header)
        if any(number == 0 for number, _ in numbers):
            raise ScpiError(-114, header)
        suffixes = [1] * node.command.n_suffixes
        given = [False] * node.command.n_suffixes
        for slot, (number, is_given) in zip(node.slots, numbers, strict=True):
            suffixes[slot], given[slot] = number, is_given
        return Found(node.command, tuple(suffixes), tuple(given))

    def full_header(self, found: Found) -> str:
        """The long header of a command in capitals with its suffixes, as with headers on."""
        suffixes = iter(found.suffixes)
        names = []
        for opening, keyword, limit, _ in _KEYWORD.findall(found.command.pattern):
            suffix = str(next(suffixes)) if limit else ""
            if opening != "[":
                names.append(keyword.upper() + suffix)
        return ":" + ":".join(names)


def _walk(node: _Node, mnemonics: list[str], numbers: list[tuple[int, bool]]) -> _Node | None:
    """The node at the end of a header, or None. numbers: filled with the suffixes on the way.

    A suffix out of range is entered as 0.
    """
    if not mnemonics:
        return node if node.command is not None else None
    mnemonic, rest = mnemonics[0], mnemonics[1:]
    if mnemonic in node.plain:
        end = _walk(node.plain[mnemonic], rest, numbers)
        if end is not None:
            return end
    split = _MNEMONIC.fullmatch(mnemonic)
    if split is None or split[1] not in node.numbered:
        return None
    child, limit = node.numbered[split[1]]
    number = int(split[2] or 1)
    numbers.append((number if number <= limit else 0, bool(split[2])))
    end = _walk(child, rest, numbers)
    if end is None:
        numbers.pop()
    return end
