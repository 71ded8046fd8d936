"""A whole labd before a chip of the test's own making, and calibration sets that are wrong."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_processes import ROOT, close, first_line, start

from labd.client import Client, JobState, JobType

Toml = dict[str, Any]
Observations = dict[str, dict[str, Any]]
_RACK = "labd_drivers.sim.main"
_DAEMON = "from labd.cli.daemon import main; main()"


def shipped_chip() -> Toml:
    """The shipped chip's truth."""
    return tomllib.loads((ROOT / "config/star5/chip.toml").read_text(encoding="utf-8"))


def other_chip(seed: int) -> Toml:
    """Another star of five, within what the wiring can drive and read.

    T1 and T2, pulse scalings, couplings and local phases, the places of the clouds, the resonators
    and the qubits are all different from the shipped chip's.
    """
    dice, chip = random.Random(seed), shipped_chip()
    for qubit in chip["qubits"].values():
        qubit["t1_s"] = dice.uniform(30e-6, 80e-6)
        qubit["t2_s"] = dice.uniform(0.5, 1.3) * qubit["t1_s"]
        qubit["thermal_population"] = dice.uniform(0.0, 0.015)
        qubit["frequency_hz"] += dice.uniform(-2e7, 2e7)
        qubit["anharmonicity_hz"] *= dice.uniform(0.9, 1.2)
        qubit["drive_rad_per_s_v"] *= dice.uniform(0.85, 1.3)
        resonator = qubit["resonator"]
        shift = dice.uniform(-1.5e6, 1.5e6)
        resonator["levels_hz"] = [hz + shift for hz in resonator["levels_hz"]]
        gain = complex(*resonator["line_gain"]) * dice.uniform(0.85, 1.1)
        gain *= complex(0, 1) ** dice.uniform(-2, 2)
        resonator["line_gain"] = [gain.real, gain.imag]
    for coupler in chip["couplers"].values():
        coupler["conditional_rad_per_s_v2"] *= dice.uniform(0.8, 1.25) * dice.choice((1, 1, -1))
        coupler["shift_rad_per_s_v2"] = [
            rate * dice.uniform(0.5, 1.5) for rate in coupler["shift_rad_per_s_v2"]
        ]
    return chip


def wrong_set(chip: Mapping[str, Any], seed: int) -> Observations:
    """A set that is off in everything that can be calibrated.

    Frequencies by up to 2 MHz from the chip's own, amplitudes by up to 20 % from the shipped ones,
    thresholds and phases anything.
    """
    dice = random.Random(seed)
    text = (ROOT / "config/star5/calibration-set.json").read_text(encoding="utf-8")
    observations: Observations = json.loads(text)["observations"]
    for name, observation in observations.items():
        parts = name.split(".")
        if name.endswith("drive.frequency"):
            true_hz = chip["qubits"][parts[1]]["frequency_hz"]
            observation["value"] = true_hz + dice.uniform(-2e6, 2e6)
        elif name.endswith(("amplitude_i", "amplitude_q", "coupler.amplitude")):
            is_readout = parts[1].startswith("measure")
            observation["value"] *= 1.0 if is_readout else dice.uniform(0.8, 1.2)
        elif name.endswith("integration_threshold"):
            observation["value"] = dice.uniform(-1.0, 1.0)
        elif name.endswith(".phase") or ".rz." in name:
            observation["value"] = dice.uniform(-3.14, 3.14)
    return observations


@contextmanager
def chip_lab(folder: Path, chip: Toml, seed: int) -> Iterator[tuple[Client, str]]:
    """A daemon of its own before a simulated rack with this chip, ready to play; and its URL."""
    config = folder / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "star5/chip.toml").write_text(_toml(chip), encoding="utf-8")
    station = config / "star5/station.yaml"
    rack_arguments = [str(config / "star5"), "--ports", "free", "--seed", str(seed)]
    rack_arguments += ["--station-out", str(station)]
    rack = start([sys.executable, "-m", _RACK, *rack_arguments])
    try:
        assert first_line(rack).startswith("ready")
        serve = ["serve", "--config", str(config / "labd.toml"), "--listen", "127.0.0.1:0"]
        serve += ["--state-dir", str(folder / "state")]
        daemon = start([sys.executable, "-c", _DAEMON, *serve])
        try:
            line = first_line(daemon)
            url = next(word for word in line.split() if word.startswith("http://"))
            with Client(url) as client:
                _wait_until_ready(client)
                yield client, url
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(40)
            close(daemon)
    finally:
        rack.terminate()
        rack.wait(40)
        close(rack)


def activate(client: Client, observations: Observations) -> None:
    """Store a set and make it the active one."""
    document = json.dumps({"observations": observations}).encode()
    client.calibration_sets.activate(client.calibration_sets.store(document).id)


@dataclass(frozen=True)
class Bell:
    """same: the part of the shots in 00 and 11. ones: in 11 alone."""

    same: float
    ones: float

    @property
    def holds(self) -> bool:
        """The figure that pulse jobs are held to."""
        return self.same >= 0.90 and 0.35 <= self.ones <= 0.65


def bell_pairs(client: Client, others: Sequence[str], shots: int = 1000) -> dict[str, Bell]:
    """A Bell pair of QB3 with each of the others."""
    circuits = [{"name": other, "instructions": _bell("QB3", other)} for other in others]
    payload = json.dumps({"circuits": circuits, "shots": shots}).encode()
    job = client.wait(client.submit(payload, JobType.CIRCUIT).id, timeout_s=120)
    assert job.status is JobState.COMPLETED, job.error
    measured = json.loads(client.results_bytes(job.id))
    return {
        other: Bell(
            same=sum(a == b for a, b in result["m"]) / shots,
            ones=sum(a == b == 1 for a, b in result["m"]) / shots,
        )
        for other, result in zip(others, measured, strict=True)
    }


def _bell(first: str, second: str) -> list[dict[str, Any]]:
    def gate(name: str, *locus: str, **args: float | str) -> dict[str, Any]:
        return {"name": name, "locus": list(locus), "args": args}

    quarter = math.pi / 2
    return [
        gate("prx", first, angle=quarter, phase=quarter),
        gate("prx", second, angle=quarter, phase=quarter),
        gate("cz", first, second),
        gate("prx", second, angle=-quarter, phase=quarter),
        gate("measure", first, second, key="m"),
    ]


def _wait_until_ready(client: Client) -> None:
    deadline = time.monotonic() + 60
    while (state := client.rack().state) != "ready":
        assert time.monotonic() < deadline, state
        time.sleep(0.05)


def _toml(value: Mapping[str, Any], path: str = "") -> str:
    """Tables of scalars and lists, as TOML."""
    own = [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items() if not _is_table(v)]
    head = [f"[{path}]"] if path else []
    below = [
        _toml(table, f"{path}.{json.dumps(key)}" if path else json.dumps(key))
        for key, table in value.items()
        if _is_table(table)
    ]
    return "\n".join([*head, *own, *below]) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict)
