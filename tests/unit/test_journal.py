"""Where log lines go."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from labd import journal


@pytest.fixture(autouse=True)
def _level_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def test_a_stream_of_somebody_else_is_not_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")

    assert not journal.is_journal()


def test_systemds_word_is_believed_when_it_is_about_our_stderr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")

    assert journal.is_journal()
    journal.set_level("auto")
    assert logging.getLogger().level == logging.INFO


def test_a_terminal_gets_what_needs_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)

    journal.set_level("auto")

    assert logging.getLogger().level == logging.WARNING


def test_lines_go_to_stderr_where_no_journal_is() -> None:
    script = (
        "import logging; from labd.journal import start_logging; start_logging('info', qc='star5');"
        " logging.getLogger('x').info('hello', extra={'JOB_ID': '1'})"
    )
    environment = {**os.environ, "JOURNAL_STREAM": "1:1"}

    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )

    assert ended.stderr.endswith("star5 INFO x: hello\n")
