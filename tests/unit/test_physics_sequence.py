"""Many shots in a row: what is remembered, what is not, and what a seed fixes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from physics_shots import (
    CHIP_TOML,
    DRIVES_HZ,
    OUTPUTS,
    PassBuilder,
    bits,
    drag_pulse,
    fridge,
    quiet_chip,
)

from labd.core.errors import BadFile
from labd_drivers.sim.physics.api import Fridge
from labd_drivers.sim.physics.chip import Chip, read_chip

QUBITS = tuple(DRIVES_HZ)
LONG = 40_000_000


def ideal_chip() -> Chip:
    """No noise, no thermal excitation, hardly any relaxation within a measurement."""
    chip = quiet_chip()
    qubits = tuple(
        dataclasses.replace(qubit, t1_s=1.0e-3, t2_s=1.0e-3, thermal_population=0.0)
        for qubit in chip.qubits
    )
    return dataclasses.replace(chip, qubits=qubits)


def test_same_seed_same_records_and_another_seed_others() -> None:
    shot = PassBuilder().hadamard("QB1").measure(*QUBITS).shot()

    runs = [fridge(seed).records(shot, 20, 480, 300)[0] for seed in (1, 1, 2)]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_every_call_draws_anew() -> None:
    shot, system = PassBuilder().hadamard("QB1").measure(*QUBITS).shot(), fridge(1)

    first, second = (system.records(shot, 20, 480, 300)[0] for _ in range(2))

    assert not np.array_equal(first, second)


def test_asking_in_small_portions_goes_on_where_the_last_one_ended() -> None:
    shot = PassBuilder(16).prx("QB1", np.pi).measure(*QUBITS).shot(2000)
    system = Fridge(ideal_chip(), 6)

    read = np.concatenate([bits(system, shot, 3)[0, :, 0] for _ in range(30)])

    assert np.mean(read[1:] != read[:-1]) > 0.9


def test_a_shot_that_is_played_again_later_follows_what_was_played_in_between() -> None:
    flip = PassBuilder(16).prx("QB1", np.pi).measure(*QUBITS).shot(2000)
    rest = PassBuilder(16).measure(*QUBITS).shot(2000)
    system = Fridge(ideal_chip(), 6)

    read = [int(bits(system, shot, 1)[0, 0, 0]) for shot in (flip, rest, flip, rest, flip, rest)]

    assert read == [1, 1, 0, 0, 1, 1]


def test_silence_around_a_probe_is_not_part_of_it() -> None:
    silence, quiet = np.zeros(700), PassBuilder(LONG).measure(*QUBITS)
    probe = quiet.pieces["awg2.ch3"][0].volts, quiet.pieces["awg2.ch4"][0].volts
    padded = PassBuilder(LONG)
    for output, volts in zip(("awg2.ch3", "awg2.ch4"), probe, strict=True):
        padded.add(output, LONG + 32 - 700, np.concatenate([silence, volts, silence]))
    padded.add_iq(OUTPUTS["QB1"], LONG - 90, drag_pulse("QB1", np.pi, 0.0))
    padded.triggers.append(LONG)
    shot = padded.wait(4000).shot(0)

    read = bits(Fridge(ideal_chip(), 2), shot, 100)[0, :, 0]

    assert read.mean() > 0.95


def test_no_shots_and_no_triggers_give_empty_records() -> None:
    shot = PassBuilder().hadamard("QB1").shot()

    in_phase, quadrature = fridge().records(shot, 7, 480, 300)
    nothing = fridge().records(PassBuilder().measure("QB1").shot(), 0, 480, 300)

    assert in_phase.shape == quadrature.shape == (7, 0, 300)
    assert nothing[0].shape == (0, 1, 300)


def test_measuring_twice_gives_the_same_answer() -> None:
    shot = PassBuilder(LONG).hadamard("QB1").measure(*QUBITS).measure(*QUBITS).shot()

    read = bits(Fridge(ideal_chip(), 3), shot, 1000)[0]

    assert np.mean(read[:, 0] == read[:, 1]) > 0.99
    assert 0.45 < read[:, 0].mean() < 0.55


def test_a_flip_between_two_measurements_flips_the_answer() -> None:
    builder = PassBuilder(LONG).hadamard("QB1").measure(*QUBITS).wait(1600)
    shot = builder.prx("QB1", np.pi).measure(*QUBITS).shot()

    read = bits(Fridge(ideal_chip(), 3), shot, 500)[0]

    assert np.mean(read[:, 0] != read[:, 1]) > 0.99


def test_reading_one_half_of_a_pair_decides_the_other() -> None:
    builder = PassBuilder(LONG).hadamard("QB1").hadamard("QB3").align().cz("QB1", "QB3")
    builder.hadamard("QB3").measure("QB1").prx("QB3", np.pi).measure("QB3")

    read = bits(Fridge(ideal_chip(), 4), builder.shot(), 1000)

    assert np.mean(read[0, :, 0] != read[2, :, 1]) > 0.99
    assert 0.45 < read[0, :, 0].mean() < 0.55


def test_a_measured_superposition_has_no_phase_any_more() -> None:
    echo = PassBuilder(LONG).prx("QB1", np.pi / 2).wait(2576).prx("QB1", np.pi / 2, np.pi)
    read_between = PassBuilder(LONG).prx("QB1", np.pi / 2).measure("QB1")
    read_between.prx("QB1", np.pi / 2, np.pi)

    untouched = bits(Fridge(ideal_chip(), 5), echo.measure(*QUBITS).shot(), 500)[0]
    disturbed = bits(Fridge(ideal_chip(), 5), read_between.measure(*QUBITS).shot(), 1000)[0]

    assert untouched.mean() < 0.02
    assert 0.45 < disturbed[:, 1].mean() < 0.55


def test_without_a_wait_a_qubit_starts_from_where_the_last_shot_left_it() -> None:
    shot = PassBuilder(16).prx("QB1", np.pi).measure(*QUBITS).shot(2000)
    system = Fridge(ideal_chip(), 6)

    read = np.concatenate([bits(system, shot, 20)[0, :, 0], bits(system, shot, 20)[0, :, 0]])

    assert np.mean(read[1:] != read[:-1]) > 0.9


def test_what_is_left_of_the_last_shot_relaxes_with_t1() -> None:
    chip, end_s = quiet_chip(), 40.0e-6
    shot = PassBuilder(16).prx("QB1", np.pi).measure(*QUBITS).shot(int(end_s * 2.0e9))

    read = bits(Fridge(chip, 7), shot, 6000)[0, :, 0]

    after_one = read[1:][read[:-1] == 1].mean()
    after_zero = read[1:][read[:-1] == 0].mean()
    remembered = np.exp(-(end_s + 0.7e-6) / chip.qubits[0].t1_s)
    assert after_zero > 0.97
    assert 1.0 - after_one == pytest.approx(remembered, abs=0.04)


def test_a_long_wait_makes_the_chip_forget() -> None:
    shot = PassBuilder().prx("QB1", np.pi).measure(*QUBITS).shot()

    read = bits(fridge(8), shot, 1000)[0, :, 0]

    assert read.mean() > 0.97


def test_relaxation_over_a_sweep_of_waits_has_the_chips_t1() -> None:
    chip = read_chip(CHIP_TOML)
    waits_s = np.array([0.0, 15.0e-6, 40.0e-6, 80.0e-6])
    builder = PassBuilder()
    for wait_s in waits_s:
        builder.prx("QB2", np.pi).wait(int(wait_s * 2e9)).measure(*QUBITS).wait(1_200_000)

    read = bits(fridge(9), builder.shot(0), 1500)[1]

    kept = read.mean(axis=0)
    slope = np.polyfit(waits_s[:3], np.log(kept[:3] - 0.006), 1)[0]
    assert -1.0 / slope == pytest.approx(chip.qubits[1].t1_s, rel=0.15)


def test_chip_file_is_refused_with_all_its_mistakes(tmp_path: Path) -> None:
    text = CHIP_TOML.read_text(encoding="utf-8")
    text = text.replace('source = "lo_qb1"', "source = 1").replace("t2_s = 5.2e-5", "t2_s = 5.2")
    bad = tmp_path / "chip.toml"
    bad.write_text(text.replace('["QB3", "QB5"]', '["QB3", "QB9"]'), encoding="utf-8")

    with pytest.raises(BadFile) as caught:
        Fridge.from_toml(bad, 1)

    named = {problem.where for problem in caught.value.problems}
    assert named == {"qubits.QB1.source", "qubits.QB2.t2_s", "couplers.TC-3-5.qubits"}


def test_a_chip_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"missing\.toml"):
        Fridge.from_toml(tmp_path / "missing.toml", 1)
