"""The tables [[notify]] of labd.toml: who is told, of what, and how; all mistakes at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from labd.core.errors import Problem
from labd.core.notices import Topic
from labd.station_file import unsafe_permissions

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]


class NotifyTable(BaseModel):
    """One table, as people write it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: Name
    on: Annotated[list[Topic], Field(min_length=1)]
    command: list[str] = []
    webhook: str = ""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    retries: Annotated[int, Field(ge=0, le=10)] = 3
    most_per_minute: Annotated[float, Field(gt=0, le=600)] = 12.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a POST goes. path: with the query."""

    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def authority(self) -> str:
        """As in the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments; no shell looks at them."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotifyTarget:
    """Who is told. retries: attempts after the first. most_per_minute: deliveries."""

    name: str
    on: frozenset[Topic]
    how: Webhook | Command
    timeout_s: float
    retries: int
    most_per_minute: float


def notify_targets(
    tables: Sequence[NotifyTable], base: Path
) -> tuple[tuple[NotifyTarget, ...], tuple[Problem, ...]]:
    """The targets without mistakes, and the mistakes of the others. base: of relative paths."""
    targets: dict[str, NotifyTarget] = {}
    problems: list[Problem] = []
    for number, table in enumerate(tables):
        where = f"notify.{number}"
        found = list(_either(where, table))
        if table.name in targets:
            found.append(Problem(f"{where}.name", f"there is another {table.name}"))
        how: Webhook | Command | None = None
        if table.command and not table.webhook:
            how = _command(where, table.command, base, found)
        elif table.webhook and not table.command:
            how = _webhook(where, table.webhook, found)
        problems += found
        if how is not None and not found:
            targets[table.name] = NotifyTarget(
                table.name,
                frozenset(table.on),
                how,
                table.timeout_s,
                table.retries,
                table.most_per_minute,
            )
    return tuple(targets.values()), tuple(problems)


def _either(where: str, table: NotifyTable) -> list[Problem]:
    if bool(table.command) == bool(table.webhook):
        what = "both command and webhook" if table.command else "neither command nor webhook"
        return [Problem(where, f"it has {what}; a table has one of them")]
    return []


def _command(where: str, words: list[str], base: Path, found: list[Problem]) -> Command | None:
    """A file that exists, can be run, and is not for everybody to change."""
    place = f"{where}.command"
    if any("\0" in word for word in words):
        found.append(Problem(place, "a word has a NUL in it"))
        return None
    if "/" not in words[0]:
        what = f"{words[0]!r} is not looked for in PATH; write the program's path"
        found.append(Problem(place, what))
        return None
    path = (base / words[0]).absolute()
    if not path.is_file():
        found.append(Problem(place, f"there is no program {path}"))
        return None
    if not os.access(path, os.X_OK):
        found.append(Problem(place, f"{path} is not executable; chmod +x it"))
    unsafe = unsafe_permissions(path)
    if unsafe is not None:
        found.append(Problem(place, f"{path} {unsafe.what}"))
    return Command((str(path), *words[1:]))


def _webhook(where: str, url: str, found: list[Problem]) -> Webhook | None:
    """An http or https URL that names a host, and nothing that surprises."""
    place = f"{where}.webhook"
    if not url.isascii() or not url.isprintable() or " " in url:
        found.append(Problem(place, "a URL is printable ASCII without spaces"))
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        found.append(Problem(place, str(error)))
        return None
    wrong = _wrong_with(parts)
    found += [Problem(place, what) for what in wrong]
    if wrong or parts.hostname is None:
        return None
    is_tls = parts.scheme == "https"
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return Webhook(parts.hostname, port or (443 if is_tls else 80), path, is_tls)


def _wrong_with(parts: SplitResult) -> list[str]:
    wrong = []
    if parts.scheme not in ("http", "https"):
        wrong.append(f"{parts.scheme or 'no scheme'}: only https and http are spoken")
    if not parts.hostname:
        wrong.append("it names no host")
    if parts.username is not None or parts.password is not None:
        wrong.append("a name and a password do not belong into a URL; use one with a token")
    if parts.fragment:
        wrong.append(f"a server never sees what stands behind '#' ({parts.fragment})")
    return wrong
