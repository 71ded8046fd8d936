"""The abstract name of the front's end of a relay: who is behind it, written and read here.

``labd/u/<uid>/<pid>/<unique>`` for the unix socket (SO_PEERCRED);
``labd/t/<address>/<port>/<uid>/<certificate>/<unique>`` for TCP, with the address in hexadecimal
and ``-`` for what is not known. A unix address holds 107 bytes; the longest name has 103. The
unique part is random: abstract names are the whole machine's, and nobody shall take one before us.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

NAMES_NOBODY = "?"
"""A certificate that was verified and whose common name is no user's name."""

_NAME = re.compile(
    r"labd/(?:u/(?P<unix_uid>\d+)/(?P<pid>\d+)"
    r"|t/(?P<address>[0-9a-f]{8}|[0-9a-f]{32})/(?P<port>\d+)/(?P<uid>\d+|-)"
    r"/(?P<certificate>[a-z0-9._-]+|\?))"
    r"/(?P<unique>[0-9a-f]+)"
)


class Peer(NamedTuple):
    """Who is behind a connection.

    unique: the connection's own key. uid: of the local account, None where it is not known. origin:
    where from, as people write it. certificate: the user that a client certificate names,
    NAMES_NOBODY, or "" where none was shown.
    """

    unique: str
    uid: int | None
    origin: str
    certificate: str = ""


def unix_name(uid: int, pid: int, certificate: str, unique: str) -> str:
    """The name for somebody on the unix socket, where nobody shows a certificate."""
    del certificate
    return f"\0labd/u/{uid}/{pid}/{unique}"


def tcp_name(address: bytes, port: int, uid: int | None, certificate: str, unique: str) -> str:
    """The name for somebody on TCP. address: 4 or 16 bytes."""
    who = "-" if uid is None else uid
    return f"\0labd/t/{address.hex()}/{port}/{who}/{certificate or '-'}/{unique}"


def peer_of(name: str) -> Peer | None:
    """Reads a name, with or without its leading NUL; None for one that no front has written."""
    found = _NAME.fullmatch(name.lstrip("\0"))
    if found is None:
        return None
    if found["unix_uid"] is not None:
        return Peer(found["unique"], int(found["unix_uid"]), f"unix, pid {found['pid']}")
    uid = None if found["uid"] == "-" else int(found["uid"])
    certificate = "" if found["certificate"] == "-" else found["certificate"]
    return Peer(found["unique"], uid, _origin(found["address"], found["port"]), certificate)


def _origin(address: str, port: str) -> str:
    packed = bytes.fromhex(address)
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"
