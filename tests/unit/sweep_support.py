"""Pulse jobs for tests: the captured ones, edited, and small ones made from values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from labd.core.compile import PulseJob, compile_sweep
from labd.core.errors import InvalidPayload
from labd.core.playlist import (
    Acquisition,
    Instruction,
    IQPulse,
    Operation,
    Playlist,
    PlaylistChannel,
)
from labd.core.rig import RigLimits
from labd.core.sweep import SettingDatum, Sweep, SweepAxis
from labd.core.waveforms import Constant, Waveform
from labd.core.wiring import ChannelKind, Wiring
from labd.payloads.sweep import unpack_sweep
from labd.wire import sweep_pb2
from labd.wiring_file import read_wiring

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "data" / "payloads"
WIRING = read_wiring(ROOT / "config" / "star5" / "wiring.toml")
LIMITS = RigLimits(
    has_fast_feedback=False,
    no_feedback_reason="nothing can depend on a bit measured on the way",
    max_segment_s=1.0,
    max_shots=1_000_000,
)
RATE_HZ = 2.0e9
DRIVE, FLUX, READOUT = "QB1__drive.awg", "TC-1-3__flux.awg", "PL-1__readout"
OPTIONS: dict[str, SettingDatum] = {
    "options.playlist_repeats": 10,
    "options.averaging_bins": 10,
    "options.end_delay": 1e-6,
}

Edit = Callable[[sweep_pb2.SweepRequest], object]


def payload_of(name: str, *edits: Edit) -> bytes:
    """A captured payload, its request edited."""
    task = sweep_pb2.SweepTaskRequest.FromString((PAYLOADS / f"{name}.sweep.bin").read_bytes())
    request = sweep_pb2.SweepRequest.FromString(task.payload.value)
    for edit in edits:
        edit(request)
    task.payload.value = request.SerializeToString()
    return task.SerializeToString()


def compiled(
    sweep: Sweep | bytes, wiring: Wiring = WIRING, max_result_bytes: int = 1 << 33
) -> PulseJob:
    if isinstance(sweep, bytes):
        sweep = unpack_sweep(sweep)
    return compile_sweep(sweep, wiring, LIMITS, max_result_bytes=max_result_bytes)


def problems_of(
    sweep: Sweep | bytes, wiring: Wiring = WIRING, max_result_bytes: int = 1 << 33
) -> list[str]:
    with pytest.raises(InvalidPayload) as caught:
        compiled(sweep, wiring, max_result_bytes)
    return [str(problem) for problem in caught.value.problems]


def iq_pulse(
    scale_i: float = 0.5,
    scale_q: float = 0.0,
    *,
    wave_i: int = 0,
    wave_q: int = 0,
    phase: float = 0.0,
    mod: float = 0.0,
    increment: float = 0.0,
) -> IQPulse:
    return IQPulse(wave_i, wave_q, scale_i, scale_q, phase, mod, increment)


def channel(
    kind: ChannelKind,
    instructions: Sequence[tuple[int, Operation]],
    waveforms: Sequence[Waveform] = (Waveform(64, Constant()),),
    acquisitions: Sequence[Acquisition] = (),
) -> PlaylistChannel:
    return PlaylistChannel(
        kind=kind,
        sample_rate_hz=RATE_HZ,
        instructions=tuple(Instruction(duration, each) for duration, each in instructions),
        waveforms=tuple(waveforms),
        acquisitions=tuple(acquisitions),
    )


def sweep_of(
    channels: Mapping[str, PlaylistChannel],
    segments: Sequence[Mapping[str, Sequence[int]]],
    labels: Sequence[str],
    *,
    settings: Mapping[str, SettingDatum] | None = None,
    axes: tuple[SweepAxis, ...] = (),
) -> Sweep:
    rows = tuple(
        {name: np.array(row, dtype=np.uint64) for name, row in segment.items()}
        for segment in segments
    )
    return Sweep(
        sweep_id="5c1e5000-0000-4000-8000-0000000000b1",
        dut_label=WIRING.dut_label,
        settings={**OPTIONS, **(settings or {})},
        axes=axes,
        return_labels=tuple(labels),
        playlist=Playlist(dict(channels), rows),
    )
