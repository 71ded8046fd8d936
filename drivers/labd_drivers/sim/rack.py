"""The machine room: cables between the instruments, and the fridge they are wired to.

When the leading AWG runs and the scope is armed, a worker thread has the fridge compute records,
batch by batch, and puts them into the scope; the instruments keep answering meanwhile. Time is not
simulated: a thousand shots take as long as their computation.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.awg5208 import Awg5208
from labd_drivers.sim.awg_sequence import NotPlayable
from labd_drivers.sim.dpo70000 import Acquisition, Dpo70000
from labd_drivers.sim.frames import FramePlan, plan_frames
from labd_drivers.sim.gs200 import Gs200
from labd_drivers.sim.instrument import Instrument, Room
from labd_drivers.sim.loopbacks import looped_records
from labd_drivers.sim.physics.shot import Shot
from labd_drivers.sim.scpi import ScpiError
from labd_drivers.sim.sgs100a import Sgs100a
from labd_drivers.sim.shots import MarkerCable, Played, TriggerInput, play, shot_of

_log = logging.getLogger(__name__)
_BATCH_SAMPLES = 4_000_000
_REMEMBERED_SHOTS = 32

Records = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class FridgeLike(Protocol):
    """What the rack asks of the physics."""

    def records(
        self, shot: Shot, n_shots: int, record_start_samples: int, record_samples: int
    ) -> Records:
        """I and Q volts at the digitizer, float32, each (n_shots, n_triggers, record_samples)."""


@dataclass(frozen=True, slots=True)
class DigitizerCables:
    """What is plugged into the scope: I and Q on two channels, a marker on the auxiliary input.

    loopbacks: the AWG output, such as awg1.ch1, that is plugged into another channel.
    """

    scope: str
    channel_i: int
    channel_q: int
    trigger: MarkerCable
    loopbacks: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Task:
    acquisition: Acquisition
    shot: Shot
    frames: FramePlan
    first_frame: int
    state: tuple[int, ...]


class Rack:
    """Instruments by name, their cables, and the worker. Owns the room they share.

    trigger_cables: the marker at trigger input A, by AWG.
    """

    def __init__(
        self,
        instruments: Mapping[str, Instrument],
        room: Room,
        trigger_cables: Mapping[str, MarkerCable],
        digitizer: DigitizerCables,
        fridge: FridgeLike,
    ) -> None:
        self.instruments = instruments
        self.room = room
        self._cables = trigger_cables
        self._digitizer = digitizer
        self._fridge = fridge
        self._awgs = {n: i for n, i in instruments.items() if isinstance(i, Awg5208)}
        scope = instruments[digitizer.scope]
        if not isinstance(scope, Dpo70000):
            raise TypeError(f"{digitizer.scope} is not a scope")
        self._scope = scope
        for name, cable in trigger_cables.items():
            self._awgs[name].has_trigger = self._is_running_check(cable.awg)
        self._played: tuple[tuple[tuple[int, ...], TriggerInput], Played] | None = None
        self._shots: OrderedDict[bytes, Shot] = OrderedDict()
        self._stuck: tuple[Acquisition, tuple[int, ...]] | None = None
        self._is_closed = False
        self._worker = threading.Thread(target=self._work, name="machine-room", daemon=True)

    def start(self) -> None:
        """Start the worker."""
        self._worker.start()

    def close(self) -> None:
        """End the worker, after its batch. Idempotent."""
        with self.room:
            self._is_closed = True
            self.room.notify_all()
        if self._worker.is_alive():
            self._worker.join()

    def current_shot(self) -> Shot:
        """What the AWGs play now. Raises NotPlayable or ScpiError."""
        with self.room:
            return self._shot(self._current_play())

    def current_biases(self) -> dict[str, float]:
        """Voltage at the output of each bias source."""
        with self.room:
            listed = self.instruments.items()
            return {name: bias.voltage() for name, bias in listed if isinstance(bias, Gs200)}

    def _is_running_check(self, awg: str) -> _IsRunning:
        return _IsRunning(self._awgs[awg])

    # ---- the worker

    def _work(self) -> None:
        while True:
            with self.room:
                self.room.wait_for(lambda: self._is_closed or self._can_acquire())
                if self._is_closed:
                    return
                task = self._next_task()
            if task is None:
                continue
            try:
                self._acquire(task)
            except Exception:  # the fridge failed: the scope stays armed, the instruments live on
                _log.exception("no records from the fridge")
                self._scope.push_error(ScpiError(-300, "the simulated fridge failed"))
                with self.room:
                    self._stuck = (task.acquisition, task.state)

    def _state(self) -> tuple[int, ...]:
        """Equal as long as nothing has changed that a record could show."""
        running = [int(awg.is_running) for awg in self._awgs.values()]
        return (*running, *(i.revision for i in self.instruments.values()))

    def _can_acquire(self) -> bool:
        acquisition = self._scope.armed
        leaders = (awg for name, awg in self._awgs.items() if name not in self._cables)
        if acquisition is None or not any(awg.is_running for awg in leaders):
            return False
        return self._stuck != (acquisition, self._state())

    def _next_task(self) -> _Task | None:
        acquisition, state = self._scope.armed, self._state()
        if acquisition is None:
            return None
        try:
            if not self._scope.is_triggered_by_aux():
                raise NotPlayable("its trigger source is not the auxiliary input")
            played = self._current_play()
            shot = self._shot(played)
            frames = self._plan(acquisition, played)
        except (NotPlayable, ScpiError) as reason:
            _log.info("%s stays armed: %s", self._scope.name, reason)
            self._stuck = (acquisition, state)
            return None
        return _Task(acquisition, shot, frames, acquisition.n_done, state)

    def _plan(self, acquisition: Acquisition, played: Played) -> FramePlan:
        rate = played.sample_rate_hz
        busy_s = acquisition.n_samples / acquisition.sample_rate_hz + self._scope.hardware.rearm_s
        plan = plan_frames(
            played.triggers_samples,
            played.duration_samples,
            n_frames=acquisition.n_frames - acquisition.n_done,
            dead_samples=round(busy_s * rate),
            is_looping=played.is_looping,
        )
        if not plan.n_frames:
            raise NotPlayable("no marker edge crosses its trigger level")
        return plan

    def _current_play(self) -> Played:
        awgs = self._awgs.values()
        level_v, slope = self._scope.trigger_level_v.get(), self._scope.trigger_slope.get()
        listening = TriggerInput(self._digitizer.trigger, level_v, slope)
        state = (*(awg.is_running for awg in awgs), *(awg.revision for awg in awgs))
        if self._played is None or self._played[0] != (state, listening):
            played = play(self._awgs, self._cables, listening)
            self._played = ((state, listening), played)
        return self._played[1]

    def _shot(self, played: Played) -> Shot:
        """The shot, the same object for the same contents."""
        sources = {n: i.source() for n, i in self.instruments.items() if isinstance(i, Sgs100a)}
        biases_v = self.current_biases()
        key = played.digest + repr((sources, biases_v)).encode()
        shot = self._shots.get(key)
        if shot is None:
            shot = self._shots[key] = shot_of(played, sources, biases_v)
            if len(self._shots) > _REMEMBERED_SHOTS:
                self._shots.popitem(last=False)
        self._shots.move_to_end(key)
        return shot

    def _acquire(self, task: _Task) -> None:
        """Take the frames of a task, until they are all there or something has changed."""
        done = 0
        for volts in self._batches(task):
            with self.room:
                is_stale = self._is_closed or self._state() != task.state
                if is_stale or self._scope.armed is not task.acquisition:
                    return
            self._scope.store(task.acquisition, task.first_frame + done, volts)
            done += len(next(iter(volts.values())))
        with self.room:
            if self._scope.armed is task.acquisition:
                self._stuck = (task.acquisition, task.state)

    def _batches(self, task: _Task) -> Iterator[dict[int, npt.NDArray[np.float32]]]:
        """Volts of the task's frames by channel, at the scope's rate, shape (n, n_samples)."""
        acquisition, rate = task.acquisition, task.shot.sample_rate_hz
        start = round(acquisition.start_s * rate)
        per_sample = rate / acquisition.sample_rate_hz
        picks = np.floor(np.arange(acquisition.n_samples) * per_sample + 1e-9).astype(np.intp)
        n_records = int(picks[-1]) + 1
        is_same_rate = n_records == acquisition.n_samples
        n_triggers = len(task.shot.triggers_samples)
        looped = looped_records(task.shot, self._digitizer.loopbacks, start, picks)
        step = max(1, _BATCH_SAMPLES // (n_triggers * n_records))
        for first in range(0, task.frames.n_shots, step):
            n_shots = min(step, task.frames.n_shots - first)
            chosen = task.frames.chosen(first, n_shots)
            both = self._fridge.records(task.shot, n_shots, start, n_records)
            picked = [part.reshape(-1, n_records) for part in both]
            if len(chosen) < n_shots * n_triggers:
                picked = [part[chosen] for part in picked]
            if not is_same_rate:
                picked = [part[:, picks] for part in picked]
            if len(chosen):
                yield {
                    self._digitizer.channel_i: picked[0],
                    self._digitizer.channel_q: picked[1],
                    **{channel: one[chosen % n_triggers] for channel, one in looped.items()},
                }


class _IsRunning:
    """Whether the AWG at the other end of a trigger cable runs."""

    def __init__(self, awg: Awg5208) -> None:
        self._awg = awg

    def __call__(self) -> bool:
        return self._awg.is_running
