"""How forecasts of starts turn out: simulated days of 500 jobs, each with nothing known at first.

`python -m benchmarks.bench_forecast [DAYS [JOBS]]` prints every day.
"""

from __future__ import annotations

import statistics
import sys

from benchmarks.lab_trace import Machine, Score, score
from benchmarks.row import Row

N_DAYS = 20
N_JOBS = 500


def measure() -> list[Row]:
    """Rows: the worst day's share of jobs that start before p90; its median over the wait."""
    scores = _scores(N_DAYS, N_JOBS)
    worst = min(each.before_p90 for each in scores)
    share = statistics.mean(each.before_p90 for each in scores)
    p50 = statistics.mean(each.before_p50 for each in scores)
    ratio = statistics.mean(each.p90_by_wait for each in scores)
    day = f"of a simulated day of {N_JOBS} jobs"
    return [
        Row(f"starts before p90, mean {day}", 100 * share, 90, "%", 1.0, "higher", "90 %"),
        Row(f"starts before p90, worst {day}", 100 * worst, 90, "%", 1.0, "higher", "90 %"),
        Row(f"starts before p50, mean {day}", 100 * p50, 50, "%", 0.8, "higher", "50 %"),
        Row("median of p90 over the wait", ratio, 1, "x", 4.0, "lower", "the wait that came"),
    ]


def _scores(n_days: int, n_jobs: int) -> list[Score]:
    return [score(Machine(seed, n_jobs).run()) for seed in range(n_days)]


def main(arguments: list[str]) -> None:
    """Print every day."""
    n_days = int(arguments[0]) if arguments else N_DAYS
    n_jobs = int(arguments[1]) if len(arguments) > 1 else N_JOBS
    print("day  jobs  silent  <p90   of those that wait  <p50   p90/wait  runs <p90  <p50")
    for day, each in enumerate(_scores(n_days, n_jobs)):
        print(
            f"{day:3d}  {each.n_judged:4d}  {each.n_silent:6d}  {each.before_p90:.3f}"
            f"  {each.before_p90_of_waiting:18.3f}  {each.before_p50:.3f}"
            f"  {each.p90_by_wait:8.2f}  {each.runs_within_p90:9.3f}  {each.runs_within_p50:.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
