"""One calibration from its first job to its proposal: run a recipe, keep and store the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from labd.calibrate.bench import Bench
from labd.calibrate.lab import Lab
from labd.calibrate.recipe import Course, Stopped, Told, parts_of
from labd.calibrate.values import Fact, Finding, Quantity
from labd.calibrate.working_set import WorkingSet
from labd.client import CalibrationHead, Client

PROPOSAL = "proposed-set.json"
NUMBERS = "findings.json"
_LONGEST_NOTE = 400

Clock = Callable[[], datetime]
Say = Callable[[Told], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a calibration came to.

    told: every step that ran. stopped: what was given up. working: the set with what was found.
    """

    kind: str
    told: tuple[Told, ...]
    stopped: tuple[Stopped, ...]
    working: WorkingSet
    jobs: tuple[UUID, ...]

    @property
    def last(self) -> list[tuple[str, Finding]]:
        """The last finding of every step, experiment and locus, under the step's name."""
        found = {
            (told.part, told.title, finding.experiment, finding.locus): finding
            for told in self.told
            for finding in told.findings
        }
        return [(f"{part}: {title}", one) for (part, title, *_), one in found.items()]


def calibrate(
    client: Client,
    kind: str,
    names: Sequence[str],
    *,
    base: bytes,
    clock: Clock,
    folder: Path,
    say: Say,
) -> Outcome:
    """Run a recipe (one of CALIBRATIONS) from a stored set on; nothing is stored or activated yet.

    names: qubits, pairs or couplers; all where there are none. base: the set's document.
    folder: where plots and numbers go, step by step; made if there is none.
    Raises UnknownLocus, ClientError, JobNotCompleted.
    """
    from labd.calibrate.plots import save_findings

    lab = Lab.of(client)
    qubits, pairs = lab.chosen(names)
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(client, lab, WorkingSet.of(base), tags=("calibration", kind))
    told: list[Told] = []

    def accept(step: Told) -> None:
        told.append(step)
        for finding in step.findings:
            bench.working = bench.working.with_changes(finding.changes, clock())
        drawn.append(painter.submit(save_findings, step, folder))
        say(step)

    course, drawn = Course(bench, accept), list[Future[Path]]()
    try:
        with ThreadPoolExecutor(1, "plots") as painter:
            course.run(parts_of(kind), qubits, pairs)
        for each in drawn:
            each.result()
    finally:
        outcome = Outcome(
            kind, tuple(told), tuple(course.stopped), bench.working, tuple(bench.jobs)
        )
        (folder / NUMBERS).write_text(json.dumps(facts(outcome), indent=1), encoding="utf-8")
    (folder / PROPOSAL).write_bytes(outcome.working.document())
    return outcome


def propose(client: Client, outcome: Outcome, note: str = "") -> CalibrationHead:
    """Store the proposed set. Raises NotAllowed for those who may not import sets."""
    said = note or f"calibrate {outcome.kind}: {_summary(outcome)}"
    return client.calibration_sets.store(
        outcome.working.document(),
        parent_id=outcome.working.parent_id,
        note=said[:_LONGEST_NOTE],
    )


def facts(outcome: Outcome) -> dict[str, Fact]:
    """The numbers as JSON."""
    return {
        "kind": outcome.kind,
        "parent_id": str(outcome.working.parent_id),
        "steps": [
            {
                "number": told.number,
                "part": told.part,
                "step": told.title,
                "findings": [finding_facts(each) for each in told.findings],
            }
            for told in outcome.told
        ],
        "stopped": [
            {"locus": each.locus, "part": each.part, "reason": each.reason}
            for each in outcome.stopped
        ],
        "changed": [*sorted(outcome.working.changed)],
        "jobs": list(map(str, outcome.jobs)),
    }


def finding_facts(finding: Finding) -> dict[str, Fact]:
    """One finding as JSON."""
    return {
        "locus": finding.locus,
        "verdict": finding.verdict.grade.value,
        "reason": finding.verdict.reason,
        "is_settled": finding.is_settled,
        "numbers": {name: _quantity(each) for name, each in finding.numbers.items()},
        "changes": {path: _quantity(each) for path, each in finding.changes.items()},
    }


def _quantity(quantity: Quantity) -> dict[str, Fact]:
    known = quantity.uncertainty if quantity.uncertainty < float("inf") else None
    return {"value": quantity.value, "uncertainty": known, "unit": quantity.unit}


def _summary(outcome: Outcome) -> str:
    loci = sorted({finding.locus for _, finding in outcome.last})
    rest = "; ".join(f"{each.locus} stopped at {each.part}" for each in outcome.stopped)
    return f"{len(outcome.working.changed)} observations, {', '.join(loci)}" + (
        f"; {rest}" if rest else ""
    )
