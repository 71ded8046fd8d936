"""A lease that is held as long as a bench runs: taken, renewed in time, given back."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from labd.client import Client, ClientError, Lease, NotAllowed, NotFound

RENEWALS = 3
"""So often within its time a lease is renewed: one that fails has a second try."""
POLL_S = 2.0
"""While somebody else holds it, it is asked for this often."""


@dataclass(eq=False)
class LeaseLost(Exception):
    """The lease was over before the bench was: others' jobs may have run in between."""

    what: str

    def __str__(self) -> str:
        """Why, as a sentence."""
        return f"the lease is lost: {self.what}"


class LeaseKeeper:
    """A lease of one's own. client: used by the keeper's thread alone."""

    def __init__(self, client: Client, name: str, ttl_s: float, note: str) -> None:
        self._client = client
        self._name = name
        self._ttl_s = ttl_s
        self._note = note
        self._lease: Lease | None = None
        self._lost = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def take(self, wait_s: float) -> Lease:
        """Take it, and keep it from now on; wait while another holds it.

        Raises NotAllowed where it is not free within wait_s, ClientError.
        """
        until = time.monotonic() + wait_s
        while self._lease is None:
            try:
                self._lease = self._client.leases.take(self._name, self._ttl_s, note=self._note)
            except NotAllowed:
                left_s = until - time.monotonic()
                if left_s <= 0:
                    raise
                time.sleep(min(POLL_S, left_s))
        self._thread.start()
        return self._lease

    def demand(self) -> None:
        """Raises LeaseLost if it is not held any more."""
        if self._lost:
            raise LeaseLost(self._lost)

    def stop(self, *, is_given: bool = True) -> None:
        """End the renewing; give it back, or leave it to its time. Idempotent."""
        self._end.set()
        lease, self._lease = self._lease, None
        if lease is None:
            return
        self._thread.join()
        if is_given and not self._lost:
            with suppress(ClientError):
                self._client.leases.give(lease.id)

    def _renew(self) -> None:
        lease = self._lease
        assert lease is not None
        expires = time.monotonic() + self._ttl_s
        while not self._end.wait(self._ttl_s / RENEWALS):
            asked = time.monotonic()
            try:
                self._client.leases.renew(lease.id, self._ttl_s)
            except NotFound as error:
                self._lost = str(error)
                return
            except ClientError as error:
                if time.monotonic() > expires:
                    self._lost = f"it could not be renewed: {error}"
                    return
            else:
                expires = asked + self._ttl_s
