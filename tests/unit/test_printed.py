"""What drivers print is a line of the log, whoever prints beside them."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout

import pytest

from labd.rack.printed import Printed


def test_a_printed_line_is_logged_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    with redirect_stdout(Printed()):
        print("Connected to: ", end="")
        before = list(caplog.messages)
        print("GS210\nfirmware 2.02\n\nand then", flush=True)

    assert before == []
    assert caplog.messages == ["Connected to: GS210", "firmware 2.02", "and then"]


def test_threads_that_print_at_once_do_not_mix(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    printed = Printed()

    def words(letter: str) -> None:
        for _ in range(50):
            for _ in range(4):
                printed.write(letter)
            printed.write("\n")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(words, "abcd"))

    assert sorted(caplog.messages) == [4 * letter for letter in "abcd" for _ in range(50)]
