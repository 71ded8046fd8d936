"""The results of a pulse job as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from labd.client.shape import Method, ResultShape, shape_of
from labd.wire import data_pb2, sweep_pb2

Values = npt.NDArray[np.bool_] | npt.NDArray[np.int64] | npt.NDArray[np.float64]
Array = Values | npt.NDArray[np.complex128]


class Results(Mapping[str, list[Array]]):
    """Per acquisition label, one 1-D array per soft-sweep spot, exactly as labd streams them.

    A flat array's index is (bin * n_triggers + trigger) * n_samples + sample; `array` gives it its
    shape back. `shape` says what the payload asked for.
    """

    def __init__(self, arrays: Mapping[str, list[Array]], shape: ResultShape) -> None:
        self._arrays = dict(arrays)
        self.shape = shape

    def __getitem__(self, label: str) -> list[Array]:
        return self._arrays[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def array(self, label: str, *, spot: int = 0) -> Array:
        """One spot's values, shape (n_bins, n_triggers), for a time trace (…, n_samples).

        Triggers are in the order of the playlist's segments. Bits are int64, averages of bits
        float64 between 0 and 1, integrals complex128 in the units of calibrated thresholds, traces
        complex128 in volts at the digitizer.
        """
        acquired = self.shape.labels[label]
        samples = (acquired.n_samples,) if acquired.method is Method.TIME_TRACE else ()
        shape = (self.shape.n_bins, len(acquired.segments), *samples)
        return self._arrays[label][spot].reshape(shape)

    def mean(self, label: str) -> Array:
        """Averages over the bins, shape (n_spots, n_triggers), for a time trace (…, n_samples)."""
        spots = range(len(self._arrays[label]))
        return np.stack([self.array(label, spot=spot).mean(axis=0) for spot in spots])

    def labels_in(self, segment: int) -> list[str]:
        """The thresholded labels that this segment measures, sorted."""
        return sorted(
            label
            for label, acquired in self.shape.labels.items()
            if acquired.method is Method.THRESHOLD and segment in acquired.segments
        )

    def bits(
        self, labels: Sequence[str] | None = None, *, segment: int = 0, spot: int = 0
    ) -> npt.NDArray[np.int8]:
        """Single-shot outcomes of one segment (circuit), int8 0/1, shape (n_shots, n_labels).

        labels: columns; all that the segment measures, sorted, if None. A label that the segment
        measures several times stands for its first. Raises ValueError where there are no bits.
        """
        if not self.shape.is_single_shot:
            raise ValueError(f"averaged into {self.shape.n_bins} bins: there are no single shots")
        chosen = self.labels_in(segment) if labels is None else list(labels)
        columns = [self._bit_column(label, segment, spot) for label in chosen]
        if not columns:
            return np.empty((self.shape.n_shots, 0), dtype=np.int8)
        return np.stack(columns, axis=1)

    def counts(
        self, labels: Sequence[str] | None = None, *, segment: int = 0, spot: int = 0
    ) -> dict[str, int]:
        """How often each bit string occurred, e.g. ``{"00": 503, "11": 497}``, in order of strings.

        The first character belongs to the first label; arguments as of `bits`.
        """
        rows = self.bits(labels, segment=segment, spot=spot)
        found = Counter("".join(map(str, row)) for row in rows.tolist())
        return dict(sorted(found.items()))

    def _bit_column(self, label: str, segment: int, spot: int) -> npt.NDArray[np.int8]:
        acquired = self.shape.labels[label]
        if acquired.method is not Method.THRESHOLD:
            raise ValueError(f"{label} holds {acquired.method} values, not bits")
        if segment not in acquired.segments:
            raise ValueError(f"{label} is not measured in segment {segment}")
        column = self.array(label, spot=spot)[:, acquired.segments.index(segment)]
        return np.asarray(column.real, dtype=np.int8)


def unpack_results(results: bytes, payload: bytes) -> Results:
    """Results from the bytes that labd streams and the payload of their job. Raises ValueError."""
    try:
        response = sweep_pb2.SweepResultsResponse.FromString(results)
    except DecodeError as error:
        raise ValueError(f"not the results of a pulse job: {error}") from error
    arrays = {
        label: [_array(array) for array in response.results[label].arrays]
        for label in sorted(response.results)
    }
    return Results(arrays, shape_of(payload))


def _array(message: data_pb2.Array) -> Array:
    """1-D; an array with nothing set is empty float64."""
    match message.WhichOneof("items"):
        case "bool_array":
            return np.array(message.bool_array.items, dtype=np.bool_)
        case "int64_array":
            return np.array(message.int64_array.items, dtype=np.int64)
        case "complex128_array":
            parts = message.complex128_array
            return np.array(parts.real) + 1j * np.array(parts.imag)
        case "string_array":
            raise ValueError("results hold text where numbers belong")
        case _:
            return np.array(message.float64_array.items, dtype=np.float64)
