"""Leases from Python."""

from __future__ import annotations

from uuid import UUID

from labd.client.calls import Calls
from labd.client.convert import pack_uuid
from labd.client.values_machine import Lease, lease_of
from labd.wire import lab_pb2 as lab


class LeaseCalls:
    """Calls that concern leases on one quantum computer; `machine.status()` has the present one."""

    def __init__(self, calls: Calls, alias: str) -> None:
        self._alias = alias
        self._take = calls.own("TakeLease", lab.TakeLeaseRequest, lab.Lease)
        self._renew = calls.own("RenewLease", lab.RenewLeaseRequest, lab.Lease)
        self._give = calls.own("GiveLease", lab.GiveLeaseRequest, lab.Lease)

    def take(self, name: str, ttl_s: float, *, note: str = "") -> Lease:
        """Let only the caller's jobs start, for so long; the caller's own of that name is renewed.

        Raises NotAllowed while somebody holds another.
        """
        return lease_of(
            self._take(lab.TakeLeaseRequest(alias=self._alias, name=name, ttl_s=ttl_s, note=note))
        )

    def renew(self, lease_id: UUID | str, ttl_s: float) -> Lease:
        """Hold a lease until so long from now. Raises NotFound once it is over."""
        return lease_of(self._renew(lab.RenewLeaseRequest(id=pack_uuid(lease_id), ttl_s=ttl_s)))

    def give(self, lease_id: UUID | str) -> Lease:
        """Give a lease back; returns it as it was. Raises NotFound once it is over."""
        return lease_of(self._give(lab.GiveLeaseRequest(id=pack_uuid(lease_id))))
