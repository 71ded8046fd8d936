"""Three chips, three wrong sets: `labctl calibrate all --apply` brings every pair back, unattended.

Each takes half a minute of its own; `make calibrations` runs them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from chip_lab import activate, bell_pairs, chip_lab, other_chip, wrong_set
from labctl_runner import Labctl

OTHERS = ("QB1", "QB2", "QB4", "QB5")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not os.environ.get("LABD_CALIBRATE_CHIPS"), reason="make calibrations"),
]


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_every_pair_of_a_chip_is_brought_back(seed: int, tmp_path: Path) -> None:
    chip = other_chip(seed)
    with chip_lab(tmp_path, chip, seed) as (client, url):
        activate(client, wrong_set(chip, seed))
        before = bell_pairs(client, OTHERS)
        start = time.monotonic()

        told = Labctl(url).facts("calibrate", "all", "--apply", "--plots", str(tmp_path / "plots"))

        took_s = time.monotonic() - start
        after = bell_pairs(client, OTHERS)

    print(f"seed {seed}: {took_s:.0f} s, 00 + 11 before {before}, after {after}")
    assert told["stopped"] == []
    assert all(bell.holds for bell in after.values()), after
    assert not all(bell.holds for bell in before.values()), before
