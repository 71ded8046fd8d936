"""What labctl prints of calibrations and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from labd.calibrate.values import Finding, Grade
from labd.cli.tables import plain_table

_STYLES = {Grade.GOOD: "green", Grade.DOUBTFUL: "yellow", Grade.BAD: "red"}


def findings_table(findings: Sequence[tuple[str, Finding]]) -> Table:
    """A line a finding, by what was measured and where; the sentence may take several lines."""
    table = plain_table("what", "where", "verdict")
    table.add_column("because", overflow="fold")
    for what, finding in findings:
        verdict = finding.verdict
        table.add_row(
            what, finding.locus, Text(verdict.grade.value, _STYLES[verdict.grade]), verdict.reason
        )
    return table
