"""The result of a circuit job while it is measured: however blocks come, the bytes are the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labd.core.circuit_results import ReadoutMap, readout_map
from labd.rack import measurements_file
from labd.rack.measurements_file import MeasurementsFile

N_SHOTS = 50


@pytest.fixture
def readout() -> ReadoutMap:
    one = (("m", ("A", "B")), ("n", ("C",)))
    return readout_map([("heralded", one, ("H",)), ("plain", (("m", ("B",)),), ())])


def written(path: Path, readout: ReadoutMap, n_block: int) -> bytes:
    rng = np.random.default_rng(2)
    values = {
        label: rng.integers(0, 2, (N_SHOTS, n)).astype(np.uint8)
        for label, n in readout.n_triggers.items()
    }
    with MeasurementsFile(path, readout, N_SHOTS) as file:
        for first in range(0, N_SHOTS, n_block):
            block = {label: bits[first : first + n_block] for label, bits in values.items()}
            file.write(0, first, block)
        file.finish()
    return path.read_bytes()


@pytest.mark.parametrize("collected_bits", [1, 40, 1 << 19])
@pytest.mark.parametrize("n_block", [1, 7])
def test_blocks_make_the_same_file_as_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    readout: ReadoutMap,
    collected_bits: int,
    n_block: int,
) -> None:
    at_once = written(tmp_path / "once.bin", readout, N_SHOTS)
    monkeypatch.setattr(measurements_file, "COLLECTED_BITS", collected_bits)

    in_blocks = written(tmp_path / "blocks.bin", readout, n_block)

    assert in_blocks == at_once
    heralded, plain = json.loads(at_once)
    assert len(heralded["m"]) == len(heralded["n"]) < N_SHOTS == len(plain["m"])


def test_missing_shots_are_no_result(tmp_path: Path, readout: ReadoutMap) -> None:
    block = {label: np.zeros((3, n), np.uint8) for label, n in readout.n_triggers.items()}

    with MeasurementsFile(tmp_path / "r.bin", readout, N_SHOTS) as file:
        file.write(0, 0, block)
        with pytest.raises(ValueError, match="3 of 50 shots"):
            file.finish()
        with pytest.raises(ValueError, match="after 3 shots"):
            file.write(0, 9, block)

    assert not (tmp_path / "r.bin").exists()
