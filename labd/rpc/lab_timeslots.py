"""labd.v1.Lab: timeslots."""

from __future__ import annotations

from labd.audit_trail import entry
from labd.core.errors import InvalidArgument, PermissionDenied
from labd.core.openings import Slot, sees_owner
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.store.timeslots import Booking, SlotChange
from labd.wire import lab_pb2


class LabTimeslots:
    """The methods of the service that concern timeslots."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._slots = laboratory.store.timeslots

    async def list(
        self, request: lab_pb2.ListTimeslotsRequest, caller: Caller, context: Context
    ) -> lab_pb2.ListTimeslotsReply:
        """Slots of one quantum computer, or of all, in order of time."""
        del context
        after_ns = before_ns = None
        if request.HasField("ends_after"):
            after_ns = convert.instant_ns(request.ends_after, "ends_after")
        if request.HasField("begins_before"):
            before_ns = convert.instant_ns(request.begins_before, "begins_before")
        slots = self._slots.list(
            self._laboratory.by_alias(request.alias).id if request.alias else None,
            ends_after_ns=after_ns,
            begins_before_ns=before_ns,
        )
        configured = {each.id for each in self._laboratory.config.quantum_computers}
        return lab_pb2.ListTimeslotsReply(
            timeslots=[
                timeslot_message(self._laboratory, slot, caller)
                for slot in slots
                if slot.qc_id in configured
            ]
        )

    async def book(
        self, request: lab_pb2.BookTimeslotRequest, caller: Caller, context: Context
    ) -> lab_pb2.Timeslot:
        """Book a slot for a user; without a start it begins now."""
        del context
        start_ns = None
        if request.HasField("start"):
            start_ns = convert.instant_ns(request.start, "start")
        if not request.HasField("end"):
            raise InvalidArgument("end", "say when the slot ends")
        wish = Booking(
            qc_id=self._laboratory.by_alias(request.alias).id,
            user=request.user or caller.user.name,
            start_ns=start_ns,
            end_ns=convert.instant_ns(request.end, "end"),
            note=convert.note_of(request.note),
        )
        slot = await self._slots.book(wish, entry(caller, "timeslot.book", ""), self._tell)
        return timeslot_message(self._laboratory, slot, caller)

    async def change(
        self, request: lab_pb2.ChangeTimeslotRequest, caller: Caller, context: Context
    ) -> lab_pb2.Timeslot:
        """Move a slot, or note something else."""
        del context
        slot_id = convert.uuid_of(request.id, "id")
        start_ns = end_ns = note = None
        if request.HasField("start"):
            start_ns = convert.instant_ns(request.start, "start")
        if request.HasField("end"):
            end_ns = convert.instant_ns(request.end, "end")
        if request.HasField("note"):
            note = convert.note_of(request.note)
        wish = SlotChange(start_ns=start_ns, end_ns=end_ns, note=note)
        by = entry(caller, "timeslot.change", "")
        slot = await self._slots.change(slot_id, wish, by, self._tell)
        return timeslot_message(self._laboratory, slot, caller)

    async def cancel(
        self, request: lab_pb2.CancelTimeslotRequest, caller: Caller, context: Context
    ) -> lab_pb2.Timeslot:
        """Give a slot back; one that runs ends now."""
        del context
        slot_id = convert.uuid_of(request.id, "id")
        if not caller.reaches(self._slots.find(slot_id).user_id):
            user = caller.user
            raise PermissionDenied(user.name, user.role.value, "cancel somebody else's timeslot")
        by = entry(caller, "timeslot.cancel", "")
        slot = await self._slots.cancel(slot_id, by, self._tell)
        return timeslot_message(self._laboratory, slot, caller)

    def _tell(self, slot: Slot) -> None:
        self._laboratory.desk.changes.notify(("arrival", slot.qc_id))


def timeslot_message(laboratory: Laboratory, slot: Slot, caller: Caller) -> lab_pb2.Timeslot:
    """A slot as the caller may see it."""
    alias, _ = laboratory.store.quantum_computer_name(slot.qc_id)
    message = lab_pb2.Timeslot(
        id=convert.uuid_message(slot.id),
        alias=alias,
        start=convert.timestamp(slot.start_ns),
        end=convert.timestamp(slot.end_ns),
        is_own=slot.user_id == caller.user.id,
    )
    if sees_owner(caller.user, slot, laboratory.timeslot_rules(slot.qc_id)):
        message.user = slot.user
        message.note = slot.note
    return message
