"""From a caller to the line that tells of his deed."""

from __future__ import annotations

from labd.core.audit import Action, AuditEntry, JsonScalar
from labd.identity import Caller


def entry(caller: Caller, action: Action, object: str, **details: JsonScalar) -> AuditEntry:
    """What the caller did to the object, for labd.store.audit.append in the deed's transaction."""
    return AuditEntry(
        user=caller.user.name,
        credential=caller.credential,
        origin=caller.origin,
        action=action,
        object=object,
        details=details,
    )


def own_entry(action: Action, object: str, **details: JsonScalar) -> AuditEntry:
    """What labd did by itself."""
    return AuditEntry(
        user="labd", credential="", origin="", action=action, object=object, details=details
    )
