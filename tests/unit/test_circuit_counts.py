"""Bitstrings counted in the bytes of a result."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labd.core import circuit_counts
from labd.core.circuit_counts import count_circuits
from labd.core.circuit_results import readout_map
from labd.rack.measurements_file import MeasurementsFile

KEYS = ("m", 'odd "key"\\', "ä]}{[")


def write(path: Path, n_shots: int, n_bits: int, *, heralded: bool = False) -> bytes:
    """A result of two circuits, the first with three keys, as the rack writes it."""
    rng = np.random.default_rng(3)
    labels = [f"L{index}" for index in range(n_bits)]
    cut = sorted(rng.integers(1, n_bits, 2).tolist())
    locuses = [labels[: cut[0]], labels[cut[0] : cut[1] + 1], labels[cut[1] :]]
    results = tuple((key, tuple(locus)) for key, locus in zip(KEYS, locuses, strict=True))
    heralds = ("H",) if heralded else ()
    readout = readout_map([("a", results, heralds), ("b", (("m", tuple(labels)),), ())])
    names = [*labels, *heralds]
    values = {
        name: rng.integers(0, 2, (n_shots, readout.n_triggers[name])).astype(float)
        for name in names
    }
    with MeasurementsFile(path, readout, n_shots) as file:
        file.write(0, 0, values)
        file.finish()
    return path.read_bytes()


def expected(circuit: dict[str, list[list[int]]]) -> dict[str, int]:
    rows = zip(*circuit.values(), strict=True)
    return dict(Counter("".join(str(bit) for key in row for bit in key) for row in rows))


@pytest.mark.parametrize("n_bits", [3, 8, 9, 64, 70])
@pytest.mark.parametrize("heralded", [False, True])
def test_counts_are_those_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_bits: int, heralded: bool
) -> None:
    monkeypatch.setattr(circuit_counts, "BLOCK_SHOTS", 64)
    data = write(tmp_path / "r.bin", 200, n_bits, heralded=heralded)

    counted = list(count_circuits(data))

    parsed = json.loads(data)
    assert [each.keys for each in counted] == [tuple(each) for each in parsed]
    assert [dict(each.counts) for each in counted] == [expected(each) for each in parsed]


def test_where_heralding_drops_every_shot_nothing_is_counted() -> None:
    data = b'[{"m":[' + b" " * 24 + b"]}]"

    (counted,) = count_circuits(data)

    assert counted.keys == ("m",)
    assert counted.counts == {}


def test_other_texts_are_refused_or_read_but_never_hang() -> None:
    good = b'[{"m":[[0,1],[1,1] ]},{"n":[[1],[0] ]}]'
    rng = random.Random(5)

    for _ in range(500):
        data = bytearray(good)
        data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            list(count_circuits(bytes(data[: rng.randrange(1, len(data) + 1)])))
        except ValueError:
            continue

    assert [dict(each.counts) for each in count_circuits(good)] == [
        {"01": 1, "11": 1},
        {"0": 1, "1": 1},
    ]
