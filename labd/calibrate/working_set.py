"""A calibration set in the making: a stored set, and what was found since."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from labd.calibrate.values import Quantity
from labd.client.values_observations import CalibrationSet, calibration_of
from labd.core.gate_data import CalibratedGates
from labd.core.station_description import Json

Observation = Mapping[str, Json]


@dataclass(frozen=True)
class WorkingSet:
    """Immutable. parent_id: the stored set that it began from. changed: paths that differ."""

    parent_id: UUID
    observations: Mapping[str, Observation]
    changed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, document: bytes) -> WorkingSet:
        """A stored set in IQM's JSON, as the server streams it."""
        parsed = json.loads(document)
        return cls(UUID(parsed["calibration_set_id"]), parsed["observations"])

    @cached_property
    def values(self) -> CalibrationSet:
        """The values alone, for programs."""
        whole = {"calibration_set_id": str(self.parent_id), "observations": self.observations}
        return calibration_of(json.dumps(whole).encode())

    @cached_property
    def gates(self) -> CalibratedGates:
        """The values by gate."""
        return CalibratedGates(self.values.observations)

    def has(self, path: str) -> bool:
        """Whether there is such an observation."""
        return path in self.observations

    def number(self, path: str) -> float:
        """A scalar observation. Raises KeyError or TypeError where there is none."""
        return self.values.number(path)

    def with_changes(self, changes: Mapping[str, Quantity], at: datetime) -> WorkingSet:
        """Another set, with new observations as of an instant; they keep nothing of the old."""
        made: dict[str, Observation] = {
            path: {
                "value": new.value,
                "unit": new.unit,
                "uncertainty": new.uncertainty,
                "created_timestamp": at.isoformat(),
            }
            for path, new in changes.items()
        }
        merged = {**self.observations, **made}
        return WorkingSet(self.parent_id, merged, self.changed | made.keys())

    def restored(self, earlier: WorkingSet, paths: Iterable[str]) -> WorkingSet:
        """Another set, in which these observations are again what they were in an earlier one."""
        kept, changed = dict(self.observations), set(self.changed)
        for path in paths:
            if path in earlier.observations:
                kept[path] = earlier.observations[path]
            else:
                kept.pop(path, None)
            if path not in earlier.changed:
                changed.discard(path)
        return WorkingSet(self.parent_id, kept, frozenset(changed))

    def document(self) -> bytes:
        """The set in IQM's JSON, without an id: a new one."""
        return json.dumps({"observations": self.observations}, indent=1).encode()
