"""What the AWGs play is what the program says, and it costs what it must, not more."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.program import Block, BlockWaveform, RigProgram, Segment, Trigger
from labd.core.wiring import (
    AwgOutput,
    AwgSync,
    ChannelKind,
    ControllerChannel,
    MarkerOutput,
    Readout,
    Wiring,
)
from labd_drivers.rigs.scpi import check
from labd_drivers.rigs.scpi.plan import (
    MARKER_SAMPLES,
    MAX_REPEAT,
    MIN_STEP_SAMPLES,
    REARM_SAMPLES,
    AwgPlan,
    Plan,
    Waveform,
    make_plan,
    render,
)

LATENCY = 480
FS = 2.0e9


def channel(name: str, kind: ChannelKind, *outputs: tuple[str, int]) -> ControllerChannel:
    return ControllerChannel(
        name, kind, name, tuple(AwgOutput(*o) for o in outputs), FS, 16, 16, 0.25
    )


DRIVE, DRIVE_5, FLUX, READOUT = "drive", "drive5", "flux", "readout"
CHANNELS = (
    channel(DRIVE, ChannelKind.IQ, ("awg1", 1), ("awg1", 2)),
    channel(DRIVE_5, ChannelKind.IQ, ("awg2", 1), ("awg2", 2)),
    channel(FLUX, ChannelKind.REAL, ("awg2", 5)),
    channel(READOUT, ChannelKind.READOUT, ("awg2", 3), ("awg2", 4)),
)


def make_wiring(sync: AwgSync | None) -> Wiring:
    readout = Readout(
        READOUT, "scope", 1, 2, MarkerOutput("awg2", 3, 1), FS, 32, 96, 6e9, {}, 20000, 500, 2000,
        0.25,
    )  # fmt: skip
    return Wiring("rig", {c.name: c for c in CHANNELS}, {READOUT: readout}, {}, {}, sync, "chip")


WIRING = make_wiring(AwgSync("awg1", MarkerOutput("awg1", 1, 1), ("awg2",), LATENCY))


def wave(n_samples: int, seed: int = 1) -> BlockWaveform:
    numbers = np.random.default_rng(seed).uniform(0.1, 0.7, (2, n_samples))
    samples = (numbers[0] + 1j * numbers[1]).astype(np.complex64)
    return BlockWaveform(samples, blake2b(samples.tobytes(), digest_size=16).digest())


def program(
    waveforms: Sequence[BlockWaveform],
    segments: Sequence[Segment],
    order: Sequence[int] | None = None,
    end_delay_samples: int = 4000,
) -> RigProgram:
    return RigProgram(
        FS,
        tuple(waveforms),
        tuple(segments),
        tuple(range(len(segments)) if order is None else order),
        end_delay_samples,
        0,
        2000,
    )


def segment(
    duration: int, blocks: Mapping[str, Sequence[tuple[int, int]]], *triggers: int
) -> Segment:
    return Segment(
        duration,
        {name: tuple(Block(*pair) for pair in pairs) for name, pairs in blocks.items()},
        tuple(Trigger(READOUT, start, (0,)) for start in triggers),
    )


def waveforms_of(plan: Plan, source: RigProgram) -> dict[str, dict[str, Waveform]]:
    """Distinct waveforms by AWG and name."""
    blocks = {waveform.digest: waveform.samples for waveform in source.waveforms}
    distinct: dict[str, dict[str, Waveform]] = {}
    for awg in plan.awgs:
        rendered = (render(c, blocks) for step in awg.steps for c in step.contents)
        distinct[awg.instrument] = {waveform.name: waveform for waveform in rendered}
    return distinct


def n_distinct(plan: Plan, source: RigProgram) -> int:
    return sum(len(waveforms) for waveforms in waveforms_of(plan, source).values())


class Played:
    """A loop as the AWGs play it, sample by sample, on the leader's clock."""

    def __init__(self, plan: Plan, source: RigProgram) -> None:
        self._blocks = {waveform.digest: waveform.samples for waveform in source.waveforms}
        leader, *followers = plan.awgs
        self.n_samples = plan.loop_samples
        self.volts: dict[tuple[str, int], np.ndarray] = {}
        self.markers: dict[tuple[str, int], np.ndarray] = {}
        self._play(leader, None)
        sync = self.markers["awg1", 1] & 0x80 if ("awg1", 1) in self.markers else np.zeros(0)
        edges = np.flatnonzero(np.diff(sync.astype(int), prepend=0) > 0)
        for follower in followers:
            self._play(follower, edges)

    def _play(self, awg: AwgPlan, edges: np.ndarray | None) -> None:
        volts = np.zeros((len(awg.channels), self.n_samples), np.float32)
        markers = np.zeros((len(awg.channels), self.n_samples), np.uint8)
        now, n_waits = 0, 0
        for step in awg.steps:
            if step.waits_for_trigger:
                assert edges is not None
                edge = int(edges[n_waits])
                assert now == 0 or now + REARM_SAMPLES <= edge, "the marker came too early"
                now, n_waits = edge + LATENCY, n_waits + 1
            rendered = [render(content, self._blocks) for content in step.contents]
            for _ in range(step.repeat):
                stop = now + step.contents[0].n_samples
                for track, waveform in enumerate(rendered):
                    volts[track, now:stop] = waveform.samples
                    if waveform.markers is not None:
                        markers[track, now:stop] = waveform.markers
                now = stop
        assert edges is None or n_waits == len(edges)
        assert now <= self.n_samples
        for track, number in enumerate(awg.channels):
            self.volts[awg.instrument, number] = volts[track]
            self.markers[awg.instrument, number] = markers[track]


def expected(plan: Plan, source: RigProgram) -> dict[tuple[str, int], np.ndarray]:
    volts: dict[tuple[str, int], np.ndarray] = {}
    for start, index in zip(plan.starts_samples, source.order, strict=True):
        for name, blocks in source.segments[index].blocks.items():
            for block in blocks:
                samples = source.waveforms[block.waveform].samples
                begin = int(start) + block.start_samples
                for part, output in enumerate(WIRING.channels[name].outputs):
                    key = (output.instrument, output.channel)
                    track = volts.setdefault(key, np.zeros(plan.loop_samples, np.float32))
                    values = samples.imag if part else samples.real
                    track[begin : begin + len(values)] = values
    return volts


def assert_plays_the_program(source: RigProgram) -> Plan:
    plan = make_plan(source, WIRING)
    played = Played(plan, source)
    for key, volts in expected(plan, source).items():
        np.testing.assert_array_equal(played.volts[key], volts, err_msg=str(key))
    for awg in plan.awgs:
        for step in awg.steps:
            assert 1 <= step.repeat <= MAX_REPEAT
            assert {content.n_samples for content in step.contents} == {step.contents[0].n_samples}
            assert step.contents[0].n_samples >= MIN_STEP_SAMPLES
    gaps = np.diff(plan.starts_samples, append=plan.starts_samples[0] + plan.loop_samples)
    for gap, index in zip(gaps, source.order, strict=True):
        assert gap >= source.segments[index].duration_samples + source.end_delay_samples
    triggers = [
        int(start) + trigger.start_samples
        for start, index in zip(plan.starts_samples, source.order, strict=True)
        for trigger in source.segments[index].triggers
    ]
    if triggers:
        marker = played.markers["awg2", 3] & 0x80
        edges = np.flatnonzero(np.diff(marker.astype(int), prepend=0) > 0)
        assert edges.tolist() == triggers
        assert all(marker[edge : edge + 100].all() for edge in triggers)
    return plan


BELL_LIKE = segment(
    700_000,
    {
        DRIVE: [(0, 600_000), (1, 600_080)],
        DRIVE_5: [(0, 600_080)],
        FLUX: [(2, 600_160)],
        READOUT: [(3, 600_272)],
    },
    600_240,
)
BELL_WAVES = (wave(80, 1), wave(80, 2), wave(112, 3), wave(2000, 4))


def test_all_channels_of_all_awgs_share_one_time_zero() -> None:
    assert_plays_the_program(program(BELL_WAVES, [BELL_LIKE]))


def test_a_wait_costs_a_step_and_no_waveform() -> None:
    short = program(BELL_WAVES, [BELL_LIKE], end_delay_samples=6000)
    long = program(BELL_WAVES, [BELL_LIKE], end_delay_samples=600_000_000)

    few, many = make_plan(short, WIRING), make_plan(long, WIRING)

    assert n_distinct(few, short) == n_distinct(many, long)
    assert many.n_steps == few.n_steps
    assert many.loop_samples > 600_000_000


def test_a_silence_longer_than_a_repeat_count_is_split() -> None:
    source = program(BELL_WAVES, [BELL_LIKE], end_delay_samples=3 * MAX_REPEAT * MIN_STEP_SAMPLES)

    plan = make_plan(source, WIRING)

    assert max(step.repeat for awg in plan.awgs for step in awg.steps) == MAX_REPEAT
    assert plan.loop_samples == sum(step.n_samples for step in plan.awgs[0].steps)


def test_a_thousand_equal_pulses_far_apart_are_uploaded_once() -> None:
    blocks = [(0, 10_000 * k) for k in range(1000)]
    source = program([wave(80)], [segment(10_000_000, {DRIVE: blocks})])

    plan = make_plan(source, WIRING)

    assert n_distinct(plan, source) <= 10


def test_a_thousand_equal_pulses_back_to_back_are_uploaded_once() -> None:
    blocks = [(0, 80 * k) for k in range(1000)]
    source = program([wave(80)], [segment(80_000, {DRIVE: blocks})])

    plan = assert_plays_the_program(source)

    assert n_distinct(plan, source) <= 10
    assert plan.n_steps["awg1"] <= 5


def test_a_thousand_equal_segments_are_uploaded_once() -> None:
    segments = [segment(5000, {DRIVE: [(0, 400)], READOUT: [(1, 512)]}, 480)] * 1000
    source = program([wave(80), wave(2000, 2)], segments)

    plan = make_plan(source, WIRING)

    assert n_distinct(plan, source) <= 10


def test_a_pulse_in_other_surroundings_is_the_same_waveform() -> None:
    early = program([wave(80)], [segment(9000, {DRIVE: [(0, 3600)]})])
    late = program([wave(80), wave(112, 2)], [segment(90_000, {DRIVE: [(0, 7000), (1, 20_000)]})])

    first, second = make_plan(early, WIRING), make_plan(late, WIRING)

    names = waveforms_of(first, early)["awg1"], waveforms_of(second, late)["awg1"]
    assert len(names[0].keys() - names[1].keys()) <= 2  # two lengths of silence


def test_a_long_constant_level_is_a_short_waveform_repeated() -> None:
    level = np.full(96_000 * 5, 0.5 + 0j, np.complex64)
    waveform = BlockWaveform(level, b"d" * 16)
    source = program([waveform], [segment(len(level), {FLUX: [(0, 0)]})])

    plan = assert_plays_the_program(source)

    assert n_distinct(plan, source) <= 10


def test_markers_of_both_kinds_are_where_the_awg_expects_them() -> None:
    source = program(BELL_WAVES, [BELL_LIKE])

    plan = make_plan(source, WIRING)

    waveforms = waveforms_of(plan, source)
    sync = [w.markers for w in waveforms["awg1"].values() if w.markers is not None]
    readout = [w.markers for w in waveforms["awg2"].values() if w.markers is not None]
    assert [np.flatnonzero(markers).tolist() for markers in sync] == [[*range(MARKER_SAMPLES)]]
    assert [set(markers.tolist()) for markers in readout] == [{0, 0x80}]


def test_a_single_awg_needs_no_sync() -> None:
    source = program([wave(80)], [segment(100, {DRIVE: [(0, 16)]})], end_delay_samples=0)

    plan = make_plan(source, make_wiring(None))

    assert [awg.instrument for awg in plan.awgs] == ["awg1"]
    assert plan.loop_samples == MIN_STEP_SAMPLES
    assert plan.starts_samples.tolist() == [0]


@st.composite
def programs(draw: st.DrawFn) -> RigProgram:
    waves = [wave(16 * draw(st.integers(1, 12)), seed) for seed in range(3)]
    waves.append(wave(16 * draw(st.integers(100, 800)), 3))
    segments = []
    for _ in range(draw(st.integers(1, 3))):
        blocks: dict[str, list[tuple[int, int]]] = {}
        stop = 0
        for name in draw(st.sets(st.sampled_from([DRIVE, DRIVE_5, FLUX, READOUT]))):
            now = 0
            for index, gap in draw(
                st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 16, 1008, 2384, 5008])),
                         max_size=6)
            ):  # fmt: skip
                blocks.setdefault(name, []).append((index, now + gap))
                now += gap + len(waves[index].samples)
            stop = max(stop, now)
        triggers = draw(st.sets(st.integers(0, 30), max_size=3))
        segments.append(segment(stop, blocks, *sorted(16 * 100 * t for t in triggers)))
    order = draw(st.lists(st.integers(0, len(segments) - 1), min_size=1, max_size=5))
    return program(waves, segments, order, draw(st.sampled_from([0, 1000, 30_000])))


@given(programs())
def test_any_program_is_played_as_written(source: RigProgram) -> None:
    assert_plays_the_program(source)


def problem_of(source: RigProgram) -> str:
    (problem,) = check(source, WIRING)
    return str(problem)


def test_a_good_program_has_no_problems() -> None:
    assert check(program(BELL_WAVES, [BELL_LIKE]), WIRING) == ()


def test_records_too_close_are_refused_with_place_and_limit() -> None:
    close = segment(8000, {READOUT: [(0, 0)]}, 0, 2400)

    assert problem_of(program([wave(64)], [close])) == (
        "segment 0, readout: the next readout trigger comes 2400 samples later; a record of 2000 "
        "samples and 500 samples until scope is ready again take 2500"
    )


def test_records_too_close_across_segments_are_refused() -> None:
    late, early = segment(4000, {}, 3900), segment(4000, {}, 0)

    source = program([], [late, early], end_delay_samples=0)

    what = problem_of(replace(source, record_samples=8000))

    assert what.startswith("segment 0, readout: the next readout trigger comes")


def test_more_triggers_than_frames_are_refused() -> None:
    source = program([], [segment(5000, {}, 0)], [0] * 2001)

    assert "2001 readout triggers in one repetition are more than the 2000" in problem_of(source)


def test_more_steps_than_a_sequence_has_are_refused() -> None:
    blocks = [(0, 10_000 * k) for k in range(9000)]

    what = problem_of(program([wave(80)], [segment(90_000_000, {DRIVE: blocks})]))

    assert "sequence steps on awg1, which has 16383" in what


def test_an_awg_that_nobody_starts_is_named() -> None:
    wiring = make_wiring(AwgSync("awg1", MarkerOutput("awg1", 1, 1), (), LATENCY))

    problems = check(program(BELL_WAVES, [BELL_LIKE]), wiring)

    assert [problem.where for problem in problems] == ["awg2"]


@pytest.mark.parametrize("n_segments", [1000])
def test_checking_a_large_program_is_quick(n_segments: int) -> None:
    segments = [
        segment(5000 + 16 * k, {DRIVE: [(0, 16 * k)], READOUT: [(1, 112 + 16 * k)]}, 80 + 16 * k)
        for k in range(n_segments)
    ]

    problems = check(program([wave(80), wave(2000)], segments), WIRING)

    assert problems == ()


def test_the_pure_half_does_not_import_qcodes() -> None:
    check = "import sys, labd_drivers.rigs.scpi; print({'qcodes', 'pyvisa'} & sys.modules.keys())"

    output = subprocess.check_output([sys.executable, "-c", check], text=True)

    assert output.strip() == "set()"
