"""labd.v1.Lab: leases."""

from __future__ import annotations

from uuid import UUID

from labd.audit_trail import entry
from labd.core.errors import PermissionDenied
from labd.core.leases import Lease
from labd.core.openings import sees_owner
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.store.leases import LeaseWish
from labd.wire import lab_pb2


class LabLeases:
    """The methods of the service that concern leases."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._leases = laboratory.store.leases

    async def take(
        self, request: lab_pb2.TakeLeaseRequest, caller: Caller, context: Context
    ) -> lab_pb2.Lease:
        """Take a quantum computer for the caller, or renew his lease of that name."""
        del context
        wish = LeaseWish(
            qc_id=self._laboratory.by_alias(request.alias).id,
            user_id=caller.user.id,
            name=request.name,
            ttl_s=request.ttl_s,
            note=convert.note_of(request.note),
        )
        lease = await self._leases.take(wish, entry(caller, "lease.take", ""), self._tell)
        return lease_message(self._laboratory, lease, caller)

    async def renew(
        self, request: lab_pb2.RenewLeaseRequest, caller: Caller, context: Context
    ) -> lab_pb2.Lease:
        """Hold a lease for longer."""
        del context
        lease_id = self._reached(convert.uuid_of(request.id, "id"), caller, "renew")
        by = entry(caller, "lease.renew", "")
        lease = await self._leases.renew(lease_id, request.ttl_s, by, self._tell)
        return lease_message(self._laboratory, lease, caller)

    async def give(
        self, request: lab_pb2.GiveLeaseRequest, caller: Caller, context: Context
    ) -> lab_pb2.Lease:
        """Give a lease back."""
        del context
        lease_id = self._reached(convert.uuid_of(request.id, "id"), caller, "give back")
        by = entry(caller, "lease.give", "")
        lease = await self._leases.give(lease_id, by, self._tell)
        return lease_message(self._laboratory, lease, caller)

    def _reached(self, lease_id: UUID, caller: Caller, deed: str) -> UUID:
        """The id of a lease that the caller may change. Raises NotFound, PermissionDenied."""
        if not caller.reaches(self._leases.find(lease_id).user_id):
            user = caller.user
            raise PermissionDenied(user.name, user.role.value, f"{deed} somebody else's lease")
        return lease_id

    def _tell(self, lease: Lease) -> None:
        self._laboratory.desk.changes.notify(("arrival", lease.qc_id))


def lease_message(laboratory: Laboratory, lease: Lease, caller: Caller) -> lab_pb2.Lease:
    """A lease as the caller may see it."""
    alias, _ = laboratory.store.quantum_computer_name(lease.qc_id)
    message = lab_pb2.Lease(
        id=convert.uuid_message(lease.id),
        alias=alias,
        since=convert.timestamp(lease.since_ns),
        until=convert.timestamp(lease.until_ns),
        is_own=lease.user_id == caller.user.id,
    )
    if sees_owner(caller.user, lease, laboratory.timeslot_rules(lease.qc_id)):
        message.user = lease.user
        message.name = lease.name
        message.note = lease.note
    return message
