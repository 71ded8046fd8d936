"""A Tektronix AWG5200: how it is set up, loaded, started and stopped."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from qcodes.instrument_drivers.tektronix import TektronixAWG5208

from labd.core.errors import ExecutionFailed
from labd.core.rig import LoadReport
from labd_drivers.rigs.scpi.limits import LONGEST_WAIT_S
from labd_drivers.rigs.scpi.link import Link
from labd_drivers.rigs.scpi.memory import AwgMemory, Blocks
from labd_drivers.rigs.scpi.plan import AwgPlan, Waveform

MARKER_HIGH_V: Final = 1.0
"""Markers swing from 0 to this."""
TRIGGER_LEVEL_V: Final = 0.5
"""Where trigger input A sees a marker's edge."""
START_TIMEOUT_S: Final = LONGEST_WAIT_S
"""How long an AWG may take from RUN until it waits for its trigger."""
START_LOOK_S: Final = 1.0
"""Meanwhile its error queue is read so often: one that has refused to run never will."""
SET_UP_EXTRA_S: Final = 10.0
"""How much longer than usual an AWG may take to be emptied and set up."""
UPLOAD_BYTES_PER_S: Final = 2e6
COMMANDS_PER_S: Final = 500.0
"""What an AWG digests at least: how long it is given for a program."""
_POLL_S: Final = 0.002
_MAX_BITS: Final = 16


class RunState(Enum):
    """What a started AWG does, in the driver's words."""

    WAITING = "Waiting for trigger"
    RUNNING = "Running"


@dataclass(frozen=True, slots=True)
class OutputSetting:
    """How one output is set up. full_scale_v: volts for a sample of 1.0."""

    channel: int
    full_scale_v: float


class Awg:
    """One AWG. outputs: all that are wired, ascending."""

    def __init__(
        self,
        link: Link,
        driver: TektronixAWG5208,
        outputs: tuple[OutputSetting, ...],
        *,
        sample_rate_hz: float,
        resolution_bits: int,
    ) -> None:
        self.link = link
        self._driver = driver
        self._outputs = outputs
        self._sample_rate_hz = sample_rate_hz
        self._n_markers = min(_MAX_BITS - resolution_bits, 4)
        self._resolution_bits = resolution_bits
        self._memory = AwgMemory([output.channel for output in outputs])

    def set_up(self) -> None:
        """Stop it, empty it, and set clock, outputs, markers and trigger input."""
        doing = "setting it up"
        self._memory.forget()
        self.link.clear()
        with self.link.doing(doing):
            self._driver.stop()
            self._driver.mode("AWG")
            self._driver.clearSequenceList()
            self._driver.clearWaveformList()
            self._driver.sample_rate(self._sample_rate_hz)
            for output in self._outputs:
                self._set_up_output(output)
            self._driver.all_output_off(False)
        trigger = [
            "TRIGger:IMPedance 50,ATRigger",
            f"TRIGger:LEVel {TRIGGER_LEVEL_V},ATRigger",
            "TRIGger:SLOPe POSitive,ATRigger",
        ]
        self.link.send(doing, trigger)
        self.link.settle(doing, SET_UP_EXTRA_S)

    def load(self, plan: AwgPlan, blocks: Blocks) -> LoadReport:
        """Make the sequence ready to play; send only what the AWG does not hold."""
        doing = "loading the program"
        load = self._memory.load(plan, blocks)
        n_bytes = sum(waveform.n_bytes for waveform in load.uploads)
        report = LoadReport(load.n_waveforms, len(load.uploads), n_bytes)
        if load.is_empty:
            return report
        for waveform in load.uploads:
            _demand_playable(waveform)
        self.link.send(doing, load.deletions)
        for waveform in load.uploads:
            self._upload(waveform)
        self.link.send(doing, load.definitions)
        n_commands = len(load.deletions) + len(load.definitions)
        self.link.settle(doing, n_bytes / UPLOAD_BYTES_PER_S + n_commands / COMMANDS_PER_S)
        return report

    def start(self) -> None:
        """Play from the sequence's first step."""
        with self.link.doing("starting it"):
            self._driver.play(wait_for_running=False)

    def await_state(self, wanted: RunState) -> None:
        """Return once the AWG is in that state."""
        now = time.monotonic()
        deadline, look = now + START_TIMEOUT_S, now + START_LOOK_S
        with self.link.doing("starting it"):
            while (state := self._driver.run_state()) != wanted.value:
                now = time.monotonic()
                if now > deadline:
                    raise TimeoutError(f"it is {state!r} after {START_TIMEOUT_S} s")
                if now > look:
                    look = now + START_LOOK_S
                    self.link.demand_well("starting it")
                time.sleep(_POLL_S)

    def stop(self) -> None:
        """Stop playing."""
        with self.link.doing("stopping it"):
            self._driver.stop()

    def make_safe(self) -> None:
        """Stop playing and switch every wired output off."""
        doing = "switching its outputs off"
        with self.link.doing(doing):
            self._driver.stop()
            for output in self._outputs:
                self._driver.channels[output.channel - 1].state(0)
        self.link.settle(doing)

    def _set_up_output(self, output: OutputSetting) -> None:
        channel = self._driver.channels[output.channel - 1]
        channel.resolution(self._resolution_bits)
        channel.awg_amplitude(2.0 * output.full_scale_v)
        channel.hold("ZERO")
        for marker in range(1, 1 + self._n_markers):
            channel.parameters[f"marker{marker}_high"].set(MARKER_HIGH_V)
            channel.parameters[f"marker{marker}_low"].set(0.0)
            channel.parameters[f"marker{marker}_waitvalue"].set("LOW")
            channel.parameters[f"marker{marker}_stoppedvalue"].set("LOW")
        channel.state(1)

    def _upload(self, waveform: Waveform) -> None:
        doing = f"uploading waveform {waveform.name}"
        target, n_samples = f'"{waveform.name}"', len(waveform.samples)
        self.link.send_block(
            doing,
            f"WLISt:WAVeform:NEW {target},{n_samples},REAL;"
            f":WLISt:WAVeform:DATA {target},0,{n_samples},",
            waveform.samples.astype("<f4", copy=False).tobytes(),
        )
        if waveform.markers is not None:
            self.link.send_block(
                doing,
                f"WLISt:WAVeform:MARKer:DATA {target},0,{n_samples},",
                waveform.markers.tobytes(),
            )


def _demand_playable(waveform: Waveform) -> None:
    """Refuse samples that the AWG would clip or choke on. Raises ExecutionFailed."""
    peak = float(np.abs(waveform.samples).max(initial=0.0))
    if not peak <= 1.0:
        raise ExecutionFailed(f"a waveform's sample is {peak} of full scale; the limit is 1.0")
