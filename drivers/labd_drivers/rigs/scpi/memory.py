"""What one AWG holds, and what it must be sent for a sequence. Pure: it only keeps the books.

Law: whoever cannot carry out a `Load` to its end must `forget` everything and empty the AWG.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from labd_drivers.rigs.scpi.plan import AwgPlan, Content, Step, Waveform, render

MAX_HELD_BYTES: Final = 400_000_000
"""Waveforms beyond this are deleted from the AWG, least recently used first."""
MAX_HELD_SEQUENCES: Final = 16
"""Sequences beyond this are deleted, least recently used first."""
MAX_NAMED_CONTENTS: Final = 10_000
"""Recipes whose waveform's name is remembered: so many that were used last, or all of a program."""

Blocks = Mapping[bytes, npt.NDArray[np.complex64]]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, in this order: deletions, uploads, definitions. All empty: nothing to do.

    n_waveforms: distinct waveforms of the sequence, uploaded or held already.
    """

    n_waveforms: int
    deletions: tuple[str, ...]
    uploads: tuple[Waveform, ...]
    definitions: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the AWG is ready as it is."""
        return not (self.deletions or self.uploads or self.definitions)


class AwgMemory:
    """The books of one AWG. outputs: the numbers of all its wired outputs."""

    def __init__(
        self,
        outputs: Sequence[int],
        *,
        max_bytes: int = MAX_HELD_BYTES,
        max_sequences: int = MAX_HELD_SEQUENCES,
    ) -> None:
        self._outputs = tuple(outputs)
        self._max_bytes = max_bytes
        self._max_sequences = max_sequences
        self._names: dict[Content, str] = {}
        self._older_names: dict[Content, str] = {}
        self._waveforms: OrderedDict[str, int] = OrderedDict()
        self._sequences: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._playing: tuple[str, tuple[int, ...]] | None = None

    def forget(self) -> None:
        """The AWG is empty."""
        self._waveforms.clear()
        self._sequences.clear()
        self._playing = None

    def load(self, plan: AwgPlan, blocks: Blocks) -> Load:
        """Note that the AWG holds the plan's sequence from now on, and say what makes it true."""
        rendered = self._name(plan, blocks)
        names = [tuple(self._names[content] for content in step.contents) for step in plan.steps]
        used = frozenset(name for step_names in names for name in step_names)
        sequence = _sequence_name(plan.steps, names)

        missing = used.difference(self._waveforms)
        for content, name in self._names_of(plan):
            if name in missing and name not in rendered:
                rendered[name] = render(content, blocks)
        uploads = tuple(rendered[name] for name in sorted(missing))
        deletions = [*self._make_room(used, sum(waveform.n_bytes for waveform in uploads))]
        for waveform in uploads:
            self._waveforms[waveform.name] = waveform.n_bytes
        for name in used:
            self._waveforms.move_to_end(name)

        definitions: list[str] = []
        if sequence not in self._sequences:
            while len(self._sequences) >= self._max_sequences:
                deletions.append(self._drop_sequence(next(iter(self._sequences))))
            definitions += _definition(sequence, plan, names)
            self._sequences[sequence] = used
        self._sequences.move_to_end(sequence)
        if self._playing != (sequence, plan.channels):
            definitions += self._assignment(sequence, plan.channels)
            self._playing = (sequence, plan.channels)
        return Load(len(used), tuple(deletions), uploads, tuple(definitions))

    def _name(self, plan: AwgPlan, blocks: Blocks) -> dict[str, Waveform]:
        """Learn the names of new recipes; the waveforms that had to be rendered for that."""
        if len(self._names) > MAX_NAMED_CONTENTS:
            self._older_names, self._names = self._names, {}
        rendered: dict[str, Waveform] = {}
        for step in plan.steps:
            for content in step.contents:
                if content in self._names:
                    continue
                name = self._older_names.get(content)
                if name is None:
                    waveform = render(content, blocks)
                    name = waveform.name
                    rendered[name] = waveform
                self._names[content] = name
        return rendered

    def _names_of(self, plan: AwgPlan) -> Iterator[tuple[Content, str]]:
        for content in {content for step in plan.steps for content in step.contents}:
            yield content, self._names[content]

    def _make_room(self, used: frozenset[str], n_bytes: int) -> Iterator[str]:
        """Commands that delete the waveforms used longest ago, and the sequences with them."""
        excess = sum(self._waveforms.values()) + n_bytes - self._max_bytes
        for name in [name for name in self._waveforms if name not in used]:
            if excess <= 0:
                return
            for sequence in [s for s, names in self._sequences.items() if name in names]:
                yield self._drop_sequence(sequence)
            excess -= self._waveforms.pop(name)
            yield f'WLISt:WAVeform:DELete "{name}"'

    def _drop_sequence(self, sequence: str) -> str:
        del self._sequences[sequence]
        if self._playing is not None and self._playing[0] == sequence:
            self._playing = None
        return f'SLISt:SEQuence:DELete "{sequence}"'

    def _assignment(self, sequence: str, channels: tuple[int, ...]) -> Iterator[str]:
        """Commands that put the tracks on their outputs and leave all other outputs empty."""
        for track, number in enumerate(channels, start=1):
            yield f'SOURce{number}:CASSet:SEQuence "{sequence}",{track}'
        for number in self._outputs:
            if number not in channels:
                yield f"SOURce{number}:CASSet:CLEar"


def _sequence_name(steps: Sequence[Step], names: Sequence[tuple[str, ...]]) -> str:
    digest = blake2b(digest_size=12)
    for step, step_names in zip(steps, names, strict=True):
        digest.update(f"{','.join(step_names)};{step.repeat};{step.waits_for_trigger}\n".encode())
    return f"s{digest.hexdigest()}"


def _definition(sequence: str, plan: AwgPlan, names: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Commands that define a sequence which plays for ever; steps count from 1."""
    yield f'SLISt:SEQuence:NEW "{sequence}",{len(plan.steps)},{len(plan.channels)}'
    for number, (step, step_names) in enumerate(zip(plan.steps, names, strict=True), start=1):
        head = f"SLISt:SEQuence:STEP{number}"
        for track, name in enumerate(step_names, start=1):
            yield f'{head}:TASSet{track}:WAVeform "{sequence}","{name}"'
        if step.repeat > 1:
            yield f'{head}:RCOunt "{sequence}",{step.repeat}'
        if step.waits_for_trigger:
            yield f'{head}:WINPut "{sequence}",ATRigger'
    yield f'SLISt:SEQuence:STEP{len(plan.steps)}:GOTO "{sequence}",FIRSt'
