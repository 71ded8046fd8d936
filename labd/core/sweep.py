"""A pulse job as it arrives: a playlist, the settings under which it plays, and what to return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labd.core.playlist import Playlist


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value of a kind that no setting of a rack can take; kind names it, e.g. ``an array``."""

    kind: str


SettingDatum = float | int | bool | str | Unusable | None
"""A setting's value; None is the job's null: leave the setting as it is."""


@dataclass(frozen=True, slots=True)
class SweptSetting:
    """One setting and the values it takes; None where they are no list of numbers or switches."""

    name: str
    values: tuple[float | int | bool, ...] | None


SweepAxis = tuple[SweptSetting, ...]
"""Settings that step together."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What an unpacked payload says.

    settings: by dotted path from the root, e.g. ``QB1__drive.awg.status`` or
    ``options.playlist_repeats``. axes: the first changes slowest, the last fastest.
    return_labels: acquisition labels that the result must have. dut_label: "" where none is named.
    """

    sweep_id: str
    dut_label: str
    settings: Mapping[str, SettingDatum]
    axes: tuple[SweepAxis, ...]
    return_labels: tuple[str, ...]
    playlist: Playlist
