"""A rack is opened, looked at from all sides, made safe and closed: the report card's checks.

Each area builds on the one before: nothing is driven on a rack whose instruments are not who the
wiring file says, and no pulse is played on one that could not be set up. What is driven is driven
within the station's fence, under the eyes of a guard.
"""

from __future__ import annotations

import fnmatch
import importlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

import numpy as np
import numpy.typing as npt

from labd.core.errors import BadFile, ExecutionFailed, InstrumentFault, Problem
from labd.core.rig import Rig, RigModule, RunInterrupted
from labd.core.wiring import Wiring
from labd.guard.hand import Outcome
from labd.guard.plan import Plan, plan_of, untold
from labd.hil.card import Area, Check, ReportCard, Verdict
from labd.hil.guarding import Guarding, guarded
from labd.hil.loopback import (
    N_SHOTS,
    Experiment,
    carrier_settings,
    is_wired_for_tone,
    judge_loopback,
    judge_probe,
    loopback_experiment,
    output_names,
    probe_experiment,
)
from labd.hil.walk import Walk
from labd.rack.fence import OutputsUnknown, fence_in
from labd.rack.station import Identity, OpenStation, StationUnavailable, open_station
from labd.station_file import missing_instruments, read_station
from labd.wiring_file import read_wiring

RECORDS_PATIENCE_S: Final = 10.0
"""One shot's records that have not come by then do not: a marker reaches no trigger input."""

Told = Callable[[Check], None]


@dataclass(frozen=True, slots=True)
class RackFiles:
    """What describes the rack. name: of the station, for the card."""

    name: str
    station: Path
    wiring: Path

    @classmethod
    def of(cls, directory: Path) -> RackFiles:
        """Those of a directory such as ``config/star5``."""
        return cls(directory.name, directory / "station.yaml", directory / "wiring.toml")


def inspect(
    files: RackFiles, rack: str, told: Told | None = None, guarding: Guarding = guarded
) -> ReportCard:
    """Check all that can be checked. rack: for the card. told: of every check as it is made."""
    checks: list[Check] = []
    for check in _all_checks(files, guarding):
        checks.append(check)
        if told is not None:
            told(check)
    return ReportCard(files.name, rack, tuple(checks))


@dataclass(frozen=True, slots=True)
class _Described:
    """What the files say, which is without mistakes. plan: how the rack is made safe."""

    wiring: Wiring
    module: RigModule
    plan: Plan


def _all_checks(files: RackFiles, guarding: Guarding) -> Iterator[Check]:
    try:
        described = _read(files)
    except BadFile as error:
        for problem in error.problems:
            yield Check(Area.FILES, problem.where or error.path, Verdict.FAILED, problem.what)
        yield from _skipped(Area.IDENTITY, "the files have mistakes")
        return
    yield Check(Area.FILES, files.name, Verdict.PASSED, "")
    started = time.monotonic()
    try:
        station = open_station(files.station)
    except BadFile as error:
        yield Check(Area.FILES, error.path, Verdict.FAILED, str(error))
        yield from _skipped(Area.IDENTITY, "the files have mistakes")
        return
    except StationUnavailable as error:
        yield from _identity_checks(described.wiring, error.identities, 0.0)
        for fault in error.faults:
            took_s = time.monotonic() - started
            yield Check(Area.IDENTITY, fault.instrument, Verdict.FAILED, str(fault), took_s)
        yield from _skipped(Area.RACK, "not all instruments open, so nothing is driven")
        return
    yield from _open_checks(files.name, station, described, guarding, time.monotonic() - started)


def _open_checks(
    name: str, station: OpenStation, described: _Described, guarding: Guarding, took_s: float
) -> Iterator[Check]:
    """Those that need open instruments; they are closed before the guard takes them."""
    with ExitStack() as guard:
        with closing(station):
            identities = [*_identity_checks(described.wiring, station.identities, took_s)]
            yield from identities
            if any(check.verdict is Verdict.FAILED for check in identities):
                yield from _skipped(
                    Area.RACK, "an instrument is not who it should be: nothing is driven"
                )
                return
            make_safe = guard.enter_context(guarding(name, described.plan))
            yield from _driven(station, described)
        if described.plan:
            yield _guard_check(make_safe())


def _guard_check(outcome: Outcome) -> Check:
    """What the guard has done, by its own connections."""
    if outcome.problems:
        what = "; ".join(outcome.problems)
        return Check(Area.SAFE, "guard", Verdict.FAILED, what, outcome.took_s)
    told = f"{outcome.n_outputs} outputs are safe"
    return Check(Area.SAFE, "guard", Verdict.PASSED, told, outcome.took_s)


def _read(files: RackFiles) -> _Described:
    """Wiring and station, and that they go together. Raises BadFile."""
    wiring, station = read_wiring(files.wiring), read_station(files.station)
    wrong = (*missing_instruments(wiring, station), *untold(wiring.outputs, station))
    if wrong:
        raise BadFile(str(files.wiring), wrong)
    try:
        module = cast("RigModule", importlib.import_module(wiring.rig))
    except ImportError as error:
        what = Problem("rig", f"{wiring.rig} cannot be imported: {error}")
        raise BadFile(str(files.wiring), (what,)) from error
    return _Described(wiring, module, plan_of(wiring.outputs, station))


def _skipped(first: Area, why: str) -> Iterator[Check]:
    """One line for each area from there on."""
    areas = list(Area)
    for area in areas[areas.index(first) :]:
        yield Check(area, area.value, Verdict.SKIPPED, why)


def _identity_checks(
    wiring: Wiring, identities: tuple[Identity, ...], took_s: float
) -> Iterator[Check]:
    for found in identities:
        wanted = wiring.identities.get(found.name)
        told = f"{found.model}, serial {found.serial}, firmware {found.firmware}"
        wrong = ""
        if wanted is None:
            told += "; the wiring file does not say who it is"
        elif not fnmatch.fnmatchcase(found.model, wanted.model):
            wrong = f"it is a {found.model}; the wiring file says {wanted.model}"
        elif wanted.serial and found.serial != wanted.serial:
            wrong = (
                f"its serial number is {found.serial}, and should be {wanted.serial}: another"
                f" {found.model} answers at its address"
            )
        verdict = Verdict.FAILED if wrong else Verdict.PASSED
        yield Check(Area.IDENTITY, found.name, verdict, wrong or told, took_s / len(identities))


# ---- with the rack set up


def _driven(station: OpenStation, described: _Described) -> Iterator[Check]:
    wiring, module = described.wiring, described.module
    started = time.monotonic()
    try:
        fence_in(station, wiring.outputs)
        rig = module.open_rig(station, wiring)
    except OutputsUnknown as error:
        for problem in error.problems:
            yield Check(Area.RACK, problem.where, Verdict.FAILED, problem.what)
        yield from _skipped(Area.LIMITS, "the rack could not be set up")
        return
    except InstrumentFault as fault:
        yield Check(Area.RACK, fault.instrument, Verdict.FAILED, str(fault))
        yield from _skipped(Area.LIMITS, "the rack could not be set up")
        return
    yield Check(Area.RACK, wiring.rig, Verdict.PASSED, "set up", time.monotonic() - started)
    walk = Walk(rig, station, wiring)
    try:
        yield from walk.limits()
        yield from _cable_checks(rig, station, wiring, module)
    finally:
        rig.make_safe()
    yield from walk.safe()


def _cable_checks(
    rig: Rig, station: OpenStation, wiring: Wiring, module: RigModule
) -> Iterator[Check]:
    """The probe lines as they are wired, then every loop-back cable that is declared."""
    for name, readout in wiring.readouts.items():
        channel = wiring.channels[name]
        if is_wired_for_tone(channel):
            told = f"{output_names(channel)} to {readout.digitizer}"
            experiment = probe_experiment(readout, wiring)
            work = partial(_records, experiment, rig)
            yield _judged(name, told, experiment, work, partial(judge_probe, readout))
    for name, loopback in wiring.loopbacks.items():
        experiment = loopback_experiment(loopback, wiring)
        told = ", ".join(f"{one.instrument}.ch{one.number}" for one in loopback.inputs)
        yield _judged(
            f"{name} loop-back",
            f"to {told}",
            experiment,
            partial(_records_of_another, experiment, station, module),
            partial(judge_loopback, loopback, experiment),
        )


Records = npt.NDArray[np.complex128]
Judge = Callable[[Records], Iterator[str]]


def _judged(
    subject: str, told: str, experiment: Experiment, record: Callable[[], Records], judge: Judge
) -> Check:
    """Play an experiment, and judge its records."""
    started = time.monotonic()
    try:
        problems = [*judge(record())]
    except RunInterrupted:
        problems = [_no_records(experiment)]
    except (InstrumentFault, ExecutionFailed) as fault:
        problems = [str(fault)]
    took_s = time.monotonic() - started
    verdict = Verdict.FAILED if problems else Verdict.PASSED
    return Check(Area.CABLES, subject, verdict, "; ".join(problems) or told, took_s)


def _records_of_another(experiment: Experiment, station: OpenStation, module: RigModule) -> Records:
    """Of a rig that is wired as the experiment needs it."""
    rig = module.open_rig(station, experiment.wiring)
    try:
        return _records(experiment, rig)
    finally:
        rig.make_safe()


def _records(experiment: Experiment, rig: Rig) -> Records:
    """Means over the shots, complex128, shape (n_segments, n_samples), volts."""
    rig.make_safe()
    rig.apply(carrier_settings(experiment))
    rig.load(experiment.program)
    try:
        with _interrupted_after(rig, RECORDS_PATIENCE_S):
            rig.run(1)
        rig.stop()  # takes back an interrupt that came just too late
        records = rig.run(min(N_SHOTS, rig.max_shots_per_run()))
    finally:
        rig.stop()
    samples = records.samples[experiment.readout]
    return cast("Records", samples.mean(axis=0, dtype=np.complex128))


@contextmanager
def _interrupted_after(rig: Rig, patience_s: float) -> Iterator[None]:
    timer = threading.Timer(patience_s, rig.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _no_records(experiment: Experiment) -> str:
    wiring = experiment.wiring
    readout = wiring.readouts[experiment.readout]
    marker = readout.trigger
    cables = (
        f"{marker.instrument}.ch{marker.channel}.m{marker.marker} to the trigger input of"
        f" {readout.digitizer}"
    )
    if wiring.sync is not None:
        sync = wiring.sync.trigger
        followers = " and ".join(wiring.sync.followers)
        cables += f", or {sync.instrument}.ch{sync.channel}.m{sync.marker} to that of {followers}"
    return f"no record is taken: a cable is missing, {cables}"
