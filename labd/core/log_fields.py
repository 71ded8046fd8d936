"""Whom and what a line of the log is about: the same names everywhere, in the journal and in JSON.

JOB_ID, JOB_STATE; QC: the quantum computer's alias; USER_ID: the user's name; INSTRUMENT: its name
in the station; TARGET: who is notified.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FIELDS: Final = (
    "JOB_ID",
    "JOB_STATE",
    "QC",
    "USER_ID",
    "INSTRUMENT",
    "TARGET",
    "AUDIT_HEAD",
)


def about(
    *,
    job: object = "",
    state: str = "",
    qc: str = "",
    user: str = "",
    instrument: str = "",
    target: str = "",
) -> Mapping[str, str]:
    """What is known, as `extra` of a logging call. job: its id."""
    fields = {
        "JOB_ID": str(job),
        "JOB_STATE": state,
        "QC": qc,
        "USER_ID": user,
        "INSTRUMENT": instrument,
        "TARGET": target,
    }
    return {name: value for name, value in fields.items() if value}
