"""What the flight recorder keeps, and what is read from it."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.flight import (
    BOARD_BYTES,
    BOUNDS_S,
    MAX_RECORD_BYTES,
    N_SLOTS,
    SENT_BYTES,
    Exchange,
    FlightRecord,
    Recorder,
    exchanges,
    pack_record,
    record_of,
    traffic,
    unpack_record,
    used_bytes,
)

MS = 1_000_000


class Desk:
    """A board and a clock that is set by hand."""

    def __init__(self) -> None:
        self.memory = bytearray(BOARD_BYTES)
        self.now_ns = 0
        self._indices = itertools.count()

    def recorder(self, name: str) -> Recorder:
        return Recorder(memoryview(self.memory), next(self._indices), name, lambda: self.now_ns)

    def ask(self, recorder: Recorder, message: bytes, answer: bytes, took_ms: int = 1) -> None:
        recorder.sent(message)
        self.now_ns += took_ms * MS
        recorder.received(answer, is_end=True)

    def read(self, since_ns: int = 0) -> tuple[Exchange, ...]:
        return exchanges(bytes(self.memory), since_ns)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_question_and_its_answer_are_one_exchange(desk: Desk) -> None:
    awg = desk.recorder("awg1")

    desk.ask(awg, b"*IDN?\n", b"TEKTRONIX,AWG5208\n", took_ms=3)

    assert desk.read() == (
        Exchange("awg1", 0, 0, 1, "*IDN?", 6, "TEKTRONIX,AWG5208", 18, 0.003, ""),
    )


def test_what_was_sent_is_there_before_anything_comes_back(desk: Desk) -> None:
    desk.recorder("awg1").sent(b"AWGControl:RUN\n")

    (found,) = desk.read()

    assert (found.sent, found.received_bytes, found.took_s) == ("AWGControl:RUN", 0, 0.0)


def test_trouble_stands_with_the_message_that_met_it(desk: Desk) -> None:
    scope = desk.recorder("scope")
    scope.sent(b"*OPC?\n")
    desk.now_ns += 5000 * MS
    scope.failed("VI_ERROR_TMO: Timeout expired")

    (found,) = desk.read()

    assert (found.error, found.took_s) == ("VI_ERROR_TMO: Timeout expired", 5.0)
    assert traffic(bytes(desk.memory))[0].n_errors == 1


def test_a_question_asked_over_and_over_takes_one_slot(desk: Desk) -> None:
    scope = desk.recorder("scope")
    desk.ask(scope, b"ACQ:STATE 1\n;*OPC?", b"1\n")
    for _ in range(1000):
        desk.ask(scope, b"ACQ:NUMACQ?\n", b"5\n", took_ms=2)
    desk.ask(scope, b"ACQ:NUMACQ?\n", b"6\n")

    found = desk.read()

    assert [(each.received, each.n_times) for each in found] == [("1", 1), ("5", 1000), ("6", 1)]
    assert found[1].last_ns - found[1].first_ns == 999 * 2 * MS


def test_the_last_messages_of_each_instrument_are_kept(desk: Desk) -> None:
    awg, bias = desk.recorder("awg1"), desk.recorder("bias")
    bias.sent(b"OUTP 1")
    for number in range(3 * N_SLOTS):
        awg.sent(b"STEP %d" % number)

    found = desk.read()

    assert [each.sent for each in found if each.instrument == "bias"] == ["OUTP 1"]
    assert [each.sent for each in found if each.instrument == "awg1"] == [
        f"STEP {number}" for number in range(2 * N_SLOTS, 3 * N_SLOTS)
    ]


def test_an_answer_in_pieces_is_one_answer(desk: Desk) -> None:
    scope = desk.recorder("scope")
    scope.sent(b"CURVE?")
    for piece, is_end in ((b"#15", False), (b"\x00\xff\x01", False), (b"ab\n", True)):
        desk.now_ns += 10 * MS
        scope.received(piece, is_end=is_end)

    (found,) = desk.read()

    assert (found.received, found.received_bytes, found.took_s) == (
        r"#15\x00\xff\x01ab",
        9,
        0.03,
    )
    assert traffic(bytes(desk.memory))[0].n_received == 1


def test_an_answer_that_is_read_by_the_byte_is_counted_when_the_next_message_is_sent(
    desk: Desk,
) -> None:
    scope = desk.recorder("scope")
    scope.sent(b"CURVE?")
    desk.now_ns += 40 * MS
    scope.received(b"#15abcde", is_end=False)
    scope.sent(b"*CLS")

    (counted,) = traffic(bytes(desk.memory))

    assert (counted.n_received, counted.answer_s) == (1, 0.04)


def test_latencies_are_counted_by_bound(desk: Desk) -> None:
    awg = desk.recorder("awg1")
    for took_ms in (1, 1, 30, 60_000):
        desk.ask(awg, b"%d?" % desk.now_ns, b"x", took_ms)

    (counted,) = traffic(bytes(desk.memory))

    assert counted.n_received == counted.cumulative[-1] == 4
    assert counted.cumulative[0] == 2
    assert counted.cumulative[BOUNDS_S.index(0.05)] == 3
    assert counted.answer_s == pytest.approx(60.032)


def test_what_was_said_before_a_job_is_not_told_with_it(desk: Desk) -> None:
    awg = desk.recorder("awg1")
    desk.ask(awg, b"SECRET", b"1")
    desk.now_ns += MS
    began_ns = desk.now_ns
    desk.ask(awg, b"MINE", b"1")

    assert [each.sent for each in desk.read(began_ns)] == ["MINE"]


def test_a_slot_that_is_being_written_is_passed_over(desk: Desk) -> None:
    awg = desk.recorder("awg1")
    awg.sent(b"ONE")
    place = bytes(desk.memory).index(b"ONE")
    awg.sent(b"TWO")
    torn = bytearray(desk.memory)
    number_at = place + SENT_BYTES + 128 + 96
    torn[number_at] ^= 0xFF

    found = exchanges(bytes(torn), 0)

    assert [each.sent for each in found] == ["TWO"]


def test_only_the_regions_in_use_are_read(desk: Desk) -> None:
    desk.recorder("a")
    desk.recorder("b")

    used = used_bytes(desk.memory)

    assert 0 < used < BOARD_BYTES / 30
    assert [each.instrument for each in traffic(bytes(desk.memory[:used]))] == ["a", "b"]


def test_a_record_is_bounded_and_its_end_is_kept() -> None:
    found = [
        Exchange("awg1", number, number, 1, "x" * 400, 400, "", 0, 0.0, "")
        for number in range(1000)
    ]

    record = record_of(found, 10)

    assert record.exchanges[-1].first_ns == 999 + 10
    assert record.n_left_out + len(record.exchanges) == 1000
    assert len(json.dumps([asdict(each) for each in record.exchanges])) < 1.1 * MAX_RECORD_BYTES


texts = st.text(max_size=20)
numbers = st.integers(0, 2**62)


@given(
    st.lists(
        st.builds(
            Exchange,
            *(texts, numbers, numbers, numbers, texts, numbers, texts, numbers),
            *(st.floats(0, 1e9), texts),
        ),
        max_size=5,
    ),
    numbers,
)
def test_a_record_is_read_as_it_was_packed(found: list[Exchange], n_left_out: int) -> None:
    record = FlightRecord(tuple(found), n_left_out)

    assert unpack_record(pack_record(record)) == record


@given(st.lists(st.tuples(st.sampled_from(["sent", "end", "more", "failed"]), st.binary())))
def test_whatever_happens_the_board_can_be_read(deeds: list[tuple[str, bytes]]) -> None:
    desk = Desk()
    recorder = desk.recorder("x")

    for deed, data in deeds:
        desk.now_ns += MS
        match deed:
            case "sent":
                recorder.sent(data)
            case "failed":
                recorder.failed(data.decode("latin-1"))
            case _:
                recorder.received(data, is_end=deed == "end")

    found = desk.read()
    n_sent = sum(deed == "sent" for deed, _ in deeds)
    assert sum(each.n_times for each in found) == n_sent or len(found) >= N_SLOTS - 1
    assert all(each.sent.isprintable() for each in found)
