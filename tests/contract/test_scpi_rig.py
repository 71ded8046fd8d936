"""The SCPI rig against simulated instruments on sockets: what is played, read back, and sent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from rig_support import (
    DRIVE,
    READOUT,
    RECORD_SAMPLES,
    WIRING,
    Lab,
    lab,
    program,
    readout_program,
    segment,
    wave,
)
from sim_support import DELAY_SAMPLES

from labd.core.errors import InstrumentFault
from labd.core.program import RigProgram
from labd.core.rig import LoadReport, RunInterrupted
from labd_drivers.rigs.scpi import rig as rig_module

FULL_SCALE_V = 0.25
CODE_V = 0.05 / 25


@pytest.fixture
def star5(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as one:
        yield one


def expected_records(source: RigProgram) -> np.ndarray:
    """complex, (n_triggers, RECORD_SAMPLES): what the loop-back brings to the scope."""
    records = []
    for index in source.order:
        one = source.segments[index]
        line = np.zeros(20_000, np.complex64)
        for block in one.blocks[READOUT]:
            samples = source.waveforms[block.waveform].samples
            line[block.start_samples + DELAY_SAMPLES :][: len(samples)] = samples
        records += [line[t.start_samples :][:RECORD_SAMPLES] for t in one.triggers]
    return np.array(records) * FULL_SCALE_V


@pytest.mark.parametrize("transport", ["hislip", "vxi11", "socket"])
def test_records_are_what_was_played(tmp_path: Path, transport: str) -> None:
    source = readout_program()

    with lab(tmp_path, transport) as star5, star5.rig() as rig:
        rig.load(source)
        records = rig.run(3)
        rig.make_safe()

    samples = records.samples[READOUT]
    assert samples.shape == (3, 2, RECORD_SAMPLES)
    assert samples.dtype == np.complex64
    for shot in samples:
        np.testing.assert_allclose(shot.real, expected_records(source).real, atol=CODE_V)
        np.testing.assert_allclose(shot.imag, expected_records(source).imag, atol=CODE_V)


def test_outputs_of_both_awgs_coincide(star5: Lab) -> None:
    source = readout_program()

    with star5.rig() as rig:
        rig.load(source)
        rig.run(1)

    shot = star5.fridge.shots[-1]
    starts = {name: [piece.start_samples for piece in shot.outputs[name]] for name in shot.outputs}
    drive, flux = starts["awg1.ch1"], starts["awg2.ch5"]
    assert np.subtract(flux, drive).tolist() == [80, 80]
    assert np.subtract(shot.triggers_samples, drive).tolist() == [160, 160]


def test_a_record_can_begin_later_than_its_trigger(star5: Lab) -> None:
    source = replace(readout_program(1), record_delay_samples=120, record_samples=500)

    with star5.rig() as rig:
        rig.load(source)
        samples = rig.run(1).samples[READOUT]

    expected = expected_records(source)[0, 120:620]
    np.testing.assert_allclose(samples[0, 0].real, expected.real, atol=CODE_V)


def test_an_unchanged_program_is_not_sent_again(star5: Lab) -> None:
    source = readout_program()
    with star5.rig() as rig:
        first = rig.load(source)
        rig.run(10)
        before = star5.n_messages()

        second = rig.load(source)
        at_load = star5.n_messages()
        rig.run(10)

    assert first.n_uploaded == first.n_waveforms
    assert first.uploaded_bytes > 0
    assert second == LoadReport(first.n_waveforms, 0, 0)
    assert at_load == before
    assert sum(star5.n_messages().values()) - sum(before.values()) < 40


def test_known_waveforms_are_not_sent_again_for_another_program(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.load(readout_program(2))

        report = rig.load(readout_program(1))

    assert report.n_uploaded == 0


def test_a_thousand_equal_segments_cost_few_uploads(star5: Lab) -> None:
    one = segment(5000, {DRIVE: [(0, 400)], READOUT: [(1, 512)]}, 480)
    source = program([wave(80), wave(1600, 2)], [one] * 1000)

    with star5.rig() as rig:
        report = rig.load(source)
        samples = rig.run(2).samples[READOUT]

    assert report.n_uploaded <= 10
    assert samples.shape == (2, 1000, RECORD_SAMPLES)


def test_programs_can_be_played_in_turn(star5: Lab) -> None:
    one, other = (
        readout_program(1),
        program([wave(640, 5)], [segment(2000, {READOUT: [(0, 0)]}, 0)]),
    )
    with star5.rig() as rig:
        for source in (one, other, one, other):
            rig.load(source)
            samples = rig.run(1).samples[READOUT]

            np.testing.assert_allclose(samples[0].real, expected_records(source).real, atol=CODE_V)


def test_a_program_without_readout_is_played(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.load(program([wave(80)], [segment(1000, {DRIVE: [(0, 0)]})]))

        records = rig.run(5)

    assert records.n_shots == 5
    assert records.samples == {}


def test_settings_reach_the_instruments_once(star5: Lab) -> None:
    settings = {
        "QB1__flux.voltage": 0.05,
        "QB1__drive.frequency": 4.41e9,
        "QB1__drive.local_oscillator.power": 3.0,
        "QB1__drive.local_oscillator.status": False,
    }
    with star5.rig() as rig:
        rig.apply(settings)
        before = star5.n_messages()

        rig.apply(settings)

    instruments = star5.rack.rack.instruments
    assert star5.n_messages() == before
    source = instruments["lo_qb1"].source()  # type: ignore[attr-defined]
    assert (source.frequency_hz, source.power_dbm, source.is_on) == (4.41e9, 3.0, False)
    assert instruments["bias_qb1"].voltage() == pytest.approx(0.05)  # type: ignore[attr-defined]


def test_an_open_rig_has_its_sources_on_and_a_safe_one_off(star5: Lab) -> None:
    instruments = star5.rack.rack.instruments
    with star5.rig() as rig:
        is_on = instruments["lo_pl1"].source().is_on  # type: ignore[attr-defined]
        is_iq_on = instruments["lo_pl1"].source().is_iq_on  # type: ignore[attr-defined]

        rig.make_safe()

    assert (is_on, is_iq_on) == (True, True)
    assert not instruments["lo_pl1"].source().is_on  # type: ignore[attr-defined]
    assert not instruments["awg2"].is_output_on(3)  # type: ignore[attr-defined]


def test_a_rig_made_safe_plays_again(star5: Lab) -> None:
    source = readout_program(1)
    with star5.rig() as rig:
        rig.make_safe()

        rig.load(source)
        samples = rig.run(1).samples[READOUT]

    np.testing.assert_allclose(samples[0].real, expected_records(source).real, atol=CODE_V)


def test_more_shots_than_the_digitizer_holds_are_not_offered(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.load(readout_program(2))

        n_shots = rig.max_shots_per_run()

    assert n_shots == WIRING.readouts[READOUT].max_frames // 2


def test_a_run_can_be_interrupted(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.load(program([], [segment(1_900_000_000, {})]))
        timer = Timer(0.05, rig.interrupt)
        timer.start()

        with pytest.raises(RunInterrupted):
            rig.run(1000)

        timer.join()
        rig.stop()
        rig.load(readout_program(1))
        assert rig.run(1).n_shots == 1


def test_a_scope_with_another_sample_rate_is_refused(star5: Lab) -> None:
    readout = replace(WIRING.readouts[READOUT], sample_rate_hz=1.9e9)
    wiring = replace(WIRING, readouts={READOUT: readout})

    expected = r"scope.*samples at 2e\+09 Hz.*says 1.9e\+09 Hz"
    with pytest.raises(InstrumentFault, match=expected), star5.rig(wiring):
        pass


def test_an_instrument_of_the_wrong_kind_is_named(star5: Lab) -> None:
    readout = replace(WIRING.readouts[READOUT], digitizer="lo_qb1")

    wiring = replace(WIRING, readouts={READOUT: readout})

    expected = "lo_qb1, while opening the rack: it is a RohdeSchwarzSGS100A"
    with pytest.raises(InstrumentFault, match=expected), star5.rig(wiring):
        pass


def test_records_that_never_come_are_a_fault_of_the_scope(
    star5: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig_module, "STALL_TIMEOUT_S", 0.1)
    monkeypatch.setattr(rig_module, "_PROGRESS_POLL_S", 0.02)
    with star5.rig() as rig:
        rig.load(readout_program(1))
        with star5.rack.rack.room:
            scope = star5.rack.rack.instruments["scope"]
            scope.trigger_level_v.put(5.0)  # type: ignore[attr-defined]

        with pytest.raises(
            InstrumentFault, match=r"scope.*after 0 of 3: does the marker awg2.ch3.m1"
        ):
            rig.run(3)
