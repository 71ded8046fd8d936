"""Which local account is at the other end of a TCP connection.

The kernel is asked for exactly that socket (NETLINK_SOCK_DIAG, `man 7 sock_diag`; any user may
ask); where it cannot be asked so, its table in /proc/self/net is read. Only a socket that is
established and still has an owner counts: what is left of a closed one is reported as uid 0. And
our own end must be established after the answer: then the connection was the same one all the
time, and the answer is about nobody who got the same port later.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NLMSG_ERROR = 2
_ESTABLISHED = 1
_ANY_STATE = _NO_COOKIE = 0xFFFFFFFF

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PORTS = struct.Struct(">HH")
_INTERFACE = struct.Struct("=III")
_STATE_OFFSET = _HEADER.size + 1
_PORTS_OFFSET = _HEADER.size + 4
_OWNER = struct.Struct("=II")
_OWNER_OFFSET = _HEADER.size + 4 + 48 + 12
"""In inet_diag_msg: after the four bytes, the socket's id, expires and the two queues."""

_MAPPED = bytes(10) + b"\xff\xff"


def packed_address(text: str) -> bytes:
    """4 or 16 bytes; an IPv4 address in IPv6's clothes becomes one of IPv4."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    packed = socket.inet_pton(family, text.partition("%")[0])
    return packed[12:] if packed.startswith(_MAPPED) and len(packed) == 16 else packed


class SocketOwners:
    """Asks the kernel who owns the other end."""

    def __init__(self) -> None:
        self._n_asked = 0
        try:
            self._netlink: socket.socket | None = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
            )
            self._netlink.setblocking(False)
        except OSError:
            self._netlink = None

    def close(self) -> None:
        """Ask no more. Idempotent."""
        if self._netlink is not None:
            self._netlink.close()

    def uid_behind(self, connection: socket.socket) -> int | None:
        """The account that an accepted connection comes from; None where that is not known."""
        try:
            peer, own = connection.getpeername(), connection.getsockname()
            try:
                uid = self._ask(connection.family, peer, own)
            except _CannotAsk:
                uid = _read_table(peer, own)
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return None
        return uid if state == _ESTABLISHED else None

    def _ask(
        self, family: int, peer: tuple[str, int, int, int], own: tuple[str, int, int, int]
    ) -> int | None:
        if self._netlink is None:
            raise _CannotAsk
        self._n_asked = (self._n_asked + 1) & 0x7FFFFFFF
        request = (
            _REQUEST.pack(family, socket.IPPROTO_TCP, 0, _ANY_STATE)
            + _PORTS.pack(peer[1], own[1])
            + socket.inet_pton(family, peer[0].partition("%")[0]).ljust(16, b"\0")
            + socket.inet_pton(family, own[0].partition("%")[0]).ljust(16, b"\0")
            + _INTERFACE.pack(peer[3] if len(peer) == 4 else 0, _NO_COOKIE, _NO_COOKIE)
        )
        header = _HEADER.pack(
            _HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, self._n_asked, 0
        )
        try:
            self._netlink.send(header + request)
            while True:
                answer = self._netlink.recv(4096)
                _, kind, _, number, _ = _HEADER.unpack_from(answer)
                if number == self._n_asked:
                    break
        except OSError as error:
            raise _CannotAsk from error
        if kind == _NLMSG_ERROR:
            if struct.unpack_from("=i", answer, _HEADER.size)[0] == -errno.ENOENT:
                return None
            raise _CannotAsk
        uid, inode = _OWNER.unpack_from(answer, _OWNER_OFFSET)
        is_it = (
            answer[_STATE_OFFSET] == _ESTABLISHED
            and inode != 0
            and _PORTS.unpack_from(answer, _PORTS_OFFSET) == (peer[1], own[1])
        )
        return int(uid) if is_it else None


class _CannotAsk(Exception):
    """The kernel does not answer such questions here."""


def _read_table(peer: tuple[str, int, int, int], own: tuple[str, int, int, int]) -> int | None:
    """The owner by /proc/self/net: slow where there are many sockets."""
    packed = packed_address(peer[0]), packed_address(own[0])
    forms = [("tcp6", _as_v6(packed[0]), _as_v6(packed[1]))]
    if len(packed[0]) == 4:
        forms.insert(0, ("tcp", *packed))
    for table, theirs, ours in forms:
        wanted = [f"{_words(theirs)}:{peer[1]:04X}", f"{_words(ours)}:{own[1]:04X}", "01"]
        try:
            with open(f"/proc/self/net/{table}", encoding="ascii") as lines:
                for line in lines:
                    fields = line.split()
                    if fields[1:4] == wanted and fields[9] != "0":
                        return int(fields[7])
        except OSError:
            continue
    return None


def _as_v6(packed: bytes) -> bytes:
    return packed if len(packed) == 16 else _MAPPED + packed


def _words(packed: bytes) -> str:
    """As the kernel prints an address: words of 32 bits as this machine reads them."""
    n_words = len(packed) // 4
    return "".join(f"{word:08X}" for word in struct.unpack(f"={n_words}I", packed))


def unix_peer(connection: socket.socket) -> tuple[int, int]:
    """pid and uid of the client on a unix socket."""
    size = struct.calcsize("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, uid


def new_unique() -> str:
    """A part of a name that nobody guesses."""
    return os.urandom(6).hex()
