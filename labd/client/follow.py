"""Following a job over a subscription that may break: only here does the client try again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import UUID

from labd.client.calls import Calls
from labd.client.errors import ClientError, ServerBusy, Unreachable, WaitTimeout
from labd.client.values import Job, job_of
from labd.wire import iqm_server_pb2 as wire

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0


def follow(
    calls: Calls, lookup: wire.JobLookupV1, *, patience_s: float, timeout_s: float | None = None
) -> Iterator[Job]:
    """Every state of the job once, in order, up to the final one.

    patience_s: how long the server may be silent before its error is raised. timeout_s: bound on
    the whole; WaitTimeout is raised when it has passed.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    seen: Job | None = None
    lost_at, pause_s = None, _FIRST_PAUSE_S
    while True:
        left_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        trouble: ClientError = Unreachable("the subscription ended before the job", "UNAVAILABLE")
        try:
            for event in calls.subscribe(lookup, timeout_s=left_s):
                lost_at, pause_s = None, _FIRST_PAUSE_S
                if not event.HasField("update"):
                    continue
                job = job_of(event.update)
                if job != seen:
                    seen = job
                    yield job
                if job.status.is_final:
                    return
        except (ServerBusy, Unreachable) as error:
            trouble = error
        now = time.monotonic()
        if deadline is not None and timeout_s is not None and now >= deadline:
            status = seen.status if seen else "unknown"
            raise WaitTimeout(str(UUID(bytes=lookup.id.raw)), status, timeout_s) from trouble
        lost_at = now if lost_at is None else lost_at
        if now - lost_at >= patience_s:
            raise trouble
        time.sleep(pause_s if deadline is None else min(pause_s, deadline - now))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
