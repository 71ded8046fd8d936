"""Loop-back cables of the simulated rack: from an AWG output into an input of the scope."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.shot import Piece, Shot

Record = npt.NDArray[np.float32]


def looped_records(
    shot: Shot, loopbacks: Mapping[int, str], start_samples: int, picks: npt.NDArray[np.intp]
) -> dict[int, Record]:
    """What the scope sees of one shot, by its channel: float32, (n_triggers, n_samples), volts.

    loopbacks: AWG output (as in Shot.outputs) by channel. start_samples: from a trigger to its
    record, at the shot's rate. picks: which samples after that are taken.
    """
    times = np.array(shot.triggers_samples, np.int64)[:, None] + start_samples + picks
    return {
        channel: _volts(shot.outputs.get(output, ()), times % shot.duration_samples)
        for channel, output in loopbacks.items()
    }


def _volts(pieces: tuple[Piece, ...], times: npt.NDArray[np.int64]) -> Record:
    """The output at those instants; between pieces it is at zero volts."""
    flat = times.ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.array([piece.start_samples for piece in pieces], np.int64)
    ends = starts + np.array([len(piece.volts) for piece in pieces], np.int64)
    bounds = np.searchsorted(ordered, np.stack((starts, ends)))
    seen = np.zeros(flat.size, np.float32)
    for piece, (first, beyond) in zip(pieces, bounds.T, strict=True):
        seen[order[first:beyond]] = piece.volts[ordered[first:beyond] - piece.start_samples]
    return seen.reshape(times.shape)
