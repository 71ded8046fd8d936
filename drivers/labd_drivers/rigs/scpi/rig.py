"""The SCPI rig's I/O half: all instruments of the rack as one that plays programs.

Any InstrumentFault leaves the rig not ready: before it plays again, everything is set up anew and
sent again. All public methods but `interrupt` are called from one thread; work on several
instruments is done side by side, each instrument in one thread at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from qcodes.instrument import Instrument

from labd.core.errors import ExecutionFailed, InstrumentFault
from labd.core.health import Sign
from labd.core.log_fields import about
from labd.core.program import Records, RigProgram
from labd.core.rig import LoadReport, RunInterrupted, SettingValue
from labd.core.wiring import Wiring
from labd_drivers.rigs.scpi.awg import Awg, RunState
from labd_drivers.rigs.scpi.limits import LONGEST_WAIT_S
from labd_drivers.rigs.scpi.link import TROUBLE, Crew, Link
from labd_drivers.rigs.scpi.plan import make_plan
from labd_drivers.rigs.scpi.rack import Work, assemble
from labd_drivers.rigs.scpi.scope import Digitizer

_log = logging.getLogger(__name__)

STALL_TIMEOUT_S: Final = LONGEST_WAIT_S
"""How long a digitizer may take for its next record, beyond the length of one repetition."""
MAX_SILENT_SHOTS: Final = 1_000_000
"""Most shots of one run of a program that is not recorded."""
SAFE_TIMEOUT_S: Final = 2.0
"""How long an instrument may take to answer while everything is made safe."""
_MIN_POLL_S: Final = 0.0005
_MAX_POLL_S: Final = 0.01
_PROGRESS_POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The program that is ready to play. n_triggers: records of one shot, by readout channel."""

    leader: Awg
    followers: tuple[Awg, ...]
    n_triggers: Mapping[str, int]
    loop_s: float


class ScpiRig:
    """See `labd.core.rig.Rig`."""

    def __init__(self, station: Mapping[str, object], wiring: Wiring) -> None:
        self._station = station
        self._wiring = wiring
        self._rack = assemble(station, wiring)
        self._crew = Crew(len(self._rack.links))
        self._loaded: _Loaded | None = None
        self._is_ready = False
        self._is_interrupted = threading.Event()
        self._make_ready()

    def probe(self) -> tuple[Sign, ...]:
        """Which instruments are silent, have errors, or were off and on since they were set up."""
        signs: dict[str, Sign] = {}

        def ask(link: Link) -> None:
            started = time.monotonic()
            trouble = link.trouble()
            signs[link.name] = Sign(link.name, time.monotonic() - started, trouble)

        self._crew.do({name: partial(ask, link) for name, link in self._rack.links.items()})
        return tuple(signs[name] for name in self._rack.links)

    def apply(self, settings: Mapping[str, SettingValue]) -> None:
        """Set station parameters through the wiring; what has its value already is left alone."""
        by_instrument: dict[str, dict[str, SettingValue]] = {}
        for name, value in settings.items():
            route = self._wiring.settings[name]
            instrument, _, path = route.parameter.partition(".")
            is_plain = route.is_switch or isinstance(value, str)
            target = value if is_plain else float(value) * route.scale + route.offset
            by_instrument.setdefault(instrument, {})[path] = target
        with self._in_earnest():
            self._make_ready()
            self._crew.do(
                {
                    name: partial(self._rack.sources[name].apply, values)
                    for name, values in by_instrument.items()
                }
            )

    def load(self, program: RigProgram) -> LoadReport:
        """Make the program ready to play; send only what the AWGs do not hold."""
        self._loaded = None
        plan = make_plan(program, self._wiring)
        counts = _triggers_by_channel(program)
        blocks = {waveform.digest: waveform.samples for waveform in program.waveforms}
        reports: dict[str, LoadReport] = {}

        def load_one(name: str) -> None:
            awg_plan = next(awg for awg in plan.awgs if awg.instrument == name)
            reports[name] = self._rack.awgs[name].load(awg_plan, blocks)

        names = [awg.instrument for awg in plan.awgs]
        with self._in_earnest():
            self._make_ready()
            self._crew.do({name: partial(load_one, name) for name in names})
            for name in counts:
                digitizer = self._rack.digitizers[name]
                digitizer.prepare(program.record_samples, program.record_delay_samples)
        leader, *followers = (self._rack.awgs[name] for name in names)
        loop_s = plan.loop_samples / program.sample_rate_hz
        self._loaded = _Loaded(leader, tuple(followers), counts, loop_s)
        return LoadReport(
            sum(report.n_waveforms for report in reports.values()),
            sum(report.n_uploaded for report in reports.values()),
            sum(report.uploaded_bytes for report in reports.values()),
        )

    def max_shots_per_run(self) -> int:
        """Most shots of the loaded program that the digitizers can hold."""
        n_triggers = self._demand_loaded().n_triggers
        digitizers = self._rack.digitizers
        return min(
            (max(digitizers[name].max_records // n, 1) for name, n in n_triggers.items()),
            default=MAX_SILENT_SHOTS,
        )

    def run(self, n_shots: int) -> Records:
        """Play the loaded program n_shots times and read the records out."""
        loaded = self._demand_loaded()
        digitizers = {name: self._rack.digitizers[name] for name in loaded.n_triggers}
        with self._in_earnest():
            for name, digitizer in digitizers.items():
                digitizer.expect(n_shots * loaded.n_triggers[name])
            try:
                self._start(loaded, digitizers)
                self._wait(loaded, n_shots, digitizers)
            except BaseException:
                self._crew.try_all(self._stop_work())
                raise
            for awg in (loaded.leader, *loaded.followers):
                awg.stop()
            samples = {
                name: digitizer.read().reshape(n_shots, loaded.n_triggers[name], -1)
                for name, digitizer in digitizers.items()
            }
        return Records(n_shots, samples)

    def interrupt(self) -> None:
        """From another thread: let the run in progress end early."""
        self._is_interrupted.set()

    def stop(self) -> None:
        """Stop playing and recording. Idempotent, safe in any state."""
        self._is_interrupted.clear()
        for fault in self._crew.try_all(self._stop_work()):
            self._is_ready = False
            fields = about(instrument=fault.instrument)
            _log.warning("could not be stopped: %s", fault, extra=fields)

    def make_safe(self) -> bool:
        """Stop everything, AWG outputs off, declared safe values; what fails is logged."""
        self._is_ready = False
        self._loaded = None
        for link in self._rack.links.values():
            link.hurry(SAFE_TIMEOUT_S)
        work = self._stop_work()
        work |= {name: awg.make_safe for name, awg in self._rack.awgs.items()}
        faults = [*self._crew.try_all(work)]
        by_instrument: dict[str, dict[str, SettingValue]] = {}
        for rule in self._wiring.outputs.values():
            if rule.safe is not None and rule.instrument in self._rack.sources:
                by_instrument.setdefault(rule.instrument, {})[rule.path] = rule.safe
        faults += self._crew.try_all(
            {
                name: partial(self._rack.sources[name].force, values)
                for name, values in by_instrument.items()
            }
        )
        for fault in faults:
            fields = about(instrument=fault.instrument)
            _log.error("is perhaps not in its safe state: %s", fault, extra=fields)
        return not faults

    def close(self) -> None:
        """Close the instruments in reverse order of opening. Idempotent."""
        self._is_ready = False
        self._loaded = None
        self._crew.dismiss()
        for name in reversed(list(self._station)):
            instrument = self._station[name]
            try:
                if isinstance(instrument, Instrument):
                    instrument.close()
            except TROUBLE as error:
                fields = about(instrument=name)
                _log.warning("%s did not close: %s", name, error, extra=fields)

    def _demand_loaded(self) -> _Loaded:
        if self._loaded is None:
            raise ExecutionFailed("the rack has no program to play")
        return self._loaded

    @contextmanager
    def _in_earnest(self) -> Iterator[None]:
        """After a fault nothing is known of the rack any more."""
        try:
            yield
        except InstrumentFault:
            self._is_ready = False
            self._loaded = None
            raise

    def _make_ready(self) -> None:
        """Set all instruments up, if they are not."""
        if not self._is_ready:
            self._crew.do(self._rack.set_up_work())
            self._is_ready = True

    def _stop_work(self) -> dict[str, Work]:
        work: dict[str, Work] = {name: awg.stop for name, awg in self._rack.awgs.items()}
        return work | {d.link.name: d.stop for d in self._rack.digitizers.values()}

    def _start(self, loaded: _Loaded, digitizers: Mapping[str, Digitizer]) -> None:
        """Whoever listens first: digitizers, then followers, then the leader."""
        for digitizer in digitizers.values():
            digitizer.arm()
        for follower in loaded.followers:
            follower.start()
        for follower in loaded.followers:
            follower.await_state(RunState.WAITING)
        loaded.leader.start()
        loaded.leader.await_state(RunState.RUNNING)

    def _wait(self, loaded: _Loaded, n_shots: int, digitizers: Mapping[str, Digitizer]) -> None:
        """Return when all records are taken; with nothing to record, when the time is over."""
        started = progressed = time.monotonic()
        expected_s = loaded.loop_s * n_shots
        poll_s = min(max(expected_s / 50, _MIN_POLL_S), _MAX_POLL_S)
        pending, n_before = list(digitizers.values()), 0
        while pending or time.monotonic() < started + expected_s * (not digitizers):
            if self._is_interrupted.wait(poll_s):
                raise RunInterrupted
            pending = [digitizer for digitizer in pending if not digitizer.is_done()]
            if pending and time.monotonic() > progressed + _PROGRESS_POLL_S:
                n_now = pending[0].n_records()
                if n_now != n_before:
                    progressed, n_before = time.monotonic(), n_now
                elif time.monotonic() > progressed + loaded.loop_s + STALL_TIMEOUT_S:
                    raise pending[0].stalled(n_now)


def _triggers_by_channel(program: RigProgram) -> dict[str, int]:
    """Records of one shot, by readout channel, for those that have any."""
    counts: dict[str, int] = {}
    for index in program.order:
        for trigger in program.segments[index].triggers:
            counts[trigger.channel] = counts.get(trigger.channel, 0) + 1
    return counts
