"""A measurement without instruments: zeros volts, through the real compiler to a real result."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from labd.core.demod import Demodulator
from labd.core.program import Records
from labd.core.rig import RigModule
from labd.rack.messages import Run
from labd.rack.preparation import Workshop, prepare
from labd.rack.stopwatch import Stopwatch
from labd.wiring_file import read_wiring

N_BLOCKS = 10


def measure(
    order: Run, wiring_path: Path, n_blocks: int, finishes: bool
) -> Iterator[tuple[int, int]]:
    """Write so many of ten blocks of shots; after each, shots done and shots in all."""
    wiring = read_wiring(wiring_path)
    module = cast("RigModule", importlib.import_module(wiring.rig))
    prepared = prepare(order, Workshop(module, wiring, None, 1 << 33), Stopwatch())
    job, n_shots = prepared.job, prepared.job.n_shots // N_BLOCKS
    demodulator = Demodulator(job)
    shape = (n_shots, job.program.n_triggers, job.program.record_samples)
    records = Records(n_shots, {name: np.zeros(shape, np.complex64) for name in job.acquisitions})
    with prepared.open_result(Path(order.result_path)) as result:
        for block in range(n_blocks):
            result.write(0, block * n_shots, demodulator.values(records))
            yield (block + 1) * n_shots, job.n_shots
        if finishes:
            result.finish()
