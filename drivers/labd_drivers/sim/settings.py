"""Settings of an instrument: a value under a header, with its limits, its form and its default.

A setting whose pattern has numeric suffixes is as many settings: one value for each combination.
"""

from __future__ import annotations

from collections.abc import Callable

from labd_drivers.sim.instrument import Instrument
from labd_drivers.sim.scpi import ScpiError
from labd_drivers.sim.tree import Call, short_form

Suffixes = tuple[int, ...]


class NumberSetting:
    """A number within limits; MINimum, MAXimum and DEFault are understood.

    form: how it is answered, a format specification. coerce: what the hardware makes of a value.
    check: may refuse a change (raises ScpiError).
    """

    def __init__(
        self,
        instrument: Instrument,
        pattern: str,
        *,
        default: float,
        limits: tuple[float, float],
        form: str = ".9G",
        coerce: Callable[[float], float] = float,
        check: Callable[[Suffixes, float], None] | None = None,
    ) -> None:
        self._instrument, self._default, self._limits = instrument, default, limits
        self._form, self._coerce, self._check = form, coerce, check
        self._values: dict[Suffixes, float] = {}
        instrument.tree.add(pattern, write=self._write, query=self._query)
        instrument.settings.append(self)

    def get(self, *suffixes: int) -> float:
        """The value in base units."""
        return self._values.get(suffixes, self._default)

    def put(self, value: float, *suffixes: int) -> None:
        """Set without the wire: limits and checks do not apply."""
        if self.get(*suffixes) != value:
            self._values[suffixes] = value
            self._instrument.changed()

    def reset(self) -> None:
        """Back to the default."""
        self._values.clear()

    def _bound(self, word: str) -> float | None:
        bounds = {"MIN": self._limits[0], "MAX": self._limits[1], "DEF": self._default}
        return bounds.get(word[:3]) if word[:1] in "MD" else None

    def _write(self, call: Call) -> None:
        call.expect(1)
        bound = self._bound(call.word(0))
        value = call.number(0) if bound is None else bound
        minimum, maximum = self._limits
        if not minimum <= value <= maximum:
            raise ScpiError(-222, f"{call.unit} {value:g}: {minimum:g} to {maximum:g}")
        if self._check is not None:
            self._check(call.suffixes, value)
        self.put(self._coerce(value), *call.suffixes)

    def _query(self, call: Call) -> str:
        call.expect(0, 1)
        bound = self._bound(call.word(0)) if call.parameters else None
        return format(self.get(*call.suffixes) if bound is None else bound, self._form)


class WholeNumberSetting(NumberSetting):
    """A whole number within limits."""

    def __init__(
        self,
        instrument: Instrument,
        pattern: str,
        *,
        default: int,
        limits: tuple[int, int],
        coerce: Callable[[float], float] = round,
        check: Callable[[Suffixes, float], None] | None = None,
    ) -> None:
        super().__init__(
            instrument,
            pattern,
            default=default,
            limits=limits,
            form=".0f",
            coerce=coerce,
            check=check,
        )

    def whole(self, *suffixes: int) -> int:
        """The value as an int."""
        return int(self.get(*suffixes))


class SwitchSetting:
    """ON or OFF, answered as 1 or 0."""

    def __init__(self, instrument: Instrument, pattern: str, *, is_on: bool = False) -> None:
        self._instrument, self._default = instrument, is_on
        self._values: dict[Suffixes, bool] = {}
        instrument.tree.add(pattern, write=self._write, query=self._query)
        instrument.settings.append(self)

    def get(self, *suffixes: int) -> bool:
        """Whether it is on."""
        return self._values.get(suffixes, self._default)

    def put(self, is_on: bool, *suffixes: int) -> None:
        """Set without the wire."""
        if self.get(*suffixes) != is_on:
            self._values[suffixes] = is_on
            self._instrument.changed()

    def reset(self) -> None:
        """Back to the default."""
        self._values.clear()

    def _write(self, call: Call) -> None:
        call.expect(1)
        self.put(call.switch(0), *call.suffixes)

    def _query(self, call: Call) -> str:
        call.expect(0)
        return str(int(self.get(*call.suffixes)))


class ChoiceSetting:
    """One of several keywords, answered in its short form, or in its long one if is_verbose."""

    def __init__(
        self,
        instrument: Instrument,
        pattern: str,
        *,
        options: tuple[str, ...],
        default: str = "",
        is_verbose: bool = False,
        check: Callable[[Suffixes, str], None] | None = None,
    ) -> None:
        self._instrument, self._options, self._check = instrument, options, check
        self._default = default or options[0]
        self._is_verbose = is_verbose
        self._values: dict[Suffixes, str] = {}
        instrument.tree.add(pattern, write=self._write, query=self._query)
        instrument.settings.append(self)

    def get(self, *suffixes: int) -> str:
        """The option as it stands in `options`."""
        return self._values.get(suffixes, self._default)

    def put(self, value: str, *suffixes: int) -> None:
        """Set without the wire."""
        if self.get(*suffixes) != value:
            self._values[suffixes] = value
            self._instrument.changed()

    def reset(self) -> None:
        """Back to the default."""
        self._values.clear()

    def _write(self, call: Call) -> None:
        call.expect(1)
        value = call.choice(0, self._options)
        if self._check is not None:
            self._check(call.suffixes, value)
        self.put(value, *call.suffixes)

    def _query(self, call: Call) -> str:
        call.expect(0)
        value = self.get(*call.suffixes)
        return value.upper() if self._is_verbose else short_form(value)
