"""One benchmark from its first job to its numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from labd.calibrate import benchmark
from labd.calibrate.bench import Bench
from labd.calibrate.lab import Lab
from labd.calibrate.session import NUMBERS, finding_facts
from labd.calibrate.values import Finding
from labd.calibrate.working_set import WorkingSet
from labd.client import Client


def measure(
    client: Client,
    kind: str,
    names: Sequence[str],
    *,
    base: bytes,
    order: benchmark.Order,
    folder: Path,
) -> list[Finding]:
    """Run one of BENCHMARKS with the gates of a stored set, and leave a plot and the numbers.

    names: qubits, pairs or couplers; all where there are none. base: the document of the set that
    the order names. Raises UnknownLocus, NotCalibratable, ClientError, JobNotCompleted.
    """
    from labd.calibrate.plots import save_figure

    lab = Lab.of(client)
    qubits, pairs = lab.chosen(names)
    folder.mkdir(parents=True, exist_ok=True)
    bench = Bench(client, lab, WorkingSet.of(base), tags=("benchmark", kind))
    match kind:
        case benchmark.RB1:
            findings = benchmark.one_qubit(bench, qubits, order)
        case benchmark.RB2:
            findings = benchmark.two_qubits(bench, pairs, order)
        case _:
            findings = benchmark.readout(bench, qubits, order)
    save_figure(findings, f"benchmark {kind}, {order.shots} shots", folder / f"{kind}.png")
    facts = {
        "kind": kind,
        "calibration_set_id": str(bench.working.parent_id),
        "findings": [finding_facts(each) for each in findings],
        "jobs": [str(job) for job in bench.jobs],
    }
    (folder / NUMBERS).write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return findings
