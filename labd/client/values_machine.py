"""The machine, its timeslots and its calibration sets as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from labd.client.convert import instant_of, uuid_of
from labd.core.openings import Mode
from labd.wire import lab_pb2 as lab


@dataclass(frozen=True, slots=True)
class Timeslot:
    """Time on a quantum computer that is booked. start: inclusive; end: exclusive.

    user, note: empty where strangers' are hidden.
    """

    id: UUID
    alias: str
    user: str
    start: datetime
    end: datetime
    note: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Lease:
    """A quantum computer that is taken for a while. name: tells a holder's leases apart.

    user, name, note: empty where strangers' are hidden.
    """

    id: UUID
    alias: str
    user: str
    name: str
    note: str
    since: datetime
    until: datetime
    is_own: bool


@dataclass(frozen=True, slots=True)
class InstrumentHealth:
    """How an instrument is. state: OK, SLOW, FAULTED, QUARANTINED or OFFLINE; what: why not OK.

    since: None while it was not opened yet. retry_at: when it is tried again, where it is not used.
    answer_s: the last answer's time; None before the first.
    """

    instrument: str
    state: str
    since: datetime | None
    what: str
    retry_at: datetime | None
    answer_s: float | None


@dataclass(frozen=True, slots=True)
class Machine:
    """A quantum computer as it stands. rack_state: starting, ready, unavailable or dead.

    note, changed_by, changed_at: of the last change of its mode. rack_what: why the rack is not
    ready. running_job: None while none runs, or one that the caller may not see. lease: held
    now. instruments: in the order of the station file.
    """

    alias: str
    display_name: str
    mode: Mode
    note: str
    changed_by: str
    changed_at: datetime | None
    rack_state: str
    rack_what: str
    n_queued: int
    running_job: UUID | None
    current_timeslot: Timeslot | None
    next_timeslot: Timeslot | None
    calibration_set_id: UUID | None
    lease: Lease | None
    instruments: tuple[InstrumentHealth, ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection that has a call open, or had one lately. n_calls: open now."""

    user: str
    credential: str
    origin: str
    since: datetime
    last_call_at: datetime
    last_call: str
    n_calls: int


@dataclass(frozen=True, slots=True)
class CalibrationHead:
    """What is known about a calibration set, without its observations.

    is_valid: when it was stored it held all that the station's gates need. active_since,
    activated_by, activation_note: of its last activation, while it is the active one.
    """

    id: UUID
    created_at: datetime
    dut_label: str
    is_valid: bool
    parent_id: UUID | None
    author: str
    note: str
    is_active: bool
    n_observations: int
    active_since: datetime | None
    activated_by: str
    activation_note: str


@dataclass(frozen=True, slots=True)
class CalibrationPage:
    """Calibration sets, the newest first. next_page_token: empty on the last page."""

    sets: tuple[CalibrationHead, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class ObservationChange:
    """An observation that differs between two sets: JSON texts; None where a set has it not."""

    path: str
    old_json: str | None
    new_json: str | None


def timeslot_of(message: lab.Timeslot) -> Timeslot:
    """The frozen value of a timeslot."""
    return Timeslot(
        id=uuid_of(message.id),
        alias=message.alias,
        user=message.user,
        start=instant_of(message.start),
        end=instant_of(message.end),
        note=message.note,
        is_own=message.is_own,
    )


def lease_of(message: lab.Lease) -> Lease:
    """The frozen value of a lease."""
    return Lease(
        id=uuid_of(message.id),
        alias=message.alias,
        user=message.user,
        name=message.name,
        note=message.note,
        since=instant_of(message.since),
        until=instant_of(message.until),
        is_own=message.is_own,
    )


def machine_of(message: lab.Machine) -> Machine:
    """The frozen value of a machine."""
    has = message.HasField
    return Machine(
        alias=message.quantum_computer.alias,
        display_name=message.quantum_computer.display_name,
        mode=Mode(lab.MachineMode.Name(message.mode)),
        note=message.note,
        changed_by=message.changed_by,
        changed_at=instant_of(message.changed_at) if has("changed_at") else None,
        rack_state=message.rack_state,
        rack_what=message.rack_what,
        n_queued=message.n_queued,
        running_job=uuid_of(message.running_job) if has("running_job") else None,
        current_timeslot=timeslot_of(message.current_timeslot) if has("current_timeslot") else None,
        next_timeslot=timeslot_of(message.next_timeslot) if has("next_timeslot") else None,
        calibration_set_id=uuid_of(message.calibration_set_id)
        if has("calibration_set_id")
        else None,
        lease=lease_of(message.lease) if has("lease") else None,
        instruments=tuple(health_of(each) for each in message.instruments),
    )


def health_of(message: lab.InstrumentHealth) -> InstrumentHealth:
    """The frozen value of an instrument's health."""
    has = message.HasField
    return InstrumentHealth(
        instrument=message.instrument,
        state=message.state,
        since=instant_of(message.since) if has("since") else None,
        what=message.what,
        retry_at=instant_of(message.retry_at) if has("retry_at") else None,
        answer_s=message.answer_s or None,
    )


def connection_of(message: lab.Connection) -> Connection:
    """The frozen value of a connection."""
    return Connection(
        user=message.user,
        credential=message.credential,
        origin=message.origin,
        since=instant_of(message.since),
        last_call_at=instant_of(message.last_call_at),
        last_call=message.last_call,
        n_calls=message.n_calls,
    )


def calibration_head_of(message: lab.CalibrationSet) -> CalibrationHead:
    """The frozen value of a set's head."""
    is_active = message.HasField("active_since")
    return CalibrationHead(
        id=uuid_of(message.head.id),
        created_at=instant_of(message.head.created_at),
        dut_label=message.head.dut_label,
        is_valid=message.head.is_valid,
        parent_id=uuid_of(message.parent_id) if message.HasField("parent_id") else None,
        author=message.author,
        note=message.note,
        is_active=message.is_active,
        n_observations=message.n_observations,
        active_since=instant_of(message.active_since) if is_active else None,
        activated_by=message.activated_by,
        activation_note=message.activation_note,
    )


def change_of(message: lab.ObservationChange) -> ObservationChange:
    """The frozen value of a change."""
    return ObservationChange(
        path=message.path,
        old_json=message.old_json if message.HasField("old_json") else None,
        new_json=message.new_json if message.HasField("new_json") else None,
    )
