"""The pytest plugin: a bench's own tests run unchanged against a simulated rack and hardware.

Without its options it costs nothing: labd itself is imported when a fixture or a marker asks.

Options: --labd-url, or --labd-station, which starts a labd of one's own. Fixtures: labd_url,
labd_client, labd_station (its facts), labd_complete (a job that must). Markers: needs_qubits,
needs_gates, needs_instruments; a test whose needs are not met is skipped, with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labd.client import Client
    from labd.hil.bench import Bench
    from labd.hil.facts import StationFacts

_MARKERS = {
    "needs_qubits(*qubits)": "names such as 'QB1', or how many",
    "needs_gates(*gates)": "calibrated ones, such as 'prx', or 'cz QB1 QB3' at a locus",
    "needs_instruments(*instruments)": "names of the station file, or models",
}
_FIXTURES = {"labd_url", "labd_client", "labd_station", "labd_complete"}
_NOT_ASKED = "give --labd-url URL, or --labd-station DIRECTORY, to run it"
_BENCH = pytest.StashKey["Bench | None"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
    group = parser.getgroup("labd", "labd: hardware in the loop")
    group.addoption(
        "--labd-url",
        default=os.environ.get("LABD_URL", ""),
        help="a labd that runs: http(s)://HOST:PORT/ALIAS (environment: LABD_URL)",
    )
    group.addoption(
        "--labd-station",
        default="",
        help="start a labd for this station's directory, such as config/star5",
    )
    group.addoption(
        "--labd-rack",
        default="",
        choices=["simulated", "hardware"],
        help="what --labd-station opens; simulated where there is a simrack.toml, if not given",
    )
    group.addoption(
        "--labd-token",
        default=os.environ.get("LABD_TOKEN", ""),
        help="who you are (environment: LABD_TOKEN)",
    )
    group.addoption(
        "--labd-lease",
        type=float,
        default=300.0,
        metavar="S",
        help="seconds for which the machine is taken, then renewed; 0: not (default 300)",
    )
    group.addoption(
        "--labd-lease-wait",
        type=float,
        default=900.0,
        metavar="S",
        help="seconds to wait while somebody else has it (default 900)",
    )
    group.addoption(
        "--labd-lease-note",
        default="a test bench",
        help="what others are told while the machine is taken",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The markers. A station that is named goes before a URL, which may be of the environment."""
    for marker, what in _MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: the test is skipped without them; {what}")


def pytest_report_header(config: pytest.Config) -> str | None:
    """What the tests run against."""
    against = config.getoption("labd_station") or config.getoption("labd_url")
    return f"labd: {against}" if against else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what cannot run here; fail what would run on a machine that is not ours any more."""
    needs = {name: _needs(item, name) for name in ("qubits", "gates", "instruments")}
    is_ours = not _FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
    if not is_ours and not any(needs.values()):
        return
    bench = _bench_of(item.config)
    if bench is None:
        pytest.skip(_NOT_ASKED)
    with _told():
        bench.demand_lease()
        facts = bench.facts
    qubits = tuple(each for each in needs["qubits"] if isinstance(each, str | int))
    lacks = (
        facts.lacks_qubits(qubits)
        or facts.lacks_gates(tuple(map(str, needs["gates"])))
        or facts.lacks_instruments(tuple(map(str, needs["instruments"])))
    )
    if lacks:
        pytest.skip(lacks)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the lease back; end what was started."""
    bench = config.stash.get(_BENCH, None)
    if bench is not None:
        bench.close()
        config.stash[_BENCH] = None


@pytest.fixture(scope="session")
def _labd_bench(request: pytest.FixtureRequest) -> Bench:
    bench = _bench_of(request.config)
    if bench is None:
        pytest.skip(_NOT_ASKED)
    return bench


@pytest.fixture(scope="session")
def labd_url(_labd_bench: Bench) -> str:
    """Where the labd is that the tests run against."""
    with _told():
        return _labd_bench.url


@pytest.fixture(scope="session")
def labd_client(_labd_bench: Bench) -> Client:
    """A client of it. The rack is ready, and the machine is taken for these tests."""
    with _told():
        return _labd_bench.client


@pytest.fixture(scope="session")
def labd_station(_labd_bench: Bench) -> StationFacts:
    """What the station has: qubits, couplers, probe lines, gates, instruments."""
    with _told():
        return _labd_bench.facts


@pytest.fixture
def labd_complete(_labd_bench: Bench) -> Callable[..., object]:
    """Hand in a Program (or a payload), wait for its end, and get its Results.

    The test fails with the job's own reason unless it completes: `labd.hil.bench.Bench.complete`.
    """
    return _labd_bench.complete


def _needs(item: pytest.Item, name: str) -> tuple[object, ...]:
    return tuple(each for mark in item.iter_markers(f"needs_{name}") for each in mark.args)


def _bench_of(config: pytest.Config) -> Bench | None:
    """The session's bench, made when it is first asked for; None: no option was given."""
    if _BENCH in config.stash:
        return config.stash[_BENCH]
    station, url = config.getoption("labd_station"), config.getoption("labd_url")
    bench: Bench | None = None
    if station or url:
        from labd.hil.bench import Bench, BenchOptions, default_lease_name

        shared = getattr(config, "workerinput", {}).get("testrunuid", "")
        bench = Bench(
            BenchOptions(
                url="" if station else url,
                station=station,
                rack=config.getoption("labd_rack"),
                token=config.getoption("labd_token") if not station else "",
                lease_s=config.getoption("labd_lease"),
                lease_wait_s=config.getoption("labd_lease_wait"),
                lease_name=f"pytest {shared}"[:64] if shared else default_lease_name(),
                lease_note=config.getoption("labd_lease_note"),
                is_lease_given=not shared,
            )
        )
    config.stash[_BENCH] = bench
    return bench


class _told:  # noqa: N801
    """What goes wrong with the bench, as a sentence instead of a trace."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        from labd.children import ChildFailed
        from labd.client import ClientError
        from labd.hil.bench import RackNotReady
        from labd.hil.lease_keeper import LeaseLost

        if isinstance(error, ChildFailed | ClientError | RackNotReady | LeaseLost | OSError):
            pytest.fail(f"labd: {error}", pytrace=False)
