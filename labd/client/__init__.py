"""labd from Python: connect, build pulse jobs from numpy arrays, submit, follow, fetch.

from labd.client import Client, gates

with Client("http://localhost:50051/star5") as labd:
    program = labd.program(shots=1000)
    ...
    job = labd.submit(program)
    labd.wait(job.id)
    print(labd.results(job.id).counts())

What needs numpy is imported when it is first asked for: that is a third of labctl's time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from labd.client.address import Tls
from labd.client.connection import Client
from labd.client.errors import (
    ClientError,
    InvalidRequest,
    JobNotCompleted,
    NotAllowed,
    NotFound,
    QuotaExceeded,
    ServerBusy,
    Unauthenticated,
    Unreachable,
    WaitTimeout,
)
from labd.client.values import Job, Progress, QuantumComputer, Rack
from labd.client.values_jobs import (
    Estimate,
    Exchange,
    FlightRecord,
    JobDetails,
    JobEvent,
    JobFilter,
    JobPage,
    JobSummary,
    Waiting,
)
from labd.client.values_machine import (
    CalibrationHead,
    CalibrationPage,
    Connection,
    Machine,
    ObservationChange,
    Timeslot,
)
from labd.client.values_people import Limit, Limits, NewToken, Token, User, WhoAmI
from labd.client.values_store import Checked, Finding, Keeping, Partial
from labd.core.access import Role
from labd.core.audit import AuditLine
from labd.core.jobs import JobState, JobType, Priority
from labd.core.openings import Mode
from labd.core.waiting import WaitingKind

if TYPE_CHECKING:
    from labd.client import gates
    from labd.client.envelopes import (
        Constant,
        CosineRiseFall,
        Envelope,
        Gaussian,
        TruncatedGaussian,
    )
    from labd.client.program import Program
    from labd.client.results import Array, Results, unpack_results
    from labd.client.segment import Segment
    from labd.client.shape import Acquired, Axis, Method, ResultShape
    from labd.client.tables import Grid, Readout, TimeTrace
    from labd.client.values_observations import CalibrationSet
    from labd.core.circuit_counts import CircuitCounts
    from labd.core.waveforms import cosine_derivative

_NUMERIC = {
    "labd.client.envelopes": (
        "Constant",
        "CosineRiseFall",
        "Envelope",
        "Gaussian",
        "TruncatedGaussian",
    ),
    "labd.client.program": ("Program",),
    "labd.client.results": ("Array", "Results", "unpack_results"),
    "labd.core.circuit_counts": ("CircuitCounts",),
    "labd.client.segment": ("Segment",),
    "labd.client.shape": ("Acquired", "Axis", "Method", "ResultShape"),
    "labd.client.tables": ("Grid", "Readout", "TimeTrace"),
    "labd.client.values_observations": ("CalibrationSet",),
    "labd.core.waveforms": ("cosine_derivative",),
}

__all__ = [
    "Acquired",
    "Array",
    "AuditLine",
    "Axis",
    "CalibrationHead",
    "CalibrationPage",
    "CalibrationSet",
    "Checked",
    "CircuitCounts",
    "Client",
    "ClientError",
    "Connection",
    "Constant",
    "CosineRiseFall",
    "Envelope",
    "Estimate",
    "Exchange",
    "Finding",
    "FlightRecord",
    "Gaussian",
    "Grid",
    "InvalidRequest",
    "Job",
    "JobDetails",
    "JobEvent",
    "JobFilter",
    "JobNotCompleted",
    "JobPage",
    "JobState",
    "JobSummary",
    "JobType",
    "Keeping",
    "Limit",
    "Limits",
    "Machine",
    "Method",
    "Mode",
    "NewToken",
    "NotAllowed",
    "NotFound",
    "ObservationChange",
    "Partial",
    "Priority",
    "Program",
    "Progress",
    "QuantumComputer",
    "QuotaExceeded",
    "Rack",
    "Readout",
    "ResultShape",
    "Results",
    "Role",
    "Segment",
    "ServerBusy",
    "TimeTrace",
    "Timeslot",
    "Tls",
    "Token",
    "TruncatedGaussian",
    "Unauthenticated",
    "Unreachable",
    "User",
    "WaitTimeout",
    "Waiting",
    "WaitingKind",
    "WhoAmI",
    "cosine_derivative",
    "gates",
    "unpack_results",
]


def __getattr__(name: str) -> object:
    if name == "gates":
        return import_module("labd.client.gates")
    for module, names in _NUMERIC.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
