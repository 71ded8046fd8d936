"""Results of jobs as tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from labd.cli.tables import plain_table
from labd.client import Array, CircuitCounts, Method, Results

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MOST_SEGMENTS_COUNTED = 8
_MOST_STRINGS = 16
_MOST_ROWS = 64
_MOST_COLUMNS = 3


def results_tables(results: Results) -> list[RenderableType]:
    """Counts for a few circuits of single-shot bits; means for sweeps; a line for each trace."""
    shape = results.shape
    methods = {acquired.method for acquired in shape.labels.values()}
    few = shape.n_segments <= _MOST_SEGMENTS_COUNTED and not shape.axes
    if methods == {Method.THRESHOLD} and shape.is_single_shot and few:
        return [_counts_table(results, segment) for segment in range(shape.n_segments)]
    tables: list[RenderableType] = []
    bits = [label for label in results if shape.labels[label].method is Method.THRESHOLD]
    complex_ = [label for label in results if shape.labels[label].method is Method.INTEGRATION]
    if bits:
        tables.append(_means_table(results, bits))
    if complex_:
        tables.append(_integrals_table(results, complex_))
    traces = [label for label in results if shape.labels[label].method is Method.TIME_TRACE]
    return tables + [_trace_line(results, label) for label in traces]


def bar(fraction: float, width: int) -> str:
    """A horizontal bar of at most `width` cells, in eighths of a cell."""
    eighths = round(min(max(fraction, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _counts_table(results: Results, segment: int) -> Table:
    labels = results.labels_in(segment)
    number = segment if results.shape.n_segments > 1 else None
    return _table_of_counts(results.counts(labels, segment=segment), labels, number)


def circuits_tables(circuits: Sequence[CircuitCounts]) -> list[RenderableType]:
    """Counts of circuits, by measurement key; of many circuits those of the first ones."""
    is_alone = len(circuits) == 1
    tables: list[RenderableType] = [
        _table_of_counts(each.counts, each.keys, None if is_alone else number)
        for number, each in enumerate(circuits[:_MOST_SEGMENTS_COUNTED])
    ]
    hidden = len(circuits) - len(tables)
    return [*tables, Text(f"and {hidden} more circuits; --json has them all")] if hidden else tables


def _table_of_counts(counts: Mapping[str, int], names: Sequence[str], number: int | None) -> Table:
    """names: of what the bits belong to, in order. number: the circuit's, None for the only one."""
    n_shots = max(1, sum(counts.values()))
    title = "" if number is None else f"circuit {number}: {' '.join(names)}"
    table = plain_table(" ".join(names) if not title else "bits", "shots", "%", "")
    table.title, table.title_justify = title or None, "left"
    table.columns[1].justify = table.columns[2].justify = "right"
    by_count = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = sorted(by_count[:_MOST_STRINGS])
    for bits, n in shown:
        table.add_row(bits, f"{n}", f"{100 * n / n_shots:.1f}", bar(n / n_shots, 40))
    hidden = by_count[_MOST_STRINGS:]
    if hidden:
        rest = sum(n for _, n in hidden)
        more = f"+{len(hidden)} more"
        table.add_row(more, f"{rest}", f"{100 * rest / n_shots:.1f}", bar(rest / n_shots, 40))
    return table


def _means_table(results: Results, labels: list[str]) -> RenderableType:
    """P(1) per spot and segment; a column per label while they fit, else a row for each."""
    if results.shape.axes or len(labels) > _MOST_COLUMNS:
        return _long_means_table(results, labels)
    table = plain_table(*_row_names(results), *[f"P(1) {label}" for label in labels])
    width = 48 // len(labels) - 8
    means = {label: results.mean(label).real for label in labels}
    for cells, spot, segment in itertools.islice(_rows(results), _MOST_ROWS):
        values = [_mean_at(results, means, label, spot, segment) for label in labels]
        shown = ["" if value is None else f"{value:.3f} {bar(value, width)}" for value in values]
        table.add_row(*cells, *shown)
    return _with_rest(table, results, 1)


def _long_means_table(results: Results, labels: list[str]) -> RenderableType:
    table = plain_table(*_row_names(results), "label", "P(1)", "")
    means = {label: results.mean(label).real for label in labels}
    for cells, spot, segment in itertools.islice(_rows(results), _MOST_ROWS // len(labels)):
        for label in labels:
            value = _mean_at(results, means, label, spot, segment)
            if value is not None:
                table.add_row(*cells, label, f"{value:.3f}", bar(value, 16))
    return _with_rest(table, results, len(labels))


def _mean_at(
    results: Results, means: Mapping[str, Array], label: str, spot: int, segment: int
) -> float | None:
    """The label's mean there; None where the segment does not measure it."""
    segments = results.shape.labels[label].segments
    return float(means[label][spot, segments.index(segment)].real) if segment in segments else None


def _integrals_table(results: Results, labels: list[str]) -> RenderableType:
    """Mean and spread of complex integrals, a row for each spot, segment and label."""
    names = ("label", "mean I", "mean Q", "σ")
    table = plain_table(*_row_names(results), *names)
    for column in table.columns[-3:]:
        column.justify = "right"
    for cells, spot, segment in itertools.islice(_rows(results), _MOST_ROWS // len(labels)):
        for label in labels:
            segments = results.shape.labels[label].segments
            if segment in segments:
                shots = results.array(label, spot=spot)[:, segments.index(segment)]
                mean = shots.mean()
                spread = float(np.sqrt(np.mean(np.abs(shots - mean) ** 2) / 2))
                numbers = (f"{mean.real:.4f}", f"{mean.imag:.4f}", f"{spread:.4f}")
                table.add_row(*cells, label, *numbers)
    return _with_rest(table, results, len(labels))


def _trace_line(results: Results, label: str) -> Text:
    acquired = results.shape.labels[label]
    magnitude = np.abs(results.mean(label))
    step_ns = 1e9 / acquired.sample_rate_hz
    return Text(
        f"{label}: {magnitude[..., 0].size} time trace(s) of {acquired.n_samples} samples of "
        f"{step_ns:g} ns; |I+iQ| mean {magnitude.mean():.4g} V, largest {magnitude.max():.4g} V"
        " (--plot draws them)"
    )


def _row_names(results: Results) -> list[str]:
    swept = [name.replace("__", "__\n") for axis in results.shape.axes for name in axis.values]
    return [*swept, "segment"] if results.shape.n_segments > 1 else swept


def _rows(results: Results) -> Iterator[tuple[list[str], int, int]]:
    """Leading cells, spot and segment of every row, spots slowest axis first."""
    shape = results.shape
    points = itertools.product(*(range(axis.n_points) for axis in shape.axes))
    for spot, indices in enumerate(points):
        swept = [
            f"{values[index]:.6g}"
            for axis, index in zip(shape.axes, indices, strict=True)
            for values in axis.values.values()
        ]
        for segment in range(shape.n_segments):
            yield [*swept, f"{segment}"] if shape.n_segments > 1 else swept, spot, segment


def _with_rest(table: Table, results: Results, n_per_spot: int) -> Table:
    n_hidden = results.shape.n_spots * results.shape.n_segments - _MOST_ROWS // n_per_spot
    if n_hidden > 0:
        table.caption = f"{n_hidden * n_per_spot} more; --json, --npz and --plot have them all"
        table.caption_justify = "left"
    return table
