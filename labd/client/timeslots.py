"""Timeslots from Python."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from labd.client.calls import Calls
from labd.client.convert import pack_instant, pack_uuid
from labd.client.values_machine import Timeslot, timeslot_of
from labd.wire import lab_pb2 as lab


class TimeslotCalls:
    """Calls that concern the timeslots of one quantum computer. Instants have a time zone."""

    def __init__(self, calls: Calls, alias: str) -> None:
        self._alias = alias
        self._list = calls.own("ListTimeslots", lab.ListTimeslotsRequest, lab.ListTimeslotsReply)
        self._book = calls.own("BookTimeslot", lab.BookTimeslotRequest, lab.Timeslot)
        self._change = calls.own("ChangeTimeslot", lab.ChangeTimeslotRequest, lab.Timeslot)
        self._cancel = calls.own("CancelTimeslot", lab.CancelTimeslotRequest, lab.Timeslot)

    def booked(
        self, *, ends_after: datetime | None = None, begins_before: datetime | None = None
    ) -> list[Timeslot]:
        """The slots that run or come, in order of time; or those between the two instants."""
        request = lab.ListTimeslotsRequest(
            alias=self._alias,
            ends_after=pack_instant(ends_after),
            begins_before=pack_instant(begins_before),
        )
        return [timeslot_of(each) for each in self._list(request).timeslots]

    def book(self, start: datetime, end: datetime, *, user: str = "", note: str = "") -> Timeslot:
        """Book from start (inclusive) to end (exclusive). user: empty is the caller."""
        request = lab.BookTimeslotRequest(
            alias=self._alias,
            user=user,
            start=pack_instant(start),
            end=pack_instant(end),
            note=note,
        )
        return timeslot_of(self._book(request))

    def change(
        self,
        slot_id: UUID | str,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        note: str | None = None,
    ) -> Timeslot:
        """Move a slot or note something else: what is None stays."""
        request = lab.ChangeTimeslotRequest(
            id=pack_uuid(slot_id), start=pack_instant(start), end=pack_instant(end), note=note
        )
        return timeslot_of(self._change(request))

    def cancel(self, slot_id: UUID | str) -> Timeslot:
        """Give a slot back; one that runs ends now."""
        return timeslot_of(self._cancel(lab.CancelTimeslotRequest(id=pack_uuid(slot_id))))
