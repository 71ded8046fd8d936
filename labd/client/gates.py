"""Calibrated gates as pulses: what a calibration set says, put into a segment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from labd.client.envelopes import CosineRiseFall
from labd.client.segment import Segment
from labd.client.tables import Readout
from labd.client.values_observations import CalibrationSet
from labd.core.waveforms import cosine_derivative


def prx(
    segment: Segment,
    calibration: CalibrationSet,
    qubit: str,
    angle_rad: float,
    phase_rad: float = 0.0,
) -> None:
    """PRX(angle, phase) = exp(-i angle/2 (X cos phase + Y sin phase)), a DRAG raised cosine.

    From ``gates.prx.drag_crf.<qubit>``, whose amplitudes make a π pulse; the amplitude is scaled.
    """
    own = f"gates.prx.drag_crf.{qubit}"
    duration_s = calibration.number(f"{own}.duration")
    width = calibration.number(f"{own}.full_width") / duration_s
    segment.drive(
        qubit,
        CosineRiseFall(duration_s, full_width=width, rise_time=width / 2),
        cosine_derivative(segment.grid.samples(duration_s), width),
        scale_i=calibration.number(f"{own}.amplitude_i") * angle_rad / math.pi,
        scale_q=calibration.number(f"{own}.amplitude_q") * angle_rad / math.pi,
        phase_rad=phase_rad,
    )


def cz(
    segment: Segment, calibration: CalibrationSet, coupler: str, qubits: tuple[str, str]
) -> None:
    """CZ by the coupler's flux pulse, with its phase corrections, from ``gates.cz.crf``."""
    orders = (qubits, qubits[::-1])
    found = [f"gates.cz.crf.{a}__{b}" for a, b in orders]
    own = next((name for name in found if f"{name}.duration" in calibration.observations), found[0])
    duration_s = calibration.number(f"{own}.duration")
    envelope = CosineRiseFall(
        duration_s,
        full_width=calibration.number(f"{own}.coupler.full_width") / duration_s,
        rise_time=calibration.number(f"{own}.coupler.rise_time") / duration_s,
    )
    segment.sync(coupler, *qubits)
    segment.flux(coupler, envelope, scale=calibration.number(f"{own}.coupler.amplitude"))
    segment.sync(coupler, *qubits)
    for qubit in qubits:
        segment.virtual_z(qubit, calibration.number(f"{own}.rz.{qubit}"))


def readout_of(
    calibration: CalibrationSet, probe_line: str, qubit: str, label: str = "", *, bits: bool = True
) -> Readout:
    """The calibrated readout of a qubit, from ``gates.measure.constant``.

    label: ``<qubit>__m1`` if empty. bits: threshold to 0 or 1, else return complex integrals.
    """
    own = f"gates.measure.constant.{qubit}"
    centre_hz = calibration.number(f"controllers.{probe_line}.readout.center_frequency")
    readout = Readout(
        label=label or f"{qubit}__m1",
        if_hz=calibration.number(f"{own}.frequency") - centre_hz,
        amplitude=calibration.number(f"{own}.amplitude_i"),
        probe_s=calibration.number(f"{own}.duration"),
        delay_s=calibration.number(f"{own}.acquisition_delay"),
        integration_s=calibration.number(f"{own}.integration_length"),
        threshold=calibration.number(f"{own}.integration_threshold"),
        phase_rad=calibration.number(f"{own}.phase"),
    )
    return readout if bits else replace(readout, threshold=None)


def measure(
    segment: Segment, calibration: CalibrationSet, probe_line: str, qubits: Sequence[str]
) -> None:
    """Read these qubits out together once all of them are done, as bits ``<qubit>__m1``."""
    segment.sync(probe_line, *qubits)
    segment.measure(probe_line, [readout_of(calibration, probe_line, qubit) for qubit in qubits])
