"""The frames between daemon and rack: what is sent arrives, and nothing else is taken for it."""

import pytest

from labd.core.health import Sign
from labd.rack.messages import (
    MAX_FRAME_BYTES,
    BadMessage,
    Budgeted,
    Cancel,
    Cancelled,
    Completed,
    Failed,
    Faulted,
    Granted,
    Instrument,
    Message,
    MessageReader,
    Ping,
    Pong,
    Probed,
    Progress,
    Ready,
    Released,
    Run,
    Shutdown,
    Started,
    Stopped,
    Unavailable,
    pack_message,
    unpack_message,
)

EVERY_MESSAGE: tuple[Message, ...] = (
    Run("j1", "/p/j1.payload", "/r/j1.result"),
    Cancel("j1"),
    Shutdown(),
    Ping(),
    Pong(),
    Ready((Instrument("awg1", "AWG5208", "B1", "7.1"), Instrument("lo", "SGS100A", "2", "3"))),
    Ready(()),
    Granted(),
    Granted((Instrument("awg1", "AWG5208", "B1", "7.1"),)),
    Released(),
    Faulted("awg1", "awg1, while playing: -222"),
    Faulted("awg1", "no connection", is_absent=True),
    Probed(()),
    Probed((Sign("awg1", 0.0025), Sign("lo", 5, "it was switched off and on"))),
    Budgeted("j1", 12.5, 3.0),
    Failed("j2", "awg1, while playing: -222", "awg1"),
    Unavailable("awg1 does not answer at TCPIP::ä::INSTR"),
    Started("j1"),
    Progress("j1", 10, 1000),
    Completed("j1", {"load": 0.25, "run": 1.0}),
    Failed("j1", "awg1, while uploading: -222"),
    Cancelled("j1"),
    Stopped(),
)


@pytest.mark.parametrize("message", EVERY_MESSAGE, ids=lambda message: type(message).__name__)
def test_a_message_survives_the_wire(message: Message) -> None:
    frame = pack_message(message)

    received = MessageReader().feed(frame)

    assert received == (message,)


def test_a_stream_cut_anywhere_gives_the_same_messages() -> None:
    stream = b"".join(pack_message(message) for message in EVERY_MESSAGE)
    reader = MessageReader()

    received = [message for byte in stream for message in reader.feed(bytes([byte]))]

    assert received == list(EVERY_MESSAGE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"type":"nonsense"}',
        b'{"type":["run"]}',
        b'{"type":"cancel"}',
        b'{"type":"cancel","job_id":1}',
        b'{"type":"cancel","job_id":"j","more":1}',
        b'{"type":"progress","job_id":"j","shots_done":true,"shots_total":1}',
        b'{"type":"ready","instruments":[1]}',
        b'{"type":"ready","instruments":[{"name":"awg1"}]}',
        b'{"type":"completed","job_id":"j","timings_s":{"load":"long"}}',
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessage):
        unpack_message(body)


def test_an_endless_frame_is_refused_at_its_header() -> None:
    reader = MessageReader()

    with pytest.raises(BadMessage, match="longer than"):
        reader.feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
