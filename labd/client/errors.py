"""What can go wrong for a caller of labd, as exceptions that carry their facts.

`from_rpc` is the one place where a gRPC error becomes one of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.message import DecodeError


@dataclass(eq=False)
class ClientError(Exception):
    """A call that labd refused or that never reached it.

    message: the server's sentence. code: gRPC's name, such as ``NOT_FOUND``. error_code: the API's
    name of the reason, such as ``invalid_payload``; empty where the server gave none.
    problems: a sentence for every mistake that the server listed, in its order.
    """

    message: str
    code: str = "UNKNOWN"
    error_code: str = ""
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The sentence alone."""
        return self.message


class InvalidRequest(ClientError):
    """The server says that the request or the payload is wrong."""


class NotFound(ClientError):
    """There is no such job, payload, result, quantum computer or calibration set."""


class NotAllowed(ClientError):
    """The job's state, or who asks, does not allow it."""


class Unauthenticated(NotAllowed):
    """No credentials, or wrong ones."""


class QuotaExceeded(NotAllowed):
    """A limit is used up; the sentence says which, how far, and when it frees."""


class Unreachable(ClientError):
    """Nobody answers at that address, or the connection broke."""


class ServerBusy(ClientError):
    """The server stops, drains or is out of a resource; the same call may succeed later."""


@dataclass(eq=False)
class JobNotCompleted(Exception):
    """A job that ended other than COMPLETED, where its results were wanted.

    status: the final state's name. reason: the job's own error sentence; empty if it has none.
    """

    job_id: str
    status: str
    reason: str

    def __str__(self) -> str:
        """Job, state and reason in one line."""
        tail = f": {self.reason}" if self.reason else ""
        return f"job {self.job_id} is {self.status}{tail}"


@dataclass(eq=False)
class WaitTimeout(Exception):
    """A job that had not ended when the caller's patience had. The job goes on."""

    job_id: str
    status: str
    timeout_s: float

    def __str__(self) -> str:
        """Says that the job goes on."""
        return f"job {self.job_id} is still {self.status} after {self.timeout_s:g} s; it goes on"


_BY_CODE: dict[grpc.StatusCode, type[ClientError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.ALREADY_EXISTS: NotAllowed,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.UNAVAILABLE: Unreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unreachable,
    grpc.StatusCode.ABORTED: ServerBusy,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerBusy,
}

_BY_ERROR_CODE: dict[str, type[ClientError]] = {
    "server_cancel": ServerBusy,
    "unavailable": ServerBusy,
    "quota_exceeded": QuotaExceeded,
    "job_deleted": NotFound,
}


def from_rpc(error: grpc.RpcError) -> ClientError:
    """The typed exception for a gRPC error, with the API's trailing metadata read."""
    code = error.code()
    trailing = {item.key: item.value for item in error.trailing_metadata() or ()}
    error_code = str(trailing.get("error_code", ""))
    details = trailing.get("grpc-status-details-bin", b"")
    kind = _BY_ERROR_CODE.get(error_code, _BY_CODE.get(code, ClientError))
    return kind(
        message=_one_line(error.details() or code.name),
        code=code.name,
        error_code=error_code,
        problems=tuple(_problems(details)) if isinstance(details, bytes) else (),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _problems(details: bytes) -> Iterator[str]:
    """The sentences under "errors" in a serialised google.protobuf.Value."""
    try:
        value = json_format.MessageToDict(struct_pb2.Value.FromString(details))
    except (DecodeError, json_format.Error):
        return
    listed = value.get("errors") if isinstance(value, dict) else None
    for item in listed if isinstance(listed, list) else ():
        yield str(item)
