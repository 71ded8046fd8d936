"""How many refused calls are written down: enough to see an attack, too few to fill a disk.

A refused call costs its caller nothing, a line stays for ever. Of each kind (who, what, why) the
first is written at once and then one an hour; over all kinds a bucket of BURST lines refills by
one a minute. Each written line says how many went unwritten before it: of its own kind, and of
kinds that got no line at all. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

BURST = 60
REFILL_NS = 60_000_000_000
REPEAT_NS = 3_600_000_000_000
MAX_KINDS = 1000


@dataclass(slots=True)
class _Kind:
    written_at_ns: int
    n_unwritten: int = 0


@dataclass(slots=True)
class RefusalMeter:
    """Decides for each refused call whether it gets a line. Time must not run backwards."""

    _kinds: dict[Hashable, _Kind] = field(default_factory=dict)
    _full_at_ns: int = 0
    _n_lost: int = 0

    def take(self, kind: Hashable, now_ns: int) -> int | None:
        """How many went unwritten before it, if this one is to be written, else None."""
        known = self._kinds.get(kind)
        is_repeat = known is not None and now_ns - known.written_at_ns < REPEAT_NS
        if is_repeat or not self._pour(now_ns):
            if known is None:
                self._n_lost += 1
            else:
                known.n_unwritten += 1
            return None
        if known is None and len(self._kinds) >= MAX_KINDS:
            oldest = min(self._kinds, key=lambda each: self._kinds[each].written_at_ns)
            self._n_lost += self._kinds.pop(oldest).n_unwritten
        self._kinds[kind] = _Kind(now_ns)
        n_unwritten = self._n_lost + (0 if known is None else known.n_unwritten)
        self._n_lost = 0
        return n_unwritten

    def _pour(self, now_ns: int) -> bool:
        """Take one from the bucket; it is full again at _full_at_ns."""
        full_at_ns = max(self._full_at_ns, now_ns) + REFILL_NS
        if full_at_ns > now_ns + BURST * REFILL_NS:
            return False
        self._full_at_ns = full_at_ns
        return True
