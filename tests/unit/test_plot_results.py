"""What labctl draws and prints of results: the right picture for what was measured."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from labd.cli import plots, saved, tables_results
from labd.client import Method, Program, Readout, Results, unpack_results
from labd.client.shape import shape_of
from labd.wire import sweep_pb2

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
PNG_START = b"\x89PNG\r\n\x1a\n"


def payload_of(name: str) -> bytes:
    return (PAYLOADS / f"{name}.sweep.bin").read_bytes()


def two_integrals() -> bytes:
    """A job of two segments that returns complex single shots of two qubits."""
    program = Program(shots=50)
    for _ in range(2):
        tones = [Readout(f"QB{q}__m1", -1e6 * q, 0.1, 1e-6, 240e-9, 1e-6) for q in (1, 2)]
        program.segment().measure("PL-1", tones)
    return program.pack()


def measured(payload: bytes) -> Results:
    """Plausible values in the payload's shape, from a fixed seed."""
    rng = np.random.default_rng(7)
    shape = shape_of(payload)
    response = sweep_pb2.SweepResultsResponse()
    for label, acquired in shape.labels.items():
        size = shape.n_bins * len(acquired.segments) * acquired.n_samples
        for _ in range(shape.n_spots):
            array = response.results[label].arrays.add()
            if acquired.method is not Method.THRESHOLD:
                array.complex128_array.real.extend(rng.normal(size=size).tolist())
                array.complex128_array.imag.extend(rng.normal(size=size).tolist())
            elif shape.is_single_shot:
                array.int64_array.items.extend(rng.integers(0, 2, size).tolist())
            else:
                array.float64_array.items.extend(rng.random(size).tolist())
    return unpack_results(response.SerializeToString(), payload)


def printed(results: Results) -> str:
    console = Console(file=StringIO(), width=80, highlight=False)
    for table in tables_results.results_tables(results):
        console.print(table)
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("bell", ["1000 shots"]),
        ("ghz3_x2", ["circuit 0, 500 shots", "circuit 1, 500 shots"]),
        ("rabi_amp", ["probability of 1"]),
        ("rabi_amp_avg", ["probability of 1"]),
        ("time_trace", ["probability of 1", "PL-1__m1, mean of 20 shots"]),
        (
            "readout_spectroscopy_soft",
            [f"probability of 1, QB{qubit}__m1" for qubit in range(1, 6)],
        ),
    ],
)
def test_every_kind_of_job_has_its_picture(name: str, titles: list[str], tmp_path: Path) -> None:
    results = measured(payload_of(name))

    plots.save_plot(results, tmp_path / "plot.png", title=name)

    assert [panel.title for panel in plots.panels_of(results)] == titles
    assert (tmp_path / "plot.png").read_bytes().startswith(PNG_START)


def test_integrals_become_a_cloud(tmp_path: Path) -> None:
    results = measured(two_integrals())

    plots.save_plot(results, tmp_path / "plot.png", title="")

    assert [panel.title for panel in plots.panels_of(results)] == ["integrals, single shots"]


@pytest.mark.parametrize(
    "name", ["bell", "ghz3_x2", "rabi_amp", "readout_all", "readout_spectroscopy_soft"]
)
def test_tables_fit_eighty_columns_and_cut_nothing(name: str) -> None:
    text = printed(measured(payload_of(name)))

    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_counts_are_printed_with_shares(tmp_path: Path) -> None:
    results = unpack_results((PAYLOADS / "bell.results.bin").read_bytes(), payload_of("bell"))

    text = printed(results)

    for bits, n in results.counts().items():
        line = next(line for line in text.splitlines() if line.startswith(bits))
        assert line.split()[1:3] == [f"{n}", f"{n / 10:.1f}"]


def test_integrals_are_printed_with_mean_and_spread() -> None:
    results = measured(two_integrals())

    lines = printed(results).splitlines()

    assert len(lines) == 1 + 4
    shots = results.array("QB1__m1")[:, 0]
    assert lines[1].split()[:3] == ["0", "QB1__m1", f"{shots.mean().real:.4f}"]


def test_a_bar_is_as_long_as_its_fraction() -> None:
    assert tables_results.bar(0.5, 4) == "██"
    assert tables_results.bar(0.0, 4) == ""
    assert tables_results.bar(1.7, 2) == "██"


def test_npz_holds_every_value_and_the_swept_settings(tmp_path: Path) -> None:
    results = measured(payload_of("readout_spectroscopy_soft"))

    saved.save_npz(results, tmp_path / "out.npz")

    with np.load(tmp_path / "out.npz") as arrays:
        assert arrays["QB5__m1"].shape == (6, 50, 2)
        np.testing.assert_array_equal(arrays["QB5__m1"][3].ravel(), results["QB5__m1"][3])
        np.testing.assert_array_equal(arrays["axis0/QB2__drive.frequency"], [4.52e9, 4.53e9])


def test_json_keeps_shapes_and_writes_complex_numbers_as_pairs() -> None:
    trace = measured(payload_of("time_trace"))

    facts = saved.results_facts("job", trace)

    labels = facts["labels"]
    assert isinstance(labels, dict)
    entry = labels["PL-1__m1"]
    assert isinstance(entry, dict)
    assert np.array(entry["values"]).shape == (1, 1, 1, 2000, 2)
    assert "counts" not in facts
