"""What is calibrated after what, how often it is tried, and where it ends.

A part of the recipe is a list of steps, from far-looking to fine. A step is repeated with more
shots while it has not settled; where it went bad, its part begins again for those loci. A locus
that stays bad is left out of all that comes later, with the reason, and what its part changed of it
is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from labd.calibrate import amplitude, cz, drag, frequency, readout, relaxation
from labd.calibrate.bench import Bench
from labd.calibrate.lab import Pair
from labd.calibrate.stage import NotCalibratable
from labd.calibrate.values import Finding

Run = Callable[[Bench, Sequence[str], int], list[Finding]]
"""bench, loci, shots."""


@dataclass(frozen=True, slots=True)
class Step:
    """One experiment. rounds: at most so often in a row.

    must_settle: a locus that has not settled by then is bad.
    """

    title: str
    run: Run
    shots: int
    rounds: int = 1
    must_settle: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Steps of one kind. of_pairs: its loci are pairs of qubits. tries: from its first step on.

    is_needed: what comes later cannot do without it.
    """

    name: str
    steps: tuple[Step, ...]
    of_pairs: bool = False
    is_needed: bool = True
    tries: int = 2


@dataclass(frozen=True, slots=True)
class Stopped:
    """A locus that could not be calibrated further. part: where; reason: a sentence.

    is_needed: gates or readout are without it.
    """

    locus: str
    part: str
    reason: str
    is_needed: bool = True


def _pairs_of(bench: Bench, loci: Sequence[str]) -> list[Pair]:
    return [pair for pair in bench.lab.pairs if pair.locus in loci]


def _ramsey(reach: frequency.Reach) -> Run:
    return lambda bench, loci, shots: frequency.ramsey(bench, loci, reach, shots)


def _amplify(most_pulses: int) -> Run:
    return lambda bench, loci, shots: amplitude.amplify(bench, loci, most_pulses, shots)


def _drag(n_pairs: int, reach: float) -> Run:
    return lambda bench, loci, shots: drag.drag(bench, loci, n_pairs, reach, shots)


def _lose(which: str) -> Run:
    return lambda bench, loci, shots: relaxation.lose(
        bench, loci, which, relaxation.span_of(bench, loci, which), shots
    )


def _cz_amplitude(n_gates: int) -> Run:
    return lambda bench, loci, shots: cz.amplitude(bench, _pairs_of(bench, loci), n_gates, shots)


def _cz_phases(n_gates: int) -> Run:
    return lambda bench, loci, shots: cz.phases(bench, _pairs_of(bench, loci), n_gates, shots)


_READOUT_CLOUDS = Step("clouds", readout.clouds, 250, rounds=3, must_settle=True)
_FREQUENCY_COARSE = Step("Ramsey, coarse", _ramsey(frequency.COARSE), 60)
_FREQUENCY_FINE = Step("Ramsey, fine", _ramsey(frequency.FINE), 80, rounds=3, must_settle=True)
_RABI = Step("Rabi", amplitude.rabi, 80, rounds=2)
_AMPLIFY = Step("error amplification", _amplify(10), 120, rounds=2)
_AMPLIFY_MORE = Step("error amplification, long", _amplify(36), 150, rounds=3, must_settle=True)
_DRAG = Step("DRAG", _drag(1, 0.25), 120, rounds=2)
_DRAG_FINE = Step("DRAG, fine", _drag(5, 0.06), 150, rounds=3, must_settle=True)

PARTS: Mapping[str, Part] = {
    "readout": Part(
        "readout", (Step("frequency of the probe", readout.scan, 50, rounds=2), _READOUT_CLOUDS)
    ),
    "frequency": Part("frequency", (_FREQUENCY_COARSE, _FREQUENCY_FINE)),
    "amplitude": Part("amplitude", (_RABI, _AMPLIFY, _AMPLIFY_MORE)),
    "drag": Part("drag", (_DRAG, _DRAG_FINE)),
    "t1": Part("t1", (Step("T1", _lose(relaxation.T1), 200, rounds=3),), is_needed=False),
    "t2": Part(
        "t2",
        (
            Step("T2, Ramsey", _lose(relaxation.T2), 200, rounds=3),
            Step("T2, echo", _lose(relaxation.ECHO), 250, rounds=3),
        ),
        is_needed=False,
    ),
    "cz": Part(
        "cz",
        (
            Step("conditional phase, far", _cz_amplitude(1), 80, rounds=2),
            Step("conditional phase, near", _cz_amplitude(5), 100, rounds=3, must_settle=True),
            Step("frames", _cz_phases(1), 80),
            Step("frames, amplified", _cz_phases(4), 100, rounds=3, must_settle=True),
        ),
        of_pairs=True,
    ),
}
"""What can be calibrated by itself."""

_ALL: tuple[Part, ...] = (
    PARTS["readout"],
    Part("frequency", (_FREQUENCY_COARSE,)),
    Part("amplitude", (_RABI, _AMPLIFY)),
    Part("frequency", (_FREQUENCY_FINE,)),
    PARTS["drag"],
    Part("amplitude", (_AMPLIFY_MORE,)),
    Part("readout", (_READOUT_CLOUDS,)),
    PARTS["t1"],
    PARTS["t2"],
    PARTS["cz"],
)


def parts_of(kind: str) -> tuple[Part, ...]:
    """The parts of one of CALIBRATIONS, in order."""
    return _ALL if kind == "all" else (PARTS[kind],)


@dataclass(frozen=True, slots=True)
class Told:
    """A step that was run once: what it found. number: counts all that ran."""

    number: int
    part: str
    title: str
    findings: tuple[Finding, ...]


class Course:
    """A recipe on its way. accept: takes over what a step found, before the next one.

    stopped: loci that were given up, in order.
    """

    def __init__(self, bench: Bench, accept: Callable[[Told], None]) -> None:
        self._bench = bench
        self._accept = accept
        self._n_run = 0
        self._lost: set[str] = set()
        self._touched: dict[str, set[str]] = {}
        self.stopped: list[Stopped] = []

    def run(self, parts: Sequence[Part], qubits: Sequence[str], pairs: Sequence[Pair]) -> None:
        """All parts on all loci that have not been given up."""
        for part in parts:
            lost = self._lost
            if part.of_pairs:
                loci = []
                for pair in pairs:
                    missing = sorted(lost & set(pair.qubits))
                    if missing:
                        reason = f"{' and '.join(missing)} could not be calibrated"
                        self.stopped.append(Stopped(pair.locus, part.name, reason))
                    else:
                        loci.append(pair.locus)
            else:
                loci = [qubit for qubit in qubits if qubit not in lost]
            self._run_part(part, [locus for locus in loci if locus not in lost])

    def _run_part(self, part: Part, loci: Sequence[str]) -> None:
        pending, before = list(loci), self._bench.working
        reasons: dict[str, str] = {}
        self._touched = {locus: set() for locus in loci}
        for attempt in range(part.tries):
            going, reasons = list(pending), {}
            for step in part.steps:
                bad = self._run_step(part, step, going, 2**attempt)
                reasons |= bad
                going = [locus for locus in going if locus not in bad]
            pending = list(reasons)
            if not pending:
                return
        self.stopped += [
            Stopped(locus, part.name, why, part.is_needed) for locus, why in reasons.items()
        ]
        for locus in reasons:
            self._bench.working = self._bench.working.restored(before, self._touched[locus])
        if part.is_needed:
            self._lost |= reasons.keys()

    def _run_step(self, part: Part, step: Step, loci: Sequence[str], more: int) -> dict[str, str]:
        """Loci that stayed bad, with the reason; those that have not settled are repeated."""
        pending, shots = list(loci), step.shots * more
        bad: dict[str, str] = {}
        refused: dict[str, str] = {}
        unsettled: dict[str, str] = {}
        for _ in range(step.rounds):
            if not pending:
                break
            found, more_refused = self._try(part, step, pending, shots)
            refused |= more_refused
            bad = {one.locus: one.verdict.reason for one in found if one.is_bad}
            unsettled = {
                one.locus: f"did not settle in {step.rounds} rounds: {one.verdict.reason}"
                for one in found
                if not one.is_settled
            }
            pending = [locus for locus in pending if locus in bad.keys() | unsettled.keys()]
            shots = step.shots * more * 2
        return (unsettled if step.must_settle else {}) | bad | refused

    def _try(
        self, part: Part, step: Step, loci: list[str], shots: int
    ) -> tuple[list[Finding], dict[str, str]]:
        """Run once; loci whose set does not allow it are refused one by one."""
        refused: dict[str, str] = {}
        going = list(loci)
        while going:
            try:
                found = step.run(self._bench, going, shots)
            except NotCalibratable as error:
                refused[error.locus] = error.what
                if error.locus not in going:
                    raise
                going.remove(error.locus)
                continue
            self._n_run += 1
            for one in found:
                self._touched[one.locus] |= one.changes.keys()
            self._accept(Told(self._n_run, part.name, step.title, tuple(found)))
            return found, refused
        return [], refused
