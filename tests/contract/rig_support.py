"""The SCPI rig on a simulated rack in the test's own process, wired back to itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from sim_support import LoopbackFridge, loopback_rack

from labd.core.program import Block, BlockWaveform, RigProgram, Segment, Trigger
from labd.core.rig import Rig
from labd.core.wiring import Wiring
from labd.rack.station import open_station
from labd.wiring_file import read_wiring
from labd_drivers.rigs.scpi import open_rig
from labd_drivers.sim.faults import FaultControl
from labd_drivers.sim.main import SimulatedRack, write_station

CONFIG = Path(__file__).parents[2] / "config" / "star5"
WIRING = read_wiring(CONFIG / "wiring.toml")
DRIVE, FLUX, READOUT = "QB1__drive.awg", "TC-1-3__flux.awg", "PL-1__readout"
RECORD_SAMPLES = 2000


@dataclass
class Lab:
    """A simulated rack, and rigs opened on it."""

    rack: SimulatedRack
    fridge: LoopbackFridge
    faults: FaultControl
    station_file: Path

    @contextmanager
    def rig(self, wiring: Wiring = WIRING) -> Iterator[Rig]:
        """A rig on a freshly opened station."""
        station = open_station(self.station_file)
        try:
            yield open_rig(station, wiring)
        finally:
            station.close()

    def n_messages(self) -> dict[str, int]:
        """Messages that every instrument has received."""
        return {name: server.faults.n_messages for name, server in self.rack.servers.items()}


@contextmanager
def lab(directory: Path, transport: str = "hislip") -> Iterator[Lab]:
    """The star5 rack on free ports; its fridge is a pair of cables."""
    fridge = LoopbackFridge()
    with loopback_rack(fridge) as rack:
        station_file = directory / "station.yaml"
        write_station(CONFIG / "station.yaml", station_file, rack.addresses(transport))
        with FaultControl(rack.control.port) as faults:
            yield Lab(rack, fridge, faults, station_file)


def wave(n_samples: int, seed: int = 1, scale: float = 0.9) -> BlockWaveform:
    """Noise within +-scale on I and Q."""
    numbers = np.random.default_rng(seed).uniform(-scale, scale, (2, n_samples))
    samples = (numbers[0] + 1j * numbers[1]).astype(np.complex64)
    return BlockWaveform(samples, blake2b(samples.tobytes(), digest_size=16).digest())


def segment(duration: int, blocks: Mapping[str, list[tuple[int, int]]], *triggers: int) -> Segment:
    """blocks: by channel, (waveform, start)."""
    placed = {name: tuple(Block(*one) for one in some) for name, some in blocks.items()}
    return Segment(duration, placed, tuple(Trigger(READOUT, start, (0,)) for start in triggers))


def program(waveforms: list[BlockWaveform], segments: list[Segment]) -> RigProgram:
    """The segments one after the other, 2 microseconds apart, with records of a microsecond."""
    return RigProgram(
        sample_rate_hz=2.0e9,
        waveforms=tuple(waveforms),
        segments=tuple(segments),
        order=tuple(range(len(segments))),
        end_delay_samples=4000,
        record_delay_samples=0,
        record_samples=RECORD_SAMPLES,
    )


def readout_program(n_segments: int = 2) -> RigProgram:
    """A drive pulse, a flux pulse and a readout in every segment, at different times."""
    segments = [
        segment(
            9000 + 16 * k,
            {
                DRIVE: [(0, 800 + 16 * k)],
                FLUX: [(0, 880 + 16 * k)],
                READOUT: [(1, 992 + 16 * k)],
            },
            960 + 16 * k,
        )
        for k in range(n_segments)
    ]
    return program([wave(80), wave(1600, 2)], segments)
