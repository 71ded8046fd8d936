"""Run by the environment of IQM's own packages: how fast their compiler compiles some circuits.

Usage: python pulla_rate.py URL CIRCUITS.json. Prints circuits per second, the best of a few runs;
the circuits are as their client of circuits writes them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from iqm.pulla.pulla import Pulla
from iqm.pulse import Circuit, CircuitOperation

N_RUNS = 2


def main(url: str, path: str) -> None:
    """Compile the circuits to a playlist, again and again."""
    circuits = [
        Circuit(
            name=each["name"],
            instructions=tuple(
                CircuitOperation(name=gate["name"], locus=tuple(gate["locus"]), args=gate["args"])
                for gate in each["instructions"]
            ),
        )
        for each in json.loads(Path(path).read_text())
    ]
    compiler = Pulla(url).get_standard_compiler()
    times_s = []
    for _ in range(N_RUNS):
        started = time.perf_counter()
        compiler.compile(circuits)
        times_s.append(time.perf_counter() - started)
    print(len(circuits) / min(times_s))


if __name__ == "__main__":
    main(*sys.argv[1:])
