from __future__ import annotations

import json
import logging

from labd.core.log_fields import FIELDS, about
from labd.log_lines import JsonLines, formatter


def record(message: str, *arguments: object, **extra: str) -> logging.LogRecord:
    logger = logging.getLogger("labd.test")
    return logger.makeRecord(
        logger.name, logging.WARNING, "file", 1, message, arguments, None, extra=extra
    )


def test_a_line_is_one_object_with_the_fields_that_it_has() -> None:
    fields = about(job="j-1", user="ann", instrument="scope")

    told = json.loads(JsonLines("star5").format(record("job %s", "j-1", **fields)))

    assert told["message"] == "job j-1"
    assert (told["level"], told["logger"]) == ("WARNING", "labd.test")
    assert {name: told[name] for name in FIELDS if name in told} == {
        "JOB_ID": "j-1",
        "USER_ID": "ann",
        "INSTRUMENT": "scope",
        "QC": "star5",
    }
    assert told["at"].endswith("+00:00")


def test_line_breaks_do_not_break_lines() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError as error:
        one = record("several\nlines")
        one.exc_info = (ValueError, error, error.__traceback__)

    text = JsonLines("").format(one)

    assert "\n" not in text
    assert "ValueError: one\ntwo" in json.loads(text)["exception"]


def test_what_a_line_is_not_about_is_not_said() -> None:
    assert about() == {}
    assert about(qc="star5", state="FAILED") == {"QC": "star5", "JOB_STATE": "FAILED"}


def test_text_names_the_quantum_computer_of_its_process() -> None:
    text = formatter("text", "star5").format(record("hello"))

    assert text.endswith(" star5 WARNING labd.test: hello")
