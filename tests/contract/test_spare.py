"""The room that is given back when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path

from labd.store.spare import SPARE_BYTES, Spare


def test_spare_room_is_taken_once_given_back_once_and_taken_anew(tmp_path: Path) -> None:
    path = tmp_path / "spare"
    spare = Spare(path, reserve_bytes=SPARE_BYTES)

    taken = [spare.take(), spare.take()]
    n_bytes = path.stat().st_blocks * 512
    spare.give()
    spare.give()

    assert taken == [True, False]
    assert n_bytes >= SPARE_BYTES
    assert not path.exists()
    assert spare.take()


def test_the_reserve_is_left_alone(tmp_path: Path) -> None:
    stat = os.statvfs(tmp_path)
    nearly_all = stat.f_blocks * stat.f_frsize

    assert not Spare(tmp_path / "spare", reserve_bytes=nearly_all).take()
    assert not Spare(tmp_path / "spare", reserve_bytes=0).take()
    assert not (tmp_path / "spare").exists()


def test_half_a_spare_is_made_whole(tmp_path: Path) -> None:
    path = tmp_path / "spare"
    path.write_bytes(bytes(100))

    assert Spare(path, reserve_bytes=SPARE_BYTES).take()

    assert path.stat().st_size == SPARE_BYTES
