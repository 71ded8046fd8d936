"""A few power cuts; `make power-cuts` makes a hundred."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from power_cuts import cut_power

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def cut(folder: Path, n_cuts: int, synchronous: str) -> tuple[bool, str]:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system and cuts its power")
    try:
        tally = cut_power(folder, n_cuts, synchronous, seed=3)
    except OSError as error:
        pytest.skip(f"no loop-mounted ext4 here: {error}")
    assert tally.acknowledged
    return tally.is_good, str(tally)


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    is_good, told = cut(tmp_path, 2, "FULL")

    assert is_good, told


def test_the_same_cuts_show_what_a_weaker_setting_loses(tmp_path: Path) -> None:
    is_good, told = cut(tmp_path, 2, "NORMAL")

    assert not is_good, told
