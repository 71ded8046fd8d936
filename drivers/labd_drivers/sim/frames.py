"""Which trigger of which shot each frame of an acquisition records. Pure.

A scope that is still recording or re-arming does not see a trigger: the frame it would have been is
lost, and the next trigger is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class FramePlan:
    """frame k records trigger `picks[k]`, counted over all shots: shot = pick // n_triggers."""

    picks: npt.NDArray[np.int64]
    n_triggers: int

    @property
    def n_frames(self) -> int:
        """Frames that there are triggers for."""
        return len(self.picks)

    @property
    def n_shots(self) -> int:
        """Shots that must be played."""
        return int(self.picks[-1]) // self.n_triggers + 1 if len(self.picks) else 0

    def chosen(self, first_shot: int, n_shots: int) -> npt.NDArray[np.int64]:
        """Which of the (n_shots * n_triggers) records of a batch are frames."""
        low, high = first_shot * self.n_triggers, (first_shot + n_shots) * self.n_triggers
        begin, end = np.searchsorted(self.picks, (low, high))
        return self.picks[begin:end] - low


def plan_frames(
    triggers_samples: Sequence[int],
    shot_samples: int,
    *,
    n_frames: int,
    dead_samples: int,
    is_looping: bool,
) -> FramePlan:
    """The frames of an acquisition that was armed before the first shot.

    dead_samples: from a trigger that is taken to the first that can be taken after it.
    """
    n_triggers = len(triggers_samples)
    if not n_triggers:
        return FramePlan(np.zeros(0, np.int64), 1)
    around = [*triggers_samples, triggers_samples[0] + shot_samples]
    if min(later - earlier for earlier, later in pairwise(around)) >= dead_samples:
        n_there = n_frames if is_looping else min(n_frames, n_triggers)
        return FramePlan(np.arange(n_there, dtype=np.int64), n_triggers)
    picks: list[int] = []
    ready, shot = 0, 0
    while len(picks) < n_frames and (is_looping or shot == 0):
        for index, trigger in enumerate(triggers_samples):
            at = shot * shot_samples + trigger
            if at >= ready:
                picks.append(shot * n_triggers + index)
                ready = at + dead_samples
        shot += 1
    return FramePlan(np.array(picks[:n_frames], np.int64), n_triggers)
