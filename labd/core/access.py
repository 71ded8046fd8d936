"""Who may call what: one table of method x role. What is not in it is refused to everyone.

A row says how far each role reaches: to nothing, to what is its own, to everything. Where a method
concerns nothing that is owned, OWN and ALL are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What a user is in the lab; each can do what the one before can."""

    USER = "user"
    OPERATOR = "operator"
    ADMIN = "admin"


class Reach(IntEnum):
    """How far a role reaches with a method."""

    NONE = 0
    OWN = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class User:
    """A user as the store knows him. id: the store's key; name: what people see."""

    id: int
    name: str
    role: Role


_EVERYONE = (Reach.ALL, Reach.ALL, Reach.ALL)
_OWNER = (Reach.OWN, Reach.ALL, Reach.ALL)
_OWNER_OR_ADMIN = (Reach.OWN, Reach.OWN, Reach.ALL)
_OPERATOR = (Reach.NONE, Reach.ALL, Reach.ALL)
_ADMIN = (Reach.NONE, Reach.NONE, Reach.ALL)

METRICS = "http/Metrics"
PAGES = frozenset({METRICS})
"""What is no method of a service but a page of its own."""

_ROWS: Mapping[str, tuple[Reach, Reach, Reach]] = {
    "iqm.server.Jobs/SubmitJobV1": _EVERYONE,
    "iqm.server.Jobs/GetJobV1": _OWNER,
    "iqm.server.Jobs/SubscribeToJobV1": _OWNER,
    "iqm.server.Jobs/GetJobPayloadV1": _OWNER,
    "iqm.server.Jobs/GetJobResultsV1": _OWNER,
    "iqm.server.Jobs/CancelJobV1": _OWNER,
    "iqm.server.QuantumComputers/GetQuantumComputerV1": _EVERYONE,
    "iqm.server.QuantumComputers/ListQuantumComputersV1": _EVERYONE,
    "iqm.server.QuantumComputers/GetQuantumComputerResourceV1": _EVERYONE,
    "iqm.server.Calibrations/GetLatestQuantumComputerCalibrationV1": _EVERYONE,
    "iqm.server.Calibrations/GetCalibrationV1": _EVERYONE,
    "iqm.server.Calibrations/GetFullCalibrationDataV1": _EVERYONE,
    "labd.v1.Lab/SubmitJob": _EVERYONE,
    "labd.v1.Lab/ListJobs": _OWNER,
    "labd.v1.Lab/GetJobDetails": _OWNER,
    "labd.v1.Lab/GetFlightRecord": _OWNER,
    "labd.v1.Lab/WatchProgress": _OWNER,
    "labd.v1.Lab/DeleteJob": _OWNER,
    "labd.v1.Lab/HoldJob": _OWNER,
    "labd.v1.Lab/ReleaseJob": _OWNER,
    "labd.v1.Lab/SetPriority": _OWNER,
    "labd.v1.Lab/SetTags": _OWNER,
    "labd.v1.Lab/GetPartialResults": _OWNER,
    "labd.v1.Lab/PinJob": _OWNER,
    "labd.v1.Lab/UnpinJob": _OWNER,
    "labd.v1.Lab/Fsck": _ADMIN,
    "labd.v1.Lab/Backup": _ADMIN,
    "labd.v1.Lab/GetMachine": _EVERYONE,
    "labd.v1.Lab/PauseMachine": _OPERATOR,
    "labd.v1.Lab/DrainMachine": _OPERATOR,
    "labd.v1.Lab/ResumeMachine": _OPERATOR,
    "labd.v1.Lab/ListConnections": _OPERATOR,
    "labd.v1.Lab/WhoAmI": _EVERYONE,
    "labd.v1.Lab/ListUsers": _OPERATOR,
    "labd.v1.Lab/PutUser": _ADMIN,
    "labd.v1.Lab/CreateToken": _OWNER_OR_ADMIN,
    "labd.v1.Lab/ListTokens": _OWNER_OR_ADMIN,
    "labd.v1.Lab/RevokeToken": _OWNER_OR_ADMIN,
    "labd.v1.Lab/GetLimits": _OWNER,
    "labd.v1.Lab/SetLimit": _ADMIN,
    "labd.v1.Lab/ListTimeslots": _EVERYONE,
    "labd.v1.Lab/BookTimeslot": _ADMIN,
    "labd.v1.Lab/ChangeTimeslot": _ADMIN,
    "labd.v1.Lab/CancelTimeslot": _OWNER_OR_ADMIN,
    "labd.v1.Lab/ImportCalibration": _ADMIN,
    "labd.v1.Lab/ListCalibrations": _EVERYONE,
    "labd.v1.Lab/DiffCalibrations": _EVERYONE,
    "labd.v1.Lab/ActivateCalibration": _ADMIN,
    "labd.v1.Lab/RollBackCalibration": _ADMIN,
    "labd.v1.Lab/ReadAudit": _ADMIN,
    METRICS: _EVERYONE,
}

_DEEDS = {
    "PauseMachine": "pause a quantum computer",
    "DrainMachine": "drain a quantum computer",
    "ResumeMachine": "resume a quantum computer",
    "ListConnections": "see who is connected",
    "ListUsers": "see the users",
    "PutUser": "add or change users",
    "SetLimit": "set limits",
    "BookTimeslot": "book timeslots",
    "ChangeTimeslot": "change timeslots",
    "ImportCalibration": "import calibration sets",
    "ActivateCalibration": "activate calibration sets",
    "RollBackCalibration": "roll back calibration sets",
    "ReadAudit": "read the audit",
    "Fsck": "check the store",
    "Backup": "back the store up",
}

TABLE: Mapping[str, Mapping[Role, Reach]] = {
    method: dict(zip(Role, row, strict=True)) for method, row in _ROWS.items()
}


def reach(method: str, role: Role) -> Reach:
    """How far the role reaches with a method, ``package.Service/Method``; NONE if it is unknown."""
    row = TABLE.get(method)
    return Reach.NONE if row is None else row[role]


def deed(method: str) -> str:
    """What a method does, as people say it after "may not"."""
    name = method.rpartition("/")[2]
    return _DEEDS.get(name, f"call {name}")


def may(method: str, role: Role, *, is_own: bool) -> bool:
    """Whether the role may call the method on what is the caller's own, or somebody else's."""
    return reach(method, role) >= (Reach.OWN if is_own else Reach.ALL)
