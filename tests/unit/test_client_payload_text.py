"""The readable dump of a payload, as `labctl payload --text` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labd.cli.payload_text import payload_text
from labd.core.errors import InvalidPayload

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"


def text_of(name: str) -> str:
    return payload_text((PAYLOADS / f"{name}.sweep.bin").read_bytes())


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.sweep.bin")), ids=lambda path: path.stem)
def test_every_captured_payload_can_be_read(path: Path) -> None:
    lines = payload_text(path.read_bytes()).splitlines()

    assert lines[0].startswith("sweep ")
    assert any(line.startswith("channel PL-1__readout (readout, 2e+09") for line in lines)


def test_pulses_waits_and_acquisitions_are_named_with_their_numbers() -> None:
    text = text_of("bell")

    assert "  options.playlist_repeats = 1000" in text
    assert "wait, 600000 samples (300000 ns)" in text
    assert "real pulse, waveform 0 x 0.42, 80 samples (40 ns)" in text
    assert "QB1__m1, 480 samples after the trigger: bit above 0.5" in text


def test_conditional_instructions_name_their_label() -> None:
    assert "if QB1__feedback then 1 else 3" in text_of("reset_feedback")


def test_sweep_axes_are_listed_slowest_first() -> None:
    lines = text_of("readout_spectroscopy_soft").splitlines()

    first = lines.index("sweep axis 0 (slowest)")
    assert lines[first + 1] == "  QB2__drive.frequency = [4520000000.0, 4530000000.0]"


def test_other_bytes_are_refused() -> None:
    with pytest.raises(InvalidPayload):
        payload_text(b"\xff\xff")
