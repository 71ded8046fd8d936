"""What the station was set to last, so that trouble in between does not change what a job means.

A job sets what it names; all else stays as the jobs before it left it. After a fault, a cancelled
job or the rack process's end every output is at its safe value instead: the next job sets first
what was set before. Kept in a file beside the process, so that its successor has it; it belongs to
one wiring file and is worth nothing with another one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from labd.core.rig import SettingValue

_log = logging.getLogger(__name__)

LAST_SETTINGS_FILE: Final = "last-settings.json"


class LastSettings:
    """Setting values by name, as they were applied last."""

    def __init__(self, path: Path, wiring: bytes) -> None:
        """wiring: the content of the file by which they were applied."""
        self._path = path
        self._wiring = hashlib.sha256(wiring).hexdigest()
        self._values = _read(path, self._wiring)
        self._is_kept = True

    def under(self, settings: Mapping[str, SettingValue]) -> Mapping[str, SettingValue]:
        """All that is to be set for a job with these settings."""
        return {**self._values, **settings}

    def note(self, settings: Mapping[str, SettingValue]) -> None:
        """These were applied."""
        after = {**self._values, **settings}
        self._is_kept = self._is_kept and after == self._values
        self._values = after

    def keep(self) -> None:
        """Write down what was noted since the last time. A disk that refuses is only logged."""
        if self._is_kept:
            return
        document = {"wiring": self._wiring, "settings": self._values}
        part = self._path.with_suffix(".part")
        try:
            part.write_text(json.dumps(document), encoding="utf-8")
            part.rename(self._path)
        except OSError as error:
            _log.warning("the last settings are not kept: %s", error)
        self._is_kept = True


def _read(path: Path, wiring: str) -> dict[str, SettingValue]:
    """What the file says of that wiring; nothing where it says nothing."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = document["settings"] if document["wiring"] == wiring else {}
        return {str(name): value for name, value in found.items() if _is_value(value)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _is_value(value: object) -> bool:
    return isinstance(value, bool | int | float | str)
