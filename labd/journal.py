"""Where log lines go: to the journal with fields of their own, or to standard error.

A line carries those of the fields (labd.core.log_fields) that it is about.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Literal, TypeAlias

from labd.log_lines import LogFormat, formatter

Level: TypeAlias = Literal["auto", "error", "warning", "info", "debug"]

JOURNAL_LEVEL, STDERR_LEVEL = "info", "warning"
"""What "auto" means: the journal is for looking back, a terminal for what needs somebody."""
_STDERR = 2


def is_journal() -> bool:
    """Whether standard error is the journal's, as systemd says it is."""
    try:
        status = os.fstat(_STDERR)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM", "") == f"{status.st_dev}:{status.st_ino}"


def start_logging(
    level: Level, *, identifier: str = "labd", qc: str = "", form: LogFormat = "text"
) -> None:
    """Send this process's log to the journal, else to standard error.

    qc: the alias of the quantum computer that the whole process is for. form: on standard error.
    """
    handler: logging.Handler = logging.StreamHandler()
    handler.setFormatter(formatter(form, qc))
    if is_journal():
        with contextlib.suppress(ImportError):
            from systemd.journal import JournalHandler

            handler = JournalHandler(SYSLOG_IDENTIFIER=identifier, **({"QC": qc} if qc else {}))
            handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler])
    set_level(level)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("labd.audit_trail").setLevel(logging.INFO)  # its heads are for keeping


def set_level(level: Level) -> None:
    """From now on log lines of that level and above."""
    name = (JOURNAL_LEVEL if is_journal() else STDERR_LEVEL) if level == "auto" else level
    logging.getLogger().setLevel(name.upper())
