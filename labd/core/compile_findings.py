"""Mistakes as they are found, and how large a job may be at all.

The sizes bound what one payload can make labd compute and hold, whatever it claims. Those of tables
and lists are checked where bytes become values, the others before samples are made. What a rack can
do is a matter of its wiring and its rig.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection

from labd.core.errors import Problem

MAX_LISTED = 100
"""Mistakes that are listed one by one."""

MAX_WAVEFORM_SAMPLES = 4 << 20
"""Samples of one waveform."""

MAX_TOTAL_SAMPLES = 64 << 20
"""Samples of all distinct pulses and weights of a job (512 MiB as complex64)."""

MAX_REFERENCES = 2_000_000
"""Instructions played in one shot, over all segments and channels."""

MAX_TABLE_ENTRIES = 1_000_000
"""Instructions, waveforms, acquisitions and their parts, over all channels."""

MAX_SEGMENTS = 100_000
"""Segments of a playlist."""

MAX_SPOTS = 100_000
"""Spots of a soft sweep."""

MAX_SETTINGS = 100_000
"""Nodes and leaves of the settings tree."""

_MAX_COMPARED = 1000


class Findings:
    """The mistakes of a payload, in the order in which they were found."""

    def __init__(self) -> None:
        self._listed: list[Problem] = []
        self._n_more = 0

    def add(self, where: str, what: str) -> None:
        """One more mistake."""
        if len(self._listed) < MAX_LISTED:
            self._listed.append(Problem(where, what))
        else:
            self._n_more += 1

    def nearest(self, name: str, known: Collection[str]) -> str:
        """``; did you mean X?``, or nothing; nothing too where nobody would read it."""
        if len(self) >= MAX_LISTED or len(known) > _MAX_COMPARED:
            return ""
        found = difflib.get_close_matches(name[:80], known, n=1)
        return f"; did you mean {short(found[0])}?" if found else ""

    def __len__(self) -> int:
        return len(self._listed) + self._n_more

    def problems(self) -> tuple[Problem, ...]:
        """The first hundred, and how many more there are."""
        if not self._n_more:
            return tuple(self._listed)
        return (*self._listed, Problem("", f"and {self._n_more} more mistakes"))


class Budget:
    """Samples that a job may still need; spent before they are computed."""

    def __init__(self, findings: Findings) -> None:
        self._left = MAX_TOTAL_SAMPLES
        self._findings = findings

    def spend(self, where: str, n_samples: int) -> bool:
        """Whether there is room for n_samples more; reports the first lack of it."""
        if n_samples <= self._left:
            self._left -= n_samples
            return True
        if self._left >= 0:
            self._findings.add(
                where,
                f"its distinct pulses need {n_samples} samples more; "
                f"a job may have {MAX_TOTAL_SAMPLES} in all",
            )
        self._left = -1
        return False


def short(text: str) -> str:
    """A name that came from outside, fit for a sentence."""
    return text if len(text) <= 80 else f"{text[:77]}..."
