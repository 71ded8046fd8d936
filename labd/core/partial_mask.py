"""How far the result of a job that did not complete is valid. Needs no numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mask:
    """How far a result is valid.

    bins_valid: by spot, out of n_bins; for circuits empty. rows_valid: by circuit; for pulses
    empty. shots_*: repeats x spots.
    """

    bins_valid: tuple[int, ...]
    n_bins: int
    rows_valid: tuple[int, ...]
    shots_valid: int
    shots_total: int


def mask_text(mask: Mask) -> bytes:
    """For a file."""
    names = ("bins_valid", "n_bins", "rows_valid", "shots_valid", "shots_total")
    told = {name: getattr(mask, name) for name in names}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def read_mask(text: bytes) -> Mask:
    """From a file. Raises ValueError for what is no mask."""
    try:
        told = json.loads(text)
        return Mask(
            bins_valid=tuple(map(int, told["bins_valid"])),
            n_bins=int(told["n_bins"]),
            rows_valid=tuple(map(int, told["rows_valid"])),
            shots_valid=int(told["shots_valid"]),
            shots_total=int(told["shots_total"]),
        )
    except (TypeError, KeyError) as error:
        raise ValueError("this is no mask") from error
