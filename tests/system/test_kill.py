"""Kill daemon, rack and guard at random moments under load. LABD_KILLS sets how often (50)."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest
from kill_storm import BACK_WITHIN_S, storm

N_KILLS = int(os.environ.get("LABD_KILLS", "50"))


@pytest.mark.slow
@pytest.mark.timeout(120 + 15 * N_KILLS)
def test_no_job_is_lost_none_runs_twice_and_every_output_is_safe_in_time(tmp_path: Path) -> None:
    report = storm(tmp_path, N_KILLS, seed=int.from_bytes(os.urandom(4)), tell=lambda _: None)

    assert report.lost == report.doubled == report.unfinished == [], report
    assert report.out_of_order == 0, report
    assert report.unsafe == [], "\n".join((str(report), *report.stories))
    assert len(report.acknowledged) > N_KILLS, report
    assert report.states["COMPLETED"] > report.states["INTERRUPTED"], report
    assert statistics.median(report.restart_s) < BACK_WITHIN_S, report
