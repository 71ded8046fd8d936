"""How long a job will run, learnt from jobs that ran.

Three sources, the nearest first: runs of the same kind (the same content); a line through the runs
of the same type, run = a + b x playing time; and, before anything has run, a prior. Each source is
judged by its own record: before a run is learnt it is foretold by every source, and the ratio of
what came to what was foretold is kept. Quantiles are those of the ratios, with the rank that holds
for finitely many of them: of n ratios the k-th smallest, k = ceil((n + 1) q), bounds the next one
with probability q at least (Vovk, Gammerman, Shafer: Algorithmic Learning in a Random World, 2005).
Where n is too small for that rank, the bound is the largest ratio seen or the source's prior
spread, whichever is wider.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

import numpy as np
import numpy.typing as npt

from labd.core.jobs import JobType

Floats = npt.NDArray[np.float64]

Z90 = NormalDist().inv_cdf(0.9)
SHORTEST_RUN_S = 0.001
MAX_SIGMA = 2.0

RUNS_PER_KIND = 32
MAX_KINDS = 4096
MAX_RATIOS = 256
MAX_POINTS = 256
FEWEST_POINTS = 5
REFIT_EVERY = 16
N_REWEIGHTINGS = 3

PRIOR_OVERHEAD_S = 1.0
PRIOR_SLOPE = 1.5
SPREAD_OF_PRIOR = 8.0
SPREAD_OF_LINE = 3.0
SPREAD_OF_KIND = 1.5
"""p90 over p50 while a source has no record yet."""


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """How long a job runs: with even odds at most p50_s, nine times in ten at most p90_s.

    As a distribution it is log-normal with these two quantiles.
    """

    p50_s: float
    p90_s: float

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return min(MAX_SIGMA, math.log(max(1.0, self.p90_s / self.p50_s)) / Z90)

    @property
    def mean_s(self) -> float:
        """Expected run time."""
        return self.p50_s * math.exp(self.sigma**2 / 2)

    @property
    def variance_s2(self) -> float:
        """Variance of the run time."""
        return self.mean_s**2 * math.expm1(self.sigma**2)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A job that ran to its end. run_s: from its start to its end."""

    kind: str
    job_type: JobType
    playing_s: float
    run_s: float


class Ratios:
    """The last ratios of what came to what was foretold. spread: assumed while there are few."""

    def __init__(self, spread: float) -> None:
        self._spread = spread
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, ratio: float) -> None:
        """Take in one more; the oldest goes when there are too many."""
        if len(self._latest) == MAX_RATIOS:
            self._sorted.remove(self._latest.popleft())
        self._latest.append(ratio)
        insort(self._sorted, ratio)

    def p50(self) -> float:
        """The ratio that is reached with even odds; 1 while there are few."""
        return median(self._sorted) if upper(self._sorted, 0.9) is not None else 1.0

    def p90(self) -> float:
        """The ratio that nine of ten stay within."""
        bound = upper(self._sorted, 0.9)
        return max([self._spread, *self._sorted]) if bound is None else bound


def upper(sorted_values: Sequence[float], q: float) -> float | None:
    """What the next value stays within with probability q; None if too few values can tell."""
    rank = math.ceil((len(sorted_values) + 1) * q)
    return sorted_values[rank - 1] if rank <= len(sorted_values) else None


class Line:
    """run = a + b x playing, a, b >= 0, with errors in proportion to the run."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=MAX_POINTS)
        self._n_unseen = 0
        self._coefficients: tuple[float, float] | None = None

    def add(self, playing_s: float, run_s: float) -> None:
        """Take in one more run."""
        self._points.append((playing_s, run_s))
        self._n_unseen += 1
        if self._n_unseen >= min(REFIT_EVERY, len(self._points) / 4):
            self._n_unseen = 0
            if len(self._points) >= FEWEST_POINTS:
                self._coefficients = fit(tuple(self._points))

    def at(self, playing_s: float) -> float | None:
        """The line's run time; None while there are too few runs."""
        if self._coefficients is None:
            return None
        offset_s, slope = self._coefficients
        return max(SHORTEST_RUN_S, offset_s + slope * playing_s)


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Offset and slope, >= 0, by least squares of relative errors, reweighted by the fit itself."""
    playing_s, run_s = np.array(points, dtype=np.float64).T
    fitted_s = run_s
    for _ in range(N_REWEIGHTINGS + 1):
        offset_s, slope = _weighted(playing_s, run_s, fitted_s**-2.0)
        fitted_s = np.maximum(SHORTEST_RUN_S, offset_s + slope * playing_s)
    return offset_s, slope


def _weighted(x: Floats, y: Floats, weights: Floats) -> tuple[float, float]:
    weights = weights / weights.sum()
    mean_x, mean_y = float(weights @ x), float(weights @ y)
    sxx = float(weights @ (x - mean_x) ** 2)
    sxy = float(weights @ ((x - mean_x) * (y - mean_y)))
    all_alike = sxx <= 1e-6 * max(mean_x, SHORTEST_RUN_S) ** 2
    # Where all play equally long, one who plays longer is taken to run longer by as much.
    slope = 1.0 if all_alike else max(0.0, sxy / sxx)
    if mean_y < slope * mean_x:
        return 0.0, mean_y / mean_x
    return mean_y - slope * mean_x, slope


class _Kind:
    """The last runs of one kind."""

    def __init__(self) -> None:
        self.latest: deque[float] = deque(maxlen=RUNS_PER_KIND)
        self._centre: float | None = None

    def add(self, run_s: float) -> None:
        self.latest.append(run_s)
        self._centre = None

    def centre(self) -> float:
        if self._centre is None:
            self._centre = median(self.latest)
        return self._centre


class Estimator:
    """What the runs of one quantum computer have taught."""

    def __init__(self, history: Iterable[FinishedRun] = ()) -> None:
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()
        self._lines: dict[JobType, Line] = {job_type: Line() for job_type in JobType}
        self._ratios_of_prior = Ratios(SPREAD_OF_PRIOR)
        self._ratios_of_line = {job_type: Ratios(SPREAD_OF_LINE) for job_type in JobType}
        # A kind that ran once is judged apart from those that ran twice or four times, and so on.
        self._ratios_of_kind = [Ratios(SPREAD_OF_KIND) for _ in range(4)]
        for record in history:
            self.learn(record)

    def run(self, kind: str, playing_s: float, job_type: JobType) -> RunEstimate:
        """How long such a job runs. kind: empty where it is not known."""
        known = self._kinds.get(kind)
        if known is not None:
            own = upper(sorted(known.latest), 0.9)
            if own is not None:
                return _estimate(known.centre(), 1.0, own / known.centre())
            ratios = self._ratios_of_kind[_experience(known)]
            return _estimate(known.centre(), ratios.p50(), ratios.p90())
        line_s = self._lines[job_type].at(playing_s)
        if line_s is not None:
            ratios = self._ratios_of_line[job_type]
            return _estimate(line_s, ratios.p50(), ratios.p90())
        prior = self._ratios_of_prior
        return _estimate(prior_run_s(playing_s), prior.p50(), prior.p90())

    def learn(self, record: FinishedRun) -> None:
        """Take in a run that ended well: first judge the sources by it, then teach them."""
        run_s = max(SHORTEST_RUN_S, record.run_s)
        self._ratios_of_prior.add(run_s / prior_run_s(record.playing_s))
        line = self._lines[record.job_type]
        line_s = line.at(record.playing_s)
        if line_s is not None:
            self._ratios_of_line[record.job_type].add(run_s / line_s)
        line.add(record.playing_s, run_s)
        if record.kind:
            self._learn_kind(record.kind, run_s)

    def _learn_kind(self, kind: str, run_s: float) -> None:
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind()
            if len(self._kinds) > MAX_KINDS:
                self._kinds.popitem(last=False)
        else:
            self._kinds.move_to_end(kind)
            self._ratios_of_kind[_experience(known)].add(run_s / known.centre())
        known.add(run_s)


def _experience(kind: _Kind) -> int:
    return min(3, len(kind.latest).bit_length() - 1)


def prior_run_s(playing_s: float) -> float:
    """What is assumed before anything has run."""
    return PRIOR_OVERHEAD_S + PRIOR_SLOPE * playing_s


def _estimate(centre_s: float, p50: float, p90: float) -> RunEstimate:
    p50_s = max(SHORTEST_RUN_S, centre_s * p50)
    return RunEstimate(p50_s, max(p50_s, centre_s * p90))


def remaining(run: RunEstimate, elapsed_s: float, fraction_done: float) -> RunEstimate:
    """How long a job that runs already will still run.

    fraction_done: of its shots, 0 where the rack has not said. Without it: the quantiles of the
    run time among runs that last at least that long. With it: the more is done, the more the
    tempo so far decides.
    """
    by_time = _remaining_by_time(run, max(0.0, elapsed_s))
    if fraction_done <= 0.0:
        return by_time
    done = min(1.0, fraction_done)
    by_tempo_s = max(SHORTEST_RUN_S, elapsed_s * (1.0 - done) / done)
    p50_s = max(SHORTEST_RUN_S, done * by_tempo_s + (1.0 - done) * by_time.p50_s)
    return RunEstimate(p50_s, max(p50_s, done * 1.2 * by_tempo_s + (1.0 - done) * by_time.p90_s))


def _remaining_by_time(run: RunEstimate, elapsed_s: float) -> RunEstimate:
    sigma = max(run.sigma, 0.05)
    normal = NormalDist(math.log(run.p50_s), sigma)
    if elapsed_s <= SHORTEST_RUN_S:
        return run
    past = normal.cdf(math.log(elapsed_s))
    left = 1.0 - past
    if left < 1e-6:  # far beyond all that was seen: as long again as a tail of that age allows
        return RunEstimate(max(SHORTEST_RUN_S, 0.1 * elapsed_s), max(0.5 * elapsed_s, 0.1))
    p50_s = math.exp(normal.inv_cdf(past + 0.5 * left)) - elapsed_s
    p90_s = math.exp(normal.inv_cdf(past + 0.9 * left)) - elapsed_s
    return RunEstimate(max(SHORTEST_RUN_S, p50_s), max(SHORTEST_RUN_S, p50_s, p90_s))
