"""How a line of the log is written on standard error: as text, or as one JSON object."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from labd.core.log_fields import FIELDS

LogFormat: TypeAlias = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """``{"at": ..., "level": ..., "logger": ..., "message": ...}`` and the fields that a line has.

    qc: the alias of the quantum computer that the whole process is for, or empty.
    """

    def __init__(self, qc: str) -> None:
        super().__init__()
        self._qc = qc

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the message has in it."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._qc:
            line["QC"] = self._qc
        for name in FIELDS:
            value = getattr(record, name, None)
            if value is not None:
                line[name] = str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def formatter(form: LogFormat, qc: str = "") -> logging.Formatter:
    """For a handler that writes on standard error. qc: as for JsonLines."""
    if form == "json":
        return JsonLines(qc)
    about = f" {qc}" if qc else ""
    return logging.Formatter(f"%(asctime)s{about} %(levelname)s %(name)s: %(message)s")


def use_format(form: LogFormat) -> None:
    """From now on standard error is written to like this; the journal keeps its own way."""
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:
            handler.setFormatter(formatter(form))
