"""Three tests of a quantum computer; they run unchanged on a simulated rack and on hardware."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from labd.client import Client, Program, Results
    from labd.hil.facts import StationFacts

    Complete = Callable[[Program], Results]

SHOTS = 200


@pytest.mark.needs_instruments("scope")
def test_every_instrument_says_who_it_is(labd_station: StationFacts) -> None:
    """A rack that is ready has identified all its instruments."""
    assert labd_station.instruments
    assert all(labd_station.instruments.values())


@pytest.mark.needs_qubits("QB1")
@pytest.mark.needs_gates("prx QB1", "measure QB1")
def test_a_pi_pulse_flips_the_qubit(labd_client: Client, labd_complete: Complete) -> None:
    """Without a pulse the qubit is mostly in 0, with one mostly in 1."""
    from labd.client import gates

    calibration = labd_client.calibration()
    program = labd_client.program(shots=SHOTS)
    for angle_rad in (0.0, math.pi):
        segment = program.segment()
        if angle_rad:
            gates.prx(segment, calibration, "QB1", angle_rad)
        gates.measure(segment, calibration, "PL-1", ["QB1"])

    ground, excited = labd_complete(program).mean("QB1__m1")[0]

    assert ground < 0.2
    assert excited > 0.8


@pytest.mark.needs_qubits("QB1", "QB3")
@pytest.mark.needs_gates("prx", "cz QB1 QB3")
def test_two_qubits_of_a_bell_state_agree(labd_client: Client, labd_complete: Complete) -> None:
    """A half turn of one, controlled by the other: they are found in the same state."""
    from labd.client import gates

    calibration = labd_client.calibration()
    program = labd_client.program(shots=SHOTS)
    segment = program.segment()
    gates.prx(segment, calibration, "QB1", math.pi / 2, math.pi / 2)
    gates.prx(segment, calibration, "QB3", math.pi / 2, math.pi / 2)
    gates.cz(segment, calibration, "TC-1-3", ("QB1", "QB3"))
    gates.prx(segment, calibration, "QB3", -math.pi / 2, math.pi / 2)
    gates.measure(segment, calibration, "PL-1", ["QB1", "QB3"])

    counts = labd_complete(program).counts(["QB1__m1", "QB3__m1"])

    n_equal = sum(n for bits, n in counts.items() if len(set(bits)) == 1)
    assert n_equal > 0.8 * SHOTS
    assert min(counts.get("00", 0), counts.get("11", 0)) > 0.2 * SHOTS
