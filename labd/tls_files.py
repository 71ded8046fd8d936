"""The files of [tls], tried before anything is started with them."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

from labd.core.errors import Problem
from labd.front.tls import make_context

_OTHERS = stat.S_IRWXO | stat.S_IWGRP


def tls_problems(certificate: Path, key: Path, client_ca: Path | None) -> tuple[Problem, ...]:
    """What keeps TLS from being spoken with these files; nothing, if they are good."""
    problems = [
        Problem(f"tls.{name}", f"{file} cannot be read: {error}")
        for name, file in (("certificate", certificate), ("key", key), ("client_ca", client_ca))
        if file is not None and (error := _unreadable(file)) is not None
    ]
    if problems:
        return tuple(problems)
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & _OTHERS:
        what = f"others may get at {key} (mode {mode:04o}); chmod 600 {key}"
        problems.append(Problem("tls.key", what))
    try:
        make_context(str(certificate), str(key), "")
    except (ssl.SSLError, ValueError) as error:
        what = f"{certificate} and {key} are no certificate with its unencrypted key: {error}"
        problems.append(Problem("tls.certificate", what))
    else:
        problems += _ca_problems(certificate, key, client_ca)
    return tuple(problems)


def _ca_problems(certificate: Path, key: Path, client_ca: Path | None) -> list[Problem]:
    try:
        make_context(str(certificate), str(key), str(client_ca or ""))
    except (ssl.SSLError, ValueError) as error:
        return [Problem("tls.client_ca", f"{client_ca} holds no certificates: {error}")]
    return []


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)
