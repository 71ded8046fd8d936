"""Where labctl's verbs go: the server, credentials, and what is said when it refuses."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    from datetime import tzinfo

    from labd.client import Client, ClientError, Tls

DEFAULT_URL = "http://localhost:50051/star5"
_NOBODY = "nobody answers at {url}; is labd running? (--url or LABD_URL chooses)"
_NO_CONNECTION = {
    "connection refused": _NOBODY,
    "no such file": _NOBODY,
    "permission denied": "you may not open {url}: ask who runs labd for access to that socket",
    "lookup": "no machine is called {host}; is that a mistake in --url or LABD_URL?",
    "wrong_version_number": "{url} speaks no TLS; use http://",
    "certificate_verify_failed": "the certificate of {url} is signed by nobody that this machine"
    " trusts; --ca names the certificate of your lab's authority",
    "hostname verification": "the certificate that {url} shows is not {host}'s; use the name that"
    " is in it",
}
"""What words of grpc's mean; the first that are there count."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Refused(click.ClickException):
    """One line on stderr and exit code 1; with --json a JSON object."""

    exit_code = 1

    def show(self, file: IO[str] | None = None) -> None:
        """Print the sentence; nothing where stdout has said it all."""
        if self.message:
            click.echo(self.message, file=file, err=True)


def default_token_file() -> Path:
    """Where a token is kept unless somebody says otherwise."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "labd" / "token"


class Target:
    """A server and how to get in. zone_name: of times, None is the computer's own."""

    def __init__(
        self,
        url: str,
        *,
        alias: str,
        token: str | None,
        token_file: Path,
        ca: Path | None,
        certificate: Path | None,
        key: Path | None,
        zone_name: str | None,
    ) -> None:
        self.url, self.alias, self.token_file = url, alias, token_file
        self._token = token
        self._ca, self._certificate, self._key = ca, certificate, key
        self._zone_name = zone_name

    @contextmanager
    def connected(self, *, as_json: bool = False, timeout_s: float = 60.0) -> Iterator[Client]:
        """A client; what it is refused becomes the command's error."""
        from labd.client import Client, ClientError, JobNotCompleted, WaitTimeout

        token, source = self._credentials()
        try:
            client = Client(
                self.url, alias=self.alias, token=token, tls=self._tls(), timeout_s=timeout_s
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        try:
            with client:
                yield client
        except ClientError as error:
            raise self._refusal(error, source, as_json) from error
        except (JobNotCompleted, WaitTimeout) as error:
            raise Refused(json.dumps({"error": str(error)}) if as_json else str(error)) from error

    @cached_property
    def zone(self) -> tzinfo:
        """The zone in which times are typed and printed."""
        from labd.cli.times import BadTime, machine_zone, zone_named

        try:
            return zone_named(self._zone_name) if self._zone_name else machine_zone()
        except BadTime as error:
            raise click.UsageError(str(error)) from error

    def _credentials(self) -> tuple[str | None, str]:
        """The token, and where it comes from; both empty where there is none."""
        token, source = self._token, "--token or LABD_TOKEN"
        if not token:
            token, source = _read_token(self.token_file), str(self.token_file)
        if not token:
            return None, ""
        host = urlsplit(self.url).hostname
        if self.url.startswith("http:") and host not in _LOOPBACK:
            raise Refused(
                f"the token from {source} is not sent to {host} without TLS, where others can read"
                " it: use https://, or ssh -L 50051:localhost:50051 and the URL http://localhost:…"
            )
        return token, source

    def _tls(self) -> Tls:
        from labd.client import Tls

        if (self._certificate is None) != (self._key is None):
            raise click.UsageError("--certificate and --key go together")
        ca, certificate, key = (
            None if path is None else path.read_bytes()
            for path in (self._ca, self._certificate, self._key)
        )
        return Tls(ca, certificate, key)

    def _refusal(self, error: ClientError, token_source: str, as_json: bool) -> Refused:
        """What the server (or its absence) says, one line a mistake."""
        sentence, hint = self._sentence(error), self._hint(error, token_source)
        if as_json:
            facts = {"error": sentence, "code": error.code, "error_code": error.error_code}
            return Refused(json.dumps(facts | {"problems": list(error.problems), "hint": hint}))
        if len(error.problems) > 1:
            head = f"{error.error_code or 'refused'}, {len(error.problems)} mistakes:"
            return Refused("\n  ".join([head, *error.problems]))
        return Refused(f"{sentence} ({hint})" if hint else sentence)

    def _sentence(self, error: ClientError) -> str:
        if error.error_code:
            return str(error)
        match error.code:
            case "UNAVAILABLE":
                return self._unreachable(str(error))
            case "DEADLINE_EXCEEDED":
                return f"labd at {self.url} did not answer in time; it may be busy: try again"
            case "UNKNOWN" | "INTERNAL":
                return f"labd failed inside: {error}; its log says where. Look before you try again"
            case "UNIMPLEMENTED":
                return f"the labd at {self.url} does not know this verb: it is older than labctl"
            case _:
                return str(error)

    def _unreachable(self, detail: str) -> str:
        """What grpc says of a connection that does not come about, for people."""
        for words, sentence in _NO_CONNECTION.items():
            if words in detail.lower():
                return sentence.format(url=self.url, host=urlsplit(self.url).hostname)
        return (
            f"{self.url} ends the connection; is it labd's, and right about http and https? Is your"
            " certificate signed by the lab's authority?"
        )

    def _hint(self, error: ClientError, token_source: str) -> str:
        """What to do, where the server's sentence does not say it in labctl's words."""
        match error.error_code:
            case "unauthenticated" if token_source:
                return f"the token came from {token_source}"
            case "unauthenticated":
                return f"labctl found none in --token, LABD_TOKEN and {self.token_file}"
            case "permission_denied":
                return "`labctl whoami` says who you are here"
            case "quota_exceeded":
                return "`labctl limits show` lists your limits"
            case "no_booked_timeslots":
                return "`labctl slots list` shows what is booked"
            case "not_found" if str(error).startswith("job "):
                return "`labctl list` shows the jobs that you may see"
            case _:
                return ""


def ask(question: str, yes: bool) -> None:
    """Ask before what cannot be undone, where somebody is there to answer.

    Raises Refused unless he says yes.
    """
    if yes or not sys.stdin.isatty():
        return
    if not click.confirm(question, default=False, err=True):
        raise Refused("nothing was done")


def _read_token(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            token = file.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the token file {path} cannot be read: {error}") from error
    if mode & 0o077:
        raise Refused(
            f"the token file {path} can be read by others (mode {mode:04o}): chmod 600 {path}, and"
            " have the token revoked if somebody may have seen it"
        )
    return token or None
