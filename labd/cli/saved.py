"""Results in formats for other programs: JSON-able objects and npz files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from labd.cli.facts import Json
from labd.client import CircuitCounts, Results


def results_facts(job_id: str, results: Results) -> dict[str, Json]:
    """Results as JSON. values: nested lists (spots, bins, triggers[, samples]); complex [re, im].

    counts: per segment, where there are single-shot bits and no soft sweep.
    """
    shape = results.shape
    facts: dict[str, Json] = {
        "job": job_id,
        "shots": shape.n_shots,
        "bins": shape.n_bins,
        "segments": shape.n_segments,
        "axes": [
            {name: points.tolist() for name, points in axis.values.items()} for axis in shape.axes
        ],
        "labels": {
            label: {
                "method": shape.labels[label].method.value,
                "segments": list(shape.labels[label].segments),
                "values": _nested(stacked(results, label)),
            }
            for label in results
        },
    }
    if shape.is_single_shot and not shape.axes:
        facts["counts"] = [
            dict[str, Json](results.counts(segment=segment)) for segment in range(shape.n_segments)
        ]
    return facts


def circuits_facts(job_id: str, circuits: Sequence[CircuitCounts]) -> dict[str, Json]:
    """Counts of circuits as JSON, in order."""
    return {
        "job": job_id,
        "circuits": [
            {"measurement_keys": list(each.keys), "counts": dict[str, Json](each.counts)}
            for each in circuits
        ],
    }


def save_npz(
    results: Results, path: Path, more: Mapping[str, npt.NDArray[np.bool_]] = MappingProxyType({})
) -> None:
    """One array per label, and one per swept setting, named ``axis<number>/<setting>``.

    more: arrays beside them.
    """
    arrays = {label: stacked(results, label) for label in results}
    for number, axis in enumerate(results.shape.axes):
        for name, points in axis.values.items():
            arrays[f"axis{number}/{name}"] = points
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, **more)


def stacked(results: Results, label: str) -> npt.NDArray[np.generic]:
    """All spots of a label, shape (n_spots, n_bins, n_triggers[, n_samples of a time trace])."""
    spots = range(len(results[label]))
    return np.stack([results.array(label, spot=spot) for spot in spots])


def _nested(array: npt.NDArray[np.generic]) -> Json:
    if np.iscomplexobj(array):
        array = np.stack([array.real, array.imag], axis=-1)
    nested: Json = array.tolist()
    return nested
