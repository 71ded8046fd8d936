"""labd from Python: connect, build pulse jobs from numpy arrays, submit, follow, fetch.

from labd.client import Client, gates

with Client("http://localhost:50051/star5") as labd:
    program = labd.program(shots=1000)
    ...
    job = labd.submit(program)
    labd.wait(job.id)
    print(labd.results(job.id).counts())
"""

from labd.client import gates
from labd.client.connection import Client
from labd.client.envelopes import (
    Constant,
    CosineRiseFall,
    Envelope,
    Gaussian,
    TruncatedGaussian,
)
from labd.client.errors import (
    ClientError,
    InvalidRequest,
    JobNotCompleted,
    NotAllowed,
    NotFound,
    ServerBusy,
    Unreachable,
    WaitTimeout,
)
from labd.client.program import Program
from labd.client.results import Array, Results, unpack_results
from labd.client.segment import Segment
from labd.client.shape import Acquired, Axis, Method, ResultShape
from labd.client.tables import Grid, Readout, TimeTrace
from labd.client.values import CalibrationSet, Job, Progress, QuantumComputer, Rack
from labd.core.jobs import JobState, JobType
from labd.core.waveforms import cosine_derivative

__all__ = [
    "Acquired",
    "Array",
    "Axis",
    "CalibrationSet",
    "Client",
    "ClientError",
    "Constant",
    "CosineRiseFall",
    "Envelope",
    "Gaussian",
    "Grid",
    "InvalidRequest",
    "Job",
    "JobNotCompleted",
    "JobState",
    "JobType",
    "Method",
    "NotAllowed",
    "NotFound",
    "Program",
    "Progress",
    "QuantumComputer",
    "Rack",
    "Readout",
    "ResultShape",
    "Results",
    "Segment",
    "ServerBusy",
    "TimeTrace",
    "TruncatedGaussian",
    "Unreachable",
    "WaitTimeout",
    "cosine_derivative",
    "gates",
    "unpack_results",
]
