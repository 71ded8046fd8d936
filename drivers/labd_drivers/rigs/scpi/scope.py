"""A Tektronix DPO70000 as digitizer: one FastFrame acquisition holds all records of a run."""

from __future__ import annotations

import logging
import time
from typing import Final

import numpy as np
import numpy.typing as npt
from qcodes.instrument_drivers.tektronix.DPO7200xx import TektronixDPO7000xx

from labd.core.errors import InstrumentFault
from labd.core.wiring import Readout
from labd_drivers.rigs.scpi.link import Link
from labd_drivers.rigs.scpi.plan import MIN_RECORD_SAMPLES

_log = logging.getLogger(__name__)

N_DIVISIONS: Final = 10
"""Vertical divisions that the codes cover."""
TRIGGER_LEVEL_V: Final = 0.5
ARM_TIMEOUT_S: Final = 10.0
"""How long the scope may take until it is ready for triggers."""
SET_UP_EXTRA_S: Final = 10.0
"""How much longer than usual the scope may take to be set up, or to make room for records."""
READ_BYTES_PER_S: Final = 1e6
"""What the scope sends at least: how long it is given for its records."""
_POLL_S: Final = 0.001
_LAST_CODE: Final = 127


class Digitizer:
    """One scope that takes the records of one readout channel on two of its inputs."""

    def __init__(self, link: Link, driver: TektronixDPO7000xx, readout: Readout) -> None:
        self.link = link
        self._driver = driver
        self._readout = readout
        self._inputs = (readout.input_i, readout.input_q)
        self._record: tuple[int, int] | None = None
        self._n_records = 0
        self.max_records = 0
        self._scaling: dict[int, tuple[float, float, float]] = {}

    def set_up(self) -> None:
        """Single acquisitions in FastFrame, triggered at AUX, both inputs within range."""
        doing = "setting it up"
        self._record, self._n_records = None, 0
        self._scaling.clear()
        with self.link.doing(doing):
            self._driver.write("HEADer OFF")
        self.link.clear()
        with self.link.doing(doing):
            self._driver.acquisition.state("STOP")
            self._driver.acquisition.mode("sample")
            self._driver.acquisition.stop_after("SEQUENCE")
            self._set_up_trigger()
            for number in self._inputs:
                self._set_up_input(number)
            self._driver.horizontal.mode("manual")
            self._driver.horizontal.sample_rate(self._readout.sample_rate_hz)
            self._driver.data.encoding("RIBinary")
            self._driver.waveform.bytes_per_sample(1)
        commands = [
            *(f"SELect:CH{number} ON" for number in self._inputs),
            "TRIGger:A:MODe NORMal",
            "HORizontal:MAIn:DELay:MODe ON",
            "HORizontal:MAIn:DELay:POSition 0",
            "HORizontal:FASTframe:STATE ON",
        ]
        self.link.send(doing, commands)
        self.link.settle(doing, SET_UP_EXTRA_S)
        self._check_sample_rate(doing)

    def prepare(self, record_samples: int, delay_samples: int) -> None:
        """Get ready for records that begin delay_samples after their trigger."""
        wanted = (record_samples, delay_samples)
        if wanted == self._record:
            return
        doing = f"preparing records of {record_samples} samples"
        self._record, self._n_records = None, 0
        delay_s = delay_samples / self._readout.sample_rate_hz
        with self.link.doing(doing):
            self._driver.horizontal.record_length(max(record_samples, MIN_RECORD_SAMPLES))
        commands = [
            f"HORizontal:MAIn:DELay:TIMe {delay_s:.12E}",
            "DATa:STARt 1",
            f"DATa:STOP {record_samples}",
        ]
        self.link.send(doing, commands)
        self.link.settle(doing, SET_UP_EXTRA_S)
        with self.link.doing(doing):
            in_memory = int(self._driver.ask("HORizontal:FASTframe:MAXFRames?"))
        self.max_records = min(self._readout.max_frames, in_memory)
        self._record = wanted

    def expect(self, n_records: int) -> None:
        """The next acquisition takes so many records, at most `max_records`."""
        if n_records == self._n_records:
            return
        doing = f"preparing {n_records} records"
        self._n_records = 0
        commands = [
            f"HORizontal:FASTframe:COUNt {n_records}",
            "DATa:FRAMESTARt 1",
            f"DATa:FRAMESTOP {n_records}",
        ]
        self.link.send(doing, commands)
        self.link.settle(doing, SET_UP_EXTRA_S)
        with self.link.doing(doing):
            n_granted = int(self._driver.ask("HORizontal:FASTframe:COUNt?"))
            if n_granted != n_records:
                raise ValueError(f"it takes only {n_granted}")
        self._n_records = n_records

    def arm(self) -> None:
        """Begin a new acquisition; return once triggers are heeded."""
        deadline = time.monotonic() + ARM_TIMEOUT_S
        with self.link.doing("arming it"):
            self._driver.acquisition.state("RUN")
            while (state := self._driver.trigger.state()) != "ready":
                if time.monotonic() > deadline:
                    raise TimeoutError(f"it is still {state!r} after {ARM_TIMEOUT_S} s")
                time.sleep(_POLL_S)

    def is_done(self) -> bool:
        """Whether all records have been taken."""
        with self.link.doing("waiting for its records"):
            return self._driver.acquisition.state() in ("0", "STOP", "OFF")

    def n_records(self) -> int:
        """Records taken so far."""
        with self.link.doing("waiting for its records"):
            return int(self._driver.ask("ACQuire:NUMFRAMESACQuired?"))

    def stalled(self, n_records: int) -> InstrumentFault:
        """The fault to be raised when no more records come."""
        marker = self._readout.trigger
        return InstrumentFault(
            self.link.name,
            "waiting for its records",
            f"no more come after {n_records} of {self._n_records}: does the marker "
            f"{marker.instrument}.ch{marker.channel}.m{marker.marker} reach its AUX input?",
        )

    def stop(self) -> None:
        """Give up the acquisition."""
        with self.link.doing("stopping it"):
            self._driver.acquisition.state("STOP")

    def read(self) -> npt.NDArray[np.complex64]:
        """The records of the acquisition: complex64, shape (n_records, record_samples), volts."""
        if self._record is None:
            raise InstrumentFault(self.link.name, "reading its records", "it was not prepared")
        n_records, record_samples = self._n_records, self._record[0]
        records = np.empty((n_records, record_samples), dtype=np.complex64)
        for number, part in zip(self._inputs, (records.real, records.imag), strict=True):
            codes = self._read_codes(number, n_records * record_samples)
            y_mult, y_off, y_zero = self._scaling_of(number)
            np.multiply(codes.reshape(part.shape), np.float32(y_mult), out=part)
            part += np.float32(y_zero - y_off * y_mult)
            if codes.max(initial=0) == _LAST_CODE or codes.min(initial=0) == -_LAST_CODE - 1:
                _log.warning(
                    "%s input %d: records reach the end of its range", self.link.name, number
                )
        return records

    def _set_up_trigger(self) -> None:
        self._driver.trigger.type("edge")
        self._driver.trigger.source("AUX")
        self._driver.trigger.edge_coupling("dc")
        self._driver.trigger.edge_slope("rise")
        self._driver.trigger.level(TRIGGER_LEVEL_V)

    def _set_up_input(self, number: int) -> None:
        channel = self._driver.channel[number - 1]
        channel.termination(50)
        channel.coupling("DC")
        channel.position(0)
        channel.offset(0)
        channel.scale(2.0 * self._readout.input_full_scale_v / N_DIVISIONS)

    def _check_sample_rate(self, doing: str) -> None:
        """Records at another rate than the wiring says would be integrated wrongly."""
        with self.link.doing(doing):
            rate_hz = float(self._driver.horizontal.sample_rate())
        if abs(rate_hz - self._readout.sample_rate_hz) > 1e-6 * rate_hz:
            wanted = f"{self._readout.sample_rate_hz:g} Hz"
            what = f"it samples at {rate_hz:g} Hz; the wiring says {wanted}"
            raise InstrumentFault(self.link.name, doing, what)

    def _scaling_of(self, number: int) -> tuple[float, float, float]:
        """Volts per code, code of zero, volts of that: of an input, asked for once."""
        if number not in self._scaling:
            waveform = self._driver.channel[number - 1].waveform
            with self.link.doing(f"asking for the scale of input {number}"):
                self._scaling[number] = (
                    float(waveform.scale()),
                    float(waveform.raw_data_offset()),
                    float(waveform.offset()),
                )
        return self._scaling[number]

    def _read_codes(self, number: int, n_samples: int) -> npt.NDArray[np.int8]:
        doing = f"reading the records of input {number}"
        with self.link.doing(doing):
            self._driver.data.source(f"CH{number}")
            block = self.link.query_block(doing, "CURVe?", n_samples, n_samples / READ_BYTES_PER_S)
            codes = np.frombuffer(block, dtype=np.int8)
            if codes.size != n_samples:
                raise ValueError(f"{codes.size} samples came, {n_samples} were expected")
        return codes
