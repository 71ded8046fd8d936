"""A followed job: every change once and in order, through subscriptions that break."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import grpc
import pytest
from google.protobuf import struct_pb2

from labd.client import Client, InvalidRequest, JobState, NotFound, Unreachable, WaitTimeout
from labd.wire import iqm_server_pb2 as wire

JOB = UUID("01920000-0000-7000-8000-000000000001")
Answer = Iterator[wire.JobEventV1]
Script = Callable[[grpc.ServicerContext], Answer]


def update(status: str, position: int | None = None) -> wire.JobEventV1:
    job = wire.JobV1(status=status, type="PULSE", queue_position=position)
    job.id.raw = JOB.bytes
    job.input.job_type, job.input.shots, job.input.circuits = wire.JobType.PULSE, 10, 1
    job.quantum_computer.id.raw = JOB.bytes
    job.quantum_computer.alias = job.quantum_computer.display_name = "star5"
    job.created_at.seconds = job.updated_at.seconds = 1
    return wire.JobEventV1(update=job)


def keepalive() -> wire.JobEventV1:
    return wire.JobEventV1(keepalive=wire.Keepalive())


def refuse(
    context: grpc.ServicerContext, code: grpc.StatusCode, error_code: str, details: bytes = b""
) -> None:
    trailing: list[tuple[str, str | bytes]] = [("error_code", error_code)]
    if details:
        trailing.append(("grpc-status-details-bin", details))
    context.set_trailing_metadata(tuple(trailing))
    context.abort(code, f"because of {error_code}")


@contextmanager
def server_that_answers(*scripts: Script) -> Iterator[str]:
    """A gRPC server whose n-th subscription is the n-th script; the last one repeats."""
    waiting = list(scripts)

    def subscribe(request: wire.JobLookupV1, context: grpc.ServicerContext) -> Answer:
        yield from (waiting.pop(0) if len(waiting) > 1 else waiting[0])(context)

    server = grpc.server(ThreadPoolExecutor(2))
    handler: grpc.RpcMethodHandler[wire.JobLookupV1, wire.JobEventV1]
    handler = grpc.unary_stream_rpc_method_handler(
        subscribe,
        request_deserializer=wire.JobLookupV1.FromString,
        response_serializer=wire.JobEventV1.SerializeToString,
    )
    methods = {"SubscribeToJobV1": handler}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("iqm.server.Jobs", methods),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}/star5"
    finally:
        server.stop(None).wait()


def test_every_change_is_given_once_and_the_final_one_last() -> None:
    def script(context: grpc.ServicerContext) -> Answer:
        yield update("IN_QUEUE", 1)
        yield keepalive()
        yield update("IN_QUEUE", 0)
        yield update("EXECUTING")
        yield update("COMPLETED")

    with server_that_answers(script) as url, Client(url) as client:
        seen = [(job.status, job.queue_position) for job in client.watch(JOB)]

    assert seen == [
        (JobState.IN_QUEUE, 1),
        (JobState.IN_QUEUE, 0),
        (JobState.EXECUTING, None),
        (JobState.COMPLETED, None),
    ]


def test_a_restart_of_the_server_repeats_nothing() -> None:
    def stopping(context: grpc.ServicerContext) -> Answer:
        yield update("EXECUTING")
        refuse(context, grpc.StatusCode.ABORTED, "server_cancel")

    def restarted(context: grpc.ServicerContext) -> Answer:
        yield update("EXECUTING")
        yield update("INTERRUPTED")

    with server_that_answers(stopping, restarted) as url, Client(url) as client:
        seen = [job.status for job in client.watch(JOB)]

    assert seen == [JobState.EXECUTING, JobState.INTERRUPTED]


def test_a_subscription_that_just_ends_is_taken_up_again() -> None:
    def ending(context: grpc.ServicerContext) -> Answer:
        yield update("IN_QUEUE", 0)

    def rest(context: grpc.ServicerContext) -> Answer:
        yield update("COMPLETED")

    with server_that_answers(ending, rest) as url, Client(url) as client:
        assert client.wait(JOB).status is JobState.COMPLETED


def test_a_job_that_was_deleted_is_not_looked_for_again() -> None:
    def deleted(context: grpc.ServicerContext) -> Answer:
        yield update("IN_QUEUE", 0)
        refuse(context, grpc.StatusCode.ABORTED, "job_deleted")

    with (
        server_that_answers(deleted) as url,
        Client(url) as client,
        pytest.raises(NotFound) as caught,
    ):
        client.wait(JOB)

    assert caught.value.error_code == "job_deleted"


def test_patience_is_bounded_by_the_timeout_and_says_the_job_goes_on() -> None:
    def quiet(context: grpc.ServicerContext) -> Answer:
        yield update("EXECUTING")
        while context.is_active():
            yield keepalive()

    with (
        server_that_answers(quiet) as url,
        Client(url) as client,
        pytest.raises(WaitTimeout, match=r"still EXECUTING after 0\.3 s; it goes on"),
    ):
        client.wait(JOB, timeout_s=0.3)


def test_a_server_that_stays_away_is_given_up() -> None:
    with (
        Client("http://127.0.0.1:1/star5", patience_s=0.3) as client,
        pytest.raises(Unreachable),
    ):
        client.wait(JOB)


def test_a_refusal_carries_code_error_code_and_every_mistake() -> None:
    def refused(context: grpc.ServicerContext) -> Answer:
        listed = struct_pb2.Value()
        listed.struct_value.get_or_create_list("errors").extend(["first", "second"])
        details = listed.SerializeToString()
        refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "invalid_payload", details)
        yield keepalive()

    with (
        server_that_answers(refused) as url,
        Client(url) as client,
        pytest.raises(InvalidRequest) as caught,
    ):
        client.wait(JOB)

    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.error_code == "invalid_payload"
    assert caught.value.problems == ("first", "second")


def test_details_of_another_make_are_ignored() -> None:
    def refused(context: grpc.ServicerContext) -> Answer:
        refuse(context, grpc.StatusCode.NOT_FOUND, "not_found", b"\xff\xff\xff")
        yield keepalive()

    with (
        server_that_answers(refused) as url,
        Client(url) as client,
        pytest.raises(NotFound) as caught,
    ):
        client.wait(JOB)

    assert caught.value.problems == ()
