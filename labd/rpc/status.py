"""The one table from refusals to what a gRPC client gets.

A refused call carries: a code; a sentence; `error_code` in the trailing metadata; and, where there
is more to say, a serialised google.protobuf.Value in `grpc-status-details-bin` (never a
google.rpc.Status: IQM's client reads that key as a Value).
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import struct_pb2

from labd.core import errors

CODES: Mapping[type[errors.Refusal], grpc.StatusCode] = {
    errors.InvalidPayload: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidCalibration: grpc.StatusCode.INVALID_ARGUMENT,
    errors.IncompleteCalibration: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobTypeNotSupported: grpc.StatusCode.INVALID_ARGUMENT,
    errors.InvalidArgument: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.JobAlreadyFinal: grpc.StatusCode.FAILED_PRECONDITION,
    errors.JobDeleted: grpc.StatusCode.ABORTED,
    errors.ServerStopping: grpc.StatusCode.ABORTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.NoBookedTimeslots: grpc.StatusCode.FAILED_PRECONDITION,
    errors.TimeslotRequired: grpc.StatusCode.FAILED_PRECONDITION,
    errors.OutlastsTimeslot: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    errors.IdempotencyKeyReused: grpc.StatusCode.ALREADY_EXISTS,
}

MAX_SENTENCE_BYTES = 1000
MAX_DETAILS_BYTES = 4000
"""grpc clients take 8 KiB of metadata by default, base64 and the sentence included; more would lose
the whole answer."""

Metadata = tuple[tuple[str, str | bytes], ...]


def status_of(refusal: errors.Refusal) -> tuple[grpc.StatusCode, str, Metadata]:
    """Code, sentence and trailing metadata of a refused call."""
    metadata: Metadata = (("error_code", refusal.error_code),)
    details = details_of(refusal)
    if details is not None:
        metadata += (("grpc-status-details-bin", details.SerializeToString()),)
    return CODES[type(refusal)], _shortened(str(refusal), MAX_SENTENCE_BYTES), metadata


def details_of(refusal: errors.Refusal) -> struct_pb2.Value | None:
    """What a client can read beyond the sentence: all mistakes, as far as they fit."""
    match refusal:
        case (
            errors.InvalidPayload(problems=problems)
            | errors.InvalidCalibration(problems=problems)
            | errors.IncompleteCalibration(problems=problems)
        ):
            sentences = _fitting([str(problem) for problem in problems])
            listed = struct_pb2.Value()
            listed.struct_value.get_or_create_list("errors").extend(sentences)
            return listed
        case _:
            return None


def _fitting(sentences: list[str]) -> list[str]:
    """As many sentences as the metadata holds, then how many were left out."""
    kept: list[str] = []
    room = MAX_DETAILS_BYTES
    for index, sentence in enumerate(sentences):
        short = _shortened(sentence, MAX_SENTENCE_BYTES)
        room -= len(short.encode()) + 8
        if room < 0:
            return [*kept, f"and {len(sentences) - index} more"]
        kept.append(short)
    return kept


def _shortened(text: str, most_bytes: int) -> str:
    data = text.encode()
    if len(data) <= most_bytes:
        return text
    return data[: most_bytes - 4].decode(errors="ignore") + " ..."
