"""The gRPC server: methods by name, refusals into statuses, health and reflection.

Answers that are byte streams leave a method already serialised, which is why the methods are
registered here by hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from labd.core.errors import Refusal
from labd.rpc.calibrations import Calibrations
from labd.rpc.caller import Context
from labd.rpc.intake import Intake
from labd.rpc.jobs import Jobs
from labd.rpc.lab import Lab
from labd.rpc.laboratory import Laboratory
from labd.rpc.quantum_computers import QuantumComputers
from labd.rpc.status import Metadata, status_of
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Piece = TypeVar("Piece")

OPTIONS = (
    # Payloads are one message; labd's own limit refuses with a sentence.
    ("grpc.max_receive_message_length", -1),
    # IQM's clients ping every 5 s; by default that ends a quiet stream after 15 s.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
)
STOP_GRACE_S = 1.0


class _Call(Context, Protocol):
    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Metadata
    ) -> None: ...


def _unary(
    method: Callable[[Request, Context], Awaitable[Reply]], request_type: type[Request]
) -> grpc.RpcMethodHandler[Request, Reply]:
    async def call(request: Request, context: _Call) -> Reply | None:
        try:
            return await method(request, context)
        except Refusal as refusal:
            await context.abort(*status_of(refusal))
            return None

    return cast(
        "grpc.RpcMethodHandler[Request, Reply]",
        grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=request_type.FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        ),
    )


def _stream(
    method: Callable[[Request, Context], AsyncIterator[Piece]],
    request_type: type[Request],
    serialise: Callable[[Piece], bytes],
) -> grpc.RpcMethodHandler[Request, Piece]:
    async def call(request: Request, context: _Call) -> AsyncIterator[Piece]:
        try:
            async for piece in method(request, context):
                yield piece
        except Refusal as refusal:
            await context.abort(*status_of(refusal))

    return cast(
        "grpc.RpcMethodHandler[Request, Piece]",
        grpc.unary_stream_rpc_method_handler(
            call,
            request_deserializer=request_type.FromString,
            response_serializer=serialise,
        ),
    )


def _as_is(piece: bytes) -> bytes:
    return piece


def _packed(message: Message) -> bytes:
    return message.SerializeToString()


def _handlers(
    laboratory: Laboratory, intake: Intake
) -> Mapping[str, Mapping[str, grpc.RpcMethodHandler[Message, Message]]]:
    jobs = Jobs(laboratory, intake)
    computers = QuantumComputers(laboratory)
    calibrations = Calibrations(laboratory)
    lab = Lab(laboratory)
    services = {
        "iqm.server.Jobs": {
            "SubmitJobV1": _unary(jobs.submit, iqm.SubmitJobRequestV1),
            "GetJobV1": _unary(jobs.get, iqm.JobLookupV1),
            "SubscribeToJobV1": _stream(jobs.subscribe, iqm.JobLookupV1, _packed),
            "GetJobPayloadV1": _stream(jobs.payload, iqm.JobLookupV1, _as_is),
            "GetJobResultsV1": _stream(jobs.results, iqm.JobLookupV1, _as_is),
            "CancelJobV1": _unary(jobs.cancel, iqm.JobLookupV1),
        },
        "iqm.server.QuantumComputers": {
            "GetQuantumComputerV1": _unary(computers.get, iqm.QuantumComputerLookupV1),
            "ListQuantumComputersV1": _unary(computers.list, iqm.ListQuantumComputerFiltersV1),
            "GetQuantumComputerResourceV1": _stream(
                computers.resource, iqm.QuantumComputerResourceLookupV1, _as_is
            ),
        },
        "iqm.server.Calibrations": {
            "GetLatestQuantumComputerCalibrationV1": _unary(
                calibrations.latest, iqm.LatestQuantumComputerCalibrationLookupV1
            ),
            "GetCalibrationV1": _unary(calibrations.get, iqm.CalibrationLookupV1),
            "GetFullCalibrationDataV1": _stream(
                calibrations.full_data, iqm.CalibrationLookupV1, _as_is
            ),
        },
        "labd.v1.Lab": {
            "ListJobs": _unary(lab.list_jobs, lab_pb2.ListJobsRequest),
            "WatchProgress": _stream(lab.watch_progress, iqm.JobLookupV1, _packed),
        },
    }
    return cast("Mapping[str, Mapping[str, grpc.RpcMethodHandler[Message, Message]]]", services)


class RpcServer:
    """The server on a private unix socket."""

    def __init__(self, laboratory: Laboratory, intake: Intake) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        services = _handlers(laboratory, intake)
        for name, methods in services.items():
            handler = grpc.method_handlers_generic_handler(name, dict(methods))
            self._server.add_generic_rpc_handlers((handler,))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = ("", *services)
        shown = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(shown, self._server)

    async def start(self, address: str) -> None:
        """Listen on ``unix:<path>`` and answer. Raises RuntimeError when it cannot be bound."""
        self._server.add_insecure_port(address)
        await self._server.start()
        for name in self._names:
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """No new calls; those that run get STOP_GRACE_S. Idempotent."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(STOP_GRACE_S)
