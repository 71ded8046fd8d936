"""Who is told when jobs and racks change: foresight learns, meters count, people are notified."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence

from labd.config import QuantumComputer
from labd.connections import Connections
from labd.core.jobs import Job, JobState, QcId
from labd.core.log_fields import about
from labd.core.notices import job_notice, rack_notice
from labd.meters import Meters
from labd.metrics import RackSight, Sight
from labd.notify import Notifier
from labd.rack_status import RackState, RackStatus
from labd.store.store import Store
from labd.supervisor import Supervisor

_log = logging.getLogger(__name__)

Learn = Callable[[Job], None]


class Telling:
    """Called on the event loop's thread, once for each change."""

    def __init__(
        self,
        computers: Sequence[QuantumComputer],
        store: Store,
        learn: Learn,
        meters: Meters,
        notifier: Notifier,
    ) -> None:
        self._aliases = {computer.id: computer.alias for computer in computers}
        self._store = store
        self._learn = learn
        self._meters = meters
        self._notifier = notifier
        self._in_trouble: set[str] = set()

    def job(self, job: Job) -> None:
        """A job has started, ended, or was cancelled."""
        try:
            self._learn(job)
            if job.state is JobState.COMPLETED:
                self._meters.phases(self._alias_of(job), self._store.timings_s(job.id))
        except sqlite3.Error as error:
            _log.error("nothing is learnt from job %s: %s", job.id, error, extra=about(job=job.id))
        self.count_and_notify(job)

    def count_and_notify(self, job: Job) -> None:
        """The same, of a change that is known to those who learn."""
        alias = self._alias_of(job)
        self._meters.job(alias, job)
        notice = job_notice(alias, job)
        if notice is not None:
            self._notifier.post(notice)

    def _alias_of(self, job: Job) -> str:
        """Also of a job whose quantum computer is not configured any more."""
        known = self._aliases.get(job.qc_id)
        return self._store.quantum_computer_name(job.qc_id)[0] if known is None else known

    def rack(self, alias: str, status: RackStatus) -> None:
        """A rack's status was set. Told on are the beginning of trouble and its end."""
        match status.state:
            case RackState.UNAVAILABLE | RackState.DEAD if alias not in self._in_trouble:
                self._in_trouble.add(alias)
                self._notifier.post(rack_notice(alias, status.what, time.time_ns()))
            case RackState.READY if alias in self._in_trouble:
                self._in_trouble.remove(alias)
                self._notifier.post(rack_notice(alias, "", time.time_ns()))
            case _:
                pass


def sight_of(
    supervisors: Mapping[QcId, Supervisor],
    computers: Sequence[QuantumComputer],
    connections: Connections,
    front_pid: int | None,
) -> Sight:
    """What the event loop knows, for the metrics."""
    racks = {}
    for computer in computers:
        supervisor = supervisors[computer.id]
        process = supervisor.process
        racks[computer.alias] = RackSight(
            supervisor.status,
            None if process is None else process.pid,
            _nothing if process is None else process.flight,
        )
    pids = {} if front_pid is None else {"front": front_pid}
    return Sight(racks, pids, len(connections.list()))


def _nothing() -> bytes:
    return b""
