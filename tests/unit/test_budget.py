"""What a job may take: more of anything never makes a budget smaller."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labd.core.budget import (
    FACTOR,
    SPOT_S,
    Work,
    completing,
    loading,
    playing,
    preparing,
    total_s,
    upload_bytes_of,
)
from labd.core.program import Block, BlockWaveform, RigProgram, Segment

SECONDS = st.floats(0.0, 1e6)
BYTES = st.integers(0, 1 << 40)
WORK = st.builds(
    Work,
    playing_s=SECONDS,
    n_spots=st.integers(1, 1000),
    upload_bytes=BYTES,
    result_bytes=BYTES,
    ramp_s=st.floats(0.0, 1e3),
)


@given(WORK, st.floats(0.1, 100.0))
def test_more_of_anything_never_makes_a_budget_smaller(work: Work, stretch: float) -> None:
    before = total_s(work, stretch)

    for more in (
        replace(work, playing_s=2 * work.playing_s),
        replace(work, n_spots=work.n_spots + 1),
        replace(work, upload_bytes=work.upload_bytes + 1),
        replace(work, result_bytes=work.result_bytes + 1),
        replace(work, ramp_s=work.ramp_s + 1.0),
    ):
        assert total_s(more, stretch) >= before
    assert total_s(work, 2 * stretch) >= before


@given(WORK, st.floats(0.01, 100.0), st.floats(1e-6, 60.0))
def test_every_step_has_its_time_at_the_racks_pace(
    work: Work, stretch: float, block_s: float
) -> None:
    step_s = playing(work, stretch, block_s).step_s

    assert step_s >= FACTOR * block_s * max(stretch, 1.0)
    assert step_s >= SPOT_S + work.ramp_s
    assert loading(work).step_s >= work.ramp_s
    assert completing(work, stretch).total_s == total_s(work, stretch)


def test_a_rack_that_is_faster_than_it_plays_gets_no_less() -> None:
    work = Work(playing_s=10.0, n_spots=1, upload_bytes=0, result_bytes=0, ramp_s=0.0)

    assert total_s(work, 0.25) == total_s(work, 1.0) == 10.0 * FACTOR + SPOT_S


def test_a_payload_of_64_mib_has_minutes_to_be_read() -> None:
    assert preparing(1000).total_s < 1.0
    assert 300 < preparing(64 << 20).total_s < 1800


def test_a_program_is_at_most_as_large_as_its_segments_on_their_channels() -> None:
    waveform = BlockWaveform(np.zeros(16, np.complex64), b"0" * 16)
    blocks = {"QB1__drive.awg": (Block(0, 0),), "QB2__drive.awg": (Block(0, 0),)}
    segment = Segment(duration_samples=1000, blocks=blocks, triggers=())

    n_bytes = upload_bytes_of(RigProgram(2e9, (waveform,), (segment,), (0, 0, 0), 0, 0, 0))

    assert n_bytes == 1000 * 2 * 5
