from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format, struct_pb2

from labd.core import errors
from labd.rpc import chunks
from labd.rpc.send_buffer import widen_send_buffer
from labd.rpc.status import CODES, status_of
from labd.wire import iqm_server_pb2 as iqm

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def subclasses(kind: type[errors.Refusal]) -> Iterator[type[errors.Refusal]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_refusal_has_a_row() -> None:
    assert set(CODES) == set(subclasses(errors.Refusal))


def problems(n: int) -> errors.InvalidPayload:
    return errors.InvalidPayload(
        tuple(
            errors.Problem(f"QB{i}__drive.awg", f"{i} samples are off the grid") for i in range(n)
        )
    )


def details(refusal: errors.Refusal) -> struct_pb2.Value:
    _, _, metadata = status_of(refusal)
    value = dict(metadata)["grpc-status-details-bin"]
    assert isinstance(value, bytes)
    return struct_pb2.Value.FromString(value)


def test_the_details_of_an_invalid_payload_list_every_mistake() -> None:
    listed = json.loads(json_format.MessageToJson(details(problems(3))))

    assert listed == {
        "errors": [f"QB{i}__drive.awg: {i} samples are off the grid" for i in range(3)]
    }


def test_the_codes_are_those_of_the_api() -> None:
    refused = {
        problems(1): ("INVALID_ARGUMENT", "invalid_payload"),
        errors.JobTypeNotSupported("CIRCUIT", ("PULSE",)): (
            "INVALID_ARGUMENT",
            "job_type_not_supported",
        ),
        errors.NotFound("job", "x"): ("NOT_FOUND", "not_found"),
        errors.JobAlreadyFinal("x", "FAILED"): ("FAILED_PRECONDITION", "job_not_submitted_to_qc"),
        errors.JobDeleted("x"): ("ABORTED", "job_deleted"),
        errors.ServerStopping(): ("ABORTED", "server_cancel"),
    }

    for refusal, expected in refused.items():
        code, sentence, metadata = status_of(refusal)
        assert (code.name, dict(metadata)["error_code"]) == expected
        assert sentence == str(refusal)


@pytest.mark.parametrize("refusal", [problems(10_000), errors.Unavailable("é" * 100_000)])
async def test_even_the_longest_refusal_reaches_the_client_whole(
    refusal: errors.Refusal, tmp_path: Path
) -> None:
    async def refuse(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        await context.abort(*status_of(refusal))
        return b""

    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(refuse)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("x", {"y": method}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/s") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/x/y")
        for _ in range(5):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(b"")

            code, sentence, metadata = status_of(refusal)
            assert (caught.value.code(), caught.value.details()) == (code, sentence)
            assert {*metadata} <= {*caught.value.trailing_metadata()}
    await server.stop(None)


def test_a_long_list_ends_with_how_many_were_left_out() -> None:
    listed = list(details(problems(10_000)).struct_value.fields["errors"].list_value.values)

    assert listed[-1].string_value == f"and {10_000 - len(listed) + 1} more"
    assert len(listed) > 50


@pytest.mark.parametrize("n_bytes", [0, 1, 127, 128, 16383, 16384, 1 << 20, 4_194_299])
def test_a_framed_chunk_is_a_data_chunk(n_bytes: int) -> None:
    data = bytes(n_bytes)

    assert chunks.framed(data) == iqm.DataChunk(data=data).SerializeToString()


@pytest.mark.parametrize("n_bytes", [0, 1, 1000, 1001, 5000])
async def test_a_file_is_streamed_whole_in_pieces(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(i % 251 for i in range(n_bytes)))

    pieces = [
        iqm.DataChunk.FromString(piece).data async for piece in chunks.stream_file(path, 1000)
    ]

    assert b"".join(pieces) == path.read_bytes()
    assert all(len(piece) == 1000 for piece in pieces[:-1])


async def test_two_streams_at_once_do_not_mix(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "ab"]
    for path in paths:
        path.write_bytes(path.name.encode() * 50_000)

    async def read(path: Path) -> bytes:
        data = b""
        async for piece in chunks.stream_file(path, 777):
            await asyncio.sleep(0)
            data += iqm.DataChunk.FromString(piece).data
        return data

    assert await asyncio.gather(*map(read, paths)) == [path.read_bytes() for path in paths]


async def test_a_slow_reader_gets_small_pieces(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(3 << 20))

    sizes = []
    async for piece in chunks.stream_file(path, 1 << 20):
        sizes.append(len(piece))
        if len(sizes) == 1:
            await asyncio.sleep(2 * chunks.SLOW_S)

    assert sizes[0] > sizes[1]
    assert sizes[1] < chunks.SLOW_CHUNK_BYTES + 10
    assert sizes[2] == sizes[0]


def test_the_send_buffer_of_a_named_connection_is_widened(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        name = f"labd.tcp=1.n=test-{os.getpid()}"
        client.bind(f"\0{name}")
        client.connect(str(tmp_path / "s"))
        ours, _ = listener.accept()
        with ours:
            before = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

            assert widen_send_buffer(f"unix-abstract:{name}")

            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > before
            assert client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == before


@pytest.mark.parametrize("peer", ["unix:", "ipv4:127.0.0.1:5", "unix-abstract:labd.tcp=0.n=gone"])
def test_a_connection_that_is_not_there_is_not_widened(peer: str) -> None:
    assert not widen_send_buffer(peer)
