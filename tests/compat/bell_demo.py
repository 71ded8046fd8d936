"""A Bell pair with IQM's own client, unmodified: compile, submit, follow, fetch, draw.

Usage: python bell_demo.py http://localhost:50051/star5 [shots]
"""

from __future__ import annotations

import sys
import time

from iqm.pulla.pulla import Pulla
from iqm_lab import bell, compile_batch, counts, execute
from rich.console import Console
from rich.table import Table


def main(url: str, shots: int) -> None:
    console = Console(width=80)
    pulla = Pulla(url)
    playlist, context, settings = compile_batch(pulla, [bell()], shots)
    n_instructions = sum(
        len(channel.instruction_table) for channel in playlist.channel_descriptions.values()
    )
    console.print(
        f"IQM's compiler made {n_instructions} pulse instructions on "
        f"{len(playlist.channel_descriptions)} channels; submitting to {url}"
    )
    started = time.monotonic()
    (bits,) = execute(pulla, playlist, context, settings)
    elapsed_s = time.monotonic() - started

    table = Table(
        title=f"Bell pair QB1-QB3, {shots} shots, {elapsed_s:.1f} s from submit to counts"
    )
    table.add_column("QB1 QB3", justify="center")
    table.add_column("counts", justify="right")
    table.add_column("", width=46)
    found = counts(bits)
    for outcome in ("00", "01", "10", "11"):
        n_shots = found.get(outcome, 0)
        table.add_row(outcome, str(n_shots), "█" * round(46 * n_shots / max(found.values())))
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
