"""Forecasts of a simulated day, made when the jobs come, with nothing known at the beginning."""

from __future__ import annotations

import pytest

from benchmarks.lab_trace import Machine, score


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nine_of_ten_jobs_start_before_their_p90(seed: int) -> None:
    jobs = Machine(seed, 500).run()

    result = score(jobs)

    assert len(jobs) == 500
    assert result.n_judged > 400
    assert result.before_p90 >= 0.9
    assert result.before_p90_of_waiting >= 0.9
    assert 0.3 < result.before_p50 < 0.7
    assert result.p90_by_wait < 5.0
    assert 0.87 < result.runs_within_p90 < 0.97
