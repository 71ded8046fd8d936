"""What labd counts while it works: jobs, their phases, bytes, commits, notifications.

Counters and histograms alone; what can be looked up when it is asked for is not counted here but
read by labd.metrics. Any thread may count.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from labd.core.jobs import Job, JobState

SHORT_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
LONG_S = (0.1, 1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 14400.0, 86400.0)
COMMIT_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)
_S_NS = 1e9


class Meters:
    """One daemon's counters, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()
        self.registry = registry = CollectorRegistry()
        machine = ["quantum_computer"]
        self._ended = Counter(
            "labd_jobs_ended",
            "Jobs that reached their final state.",
            [*machine, "state"],
            registry=registry,
        )
        self._waited_s = Histogram(
            "labd_job_wait_seconds",
            "From a job's acceptance to its start.",
            machine,
            buckets=LONG_S,
            registry=registry,
        )
        self._phase_s = Histogram(
            "labd_job_phase_seconds",
            "Phases of completed jobs, as the rack measured them.",
            [*machine, "phase"],
            buckets=SHORT_S,
            registry=registry,
        )
        self._streamed = Counter(
            "labd_streamed_bytes", "Bytes streamed to clients.", ["what"], registry=registry
        )
        self._commit_s = Histogram(
            "labd_store_commit_seconds",
            "Group commits, of which nearly all is the fsync of the log.",
            buckets=COMMIT_S,
            registry=registry,
        )
        self._committed = Counter(
            "labd_store_changes", "Changes that were committed.", registry=registry
        )
        self._notifications = Counter(
            "labd_notifications",
            "Notifications by target and what became of them.",
            ["target", "outcome"],
            registry=registry,
        )

    def job(self, alias: str, job: Job) -> None:
        """A job has started or ended just now."""
        if job.state.is_final:
            self._ended.labels(alias, job.state.value).inc()
        elif job.state is JobState.EXECUTING and job.started_at_ns is not None:
            waited_s = max(0, job.started_at_ns - job.created_at_ns) / _S_NS
            self._waited_s.labels(alias).observe(waited_s)

    def phases(self, alias: str, timings_s: Mapping[str, float]) -> None:
        """How long the phases of a completed job took."""
        for phase, seconds in timings_s.items():
            self._phase_s.labels(alias, phase).observe(seconds)

    def streamed(self, what: str, n_bytes: int) -> None:
        """So much was handed to a client's stream. what: results, payload."""
        self._streamed.labels(what).inc(n_bytes)

    def committed(self, seconds: float, n_changes: int) -> None:
        """A group of changes was committed."""
        self._commit_s.observe(seconds)
        self._committed.inc(n_changes)

    def notified(self, target: str, outcome: str, n_events: int) -> None:
        """outcome: delivered, failed, dropped."""
        self._notifications.labels(target, outcome).inc(n_events)
