"""Whom a crash or a hang is put down to, from what the board says."""

from __future__ import annotations

import itertools

import pytest

from labd.core.blame import MAX_NAMED, Blame, blame, overdue, overdue_text
from labd.core.flight import BOARD_BYTES, DUMP_BYTES, Recorder, calls, crashed_thread

MS = 1_000_000
MAIN, ONE, OTHER = 0x7F00_0000_0001, 0x7F00_0000_0002, 0x7F00_0000_0003


class Rack:
    """A board, a clock that is set by hand, and instruments that are talked to."""

    def __init__(self) -> None:
        self.memory = bytearray(BOARD_BYTES + DUMP_BYTES)
        self.now_ns = 1000 * MS
        self._indices = itertools.count()

    def recorder(self, name: str) -> Recorder:
        view = memoryview(self.memory)
        return Recorder(view, next(self._indices), name, lambda: self.now_ns)

    def enter(self, recorder: Recorder, thread: int, message: bytes, limit_s: float = 1.5) -> None:
        recorder.sent(message)
        recorder.enter(thread, limit_s)
        self.now_ns += MS

    def ask(self, recorder: Recorder, thread: int, message: bytes) -> None:
        self.enter(recorder, thread, message)
        recorder.leave()
        recorder.received(b"1\n", is_end=True)

    def blame(self, thread: int = 0, since_ns: int = 0) -> Blame:
        board = bytes(self.memory)
        return blame(board, since_ns=since_ns, now_ns=self.now_ns, thread=thread)


@pytest.fixture
def rack() -> Rack:
    return Rack()


def test_a_crash_is_the_instruments_that_its_thread_used_last(rack: Rack) -> None:
    awg1, awg2, lo = (rack.recorder(name) for name in ("awg1", "awg2", "lo"))
    rack.ask(lo, ONE, b"*OPC?\n")
    rack.enter(awg2, OTHER, b"*OPC?\n")
    rack.enter(awg1, ONE, b"WLISt:WAVeform:DATA #3100?\n")

    told = rack.blame(ONE)

    assert told.instruments == ("awg1",)
    assert told.is_known
    assert told.sentence.startswith("the last message, to awg1 1 ms before, was WLISt:WAV")


def test_a_crash_of_a_thread_that_talked_to_nobody_is_nobodys(rack: Rack) -> None:
    awg1 = rack.recorder("awg1")
    rack.ask(awg1, MAIN, b"*OPC?\n")
    began_ns = rack.now_ns
    rack.enter(awg1, ONE, b"*OPC?\n")

    assert rack.blame(MAIN, began_ns).instruments == ()
    assert rack.blame(OTHER).sentence == "the thread that crashed had said nothing to an instrument"


def test_who_is_longest_over_its_time_is_named_first(rack: Rack) -> None:
    names = ("patient", "awg1", "awg2", "quick")
    patient, awg1, awg2, quick = (rack.recorder(name) for name in names)
    rack.enter(patient, MAIN, b"CURVe?\n", limit_s=100.0)
    rack.enter(awg1, ONE, b"AWGControl:RUN\n", limit_s=5.0)
    rack.enter(awg2, OTHER, b"*OPC?\n", limit_s=1.0)
    rack.now_ns += 8000 * MS
    rack.ask(quick, MAIN, b"*IDN?\n")

    told = rack.blame()

    assert told.instruments == ("awg2", "awg1")
    assert told.is_known
    assert told.sentence == (
        "it cannot be told which of these it was: awg2 was asked *OPC? 8.0 s before and had not"
        " answered; the last message, to awg1 8.0 s before, was AWGControl:RUN"
    )


def test_one_that_is_overdue_alone_is_the_one(rack: Rack) -> None:
    awg1, awg2 = rack.recorder("awg1"), rack.recorder("awg2")
    rack.enter(awg1, ONE, b"AWGControl:RUN\n")
    rack.now_ns += 6000 * MS
    rack.enter(awg2, OTHER, b"*OPC?\n")

    assert rack.blame().instruments == ("awg1",)


def test_without_a_thread_all_are_named_that_have_not_answered_or_met_trouble(rack: Rack) -> None:
    mute, cut, fine = (rack.recorder(name) for name in ("mute", "cut", "fine"))
    rack.enter(mute, ONE, b"*OPC?\n")
    rack.enter(cut, OTHER, b"OUTPut 1\n")
    cut.failed("Bad file descriptor")
    cut.leave()
    rack.ask(fine, MAIN, b"*IDN?\n")

    told = rack.blame()

    assert told.instruments == ("mute", "cut")
    assert not told.is_known
    assert "(Bad file descriptor)" in told.sentence


def test_where_all_is_well_the_last_word_is_the_nearest_that_is_known(rack: Rack) -> None:
    awg1, awg2 = rack.recorder("awg1"), rack.recorder("awg2")
    rack.ask(awg1, ONE, b"*OPC?\n")
    rack.ask(awg2, OTHER, b"*OPC?\n")

    assert rack.blame().instruments == ("awg2",)
    assert rack.blame(since_ns=rack.now_ns + 1).sentence == (
        "nothing was said to an instrument in this job"
    )


def test_of_many_the_first_are_named(rack: Rack) -> None:
    for index in range(MAX_NAMED + 3):
        rack.enter(rack.recorder(f"lo{index}"), index + 1, b"*ESR?\n")

    told = rack.blame()

    assert len(told.instruments) == MAX_NAMED + 3
    assert told.sentence.endswith("; and 3 more")
    assert f"lo{MAX_NAMED} " not in told.sentence


def test_a_call_is_overdue_only_while_it_lasts(rack: Rack) -> None:
    awg1 = rack.recorder("awg1")
    rack.enter(awg1, ONE, b"AWGControl:RUN\n", limit_s=1.5)

    soon = overdue(calls(bytes(rack.memory)), rack.now_ns + 11_000 * MS, 10.0)
    late = overdue(calls(bytes(rack.memory)), rack.now_ns + 12_000 * MS, 10.0)
    text = overdue_text(late[0], rack.now_ns + 12_000 * MS)
    awg1.leave()

    assert not soon
    assert [call.thread for call in late] == [ONE]
    assert text == "the driver of awg1 has not come back for 12 s, where 1.5 s are allowed"
    assert not overdue(calls(bytes(rack.memory)), rack.now_ns + 12_000 * MS, 10.0)


@pytest.mark.parametrize(
    ("dump", "thread"),
    [
        ("", 0),
        ("Fatal Python error: Segmentation fault\n\nThread 0x00007f01 (most recent", 0),
        ("Thread 0x00007f01 (most\n  File\n\nCurrent thread 0x00007f02 (most recent call", 0x7F02),
        ("Current thread 0x00007f03 [awg1] (most recent call first):", 0x7F03),
    ],
)
def test_the_thread_that_crashed_is_read_from_what_it_wrote(dump: str, thread: int) -> None:
    assert crashed_thread(dump) == thread
