"""`wiring.toml` as people write it: its tables, their keys and the types of their values."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

OutputName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*\.ch[1-9]\d*$")]
MarkerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*\.ch[1-9]\d*\.m[1-9]\d*$")]
ParameterPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.\w+)+$")]
InstrumentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*$")]
DottedPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0)]
Count = Annotated[int, Field(ge=1, le=2**53)]
Length = Annotated[int, Field(ge=0, le=2**53)]


class Table(BaseModel):
    """Any of them: keys are known, types are exact."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ChannelTable(Table):
    """[channels.NAME]."""

    kind: Literal["iq", "real", "readout"]
    component: Text
    outputs: Annotated[list[OutputName], Field(min_length=1, max_length=2)]
    granularity_samples: Count
    min_samples: Count
    sample_rate_hz: Positive | None = None
    full_scale_v: Positive | None = None
    if_hz: Finite = 0.0
    delay_samples: Length = 0
    local_oscillator: InstrumentName | None = None
    compatible_instructions: list[Text] | None = None


class ReadoutTable(Table):
    """[readouts.NAME]."""

    digitizer: InstrumentName
    input_i: Count
    input_q: Count
    trigger: MarkerName
    center_frequency_hz: Positive
    integration_start_dead_time_samples: Length
    integration_stop_dead_time_samples: Length
    max_record_samples: Count
    rearm_samples: Length
    max_frames: Count
    input_full_scale_v: Positive
    sample_rate_hz: Positive | None = None
    gain: dict[str, Annotated[list[Finite], Field(min_length=2, max_length=2)]] = {}


class SettingTable(Table):
    """[settings.NAME]."""

    parameter: ParameterPath
    unit: str = ""
    scale: Finite = 1.0
    offset: Finite | None = None
    minimum: Finite | None = None
    maximum: Finite | None = None
    switch: bool = False


class OutputTable(Table):
    """[outputs.PARAMETER]."""

    safe: bool | Finite | Text | None = None
    unit: str = ""
    minimum: Finite | None = None
    maximum: Finite | None = None
    slew_per_s: Positive | None = None
    write: str = ""
    query: str = ""


class IdentityTable(Table):
    """[identities.INSTRUMENT]."""

    model: Text
    serial: str = ""


class LoopbackTable(Table):
    """[loopbacks.CHANNEL]."""

    inputs: Annotated[list[OutputName], Field(min_length=1, max_length=2)]
    gain: Positive = 1.0


class SyncTable(Table):
    """[sync]."""

    leader: InstrumentName
    trigger: MarkerName
    followers: list[InstrumentName]
    latency_samples: Length


class WiringTables(Table):
    """The whole file."""

    rig: DottedPath
    dut_label: Text
    sample_rate_hz: Positive
    awg_full_scale_v: Positive
    channels: Annotated[dict[Text, ChannelTable], Field(min_length=1)]
    awg_resolution_bits: Annotated[int, Field(ge=8, le=16)] = 14
    sync: SyncTable | None = None
    readouts: dict[Text, ReadoutTable] = {}
    settings: dict[Text, SettingTable] = {}
    outputs: dict[ParameterPath, OutputTable] = {}
    identities: dict[InstrumentName, IdentityTable] = {}
    loopbacks: dict[Text, LoopbackTable] = {}
