"""`make bench`: measure labd against the plain way of doing the same thing, in one run each.

Prints a table and writes benchmarks/results.json. Names given as arguments select benchmarks.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.row import Row

MODULES = (
    *("turnaround", "stream", "submit", "chip", "start"),
    *("million", "subscribers", "forecast", "compile", "batch"),
)
RESULTS = Path(__file__).with_name("results.json")


def measure(names: tuple[str, ...]) -> list[Row]:
    """Run the named benchmarks one after the other (the machine is small)."""
    rows: list[Row] = []
    for name in names:
        module = importlib.import_module(f"benchmarks.bench_{name}")
        started = time.monotonic()
        rows += module.measure()
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return rows


def table_of(rows: list[Row]) -> Table:
    """The rows as a terminal table."""
    table = Table(title="labd against the plain way, measured in one run")
    for column, justify in (("what", "left"), ("labd", "right"), ("other", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_column("ratio", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for row in rows:
        sign = "≥" if row.better == "higher" else "≤"
        table.add_row(
            f"{row.name}\n  [dim]against {row.other_is}[/dim]",
            f"{row.ours:.4g} {row.unit}",
            f"{row.other:.4g} {row.unit}",
            f"{row.ratio:.3g}",
            f"{sign} {row.target:g}",
            "[green]met[/green]" if row.is_met else "[red]missed[/red]",
        )
    return table


def main() -> int:
    """Measure, print, write; 0 if every target is met."""
    rows = measure(tuple(sys.argv[1:]) or MODULES)
    Console(width=110).print(table_of(rows))
    RESULTS.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
