"""What is connected to what: labd's knowledge of a rack, as frozen values.

`labd.config` reads these from `wiring.toml`; `labd.core.compile` reads limits and ports from them;
rigs read instrument and channel names. Instruments are named as in the QCoDeS station file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from labd.core.outputs import OutputRule


class ChannelKind(Enum):
    """What a channel puts out: complex baseband, real voltage, or probe pulses it listens to."""

    IQ = "iq"
    REAL = "real"
    READOUT = "readout"


@dataclass(frozen=True, slots=True)
class AwgOutput:
    """One analogue output of an AWG: the instrument's name and the channel's number (from 1)."""

    instrument: str
    channel: int


@dataclass(frozen=True, slots=True)
class MarkerOutput:
    """One marker output of an AWG channel (both numbers 1-based)."""

    instrument: str
    channel: int
    marker: int


@dataclass(frozen=True, slots=True)
class ControllerChannel:
    """One channel of the playlist, its grid, and the outputs it drives.

    outputs: (I, Q) for IQ and READOUT channels, one output for REAL ones.
    sample_rate_hz: rate of the playlist's samples and of the outputs.
    granularity_samples, min_samples: grid and minimum of an instruction's duration.
    if_hz: the carrier is LO + if_hz; samples are rotated by it from the segment's start.
    full_scale_v: volts at the output for a sample of 1.0.
    delay_samples: added to every start, to line up cables (>= 0).
    component: the chip component, e.g. QB1, TC-1-3, PL-1.
    local_oscillator: instrument name of the LO, or None.
    compatible_instructions: IQM's names, for the channel-properties resource.
    """

    name: str
    kind: ChannelKind
    component: str
    outputs: tuple[AwgOutput, ...]
    sample_rate_hz: float
    granularity_samples: int
    min_samples: int
    full_scale_v: float
    if_hz: float = 0.0
    delay_samples: int = 0
    local_oscillator: str | None = None
    compatible_instructions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Readout:
    """How one READOUT channel's records are taken and normalised.

    digitizer: instrument name of the scope. input_i, input_q: its channel numbers (1-based).
    trigger: the AWG marker wired to the scope's trigger input.
    sample_rate_hz: of the records; equal to the channel's.
    integration_start_dead_time_samples, integration_stop_dead_time_samples: as IQM reports them.
    gain: complex factor by which an integral in volts is multiplied, per component by the label's
        prefix (``QB1`` of ``QB1__m1``); key "" is the default. Thresholds are in these units.
    max_record_samples: longest record. rearm_samples: dead time between two records.
    max_frames: records that one acquisition can hold. input_full_scale_v: range of an input, peak.
    """

    channel: str
    digitizer: str
    input_i: int
    input_q: int
    trigger: MarkerOutput
    sample_rate_hz: float
    integration_start_dead_time_samples: int
    integration_stop_dead_time_samples: int
    center_frequency_hz: float
    gain: Mapping[str, complex]
    max_record_samples: int
    rearm_samples: int
    max_frames: int
    input_full_scale_v: float

    def gain_of(self, label: str) -> complex:
        """Gain for an acquisition label, by its component prefix, else the default."""
        return self.gain.get(label.split("__", 1)[0], self.gain.get("", 1.0 + 0.0j))


@dataclass(frozen=True, slots=True)
class SettingRoute:
    """Where a setting goes: parameter = setting * scale + offset, within [minimum, maximum].

    setting: IQM's dotted name, e.g. ``QB1__flux.voltage``.
    parameter: QCoDeS full path in the station, e.g. ``bias_qb1.voltage``.
    minimum, maximum: limits of the setting, in its own unit.
    """

    setting: str
    parameter: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    minimum: float = float("-inf")
    maximum: float = float("inf")
    is_switch: bool = False


@dataclass(frozen=True, slots=True)
class AwgSync:
    """How several AWGs start a segment together.

    leader: the AWG that is started by command; trigger: its marker that is wired to the followers'
    trigger input A. latency_samples: from that marker to a follower's first sample.
    """

    leader: str
    trigger: MarkerOutput
    followers: tuple[str, ...]
    latency_samples: int


@dataclass(frozen=True, slots=True)
class ExpectedIdentity:
    """Who an instrument must say that it is (``*IDN?``). model: a pattern, such as ``DPO7*``.

    serial: empty where any will do.
    """

    model: str
    serial: str = ""


@dataclass(frozen=True, slots=True)
class DigitizerInput:
    """One analogue input of a digitizer: the instrument's name and the input's number (from 1)."""

    instrument: str
    number: int


@dataclass(frozen=True, slots=True)
class Loopback:
    """A cable from a channel's outputs to inputs of a digitizer, for testing the rack.

    inputs: as many as the channel has outputs, in their order. gain: volts at the input for a volt
    at the output.
    """

    channel: str
    inputs: tuple[DigitizerInput, ...]
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """One quantum computer's rack. Names are those of the station file and of the playlist.

    rig: dotted path of the rig's module. channels: by playlist channel name. readouts: by channel
    name. settings: by setting name. outputs: what holds for parameters of the station, by path.
    awg_resolution_bits: DAC resolution (<= 14 where two markers are needed).
    identities: by instrument. loopbacks: by channel name.
    """

    rig: str
    channels: Mapping[str, ControllerChannel]
    readouts: Mapping[str, Readout]
    settings: Mapping[str, SettingRoute]
    outputs: Mapping[str, OutputRule]
    sync: AwgSync | None
    dut_label: str
    awg_resolution_bits: int = 14
    identities: Mapping[str, ExpectedIdentity] = field(default_factory=dict)
    loopbacks: Mapping[str, Loopback] = field(default_factory=dict)
