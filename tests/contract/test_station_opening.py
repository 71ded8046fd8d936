"""Drivers that do not open: how long they are waited for, and what is said of them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from qcodes.instrument import Instrument

from labd.rack import station as station_module
from labd.rack.station import StationUnavailable, open_station

NOWHERE = "TCPIP::127.0.0.1::hislip0,1::INSTR"
STATION = f"""
instruments:
  good: {{type: odd_drivers.Good, address: "{NOWHERE}"}}
  stuck: {{type: odd_drivers.Stuck, address: "{NOWHERE}"}}
  rude: {{type: odd_drivers.Rude, address: "{NOWHERE}"}}
"""


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Module odd_drivers; set it, and the stuck driver comes back."""
    event = threading.Event()

    class Good(Instrument):
        def __init__(self, name: str, address: str) -> None:
            super().__init__(name)

        def get_idn(self) -> dict[str, str | None]:
            return {"vendor": "labd", "model": "G", "serial": "1", "firmware": "1"}

    class Stuck(Instrument):
        def __init__(self, name: str, address: str) -> None:
            event.wait(60)
            raise ConnectionError("too late")

    class Rude(Instrument):
        def __init__(self, name: str, address: str) -> None:
            raise SystemExit("2" * 1_000_000)

    module = ModuleType("odd_drivers")
    for kind in (Good, Stuck, Rude):
        kind.__module__ = "odd_drivers"
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "odd_drivers", module)
    monkeypatch.setattr(station_module, "_is_absent", lambda _: False)  # nobody is at the address
    yield event
    event.set()


def test_a_driver_that_is_stuck_is_not_waited_for_and_named(
    release: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station_module, "OPEN_LIMIT_S", 0.3)
    path = tmp_path / "station.yaml"
    path.write_text(STATION)
    path.chmod(0o600)

    with pytest.raises(StationUnavailable) as caught:
        open_station(path)

    error = caught.value
    assert error.is_hung
    assert [fault.instrument for fault in error.faults] == ["stuck", "rude"]
    assert str(error.faults[0]) == f"stuck at {NOWHERE}: its driver has not opened it within 0.3 s"
    assert [one.model for one in error.identities] == ["G"]
    assert len(str(error)) < 1000
    assert not Instrument.exist("good")


def test_drivers_that_give_up_in_time_leave_nothing_hanging(
    release: threading.Event, tmp_path: Path
) -> None:
    release.set()
    path = tmp_path / "station.yaml"
    path.write_text(STATION)
    path.chmod(0o600)

    with pytest.raises(StationUnavailable, match="too late") as caught:
        open_station(path)

    assert not caught.value.is_hung
