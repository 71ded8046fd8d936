"""Where a labd server is: a URL as IQM's clients take it, or the path of its unix socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Tls:
    """What https needs beyond the system's certificates, each in PEM.

    ca: who may have signed the server's certificate. certificate, key: who the caller is.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """target: gRPC target. alias: quantum computer, empty if the address names none."""

    target: str
    alias: str
    is_secure: bool
    use_timeslot: bool

    @classmethod
    def parse(cls, url: str, alias: str = "") -> Address:
        """Read ``http(s)://host[:port]/alias[:timeslot]`` or ``unix:/path/to/labd.sock``.

        alias: overrides the URL's. Raises ValueError with the form that was expected.
        """
        if url.startswith("unix:"):
            return cls(url, alias, is_secure=False, use_timeslot=False)
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError(
                f"{url!r} is not an address of labd; "
                "expected http://host:port/alias or unix:/path/to/labd.sock"
            )
        name, _, suffix = parts.path.rstrip("/").rpartition("/")[2].partition(":")
        if suffix not in ("", "timeslot"):
            raise ValueError(f"{url!r}: only ':timeslot' may follow the alias, not ':{suffix}'")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return cls(
            target=f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}",
            alias=alias or name,
            is_secure=parts.scheme == "https",
            use_timeslot=bool(suffix),
        )
