"""Tektronix DPO70000-class oscilloscope, as a digitizer: FastFrame, edge trigger, CURVe?.

It starts with headers on, as the instrument does; who reads numbers sends `HEADer OFF` first. No
trigger, no record: automatic triggering is accepted and does not happen. `*OPC?` waits for a single
sequence to end. In continuous acquisition a new record is taken when the last has been read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.digitizer import Codes, Vertical, WireFormat, quantise
from labd_drivers.sim.instrument import Identity, Instrument, Room, quoted_errors
from labd_drivers.sim.scpi import ScpiError, definite_block, quoted
from labd_drivers.sim.settings import ChoiceSetting, NumberSetting, SwitchSetting
from labd_drivers.sim.settings import WholeNumberSetting as Whole
from labd_drivers.sim.tree import Call, Found, Reply

N_CHANNELS = 4
_MAX_INDEX = 1_000_000_000
_CHANNELS = tuple(f"CH{n}" for n in range(1, N_CHANNELS + 1))
_TRIGGER_SOURCES = ("AUXiliary", *_CHANNELS, "LINE", *(f"D{n}" for n in range(16)))
_SLOPES = ("RISe", "FALL", "EITher")
_ENCODINGS = {
    "ASCIi": None,
    "FAStest": WireFormat(1, is_signed=True, is_big_endian=True),
    "RIBinary": WireFormat(1, is_signed=True, is_big_endian=True),
    "RPBinary": WireFormat(1, is_signed=False, is_big_endian=True),
    "SRIbinary": WireFormat(1, is_signed=True, is_big_endian=False),
    "SRPbinary": WireFormat(1, is_signed=False, is_big_endian=False),
}


@dataclass(frozen=True, slots=True)
class ScopeHardware:
    """What this scope can do. n_bits: of its converters, 8 to 16."""

    sample_rates_hz: tuple[float, ...]
    record_memory_samples: int
    n_bits: int
    rearm_s: float


@dataclass(slots=True)
class Acquisition:
    """Records taken, or to be taken, with the settings of the moment of arming.

    start_s: from the trigger to the first sample. codes: by channel, shape (n_frames, n_samples),
    for the channels that have a cable.
    """

    n_frames: int
    n_samples: int
    sample_rate_hz: float
    start_s: float
    verticals: dict[int, Vertical]
    codes: dict[int, Codes] = field(default_factory=dict)
    n_done: int = 0


class Dpo70000(Instrument):
    """The scope. The machine room reads `armed` and fills it by `store`."""

    def __init__(self, name: str, identity: Identity, room: Room, hardware: ScopeHardware) -> None:
        super().__init__(name, identity, room)
        self.hardware = hardware
        self.armed: Acquisition | None = None
        self._kept: Acquisition | None = None
        self._has_headers = SwitchSetting(self, "HEADer", is_on=True)
        SwitchSetting(self, "VERBose", is_on=True)
        self._add_horizontal()
        self._add_vertical()
        self._add_trigger()
        self._add_acquisition()
        self._add_transfer()
        self.tree.add("ALLEv", query=lambda _: quoted_errors(self))
        self.tree.add("EVENT", query=lambda _: str(self.pop_error().code))
        self.tree.add("EVMsg", query=lambda _: str(self.pop_error()))
        self.tree.add("BUSY", query=lambda _: str(int(self.is_busy())))
        self.tree.add("FACtory", write=lambda _: self.reset())

    # ---- for the machine room

    def is_busy(self) -> bool:
        """Whether a single sequence is being acquired."""
        return self.armed is not None and self._stop_after.get() == "SEQuence"

    def reset(self) -> None:
        """Not armed, no records, settings to their defaults."""
        self.armed = self._kept = None
        super().reset()

    def answer(self, found: Found, reply: Reply) -> Reply:
        """With headers on, a reply begins with the header of its command."""
        if not self._has_headers.get() or found.command.pattern.startswith("*"):
            return reply
        header = self.tree.full_header(found) + " "
        return header + reply if isinstance(reply, str) else header.encode() + reply

    def is_triggered_by_aux(self) -> bool:
        """Whether the edge trigger listens to the auxiliary input."""
        is_edge = self._trigger_type.get() == "EDGE"
        return is_edge and self._trigger_source.get() == "AUXiliary"

    def store(
        self, acquisition: Acquisition, first: int, volts: Mapping[int, npt.NDArray[np.float32]]
    ) -> None:
        """Take records in. Called without the room: conversion takes time.

        first: index of the first frame. volts: float32 by channel, shape (n, n_samples); channels
        that are not there see nothing.
        """
        n_frames = len(next(iter(volts.values())))
        shape = (acquisition.n_frames, acquisition.n_samples)
        for channel, seen in volts.items():
            converted = quantise(seen, acquisition.verticals[channel], self.hardware.n_bits)
            if channel not in acquisition.codes:
                acquisition.codes[channel] = np.empty(shape, converted.dtype)
            acquisition.codes[channel][first : first + n_frames] = converted
        with self.room:
            acquisition.n_done = first + n_frames
            if acquisition.n_done == acquisition.n_frames and self.armed is acquisition:
                self.armed, self._kept = None, acquisition
            self.moved()

    # ---- set-up

    def _add_horizontal(self) -> None:
        add = self.tree.add
        hardware = self.hardware
        self._mode = ChoiceSetting(
            self, "HORizontal:MODE", options=("AUTO", "CONStant", "MANual"), is_verbose=True
        )
        self._n_samples = Whole(
            self,
            "HORizontal:MODE:RECOrdlength",
            default=1000,
            limits=(100, hardware.record_memory_samples),
            check=self._check_manual,
        )
        self._sample_rate_hz = NumberSetting(
            self,
            "HORizontal:MODE:SAMPLERate",
            default=max(hardware.sample_rates_hz),
            limits=(1.0, 1e12),
            coerce=self._nearest_rate,
            check=self._check_not_auto,
        )
        add("HORizontal:RECOrdlength", query=lambda _: str(self._n_samples.whole()))
        add("HORizontal:MODE:SCAle", write=self._set_scale, query=self._get_scale)
        self._position_percent = NumberSetting(
            self, "HORizontal:POSition", default=50.0, limits=(0.0, 100.0)
        )
        self._is_delayed = SwitchSetting(self, "HORizontal[:MAIn]:DELay:MODe")
        self._delay_s = NumberSetting(
            self, "HORizontal[:MAIn]:DELay:TIMe", default=0.0, limits=(-10.0, 10.0)
        )
        self._delay_position_percent = NumberSetting(
            self, "HORizontal[:MAIn]:DELay:POSition", default=50.0, limits=(0.0, 100.0)
        )
        ChoiceSetting(self, "HORizontal:ROLL", options=("AUTO", "ON", "OFF"))
        add("HORizontal:MAIn:UNIts", query=lambda _: quoted("s"))
        self._is_fast_frame = SwitchSetting(self, "HORizontal:FASTframe:STATE")
        self._n_frames = Whole(
            self,
            "HORizontal:FASTframe:COUNt",
            default=10,
            limits=(1, _MAX_INDEX),
            coerce=lambda count: min(round(count), self._max_frames()),
        )
        add("HORizontal:FASTframe:MAXFRames", query=lambda _: str(self._max_frames()))

    def _check_manual(self, suffixes: tuple[int, ...], value: float) -> None:
        del suffixes, value
        if self._mode.get() != "MANual":
            raise ScpiError(-221, "the record length is read only unless HORizontal:MODE is MANual")

    def _check_not_auto(self, suffixes: tuple[int, ...], value: float) -> None:
        del suffixes, value
        if self._mode.get() == "AUTO":
            raise ScpiError(-221, "the sample rate is read only while HORizontal:MODE is AUTO")

    def _nearest_rate(self, wanted_hz: float) -> float:
        return min(self.hardware.sample_rates_hz, key=lambda rate: abs(np.log(rate / wanted_hz)))

    def _max_frames(self) -> int:
        return max(1, self.hardware.record_memory_samples // self._n_samples.whole())

    def _set_scale(self, call: Call) -> None:
        call.expect(1)
        scale_s = call.number(0)
        if self._mode.get() == "MANual":
            raise ScpiError(-221, "the scale is read only while HORizontal:MODE is MANual")
        if scale_s <= 0:
            raise ScpiError(-222, f"{call.unit} {scale_s:g}")
        self._sample_rate_hz.put(self._nearest_rate(self._n_samples.whole() / (10 * scale_s)))

    def _get_scale(self, call: Call) -> str:
        call.expect(0)
        return f"{self._n_samples.whole() / (10 * self._sample_rate_hz.get()):.9G}"

    def _add_vertical(self) -> None:
        channel = f"CH#{N_CHANNELS}"
        self._scale_v = NumberSetting(self, f"{channel}:SCAle", default=0.1, limits=(1e-3, 10.0))
        self._offset_v = NumberSetting(self, f"{channel}:OFFSet", default=0.0, limits=(-10.0, 10.0))
        self._position_div = NumberSetting(
            self, f"{channel}:POSition", default=0.0, limits=(-8.0, 8.0)
        )
        NumberSetting(self, f"{channel}:TERmination", default=50.0, limits=(50.0, 1e6))
        NumberSetting(self, f"{channel}:THRESHold", default=0.0, limits=(-5.0, 5.0))
        NumberSetting(self, f"{channel}:VTERm:BIAS", default=0.0, limits=(-5.0, 5.0))
        NumberSetting(self, f"{channel}:BANdwidth", default=16e9, limits=(20e6, 70e9))
        ChoiceSetting(
            self, f"{channel}:COUPling", options=("DC", "AC", "DCREJect", "GND"), is_verbose=True
        )
        SwitchSetting(self, f"SELect:CH#{N_CHANNELS}", is_on=True)

    def _add_trigger(self) -> None:
        self._trigger_source = self._add_edge("A", _TRIGGER_SOURCES)
        self._add_edge("B", _TRIGGER_SOURCES)
        self._trigger_type = ChoiceSetting(
            self,
            "TRIGger:A:TYPE",
            options=("EDGE", "LOGIc", "PULSe", "VIDeo", "I2C", "CAN", "SPI", "COMMunication"),
            is_verbose=True,
        )
        ChoiceSetting(self, "TRIGger:B:TYPE", options=("EDGE", "LOGIc", "PULSe"), is_verbose=True)
        self.trigger_slope = ChoiceSetting(
            self, "TRIGger:A:EDGE:SLOpe", options=_SLOPES, is_verbose=True
        )
        ChoiceSetting(self, "TRIGger:B:EDGE:SLOpe", options=_SLOPES, is_verbose=True)
        self.trigger_level_v = NumberSetting(
            self, "TRIGger:A:LEVel", default=0.5, limits=(-10.0, 10.0)
        )
        NumberSetting(self, "TRIGger:B:LEVel", default=0.5, limits=(-10.0, 10.0))
        ChoiceSetting(self, "TRIGger:A:MODe", options=("NORMal", "AUTO"), is_verbose=True)
        for letter in "AB":
            self.tree.add(f"TRIGger:{letter}:READY", query=lambda _: str(int(bool(self.armed))))
        self.tree.add("TRIGger:STATE", query=self._get_trigger_state)

    def _add_edge(self, letter: str, sources: tuple[str, ...]) -> ChoiceSetting:
        edge = f"TRIGger:{letter}:EDGE"
        couplings = ("DC", "AC", "HFRej", "LFRej", "NOISErej", "ATRIGger")
        ChoiceSetting(self, f"{edge}:COUPling", options=couplings, is_verbose=True)
        return ChoiceSetting(self, f"{edge}:SOUrce", options=sources, is_verbose=True)

    def _get_trigger_state(self, call: Call) -> str:
        del call
        if self.armed is None:
            return "SAVE"
        return "TRIGGER" if self.armed.n_done else "READY"

    def _add_acquisition(self) -> None:
        add = self.tree.add
        add("ACQuire:STATE", write=self._set_state, query=lambda _: str(int(bool(self.armed))))
        self._stop_after = ChoiceSetting(
            self, "ACQuire:STOPAfter", options=("RUNSTop", "SEQuence"), is_verbose=True
        )
        ChoiceSetting(self, "ACQuire:MODe", options=("SAMple",), is_verbose=True)
        Whole(self, "ACQuire:NUMAVg", default=16, limits=(2, 10_000))
        add("ACQuire:NUMACq", query=lambda _: str(self._n_acquired() and 1))
        add("ACQuire:NUMFRAMESACQuired", query=lambda _: str(self._n_acquired()))

    def _n_acquired(self) -> int:
        latest = self.armed or self._kept
        return latest.n_done if latest else 0

    def _set_state(self, call: Call) -> None:
        call.expect(1)
        is_start = call.word(0) == "RUN" or (call.word(0) != "STOP" and call.switch(0))
        if is_start:
            self._arm()
        elif self.armed is not None:
            self._kept, self.armed = self.armed, None
        self.moved()

    def _arm(self) -> None:
        n_frames = self._n_frames.whole() if self._is_fast_frame.get() else 1
        n_samples = self._n_samples.whole()
        if n_frames * n_samples > self.hardware.record_memory_samples:
            raise ScpiError(-225, f"{n_frames} frames of {n_samples} samples")
        rate_hz = self._sample_rate_hz.get()
        start_s = -n_samples * self._position_percent.get() / 100 / rate_hz
        if self._is_delayed.get():
            position = self._delay_position_percent.get() / 100
            start_s = self._delay_s.get() - n_samples * position / rate_hz
        self.armed = Acquisition(
            n_frames=n_frames,
            n_samples=n_samples,
            sample_rate_hz=rate_hz,
            start_s=start_s,
            verticals={channel: self._vertical(channel) for channel in range(1, N_CHANNELS + 1)},
        )
        self._kept = None

    def _vertical(self, channel: int) -> Vertical:
        return Vertical(
            self._scale_v.get(channel), self._offset_v.get(channel), self._position_div.get(channel)
        )

    def _add_transfer(self) -> None:
        add = self.tree.add
        limits = (1, _MAX_INDEX)
        self._source = ChoiceSetting(self, "DATa:SOUrce", options=_CHANNELS, is_verbose=True)
        self._start = Whole(self, "DATa:STARt", default=1, limits=limits)
        self._stop = Whole(self, "DATa:STOP", default=_MAX_INDEX, limits=limits)
        self._first_frame = Whole(self, "DATa:FRAMESTARt", default=1, limits=limits)
        self._last_frame = Whole(self, "DATa:FRAMESTOP", default=_MAX_INDEX, limits=limits)
        add("DATa:ENCdg", write=self._set_encoding, query=self._get_encoding)
        preamble = "WFMOutpre"
        self._encoding = ChoiceSetting(
            self, f"{preamble}:ENCdg", options=("BINary", "ASCii"), is_verbose=True
        )
        self._n_bytes = Whole(self, f"{preamble}:BYT_Nr", default=1, limits=(1, 2))
        self._sign = ChoiceSetting(self, f"{preamble}:BN_Fmt", options=("RI", "RP"))
        self._byte_order = ChoiceSetting(self, f"{preamble}:BYT_Or", options=("MSB", "LSB"))
        add(
            "DATa:WIDth",
            write=lambda call: self._n_bytes.put(call.integer(0, 1, 2)),
            query=lambda _: str(self._n_bytes.whole()),
        )
        for name, query in (
            ("BIT_Nr", lambda _: str(8 * self._n_bytes.whole())),
            ("NR_Pt", lambda _: str(len(range(*self._samples().indices(self._length()))))),
            ("NR_FR", lambda _: str(len(range(*self._frames().indices(self._n_acquired()))))),
            ("PT_Fmt", lambda _: "Y"),
            ("XUNit", lambda _: quoted("s")),
            ("YUNit", lambda _: quoted("V")),
            ("XINcr", lambda _: f"{1 / self._rate():.9G}"),
            ("YMUlt", lambda _: f"{self._format().y_multiplier(self._current()):.9G}"),
            ("YOFf", lambda _: f"{self._format().y_offset(self._current()):.9G}"),
            ("YZEro", lambda _: f"{self._current().offset_v:.9G}"),
        ):
            add(f"{preamble}:{name}", query=query)
        add(f"{preamble}:XZEro", query=self._get_x_zero)
        add("CURVe", query=self._get_curve)

    def _set_encoding(self, call: Call) -> None:
        call.expect(1)
        chosen = _ENCODINGS[call.choice(0, tuple(_ENCODINGS))]
        self._encoding.put("ASCii" if chosen is None else "BINary")
        if chosen is not None:
            self._sign.put("RI" if chosen.is_signed else "RP")
            self._byte_order.put("MSB" if chosen.is_big_endian else "LSB")

    def _get_encoding(self, call: Call) -> str:
        call.expect(0)
        if self._encoding.get() == "ASCii":
            return "ASCII"
        prefix = "" if self._byte_order.get() == "MSB" else "S"
        return f"{prefix}{self._sign.get()}BINARY"

    def _format(self) -> WireFormat:
        return WireFormat(
            self._n_bytes.whole(),
            is_signed=self._sign.get() == "RI",
            is_big_endian=self._byte_order.get() == "MSB",
        )

    def _channel(self) -> int:
        return _CHANNELS.index(self._source.get()) + 1

    def _latest(self) -> Acquisition | None:
        return self._kept or self.armed

    def _current(self) -> Vertical:
        latest = self._latest()
        return latest.verticals[self._channel()] if latest else self._vertical(self._channel())

    def _rate(self) -> float:
        latest = self._latest()
        return latest.sample_rate_hz if latest else self._sample_rate_hz.get()

    def _length(self) -> int:
        latest = self._latest()
        return latest.n_samples if latest else self._n_samples.whole()

    def _samples(self) -> slice:
        return slice(self._start.whole() - 1, self._stop.whole())

    def _frames(self) -> slice:
        return slice(self._first_frame.whole() - 1, self._last_frame.whole())

    def _codes(self, latest: Acquisition) -> Codes:
        """Records of the source, shape (n_done, n_samples); an input without a cable is silent."""
        channel = self._channel()
        if channel in latest.codes:
            return latest.codes[channel][: latest.n_done]
        silence = np.zeros((1, latest.n_samples), np.float32)
        code = quantise(silence, latest.verticals[channel], self.hardware.n_bits)
        return np.broadcast_to(code, (latest.n_done, latest.n_samples))

    def _get_x_zero(self, call: Call) -> str:
        call.expect(0)
        latest = self._latest()
        return f"{latest.start_s if latest else 0.0:.9G}"

    def _get_curve(self, call: Call) -> Reply:
        call.expect(0)
        latest = self._latest()
        if latest is None or not latest.n_done:
            raise ScpiError(2244, f"{self._source.get()}: no record")
        codes = self._codes(latest)[self._frames(), self._samples()]
        if not codes.size:
            raise ScpiError(2244, f"{self._source.get()}: no such frames or samples")
        if latest is self._kept and self._stop_after.get() == "RUNSTop":
            self._arm()
            self._kept = latest
            self.moved()
        if self._encoding.get() == "ASCii":
            return ",".join(map(str, self._format().values(codes).ravel().tolist()))
        return definite_block(self._format().pack(codes))
