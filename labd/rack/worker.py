"""The rack's life: open the station, run jobs, ask the instruments how they are, leave it safe.

After an instrument's fault nothing is known of it, so the whole station is closed and opened anew:
every instrument is identified again and sent everything again. In between, the instruments are the
guard's: it makes sure that every output is safe. When they come back is the daemon's decision,
which remembers how often each one has failed; here nothing is tried twice.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from labd.chip_files import read_chip_design_record
from labd.core.errors import BadFile, InstrumentFault, Problem, sentence_of
from labd.core.rig import Rig, RigModule
from labd.core.station_description import Chip
from labd.rack.executor import Aftermath, Bench, Tempo, execute
from labd.rack.fence import OutputsUnknown, fence_in
from labd.rack.flight import FlightBoard
from labd.rack.inbox import EXIT_HUNG, Inbox
from labd.rack.last_settings import LAST_SETTINGS_FILE, LastSettings
from labd.rack.messages import Faulted, Instrument, Probed, Ready, Stopped, Unavailable
from labd.rack.preparation import Workshop
from labd.rack.station import OpeningFault, OpenStation, StationUnavailable, open_station
from labd.wiring_file import read_wiring

_log = logging.getLogger(__name__)

PROBE_EVERY_S: Final = 3.0
"""While no job runs, the instruments are asked so often how they are."""
TRUSTED_S: Final = 2.0
"""So long after they were used or asked, a job may begin without asking them."""
PAUSE_S: Final = 0.2
"""Between two openings, also for a daemon that grants them at once."""


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
                self._inbox.wait_for_end(PAUSE_S)
            else:
                try:
                    self._run_jobs(opened)
                finally:
                    opened.rig.make_safe()
                    opened.rig.close()
            if not self._inbox.is_closing:
                self._inbox.release()
                opened = None
                give_back_memory()
        self._inbox.send(Stopped())

    def _open(self) -> _Opened | None:
        """The rack, open; None, told to the daemon, where that does not succeed."""
        try:
            opened = open_rack(self._files, self._flight, self._inbox.known)
        except StationUnavailable as error:
            for fault in error.faults:
                self._inbox.send(Faulted(fault.instrument, str(fault), fault.is_absent))
            self._refuse(str(error))
            if error.is_hung:
                os._exit(EXIT_HUNG)  # there is no other way to stop a driver's thread
        except InstrumentFault as error:
            self._inbox.send(Faulted(error.instrument, str(error)))
            self._refuse(str(error))
        except BadFile as error:
            self._refuse(" ".join(str(error).split()))
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            _log.exception("the rack cannot be opened")
            self._refuse(f"internal error: {type(error).__name__}: {sentence_of(error)}")
        else:
            self._inbox.send(Ready(opened.instruments))
            return opened
        return None

    def _refuse(self, what: str) -> None:
        _log.debug("the rack cannot be opened: %s", what)
        self._inbox.send(Unavailable(what))

    def _run_jobs(self, opened: _Opened) -> None:
        """Jobs as they come, until an end is wanted or the rig is not to be trusted any more."""
        bench = Bench(
            opened.rig,
            opened.workshop,
            self._inbox.send,
            self._inbox.is_given_up,
            Tempo(),
            LastSettings(Path(LAST_SETTINGS_FILE), self._files.wiring.read_bytes()),
        )
        trusted_s = time.monotonic() + TRUSTED_S
        while not self._inbox.is_closing:
            has_run = self._inbox.wait_for_run(PROBE_EVERY_S)
            if time.monotonic() > trusted_s:
                if not self._are_well(opened.rig):
                    return
                trusted_s = time.monotonic() + TRUSTED_S
            run = self._inbox.take_run(opened.rig.interrupt) if has_run else None
            if run is None:
                continue
            aftermath = execute(run, bench)
            self._inbox.end_run()
            if aftermath is Aftermath.DOUBTFUL:
                return
            opened.rig.stop()
            if aftermath is Aftermath.STOPPED and not opened.rig.make_safe():
                return
            trusted_s = time.monotonic() + TRUSTED_S

    def _are_well(self, rig: Rig) -> bool:
        """Ask the instruments how they are, and tell the daemon."""
        signs = rig.probe()
        troubles = "; ".join(str(sign) for sign in signs if sign.trouble)
        self._inbox.send(Probed(signs))
        if troubles:
            _log.warning("the rack is opened again: %s", troubles)
            self._inbox.send(Unavailable(troubles))
        return not troubles


def give_back_memory() -> None:
    """That of closed drivers, which would stay for hundreds of jobs, and some of it for ever.

    They refer to themselves; what their finalizers held on to is garbage only after a collection.
    What the threads of each opening freed, the C library keeps, 60 MiB in time, unless it is asked.
    """
    gc.collect()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such thing
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An open rack."""

    rig: Rig
    workshop: Workshop
    instruments: tuple[Instrument, ...]


def open_rack(
    files: RackFiles, flight: FlightBoard | None = None, known: tuple[Instrument, ...] = ()
) -> _Opened:
    """Read wiring and chip, open the station, and let the rig take it over.

    known: the instruments as they were. Raises BadFile, StationUnavailable or InstrumentFault; then
    nothing stays open.
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
        _demand_the_same(_identities(station), known)
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


def _demand_the_same(now: tuple[Instrument, ...], known: tuple[Instrument, ...]) -> None:
    """Raise StationUnavailable with those that are not the ones that they were."""
    before = {one.name: (one.model, one.serial) for one in known}
    others = [one for one in now if before.get(one.name, (one.model, one.serial)) != _unit(one)]
    if others:
        raise StationUnavailable(
            tuple(
                OpeningFault(
                    one.name,
                    f"it is another instrument now: {' '.join(_unit(one))}, before"
                    f" {' '.join(before[one.name])}; if that is meant, restart labd",
                )
                for one in others
            )
        )


def _unit(one: Instrument) -> tuple[str, str]:
    return one.model, one.serial


def _identities(station: OpenStation) -> tuple[Instrument, ...]:
    return tuple(
        Instrument(one.name, one.model, one.serial, one.firmware) for one in station.identities
    )
