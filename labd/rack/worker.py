"""The rack's life: open the station, run jobs, open it again after trouble, leave it safe.

After an instrument's fault nothing is known of it, so the whole station is closed and opened anew:
every instrument is identified again and sent everything again. While that does not succeed, the
rack says why and keeps trying. In between, the instruments are the guard's: it makes sure that
every output is safe, and the rack opens nothing before that.
"""

from __future__ import annotations

import importlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from labd.chip_files import read_chip_design_record
from labd.core.errors import BadFile, InstrumentFault, Problem
from labd.core.rig import Rig, RigModule
from labd.core.station_description import Chip
from labd.rack.executor import Aftermath, Bench, Tempo, execute
from labd.rack.fence import OutputsUnknown, fence_in
from labd.rack.flight import FlightBoard
from labd.rack.inbox import Inbox
from labd.rack.messages import Instrument, Ready, Stopped, Unavailable
from labd.rack.preparation import Workshop
from labd.rack.station import OpenStation, StationUnavailable, open_station
from labd.wiring_file import read_wiring

_log = logging.getLogger(__name__)

FIRST_RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 30.0
IDLE_S: Final = 2.0
"""After that much idleness the instruments are asked whether they are still as they were left."""


@dataclass(frozen=True, slots=True)
class RackFiles:
    """What describes the rack: station, wiring, the chip behind it, how large a result may be."""

    station: Path
    wiring: Path
    chip: Path | None
    max_result_bytes: int


class Worker:
    """One rack, as long as its process lives."""

    def __init__(self, files: RackFiles, inbox: Inbox, flight: FlightBoard | None = None) -> None:
        """flight: where what is said to the instruments is recorded."""
        self._files = files
        self._flight = flight
        self._inbox = inbox

    def serve(self) -> None:
        """Until the daemon is gone or wants an end. Leaves the instruments safe and closed."""
        while self._inbox.wait_for_grant():
            opened = self._open()
            if opened is None:
                break
            try:
                self._run_jobs(opened)
            finally:
                opened.rig.make_safe()
                opened.rig.close()
            self._inbox.release()
        self._inbox.send(Stopped())

    def _open(self) -> _Opened | None:
        """The rack, open, however long it takes; None if the process is to end before."""
        retry_s = FIRST_RETRY_S
        while not self._inbox.is_closing:
            try:
                opened = open_rack(self._files, self._flight)
            except (BadFile, StationUnavailable, InstrumentFault) as error:
                what = " ".join(str(error).split())
                _log.debug("the rack cannot be opened: %s", what)
                self._inbox.send(Unavailable(what))
                self._inbox.wait_for_end(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            else:
                self._inbox.send(Ready(opened.instruments))
                return opened
        return None

    def _run_jobs(self, opened: _Opened) -> None:
        """Jobs as they come, until an end is wanted or the rig is not to be trusted any more."""
        bench = Bench(
            opened.rig,
            opened.workshop,
            self._inbox.send,
            self._inbox.is_given_up,
            Tempo(),
        )
        last_used = time.monotonic()
        while self._inbox.wait_for_run():
            if time.monotonic() > last_used + IDLE_S and self._is_lost(opened.rig):
                return
            run = self._inbox.take_run(opened.rig.interrupt)
            if run is None:
                continue
            aftermath = execute(run, bench)
            self._inbox.end_run()
            if aftermath is Aftermath.DOUBTFUL:
                return
            opened.rig.stop()
            if aftermath is Aftermath.STOPPED and not opened.rig.make_safe():
                return
            last_used = time.monotonic()

    def _is_lost(self, rig: Rig) -> bool:
        lost = rig.lost()
        if lost:
            _log.warning("the rack is opened again: %s", "; ".join(lost))
        return bool(lost)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open rack."""

    rig: Rig
    workshop: Workshop
    instruments: tuple[Instrument, ...]


def open_rack(files: RackFiles, flight: FlightBoard | None = None) -> _Opened:
    """Read wiring and chip, open the station, and let the rig take it over.

    Raises BadFile, StationUnavailable or InstrumentFault; then nothing stays open.
    """
    wiring = read_wiring(files.wiring)
    chip = (
        None if files.chip is None else Chip.from_design_record(read_chip_design_record(files.chip))
    )
    try:
        rig_module = cast("RigModule", importlib.import_module(wiring.rig))
    except ImportError as error:
        what = Problem("rig", f"{wiring.rig} cannot be imported: {error}")
        raise BadFile(str(files.wiring), (what,)) from error
    station = open_station(files.station, flight)
    try:
        fence_in(station, wiring.outputs)
        rig = rig_module.open_rig(station, wiring)
    except OutputsUnknown as error:
        station.close()
        raise BadFile(str(files.wiring), error.problems) from error
    except BaseException:
        station.close()
        raise
    workshop = Workshop(rig_module, wiring, chip, files.max_result_bytes)
    return _Opened(rig, workshop, _identities(station))


def _identities(station: OpenStation) -> tuple[Instrument, ...]:
    return tuple(
        Instrument(one.name, one.model, one.serial, one.firmware) for one in station.identities
    )
