"""The bench behind the plugin's fixtures: a labd, found or started, a lease on it, its facts."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labd.client import Client, JobState, JobType, Results
from labd.client.program import Program
from labd.hil.facts import StationFacts, station_facts
from labd.hil.lease_keeper import LeaseKeeper
from labd.hil.own_lab import OwnLab, kind_of
from labd.shipped import shipped_config

READY_LIMIT_S = 120.0
_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What was said on pytest's command line. url, station: one of them; the other is empty.

    rack: simulated, hardware, or empty for what the station has. lease_s: 0 takes none.
    lease_name: two benches of one user have two. is_lease_given: back at the end.
    """

    url: str
    station: str
    rack: str
    token: str
    lease_s: float
    lease_wait_s: float
    lease_name: str
    lease_note: str
    is_lease_given: bool


@dataclass(eq=False)
class RackNotReady(Exception):
    """The rack cannot take jobs. what: why."""

    what: str

    def __str__(self) -> str:
        """The sentence."""
        return f"the rack is not ready: {self.what}"


@dataclass(eq=False)
class JobDidNotComplete(AssertionError):
    """A job that had to complete and did not. what: how it ended, with its events."""

    what: str

    def __str__(self) -> str:
        """The sentence."""
        return self.what


class Bench:
    """A labd that tests may use. Nothing is started before it is asked for."""

    def __init__(self, options: BenchOptions) -> None:
        self._options = options
        self._closing = ExitStack()
        self._lease: LeaseKeeper | None = None

    def close(self) -> None:
        """Give the lease back and end what was started. Idempotent."""
        self._closing.close()

    @cached_property
    def url(self) -> str:
        """Where labd is."""
        return self._options.url or self._own_lab.url

    @cached_property
    def _own_lab(self) -> OwnLab:
        station = station_directory(self._options.station)
        kind = kind_of(station, self._options.rack)
        folder = self._closing.enter_context(tempfile.TemporaryDirectory(prefix="labd-hil-"))
        lab = OwnLab.start(station, kind, Path(folder))
        self._closing.callback(lab.stop)
        return lab

    @cached_property
    def client(self) -> Client:
        """A client of a labd whose rack is ready, with the lease taken."""
        client = self._closing.enter_context(self._new_client())
        _await_rack(client)
        options = self._options
        if options.lease_s > 0:
            keeping = self._closing.enter_context(self._new_client())
            lease = LeaseKeeper(keeping, options.lease_name, options.lease_s, options.lease_note)
            lease.take(options.lease_wait_s)
            self._lease = lease
            self._closing.callback(lease.stop, is_given=options.is_lease_given)
        return client

    def _new_client(self) -> Client:
        return Client(self.url, token=self._options.token or None)

    def demand_lease(self) -> None:
        """Raises LeaseLost if others' jobs may have run meanwhile."""
        if self._lease is not None:
            self._lease.demand()

    @cached_property
    def facts(self) -> StationFacts:
        """What the station has."""
        client = self.client
        rack = "" if self._options.url else self._own_lab.kind.value
        return station_facts(client, rack)

    def complete(
        self,
        payload: Program | bytes,
        *,
        job_type: JobType = JobType.PULSE,
        timeout_s: float = 300.0,
    ) -> Results:
        """Hand in a job, wait, and give its results. Raises JobDidNotComplete, LeaseLost."""
        self.demand_lease()
        client = self.client
        job = client.wait(client.submit(payload, job_type, tags=["hil"]).id, timeout_s)
        if job.status is not JobState.COMPLETED:
            events = [
                f"{event.at:%H:%M:%S} {event.state}" for event in client.details(job.id).events
            ]
            told = f"job {job.id} is {job.status}: {job.error or 'without a reason'}"
            raise JobDidNotComplete(f"{told} ({', '.join(events)})")
        return client.results(job.id)


def station_directory(text: str) -> Path:
    """A station's directory, or one of those that come with labd, such as ``config/star5``.

    Raises FileNotFoundError.
    """
    path = Path(text)
    if path.is_dir():
        return path
    shipped = shipped_config() / path.name
    if shipped.is_dir() and path.parent in (Path("config"), Path()):
        return shipped
    raise FileNotFoundError(f"there is no station {text}, and none of this name comes with labd")


def default_lease_name() -> str:
    """Of this process."""
    return f"pytest {os.getpid()} on {socket.gethostname()}"[:64]


def _await_rack(client: Client) -> None:
    """Until its instruments are open. Raises RackNotReady."""
    until = time.monotonic() + READY_LIMIT_S
    rack = client.rack()
    while rack.state != "ready":
        if rack.state == "unavailable" or time.monotonic() > until:
            raise RackNotReady(f"{rack}")
        time.sleep(_POLL_S)
        rack = client.rack()
