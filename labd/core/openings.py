"""Which jobs may start now: timeslots, their owners, the free time between them.

`openings` says it to the one who claims, `why_not` to the one who waits; both ask the same
`Opening.admits`. The rules:
- a paused quantum computer starts nothing;
- while a lease is held nothing starts but its holder's jobs, of what the other rules let start;
- in a slot its owner's jobs start, those handed in for a timeslot first, and only if they are
  expected to end before his slot, with his slots that follow without a gap, is over;
- a slot without work of its owner for `idle_release_s` is released: it is free time until he works;
- in free time jobs that were handed in for no timeslot start, if they are expected to end before
  the next slot of somebody else begins; none where timeslots are required;
- a job that was handed in for a timeslot starts nowhere else than in a slot of its owner.
How long a job is expected to run is the length that nine in ten like it do not exceed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from labd.core.access import Role, User
from labd.core.errors import NoBookedTimeslots, OutlastsTimeslot, Refusal, TimeslotRequired
from labd.core.jobs import QcId
from labd.core.leases import Lease

S_NS = 1_000_000_000


class Mode(StrEnum):
    """What a quantum computer was told. DRAINING: nothing new is taken, what waits still runs."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    DRAINING = "DRAINING"


@dataclass(frozen=True, slots=True)
class TimeslotRules:
    """How a quantum computer is shared by time.

    is_required: jobs run in timeslots only. refuses_overrun: a job that would outlast its slot is
    refused; otherwise it waits with the reason. idle_release_s: after so long without work of its
    owner a slot is open to others. shows_owners: to those who are no operators.
    """

    is_required: bool
    refuses_overrun: bool
    idle_release_s: float
    shows_owners: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """A booked time, start inclusive, end exclusive. user: the owner's name."""

    id: UUID
    qc_id: QcId
    user_id: int
    user: str
    start_ns: int
    end_ns: int
    note: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued job, as far as it matters here. run_p90_s: how long it runs, nine times in ten."""

    user_id: int
    with_timeslot: bool
    run_p90_s: float
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """A quantum computer at an instant.

    slots: those that are not over, in order; they do not overlap. owner_active_ns: when the owner
    of the slot that runs last handed in a job, or had one end; None: not since it began. lease: the
    last one, whether or not it is over.
    """

    now_ns: int
    mode: Mode
    slots: tuple[Slot, ...]
    rules: TimeslotRules
    owner_active_ns: int | None = None
    lease: Lease | None = None

    @property
    def held(self) -> Lease | None:
        """The lease that is held now."""
        is_held = self.lease is not None and self.lease.is_held(self.now_ns)
        return self.lease if is_held else None

    @property
    def current(self) -> Slot | None:
        """The slot that runs."""
        for slot in self.slots:
            if slot.start_ns <= self.now_ns < slot.end_ns:
                return slot
        return None

    @property
    def ahead(self) -> tuple[Slot, ...]:
        """The slots that have not begun, in order."""
        return tuple(slot for slot in self.slots if slot.start_ns > self.now_ns)

    @property
    def release_ns(self) -> int | None:
        """When the slot that runs is, or was, open to others for want of its owner's work."""
        current = self.current
        if current is None:
            return None
        since_ns = max(current.start_ns, self.owner_active_ns or 0)
        return since_ns + round(self.rules.idle_release_s * S_NS)


@dataclass(frozen=True, slots=True)
class Opening:
    """Jobs that may start. user_id None: anybody's, but not those of except_user_id.

    Openings of a lower tier go first; those of one tier are one queue together.
    ends_by_ns: the jobs must be expected to end by then; None: whenever they do.
    """

    tier: int
    user_id: int | None
    except_user_id: int | None
    with_timeslot: bool
    ends_by_ns: int | None

    def max_run_s(self, now_ns: int) -> float | None:
        """How long a job may run that starts now; None: as long as it likes."""
        return None if self.ends_by_ns is None else (self.ends_by_ns - now_ns) / S_NS

    def admits(self, job: Candidate, now_ns: int) -> bool:
        """Whether the job may start now."""
        most_s = self.max_run_s(now_ns)
        return (
            not job.is_held
            and job.with_timeslot == self.with_timeslot
            and self.user_id in (None, job.user_id)
            and job.user_id != self.except_user_id
            and (most_s is None or job.run_p90_s <= most_s)
        )


def openings(situation: Situation) -> tuple[Opening, ...]:
    """What may start now, by tier; the same until `next_change_ns`."""
    if situation.mode is Mode.PAUSED:
        return ()
    found, held = _by_timeslots(situation), situation.held
    if held is None:
        return found
    return tuple(
        replace(opening, user_id=held.user_id, except_user_id=None)
        for opening in found
        if opening.user_id in (None, held.user_id) and opening.except_user_id != held.user_id
    )


def _by_timeslots(situation: Situation) -> tuple[Opening, ...]:
    current, release_ns = situation.current, situation.release_ns
    if current is None or release_ns is None:
        return _in_free_time(situation, tier=0)
    end_ns = chain_end_ns(situation.slots, current)
    own = (
        Opening(0, current.user_id, None, with_timeslot=True, ends_by_ns=end_ns),
        Opening(1, current.user_id, None, with_timeslot=False, ends_by_ns=end_ns),
    )
    return own if situation.now_ns < release_ns else own + _in_free_time(situation, tier=2)


def _in_free_time(situation: Situation, tier: int) -> tuple[Opening, ...]:
    if situation.rules.is_required:
        return ()
    ahead = situation.ahead
    if not ahead:
        return (Opening(tier, None, None, with_timeslot=False, ends_by_ns=None),)
    first = ahead[0]
    return (
        Opening(
            tier,
            first.user_id,
            None,
            with_timeslot=False,
            ends_by_ns=_start_of_another(ahead, first.user_id),
        ),
        Opening(tier, None, first.user_id, with_timeslot=False, ends_by_ns=first.start_ns),
    )


def _start_of_another(ahead: Iterable[Slot], user_id: int) -> int | None:
    return next((slot.start_ns for slot in ahead if slot.user_id != user_id), None)


def chain_end_ns(slots: Iterable[Slot], first: Slot) -> int:
    """When a slot is over, or the last of its owner's slots that follow it without a gap.

    slots: in order.
    """
    end_ns = first.end_ns
    for slot in slots:
        if slot.start_ns == end_ns and slot.user_id == first.user_id:
            end_ns = slot.end_ns
    return end_ns


def next_change_ns(situation: Situation) -> int | None:
    """When time alone changes the openings: a slot or lease ends, or a slot begins or is released.

    None: never.
    """
    if situation.mode is Mode.PAUSED:
        return None
    current, release_ns = situation.current, situation.release_ns
    changes = [slot.start_ns for slot in situation.ahead[:1]]
    if current is not None:
        changes.append(current.end_ns)
    if release_ns is not None and release_ns > situation.now_ns:
        changes.append(release_ns)
    if situation.held is not None:
        changes.append(situation.held.until_ns)
    return min(changes, default=None)


def first_to_start(situation: Situation, queue: Sequence[Candidate]) -> int | None:
    """Which job of a queue starts now, as its index; queue: in the queue's order."""
    now_ns = situation.now_ns
    best: tuple[int, int] | None = None
    for opening in openings(situation):
        if best is not None and best[0] < opening.tier:
            break
        for index, job in enumerate(queue):
            if best is not None and index >= best[1]:
                break
            if opening.admits(job, now_ns):
                best = (opening.tier, index)
                break
    return None if best is None else best[1]


# ---- why a job does not start


class ObstacleKind(StrEnum):
    """What keeps a job from starting, the jobs before it and the rack aside."""

    JOB_HELD = "the job is held"
    PAUSED = "the quantum computer is paused"
    LEASE = "somebody else holds a lease"
    SLOT = "somebody else's slot runs"
    OWN_SLOT = "the owner's slot has not begun"
    NO_SLOT = "the owner has no slot"
    OUTLASTS_SLOT = "the job would outlast its owner's slot"
    OUTLASTS_GAP = "the job would run into somebody else's slot"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a job does not start now.

    slot: the slot in the way, or the owner's that is too short or has not begun. room_s: how long
    a job of his could run now. until_ns: when this obstacle ends by itself, at the latest; None
    where it does not, or nobody knows. lease: the one in the way.
    """

    kind: ObstacleKind
    slot: Slot | None = None
    until_ns: int | None = None
    room_s: float | None = None
    lease: Lease | None = None


def why_not(job: Candidate, situation: Situation) -> Obstacle | None:
    """Why the job would not start now even if it were the only one; None: it would."""
    if any(opening.admits(job, situation.now_ns) for opening in openings(situation)):
        return None
    if job.is_held:
        return Obstacle(ObstacleKind.JOB_HELD)
    if situation.mode is Mode.PAUSED:
        return Obstacle(ObstacleKind.PAUSED)
    held = situation.held
    if held is not None and held.user_id != job.user_id:
        return Obstacle(ObstacleKind.LEASE, until_ns=held.until_ns, lease=held)
    current, release_ns = situation.current, situation.release_ns
    if job.with_timeslot or situation.rules.is_required:
        return _without_own_slot(job, situation)
    if current is not None and release_ns is not None and situation.now_ns < release_ns:
        end_ns = chain_end_ns(situation.slots, current)
        if current.user_id == job.user_id:
            return _too_short(situation, current, until_ns=min(end_ns, release_ns))
        return Obstacle(ObstacleKind.SLOT, current, end_ns, 0.0)
    in_the_way = next(slot for slot in situation.ahead if slot.user_id != job.user_id)
    return Obstacle(
        ObstacleKind.OUTLASTS_GAP,
        in_the_way,
        chain_end_ns(situation.slots, in_the_way),
        (in_the_way.start_ns - situation.now_ns) / S_NS,
    )


def _without_own_slot(job: Candidate, situation: Situation) -> Obstacle:
    """Of a job that starts in slots of its owner alone, and not now."""
    own = [slot for slot in situation.slots if slot.user_id == job.user_id]
    if not own:
        return Obstacle(ObstacleKind.NO_SLOT)
    fitting = [slot for slot in own if job.run_p90_s <= _room_s(situation, slot)]
    until_ns = fitting[0].start_ns if fitting else None
    if situation.current == own[0] or not fitting:
        return _too_short(situation, own[0], until_ns)
    return Obstacle(ObstacleKind.OWN_SLOT, fitting[0], until_ns)


def _too_short(situation: Situation, slot: Slot, until_ns: int | None) -> Obstacle:
    room_s = _room_s(situation, slot)
    return Obstacle(ObstacleKind.OUTLASTS_SLOT, slot, until_ns, room_s)


def _room_s(situation: Situation, slot: Slot) -> float:
    """How long a job could run in a slot, and its owner's that follow, from now or its start on."""
    start_ns = max(slot.start_ns, situation.now_ns)
    return (chain_end_ns(situation.slots, slot) - start_ns) / S_NS


def why_refused(job: Candidate, situation: Situation, *, user: str, alias: str) -> Refusal | None:
    """Why a job is not even queued, as far as timeslots are concerned.

    user, alias: names of the owner and the quantum computer, for the sentence.
    """
    rules = situation.rules
    if not job.with_timeslot:
        return TimeslotRequired(alias) if rules.is_required else None
    rooms_s = [_room_s(situation, slot) for slot in situation.slots if slot.user_id == job.user_id]
    if not rooms_s:
        return NoBookedTimeslots(user, alias)
    if rules.refuses_overrun and max(rooms_s) < job.run_p90_s:
        return OutlastsTimeslot(job.run_p90_s, max(rooms_s))
    return None


def sees_owner(viewer: User, slot: Slot | Lease, rules: TimeslotRules) -> bool:
    """Whether a user is told whose slot or lease it is, and its note."""
    return rules.shows_owners or viewer.role is not Role.USER or viewer.id == slot.user_id
