"""Tektronix AWG5208: eight channels, their waveforms, sequences, files and run control.

What it refuses is what the instrument refuses; what it does not do is said by an error: function
generator, software triggers, forced jumps. Marker data over the wire has marker 1 in bit 7 (0x80),
marker 2 in bit 6, ...; in files, and inside, bit i is marker i + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labd_drivers.sim.awg_lists import AwgLists
from labd_drivers.sim.awg_sequence import Step, StepList, Timing, timings_of, waits
from labd_drivers.sim.awg_trigger import TriggerInputs
from labd_drivers.sim.awg_waveform import Waveform
from labd_drivers.sim.instrument import Identity, Instrument, Room
from labd_drivers.sim.scpi import ScpiError, quoted
from labd_drivers.sim.settings import ChoiceSetting, NumberSetting, SwitchSetting
from labd_drivers.sim.settings import WholeNumberSetting as Whole
from labd_drivers.sim.tree import Call

N_CHANNELS = 8
_MIN_RATE_HZ, _MAX_RATE_HZ = 1.49e3, 2.5e9
_TRIGGERS = ("ATRigger", "BTRigger", "ITRigger")


@dataclass(frozen=True, slots=True)
class Asset:
    """What is assigned to a channel: a waveform, or a track of a sequence."""

    name: str
    track: int = 0


@dataclass(frozen=True, slots=True)
class Programme:
    """What the AWG plays when it runs. waveforms: by channel, one for each step."""

    timings: tuple[Timing, ...]
    waveforms: dict[int, tuple[Waveform, ...]]


class Awg5208(Instrument):
    """The AWG. has_trigger: asked whether anything triggers it, for `AWGControl:RSTATe?`."""

    def __init__(
        self, name: str, identity: Identity, room: Room, *, waveform_memory_samples: int
    ) -> None:
        super().__init__(name, identity, room)
        self.lists = AwgLists(self, waveform_memory_samples, self._drop_assets)
        self.has_trigger: Callable[[], bool] = lambda: False
        self.trigger_inputs = TriggerInputs(self)
        self.is_running = False
        self._assets: dict[int, Asset] = {}
        self._programme: tuple[int, Programme] | None = None
        self._add_clock()
        self._add_outputs()
        self._add_function_generator()
        self._add_run_control()

    # ---- for the machine room

    def reset(self) -> None:
        """Stopped, outputs off, nothing assigned; lists and files stay."""
        self.is_running = False
        self._assets.clear()
        super().reset()

    def forget(self) -> None:
        """Power off: the lists are empty, files stay on the disk."""
        self.lists.clear()
        super().forget()

    def programme(self) -> Programme:
        """What is assigned, checked. Raises ScpiError -221 where it cannot be played."""
        if self._programme is None or self._programme[0] != self.revision:
            self._programme = (self.revision, self._build_programme())
        return self._programme[1]

    def is_output_on(self, channel: int) -> bool:
        """Whether a channel's connectors, markers included, are live."""
        return self._is_on.get(channel) and not self._is_all_off.get()

    def outputs(self) -> dict[str, float | bool]:
        """Whether each channel is live, and whether it plays."""
        live = {f"ch{n}.state": self.is_output_on(n) for n in range(1, N_CHANNELS + 1)}
        return {**live, "is_running": self.is_running}

    def n_markers(self, channel: int) -> int:
        """Marker outputs that the DAC's resolution leaves."""
        return 16 - self.resolution_bits.whole(channel)

    def marker_crosses(self, channel: int, marker: int, level_v: float) -> bool:
        """Whether a marker's edge crosses a trigger level."""
        is_live = self.is_output_on(channel) and marker <= self.n_markers(channel)
        low, high = self._marker_low.get(channel, marker), self._marker_high.get(channel, marker)
        return is_live and low < level_v < high

    # ---- set-up

    def _add_clock(self) -> None:
        self.sample_rate_hz = NumberSetting(
            self, "CLOCk:SRATe", default=_MAX_RATE_HZ, limits=(_MIN_RATE_HZ, _MAX_RATE_HZ)
        )
        ChoiceSetting(self, "CLOCk:SOURce", options=("INTernal", "EFIXed", "EVARiable", "EXTernal"))
        NumberSetting(self, "CLOCk:ECLock:FREQuency", default=6.25e9, limits=(6.25e9, 12.5e9))
        self._mode = ChoiceSetting(self, "INSTrument:MODE", options=("AWG", "FGEN"))

    def _add_outputs(self) -> None:
        source = f"[SOURce#{N_CHANNELS}]"
        output = f"OUTPut#{N_CHANNELS}"
        self._is_all_off = SwitchSetting(self, "OUTPut:OFF")
        self._is_on = SwitchSetting(self, f"{output}[:STATe]")
        self.amplitude_vpp = NumberSetting(
            self,
            f"{source}:VOLTage[:LEVel][:IMMediate][:AMPLitude]",
            default=0.5,
            limits=(0.025, 0.75),
        )
        NumberSetting(
            self,
            f"{source}:VOLTage[:LEVel][:IMMediate]:OFFSet",
            default=0.0,
            limits=(0.0, 0.0),
        )
        self.resolution_bits = Whole(self, f"{source}:DAC:RESolution", default=16, limits=(12, 16))
        marker = f"{source}:MARKer#4:VOLTage[:LEVel][:IMMediate]"
        self._marker_high = NumberSetting(
            self, f"{marker}:HIGH", default=1.0, limits=(-0.5, 1.75), check=self._check_marker
        )
        self._marker_low = NumberSetting(
            self, f"{marker}:LOW", default=0.0, limits=(-0.3, 1.55), check=self._check_marker
        )
        ChoiceSetting(self, f"{output}:PATH", options=("DCHB", "DCHV", "ACDirect"))
        ChoiceSetting(self, f"{output}:WVALue[:ANALog][:STATe]", options=("ZERO", "FIRST"))
        ChoiceSetting(self, f"{output}:WVALue:MARKer#4", options=("FIRST", "LOW", "HIGH"))
        ChoiceSetting(self, f"{output}:SVALue[:ANALog][:STATe]", options=("OFF", "ZERO"))
        ChoiceSetting(self, f"{output}:SVALue:MARKer#4", options=("OFF", "LOW"))

    def _check_marker(self, suffixes: tuple[int, ...], volts: float) -> None:
        del volts
        channel, marker = suffixes
        if marker > self.n_markers(channel):
            bits = self.resolution_bits.whole(channel)
            raise ScpiError(
                -221, f"channel {channel} has {self.n_markers(channel)} markers at {bits} bits"
            )

    def _add_function_generator(self) -> None:
        channel = f"FGEN:CHANnel#{N_CHANNELS}"
        for name, default, limits in (
            ("AMPLitude", 0.5, (0.0, 1.5)),
            ("OFFSet", 0.0, (0.0, 0.25)),
            ("DCLevel", 0.0, (-0.25, 0.25)),
            ("PHASe", 0.0, (-180.0, 180.0)),
            ("SYMMetry", 50.0, (0.0, 100.0)),
        ):
            NumberSetting(self, f"{channel}:{name}", default=default, limits=limits)
        frequency = NumberSetting(self, f"{channel}:FREQuency", default=1.2e6, limits=(1.0, 12.5e9))
        self.tree.add(
            f"{channel}:PERiod", query=lambda call: f"{1 / frequency.get(*call.suffixes):.9G}"
        )
        ChoiceSetting(self, f"{channel}:PATH", options=("DCHB", "DCHV", "ACD"))
        types = ("SINE", "SQUare", "TRIangle", "NOISe", "DC", "GAUSSian", "EXPRise", "EXPDecay")
        ChoiceSetting(self, f"{channel}:TYPE", options=(*types, "NONE"))

    def _add_run_control(self) -> None:
        add = self.tree.add
        source = f"[SOURce#{N_CHANNELS}]"
        add("AWGControl:RUN[:IMMediate]", write=self._run)
        add("AWGControl:STOP[:IMMediate]", write=self._stop)
        add("AWGControl:RSTate", query=self._run_state)
        add(f"{source}:CASSet", query=self._get_asset)
        add(f"{source}:CASSet:TYPE", query=self._get_asset_type)
        add(f"{source}:CASSet:WAVeform", write=self._assign_waveform)
        add(f"{source}:CASSet:SEQuence", write=self._assign_sequence)
        add(f"{source}:CASSet:CLEar", write=self._clear_asset)
        add(f"{source}:JUMP:FORCe", write=self._refuse_jump)
        add("TRIGger[:SEQuence][:IMMediate]", write=self._software_trigger)
        self._run_mode = ChoiceSetting(
            self, f"{source}:RMODe", options=("CONTinuous", "TRIGgered", "TCONtinuous")
        )
        self._trigger_input = ChoiceSetting(self, f"{source}:TINPut", options=_TRIGGERS)

    # ---- commands

    def _run(self, call: Call) -> None:
        del call
        if self._mode.get() != "AWG":
            raise ScpiError(-221, "AWGControl:RUN: the function generator is not simulated")
        self.programme()
        self.is_running = True
        self.moved()

    def _stop(self, call: Call) -> None:
        del call
        self.is_running = False
        self.moved()

    def _run_state(self, call: Call) -> str:
        del call
        if not self.is_running:
            return "0"
        try:
            is_waiting = waits(self.programme().timings) and not self.has_trigger()
        except ScpiError:
            is_waiting = True
        return "1" if is_waiting else "2"

    def _software_trigger(self, call: Call) -> None:
        call.choice(0, _TRIGGERS)
        raise ScpiError(-300, "software triggers are not simulated; use a marker")

    def _refuse_jump(self, call: Call) -> None:
        call.expect(1)
        raise ScpiError(-300, "forced jumps are not simulated")

    def _get_asset(self, call: Call) -> str:
        asset = self._assets.get(call.suffixes[0])
        return quoted(asset.name if asset else "")

    def _get_asset_type(self, call: Call) -> str:
        asset = self._assets.get(call.suffixes[0])
        if asset is None:
            return "NONE"
        return "SEQ" if asset.track else "WAV"

    def _assign_waveform(self, call: Call) -> None:
        call.expect(1)
        self.lists.waveform(call.text(0))
        self._assign(call.suffixes[0], Asset(call.text(0)))

    def _assign_sequence(self, call: Call) -> None:
        call.expect(1, 2)
        sequence = self.lists.sequence(call.text(0))
        track = call.integer(1, 1, sequence.n_tracks) if len(call.parameters) > 1 else 1
        self._assign(call.suffixes[0], Asset(call.text(0), track))

    def _assign(self, channel: int, asset: Asset) -> None:
        if self._assets.get(channel) != asset:
            self._assets[channel] = asset
            self.changed()

    def _clear_asset(self, call: Call) -> None:
        if self._assets.pop(call.suffixes[0], None) is not None:
            self.changed()

    # ---- what is assigned, checked

    def _drop_assets(self, names: set[str]) -> None:
        """Waveforms or sequences were deleted: nothing is assigned to their channels."""
        gone = [channel for channel, asset in self._assets.items() if asset.name in names]
        for channel in gone:
            del self._assets[channel]

    def _build_programme(self) -> Programme:
        if not self._assets:
            raise ScpiError(-221, "AWGControl:RUN: nothing is assigned to any channel")
        sequences = {asset.name for asset in self._assets.values() if asset.track}
        if sequences and (len(sequences) > 1 or not all(a.track for a in self._assets.values())):
            raise ScpiError(-221, f"channels play different things: {sorted(sequences)}")
        sequence = self.lists.sequence(sequences.pop()) if sequences else self._looped_waveforms()
        tracks = {channel: asset.track or channel for channel, asset in self._assets.items()}
        return self._check(sequence, tracks)

    def _looped_waveforms(self) -> StepList:
        """Channels with one waveform each, as a sequence of one step."""
        channel = min(self._assets)
        is_triggered = self._run_mode.get(channel) != "CONTinuous"
        step = Step(
            assets={channel: asset.name for channel, asset in self._assets.items()},
            wait_input=self._trigger_input.get(channel) if is_triggered else "OFF",
            repeat=0 if self._run_mode.get(channel) == "TCONtinuous" else 1,
            goto=1,
        )
        return StepList(N_CHANNELS, [step])

    def _check(self, sequence: StepList, tracks: dict[int, int]) -> Programme:
        if not sequence.steps:
            raise ScpiError(-221, "AWGControl:RUN: the sequence has no steps")
        waveforms: dict[int, list[Waveform]] = {channel: [] for channel in tracks}
        lengths = []
        for number, step in enumerate(sequence.steps, start=1):
            step_lengths = set()
            for channel, track in tracks.items():
                name = step.assets.get(track)
                if name is None or not self.lists.has_waveform(name):
                    raise ScpiError(-221, f"step {number}, track {track}: no waveform {name or ''}")
                waveform = self.lists.waveform(name)
                waveforms[channel].append(waveform)
                step_lengths.add(waveform.n_samples)
            if len(step_lengths) > 1:
                raise ScpiError(-221, f"step {number}: lengths {sorted(step_lengths)} differ")
            lengths.append(step_lengths.pop())
        return Programme(
            timings_of(sequence, lengths),
            {channel: tuple(steps) for channel, steps in waveforms.items()},
        )
