"""Results as a PNG: what is drawn depends on what was measured.

Bits of a few circuits become histograms, bits of many circuits or of sweeps lines of P(1),
integrals IQ clouds (or lines where they are averaged), time traces lines over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labd.client import Method, Results

_MOST_HISTOGRAMS = 6
_MOST_BITSTRINGS = 32
_MOST_POINTS = 20_000
_MOST_LINES = 10
_WIDTH_IN = 7.0
_HEIGHT_IN = 3.6


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: its title and what draws it."""

    title: str
    draw: Callable[[Axes], None]


def save_plot(results: Results, path: Path, *, title: str) -> None:
    """Draw the results into a PNG."""
    panels = panels_of(results)
    figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN * len(panels) + 0.3), layout="constrained")
    figure.suptitle(title, fontsize=9, color="0.4")
    for number, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(len(panels), 1, number)
        axes.set_title(panel.title, fontsize=10)
        panel.draw(axes)
    figure.savefig(path, format="png", dpi=150)


def panels_of(results: Results) -> list[Panel]:
    """What there is to draw, in order: bits, integrals, traces."""
    shape = results.shape
    by_method = {
        method: [label for label in results if shape.labels[label].method is method]
        for method in Method
    }
    bits, integrals = by_method[Method.THRESHOLD], by_method[Method.INTEGRATION]
    panels: list[Panel] = []
    if bits and shape.is_single_shot and not shape.axes and shape.n_segments <= _MOST_HISTOGRAMS:
        panels += [_histogram(results, segment) for segment in range(shape.n_segments)]
    elif bits:
        panels += _line_panels(results, bits, "probability of 1")
    if integrals and shape.is_single_shot and not shape.axes:
        panels.append(Panel("integrals, single shots", lambda ax: _cloud(ax, results, integrals)))
    elif integrals:
        panels += _line_panels(results, integrals, "integrals, mean")
    panels += [_trace(results, label) for label in by_method[Method.TIME_TRACE]]
    return panels


def _histogram(results: Results, segment: int) -> Panel:
    labels = results.labels_in(segment)
    counts = results.counts(labels, segment=segment)
    shown = dict(sorted(sorted(counts.items(), key=lambda item: -item[1])[:_MOST_BITSTRINGS]))
    n_shots = max(1, sum(counts.values()))

    def draw(axes: Axes) -> None:
        bars = axes.bar(
            list(shown), [100 * n / n_shots for n in shown.values()], width=0.6, color="C0"
        )
        if len(shown) <= 8:
            axes.bar_label(bars, [f"{n}" for n in shown.values()], fontsize=8)
        axes.set_ylabel("% of shots")
        axes.margins(y=0.12)
        axes.set_xlabel(" ".join(labels))
        if len(shown) > 8:
            axes.tick_params(axis="x", rotation=90, labelsize=7)

    circuit = f"circuit {segment}, " if results.shape.n_segments > 1 else ""
    hidden = len(counts) - len(shown)
    rest = f", the {len(shown)} most frequent of {len(counts)}" if hidden else ""
    return Panel(f"{circuit}{n_shots} shots{rest}", draw)


def _cloud(axes: Axes, results: Results, labels: list[str]) -> None:
    """Every shot a point; a colour per label and segment."""
    groups = [(label, index) for label in labels for index in _triggers(results, label)]
    most = max(1, _MOST_POINTS // max(1, len(groups)))
    for label, trigger in groups:
        shots = results.array(label)[:most, trigger]
        name = f"{label}, segment {results.shape.labels[label].segments[trigger]}"
        axes.scatter(shots.real, shots.imag, s=3, alpha=0.4, linewidths=0, label=name)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("I (readout units)")
    axes.set_ylabel("Q (readout units)")
    _legend(axes, len(groups), markerscale=3)


def _line_panels(results: Results, labels: list[str], what: str) -> list[Panel]:
    """All labels over the segments; with soft sweeps a panel for each label."""
    if not results.shape.axes:
        return [Panel(what, partial(_lines_over_segments, results=results, labels=labels))]
    return [
        Panel(f"{what}, {label}", partial(_lines_over_sweep, results=results, label=label))
        for label in labels
    ]


def _lines_over_segments(axes: Axes, results: Results, labels: list[str]) -> None:
    n_lines = 0
    for label in labels:
        segments = np.array(results.shape.labels[label].segments)
        n_lines += _curve(axes, segments, results.mean(label)[0], label)
    axes.set_xlabel("segment")
    _finish_lines(axes, results, labels, n_lines)


def _lines_over_sweep(axes: Axes, results: Results, label: str) -> None:
    """Means over the fastest axis, a curve for each point of the slower ones and each segment."""
    shape = results.shape
    segments = shape.labels[label].segments
    fast = shape.axes[-1]
    x_name, x = next(iter(fast.values.items()))
    curves = results.mean(label).reshape(-1, fast.n_points, len(segments))
    n_lines = 0
    for slow in range(curves.shape[0]):
        for trigger, segment in enumerate(segments):
            name = _curve_name(results, slow, segment)
            n_lines += _curve(axes, x, curves[slow, :, trigger], name)
    axes.set_xlabel(x_name)
    _finish_lines(axes, results, [label], n_lines)


def _finish_lines(axes: Axes, results: Results, labels: list[str], n_lines: int) -> None:
    if all(results.shape.labels[label].method is Method.THRESHOLD for label in labels):
        axes.set_ylabel("P(1)")
        axes.set_ylim(-0.03, 1.03)
    axes.grid(alpha=0.3)
    _legend(axes, n_lines)


def _curve(axes: Axes, x: npt.NDArray[np.generic], y: npt.NDArray[np.generic], name: str) -> int:
    """A line for real values, two for complex ones. Returns how many were drawn."""
    if np.iscomplexobj(y):
        return _curve(axes, x, y.real, f"{name}, I") + _curve(axes, x, y.imag, f"{name}, Q")
    axes.plot(x, y, label=name, marker=".", linewidth=1.0, markersize=5.0)
    return 1


def _curve_name(results: Results, slow: int, segment: int) -> str:
    """The slower axes' values and the segment, as far as they tell curves apart."""
    shape = results.shape
    parts = [f"segment {segment}"] if shape.n_segments > 1 else []
    slower = shape.axes[:-1]
    indices = np.unravel_index(slow, [axis.n_points for axis in slower]) if slower else ()
    for axis, index in zip(slower, indices, strict=True):
        name, points = next(iter(axis.values.items()))
        parts.append(f"{name} {points[index]:.6g}")
    return ", ".join(parts)


def _trace(results: Results, label: str) -> Panel:
    acquired = results.shape.labels[label]
    traces = results.mean(label)
    times_ns = np.arange(acquired.n_samples) * 1e9 / acquired.sample_rate_hz

    def draw(axes: Axes) -> None:
        flat = traces.reshape(-1, acquired.n_samples)
        for number, trace in enumerate(flat[:_MOST_LINES]):
            suffix = f" {number}" if len(flat) > 1 else ""
            axes.plot(times_ns, trace.real, linewidth=0.9, alpha=0.7, label=f"I{suffix}")
            axes.plot(times_ns, trace.imag, linewidth=0.9, alpha=0.7, label=f"Q{suffix}")
        axes.set_xlabel("time in the record (ns)")
        axes.set_ylabel("V at the digitizer")
        axes.grid(alpha=0.3)
        _legend(axes, 2 * min(len(flat), _MOST_LINES))

    return Panel(f"{label}, mean of {results.shape.n_shots} shots", draw)


def _triggers(results: Results, label: str) -> range:
    return range(len(results.shape.labels[label].segments))


def _legend(axes: Axes, n_entries: int, *, markerscale: float = 1.0) -> None:
    """Beside the axes; none where it would be longer than them or say nothing."""
    _, names = axes.get_legend_handles_labels()
    if any(names) and n_entries <= 2 * _MOST_LINES:
        axes.legend(
            fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=markerscale
        )
