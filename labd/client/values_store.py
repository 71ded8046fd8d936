"""What is kept of jobs, and what a check of labd's store finds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from labd.client.convert import instant_of
from labd.core.partial_mask import Mask
from labd.wire import lab_pb2 as lab

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from labd.client.results import Results

Rows = list[list[int]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept of a job.

    *_sha256: empty while not computed. needed_bytes: what its result takes. is_partial: it did not
    complete, and what was measured until then is kept. pin_note: set while retention leaves it
    alone. expired_at: when retention removed its payload and results. damage: what a check found
    wrong with its files.
    """

    payload_sha256: bytes
    result_sha256: bytes
    needed_bytes: int
    is_partial: bool
    pin_note: str | None
    pinned_by: str
    expired_at: datetime | None
    damage: str


@dataclass(frozen=True, slots=True)
class Partial:
    """What was measured of a job that did not complete, and how far it is valid.

    data: as the results of a completed job: for pulses zeros where nothing was measured, for
    circuits fewer rows.
    """

    mask: Mask
    data: bytes

    @property
    def is_pulse(self) -> bool:
        """Whether there are arrays; otherwise there are rows of circuits."""
        return bool(self.mask.bins_valid)

    def results(self, payload: bytes) -> Results:
        """A pulse job's arrays; look at `valid` before you believe them. Raises ValueError."""
        from labd.client.results import unpack_results

        return unpack_results(self.data, payload)

    def valid(self) -> npt.NDArray[np.bool_]:
        """Which bins of which spots are measured, the same for all labels: (n_spots, n_bins)."""
        import numpy as np

        counts = np.array(self.mask.bins_valid, dtype=np.int64)
        return np.arange(self.mask.n_bins) < counts[:, np.newaxis]

    def circuits(self) -> list[dict[str, Rows]]:
        """A circuit job's rows by circuit and measurement key, all of them measured."""
        rows: list[dict[str, Rows]] = json.loads(self.data)
        return rows


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. object: a job's id, a file, a name."""

    object: str
    what: str
    is_mended: bool


@dataclass(frozen=True, slots=True)
class Checked:
    """How much a check looked at."""

    n_jobs: int
    n_files: int
    n_bytes: int


def keeping_of(message: lab.Keeping) -> Keeping:
    """The frozen value of what is kept."""
    return Keeping(
        payload_sha256=message.payload_sha256,
        result_sha256=message.result_sha256,
        needed_bytes=message.needed_bytes,
        is_partial=message.is_partial,
        pin_note=message.pin_note if message.HasField("pin_note") else None,
        pinned_by=message.pinned_by,
        expired_at=instant_of(message.expired_at) if message.HasField("expired_at") else None,
        damage=message.damage,
    )


def mask_of(message: lab.PartialMask) -> Mask:
    """The frozen value of a mask."""
    return Mask(
        bins_valid=tuple(message.bins_valid),
        n_bins=message.n_bins,
        rows_valid=tuple(message.rows_valid),
        shots_valid=message.shots_valid,
        shots_total=message.shots_total,
    )
