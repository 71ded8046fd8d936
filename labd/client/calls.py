"""The remote methods, typed: one attribute per method that the client calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from labd.client.errors import from_rpc
from labd.wire import iqm_server_pb2 as iqm

_LAB = "/labd.v1.Lab/"

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)


class Unary(Generic[Request, Reply]):
    """A method with one request and one reply."""

    def __init__(self, calls: Calls, path: str, reply: Callable[[bytes], Reply]) -> None:
        self._calls = calls
        self._call: grpc.UnaryUnaryMultiCallable[Request, Reply] = calls.channel.unary_unary(
            path, request_serializer=_serialise, response_deserializer=reply
        )

    def __call__(self, request: Request) -> Reply:
        """Call and wait. Raises ClientError."""
        try:
            return self._call(
                request, metadata=self._calls.metadata(), timeout=self._calls.timeout_s
            )
        except grpc.RpcError as error:
            raise from_rpc(error) from error


class Stream(Generic[Request, Reply]):
    """A method with one request and a stream of replies."""

    def __init__(self, calls: Calls, path: str, reply: Callable[[bytes], Reply]) -> None:
        self._calls = calls
        self._call: grpc.UnaryStreamMultiCallable[Request, Reply] = calls.channel.unary_stream(
            path, request_serializer=_serialise, response_deserializer=reply
        )

    def __call__(self, request: Request, *, timeout_s: float | None = None) -> Iterator[Reply]:
        """The replies as they come; closing the iterator cancels the call. Raises ClientError."""
        call = self._call(request, metadata=self._calls.metadata(), timeout=timeout_s)
        try:
            yield from call
        except grpc.RpcError as error:
            raise from_rpc(error) from error
        finally:
            call.cancel()


class Calls:
    """An open channel and labd's methods on it.

    token: sent as ``authorization: Bearer <token>``. timeout_s: of every unary call.
    """

    def __init__(self, channel: grpc.Channel, *, token: str | None, timeout_s: float) -> None:
        self.channel = channel
        self.timeout_s = timeout_s
        self._token = token
        computers, jobs = "/iqm.server.QuantumComputers/", "/iqm.server.Jobs/"
        calibrations = "/iqm.server.Calibrations/"
        self.list_computers: Unary[iqm.ListQuantumComputerFiltersV1, iqm.QuantumComputersListV1] = (
            Unary(self, computers + "ListQuantumComputersV1", iqm.QuantumComputersListV1.FromString)
        )
        self.resource: Stream[iqm.QuantumComputerResourceLookupV1, iqm.DataChunk] = Stream(
            self, computers + "GetQuantumComputerResourceV1", iqm.DataChunk.FromString
        )
        self.latest_calibration: Unary[
            iqm.LatestQuantumComputerCalibrationLookupV1, iqm.CalibrationMetadataV1
        ] = Unary(
            self,
            calibrations + "GetLatestQuantumComputerCalibrationV1",
            iqm.CalibrationMetadataV1.FromString,
        )
        self.calibration_data: Stream[iqm.CalibrationLookupV1, iqm.DataChunk] = Stream(
            self, calibrations + "GetFullCalibrationDataV1", iqm.DataChunk.FromString
        )
        self.get: Unary[iqm.JobLookupV1, iqm.JobV1] = Unary(
            self, jobs + "GetJobV1", iqm.JobV1.FromString
        )
        self.cancel: Unary[iqm.JobLookupV1, iqm.JobV1] = Unary(
            self, jobs + "CancelJobV1", iqm.JobV1.FromString
        )
        self.subscribe: Stream[iqm.JobLookupV1, iqm.JobEventV1] = Stream(
            self, jobs + "SubscribeToJobV1", iqm.JobEventV1.FromString
        )
        self.payload: Stream[iqm.JobLookupV1, iqm.DataChunk] = Stream(
            self, jobs + "GetJobPayloadV1", iqm.DataChunk.FromString
        )
        self.results: Stream[iqm.JobLookupV1, iqm.DataChunk] = Stream(
            self, jobs + "GetJobResultsV1", iqm.DataChunk.FromString
        )

    def own(self, method: str, request: type[Request], reply: type[Reply]) -> Unary[Request, Reply]:
        """A unary method of labd.v1.Lab."""
        del request  # its type is what counts
        return Unary(self, _LAB + method, reply.FromString)

    def own_stream(
        self, method: str, request: type[Request], reply: type[Reply]
    ) -> Stream[Request, Reply]:
        """A streaming method of labd.v1.Lab."""
        del request
        return Stream(self, _LAB + method, reply.FromString)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return (("authorization", f"Bearer {self._token}"),) if self._token else ()


def joined(chunks: Iterable[iqm.DataChunk]) -> bytes:
    """The bytes of a chunked stream."""
    return b"".join(chunk.data for chunk in chunks)


def _serialise(message: Message) -> bytes:
    return message.SerializeToString()
