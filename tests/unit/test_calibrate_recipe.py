"""The course of a recipe: what is repeated, what is given up, what is undone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np

from labd.calibrate.bench import Bench
from labd.calibrate.kinds import CALIBRATIONS
from labd.calibrate.lab import Lab, Pair
from labd.calibrate.recipe import Course, Part, Step, Told, parts_of
from labd.calibrate.stage import NotCalibratable
from labd.calibrate.values import Finding, Grade, Picture, Quantity, Verdict
from labd.calibrate.working_set import WorkingSet
from labd.core.station_description import Chip

STAR5 = Path(__file__).parents[2] / "config" / "star5"
PROPERTIES = Path(__file__).parents[1] / "data" / "chip" / "channel-properties.json"
BLANK = Picture("", "", ())
PAIRS = (Pair("A__B", ("A", "B"), "T1"), Pair("B__C", ("B", "C"), "T2"))


class Records:
    """A bench that plays nothing, and what a course had run on it."""

    def __init__(self) -> None:
        self.working = WorkingSet.of((STAR5 / "calibration-set.json").read_bytes())
        self.ran: list[tuple[str, tuple[str, ...], int]] = []

    def accept(self, told: Told) -> None:
        for finding in told.findings:
            self.working = self.working.with_changes(finding.changes, datetime.now(UTC))

    def course(self) -> Course:
        return Course(cast(Bench, self), self.accept)

    def step(
        self,
        title: str,
        judge: Callable[[str, int], Finding],
        *,
        rounds: int = 1,
        must_settle: bool = False,
    ) -> Step:
        def run(bench: Bench, loci: Sequence[str], shots: int) -> list[Finding]:
            self.ran.append((title, tuple(loci), shots))
            return [judge(locus, len(self.ran)) for locus in loci]

        return Step(title, run, 100, rounds, must_settle)


def good(locus: str, number: int = 0) -> Finding:
    new = Quantity(float(number), 0.1)
    return Finding(
        "x", locus, {}, Verdict(Grade.GOOD, "fine"), BLANK, {f"metrics.x.{locus}.y": new}
    )


def bad(locus: str) -> Finding:
    return Finding("x", locus, {}, Verdict(Grade.BAD, "hopeless"), BLANK)


def unsettled(locus: str, number: int = 0) -> Finding:
    new = {f"metrics.x.{locus}.y": Quantity(float(number), 0.1)}
    return Finding("x", locus, {}, Verdict(Grade.GOOD, "far"), BLANK, new, is_settled=False)


def test_what_has_not_settled_is_repeated_with_more_shots() -> None:
    records = Records()
    step = records.step("s", lambda q, n: good(q) if q == "A" or n > 1 else unsettled(q), rounds=3)

    records.course().run([Part("p", (step,))], ["A", "B"], ())

    assert records.ran == [("s", ("A", "B"), 100), ("s", ("B",), 200)]


def test_a_locus_that_went_bad_begins_its_part_again() -> None:
    records = Records()
    steps = (
        records.step("far", good),
        records.step("near", lambda q, n: bad(q) if q == "B" and n == 2 else good(q)),
    )
    course = records.course()

    course.run([Part("p", steps)], ["A", "B"], ())

    assert records.ran[2:] == [("far", ("B",), 200), ("near", ("B",), 200)]
    assert course.stopped == []


def test_what_stays_bad_is_given_up_with_its_pairs_and_undone() -> None:
    records = Records()
    steps = (
        records.step("far", good),
        records.step("near", lambda q, _: bad(q) if q == "A" else good(q)),
    )
    pairs = Part("cz", (records.step("pairs", good),), of_pairs=True)
    course = records.course()

    course.run([Part("p", steps), pairs], ["A", "B", "C"], PAIRS)

    assert [(each.locus, each.part) for each in course.stopped] == [("A", "p"), ("A__B", "cz")]
    assert "hopeless" in course.stopped[0].reason
    assert records.ran[-1] == ("pairs", ("B__C",), 100)
    assert "metrics.x.A.y" not in records.working.observations
    assert records.working.changed == {f"metrics.x.{each}.y" for each in ("B", "C", "B__C")}


def test_what_is_not_needed_stops_nothing_else() -> None:
    records = Records()
    lifetimes = Part("t1", (records.step("t1", lambda q, _: bad(q)),), is_needed=False)
    course = records.course()

    course.run([lifetimes, Part("p", (records.step("after", good),))], ["A"], ())

    assert [each.is_needed for each in course.stopped] == [False]
    assert records.ran[-1][0] == "after"


def test_what_must_settle_and_does_not_is_given_up() -> None:
    records = Records()
    step = records.step("s", unsettled, rounds=2, must_settle=True)
    course = records.course()

    course.run([Part("p", (step,))], ["A"], ())

    assert len(records.ran) == 4
    assert course.stopped[0].reason.startswith("did not settle in 2 rounds")
    assert records.working.changed == frozenset()


def test_a_locus_without_what_an_experiment_begins_from_is_told_and_left_out() -> None:
    records = Records()

    def judge(qubit: str, _: int) -> Finding:
        if qubit == "B":
            raise NotCalibratable("B", "the set has no prx")
        return good(qubit)

    course = records.course()
    course.run([Part("p", (records.step("s", judge),))], ["A", "B"], ())

    assert [(each.locus, each.reason) for each in course.stopped] == [("B", "the set has no prx")]
    assert "metrics.x.A.y" in records.working.changed


def test_every_kind_has_a_recipe() -> None:
    assert all(parts_of(kind) for kind in CALIBRATIONS)


def test_names_mean_qubits_and_the_pairs_between_them() -> None:
    record = json.loads((STAR5 / "chip-design-record.json").read_text())
    properties = json.loads(PROPERTIES.read_text())
    lab = Lab.described(Chip.from_design_record(record), properties)

    def chosen(*names: str) -> tuple[tuple[str, ...], list[str]]:
        qubits, pairs = lab.chosen(names)
        return qubits, [pair.locus for pair in pairs]

    assert len(lab.qubits) == 5
    assert chosen("QB3", "QB1") == (("QB1", "QB3"), ["QB1__QB3"])
    assert chosen("QB1") == (("QB1",), [])
    assert chosen("QB3__QB2") == chosen("TC-2-3") == (("QB2", "QB3"), ["QB2__QB3"])
    assert len(chosen()[1]) == 4
    assert np.isclose(lab.on_grid(41e-9), 40e-9)
