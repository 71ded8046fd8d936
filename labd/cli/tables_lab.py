"""What labctl prints of the machine, its timeslots and calibration sets, and of people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from rich.table import Table
from rich.text import Text

from labd.cli import sentences
from labd.cli.tables import cut, facts_table, full_instant, n_bytes, plain_table, short_instant
from labd.cli.times import shown_instant, shown_span
from labd.client import (
    AuditLine,
    CalibrationHead,
    Connection,
    Lease,
    Limit,
    Limits,
    Machine,
    Mode,
    ObservationChange,
    Timeslot,
    Token,
    User,
)

_MODE_STYLES = {Mode.RUNNING: "green", Mode.PAUSED: "yellow", Mode.DRAINING: "yellow"}
_RACK_STYLES = {"ready": "green", "starting": "yellow", "unavailable": "red", "dead": "red"}
_HEALTH_STYLES = {"OK": "green", "SLOW": "yellow"}
_NAME = 12
_ORIGIN = 20
_N_ID_SHOWN = 8


def machine_table(machine: Machine, zone: tzinfo) -> Table:
    """A line a fact."""
    changed = full_instant(machine.changed_at, zone)
    by = f"by {machine.changed_by}, {changed}" if machine.changed_by and changed else ""
    rack = f"{machine.rack_state}: {machine.rack_what}" if machine.rack_what else machine.rack_state
    return facts_table(
        [
            ("quantum computer", f"{machine.alias} ({machine.display_name})"),
            ("mode", Text(machine.mode.value, style=_MODE_STYLES[machine.mode])),
            ("note", machine.note),
            ("changed", by),
            ("rack", Text(rack, style=_RACK_STYLES.get(machine.rack_state, ""))),
            ("queued", f"{machine.n_queued}"),
            ("running", str(machine.running_job or "")),
            ("lease", _lease_line(machine.lease, zone)),
            ("timeslot", _slot_line(machine.current_timeslot, zone)),
            ("next timeslot", _slot_line(machine.next_timeslot, zone)),
            ("calibration", str(machine.calibration_set_id or "")),
        ]
    )


def instruments_table(machine: Machine, zone: tzinfo) -> Table:
    """One line an instrument."""
    table = plain_table("instrument", "state", "since", "answers in", "next try", "what")
    table.columns[3].justify = "right"
    _fold_last(table)
    for each in machine.instruments:
        answer = "" if each.answer_s is None else f"{1000 * each.answer_s:.0f} ms"
        table.add_row(
            cut(each.instrument, 18),
            Text(each.state, style=_HEALTH_STYLES.get(each.state, "red")),
            "" if each.since is None else short_instant(each.since, zone),
            answer,
            "" if each.retry_at is None else short_instant(each.retry_at, zone),
            Text(each.what),
        )
    return table


def connections_table(connections: Sequence[Connection], zone: tzinfo) -> Table:
    """One line a connection."""
    table = plain_table("user", "by", "from", "since", "last call", "open")
    table.columns[-1].justify = "right"
    for each in connections:
        table.add_row(
            cut(each.user, _NAME),
            cut(each.credential, 18),
            cut(each.origin, _ORIGIN),
            short_instant(each.since, zone),
            cut(each.last_call.rpartition("/")[2], 16),
            f"{each.n_calls}",
        )
    return table


def users_table(users: Sequence[User], zone: tzinfo) -> Table:
    """One line a user."""
    table = plain_table("name", "role", "account", "since", "note")
    table.columns[2].justify = "right"
    _fold_last(table)
    for user in users:
        note = user.note if user.is_enabled else f"disabled {user.note}"
        table.add_row(
            Text(user.name),
            user.role.value,
            "" if user.uid is None else f"{user.uid}",
            short_instant(user.created_at, zone),
            Text(note),
            style=None if user.is_enabled else "dim",
        )
    return table


def tokens_table(tokens: Sequence[Token], zone: tzinfo) -> Table:
    """One line a token."""
    table = plain_table("token", "user", "made", "last used", "expires", "note")
    _fold_last(table)
    now = datetime.now(UTC)
    for token in tokens:
        is_over = token.expires_at is not None and token.expires_at <= now
        expires = short_instant(token.expires_at, zone) if token.expires_at else "never"
        table.add_row(
            token.id,
            cut(token.user, _NAME),
            short_instant(token.created_at, zone),
            short_instant(token.last_used_at, zone) if token.last_used_at else "never",
            "revoked" if token.revoked_at else expires,
            Text(token.note),
            style="dim" if is_over or token.revoked_at else None,
        )
    return table


def limits_table(limits: Limits) -> Table:
    """One line a limit; red where nothing is left."""
    table = plain_table("limit", "at most", "used", "set for")
    table.columns[1].justify = table.columns[2].justify = "right"
    sources = {"user": limits.user or "the user", "role": "the role", "config": "all, by labd.toml"}
    for limit in limits.limits:
        is_full = limit.limit is not None and limit.used >= limit.limit
        table.add_row(
            limit.name,
            "unlimited" if limit.limit is None else _amount(limit, limit.limit),
            Text(_amount(limit, limit.used), style="red" if is_full else ""),
            cut("" if limit.limit is None else sources.get(limit.source, limit.source), 32),
        )
    return table


def slots_table(slots: Sequence[Timeslot], zone: tzinfo) -> Table:
    """One line a slot, with the end of its id."""
    table = plain_table("slot", "when", "user", "note")
    _fold_last(table)
    now = datetime.now(UTC)
    for slot in slots:
        is_now = slot.start <= now < slot.end
        table.add_row(
            _end_of(slot.id),
            shown_span(slot.start, slot.end, zone=zone, now=now),
            cut(slot.user or "somebody", _NAME),
            Text(slot.note),
            style="green" if is_now else "bold" if slot.is_own else None,
        )
    return table


def calibrations_table(sets: Sequence[CalibrationHead], zone: tzinfo) -> Table:
    """One line a set, with the end of its id."""
    table = plain_table("set", "", "made", "by", "from", "values", "note")
    table.columns[-2].justify = "right"
    _fold_last(table)
    for each in sets:
        mark = "active" if each.is_active else "" if each.is_valid else "invalid"
        table.add_row(
            _end_of(each.id),
            mark,
            short_instant(each.created_at, zone),
            cut(each.author, _NAME),
            _end_of(each.parent_id) if each.parent_id else "",
            f"{each.n_observations}",
            Text(each.note),
            style="green" if each.is_active else None,
        )
    return table


def activation(sets: Sequence[CalibrationHead], zone: tzinfo) -> list[Text]:
    """Who activated the active one, when and why."""
    return [
        Text(
            f"{_end_of(each.id)} is active since {full_instant(each.active_since, zone)}"
            + (f", by {each.activated_by}" if each.activated_by else "")
            + (f": {each.activation_note}" if each.activation_note else "")
        )
        for each in sets
        if each.active_since is not None
    ]


def changes_table(changes: Sequence[ObservationChange]) -> Table:
    """One line an observation."""
    table = plain_table("observation", "old", "new")
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for change in changes:
        table.add_row(
            Text(change.path), cut(_value(change.old_json), 20), cut(_value(change.new_json), 20)
        )
    return table


def audit_table(lines: Sequence[AuditLine], zone: tzinfo) -> Table:
    """One line a deed."""
    table = plain_table("line", "at", "user", "action", "object", "details")
    table.columns[0].justify = "right"
    _fold_last(table)
    for line in lines:
        at = datetime.fromtimestamp(line.at_ns / 1e9, UTC)
        table.add_row(
            f"{line.number}",
            short_instant(at, zone),
            cut(line.user, _NAME),
            line.action,
            _short_object(line.object),
            Text(_told(json.loads(line.details), zone), style="dim"),
        )
    return table


def _fold_last(table: Table) -> None:
    """The last column takes what is left, and breaks."""
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"


def _end_of(identity: UUID) -> str:
    """What labctl takes for an id."""
    return str(identity)[-_N_ID_SHOWN:]


def _short_object(text: str) -> Text:
    """An object of the audit; of an id the end."""
    try:
        return Text(f"…{_end_of(UUID(text))}")
    except ValueError:
        return cut(text, _NAME)


def _told(details: Mapping[str, str | int | float | bool | None], zone: tzinfo) -> str:
    """Details for people: no hashes, no empty ones, instants as times."""
    told: list[str] = []
    for name, value in details.items():
        if isinstance(value, int) and name.endswith("_ns"):
            at = short_instant(datetime.fromtimestamp(value / 1e9, UTC), zone)
            told.append(f"{name.removesuffix('_ns')}={at}")
        elif value not in (None, "", False) and not name.endswith("sha256"):
            told.append(f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}")
    return ", ".join(told)


def _slot_line(slot: Timeslot | None, zone: tzinfo) -> str:
    if slot is None:
        return ""
    when = shown_span(slot.start, slot.end, zone=zone, now=datetime.now(UTC))
    return f"{when}, {slot.user or 'somebody'}" + (f": {slot.note}" if slot.note else "")


def _lease_line(lease: Lease | None, zone: tzinfo) -> str:
    if lease is None:
        return ""
    until = shown_instant(lease.until, zone=zone, now=datetime.now(UTC))
    who = f"{lease.user} ({lease.name})" if lease.user else "somebody"
    return f"until {until}, {who}" + (f": {lease.note}" if lease.note else "")


def _amount(limit: Limit, value: float) -> str:
    if limit.name.endswith("_bytes"):
        return n_bytes(value)
    if limit.name.startswith("run_s"):
        return sentences.duration(value)
    return f"{value:g}"


def _value(text: str | None) -> str:
    if text is None:
        return "-"
    told = json.loads(text)
    value, unit = told.get("value"), told.get("unit") or ""
    shown = f"{value:.10g}" if isinstance(value, float) else json.dumps(value)
    return f"{shown} {unit}".rstrip()
