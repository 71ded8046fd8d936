"""What a careful physicist's script does for a job: the same QCoDeS calls, everything each time.

Drivers are opened once. For every job the script goes from its top to its end: it sets the
instruments up, sets the parameters, empties the AWGs, uploads all waveforms and the sequence, arms
the scope, plays, reads the records and integrates them. Compiling the job is not part of its time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from qcodes.instrument import InstrumentBase
from qcodes.instrument_drivers.tektronix import TektronixAWG5208
from qcodes.instrument_drivers.tektronix.DPO7200xx import TektronixDPO7000xx
from qcodes.station import Station

from labd.core.compile import PulseJob, compile_sweep
from labd.core.program import RigProgram
from labd.core.wiring import Wiring
from labd.payloads.sweep import unpack_sweep
from labd_drivers.rigs.scpi import LIMITS
from labd_drivers.rigs.scpi.memory import AwgMemory, Load
from labd_drivers.rigs.scpi.plan import make_plan
from labd_drivers.rigs.scpi.rack import assemble


@dataclass(frozen=True, slots=True)
class Recipe:
    """A job, compiled: settings by parameter path, what each AWG is sent, leader first."""

    settings: Mapping[str, float | bool | str]
    loads: Mapping[str, Load]
    program: RigProgram
    n_shots: int


def recipe_of(payload: bytes, wiring: Wiring) -> Recipe:
    """Compile a pulse job."""
    job = compile_sweep(unpack_sweep(payload), wiring, LIMITS, max_result_bytes=1 << 33)
    plan = make_plan(job.program, wiring)
    blocks = {waveform.digest: waveform.samples for waveform in job.program.waveforms}
    loads = {awg.instrument: AwgMemory(range(1, 9)).load(awg, blocks) for awg in plan.awgs}
    return Recipe(_parameters(job, wiring), loads, job.program, job.n_shots)


def _parameters(job: PulseJob, wiring: Wiring) -> dict[str, float | bool | str]:
    values: dict[str, float | bool | str] = {}
    for name, value in job.settings.items():
        route = wiring.settings[name]
        is_plain = route.is_switch or isinstance(value, str)
        values[route.parameter] = value if is_plain else float(value) * route.scale + route.offset
    return values


class PlainScript:
    """The drivers, open."""

    def __init__(self, station_file: Path, wiring: Wiring) -> None:
        self._station = Station(config_file=str(station_file), default=False)
        assert self._station.config is not None
        for name in self._station.config["instruments"]:
            instrument = self._station.load_instrument(name, update_snapshot=False)
            instrument.visa_handle.chunk_size = 1 << 20
        scope = self._station.components["scope"]
        assert isinstance(scope, TektronixDPO7000xx)
        self._scope = scope
        self._set_up = assemble(self._station.components, wiring).set_up_work()

    def close(self) -> None:
        """Close the drivers."""
        self._station.close_all_registered_instruments()

    def run(self, recipe: Recipe) -> npt.NDArray[np.complex64]:
        """Play the job; its records' means, shape (n_shots * n_triggers,), volts."""
        for set_up in self._set_up.values():
            set_up()
        for path, value in recipe.settings.items():
            instrument, parameter = path.split(".")
            driver = self._station.components[instrument]
            assert isinstance(driver, InstrumentBase)
            driver.parameters[parameter](value)
        awgs = [self._awg(name) for name in recipe.loads]
        for awg, load in zip(awgs, recipe.loads.values(), strict=True):
            _upload(awg, load)
        n_records = recipe.n_shots * recipe.program.n_triggers
        self._arm(recipe.program, n_records)
        for awg in reversed(awgs):  # followers first
            awg.play(wait_for_running=False)
            while awg.run_state() == "Stopped":
                time.sleep(0.001)
        while self._scope.acquisition.state() not in ("0", "STOP", "OFF"):
            time.sleep(0.001)
        for awg in awgs:
            awg.stop()
        records = self._read(n_records, recipe.program.record_samples)
        means: npt.NDArray[np.complex64] = records.mean(axis=1)
        return means

    def _awg(self, name: str) -> TektronixAWG5208:
        awg = self._station.components[name]
        assert isinstance(awg, TektronixAWG5208)
        return awg

    def _arm(self, program: RigProgram, n_records: int) -> None:
        scope = self._scope
        scope.horizontal.record_length(program.record_samples)
        delay_s = program.record_delay_samples / program.sample_rate_hz
        for command in (
            "HORizontal:FASTframe:STATE ON",
            f"HORizontal:MAIn:DELay:TIMe {delay_s:.12E}",
            "DATa:STARt 1",
            f"DATa:STOP {program.record_samples}",
            f"HORizontal:FASTframe:COUNt {n_records}",
            "DATa:FRAMESTARt 1",
            f"DATa:FRAMESTOP {n_records}",
        ):
            scope.write(command)
        scope.ask("*OPC?")
        scope.acquisition.state("RUN")
        while scope.trigger.state() != "ready":
            time.sleep(0.001)

    def _read(self, n_records: int, n_samples: int) -> npt.NDArray[np.complex64]:
        volts = []
        for number in (1, 2):
            waveform = self._scope.channel[number - 1].waveform
            self._scope.data.source(f"CH{number}")
            codes = self._scope.visa_handle.query_binary_values(
                "CURVe?", datatype="b", container=np.ndarray
            )
            offset = float(waveform.raw_data_offset())
            volts.append(
                (np.asarray(codes, np.float32) - offset) * float(waveform.scale())
                + float(waveform.offset())
            )
        records: npt.NDArray[np.complex64] = (volts[0] + 1j * volts[1]).astype(np.complex64)
        return records.reshape(n_records, n_samples)


def _upload(awg: TektronixAWG5208, load: Load) -> None:
    """Everything that the sequence needs, as if the AWG were empty; then it is."""
    awg.stop()
    awg.clearSequenceList()
    awg.clearWaveformList()
    for waveform in load.uploads:
        n_samples = len(waveform.samples)
        awg.write(f'WLISt:WAVeform:NEW "{waveform.name}",{n_samples},REAL')
        _write_block(
            awg,
            f'WLISt:WAVeform:DATA "{waveform.name}",0,{n_samples},',
            waveform.samples.astype("<f4").tobytes(),
        )
        if waveform.markers is not None:
            _write_block(
                awg,
                f'WLISt:WAVeform:MARKer:DATA "{waveform.name}",0,{n_samples},',
                waveform.markers.tobytes(),
            )
    for command in load.definitions:
        awg.write(command)
    awg.wait_for_operation_to_complete()
    assert awg.ask("SYSTem:ERRor?").startswith("0"), "the AWG refused something"


def _write_block(awg: TektronixAWG5208, command: str, payload: bytes) -> None:
    size = str(len(payload))
    awg.visa_handle.write_raw(f"{command}#{len(size)}{size}".encode() + payload + b"\n")
