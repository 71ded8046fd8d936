"""Whose the other end of a TCP connection is, asked of the real kernel."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from labd.front import peer
from labd.front.peer import SocketOwners

OTHER = 12345


@pytest.fixture(params=["netlink", "table"])
def owners(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SocketOwners]:
    if request.param == "table":
        monkeypatch.setattr(peer, "_NETLINK_SOCK_DIAG", 31)
    made = SocketOwners()
    yield made
    made.close()


class Ends:
    """A client and what was accepted of it. source: the client's address, where it matters."""

    def __init__(
        self, listen: str, dial: str, family: int, client_family: int, uid: int, source: str = ""
    ) -> None:
        self.listener = socket.socket(family)
        if listen == "::":
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.listener.bind((listen, 0))
        self.listener.listen()
        os.seteuid(uid)
        try:
            self.client = socket.socket(client_family)
            if source:
                self.client.bind((source, 0))
            self.client.connect((dial, self.listener.getsockname()[1]))
        finally:
            os.seteuid(os.getuid())
        self.accepted, _ = self.listener.accept()

    def close(self) -> None:
        for each in (self.client, self.accepted, self.listener):
            each.close()


V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture(
    params=[
        ("127.0.0.1", "127.0.0.1", V4, V4),
        ("::1", "::1", V6, V6),
        ("::", "127.0.0.1", V6, V4),
        ("::", "::ffff:127.0.0.1", V6, V6),
        ("127.0.0.1", "::ffff:127.0.0.1", V4, V6),
    ],
    ids=["v4", "v6", "v4-to-v6", "mapped-to-v6", "mapped-to-v4"],
)
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    uid = OTHER if os.getuid() == 0 else os.getuid()
    listen, dial, family, client_family = request.param
    made = Ends(listen, dial, family, client_family, uid)
    yield made
    made.close()


def test_the_owner_of_the_clients_socket_is_known(owners: SocketOwners, ends: Ends) -> None:
    assert owners.uid_behind(ends.accepted) == (OTHER if os.getuid() == 0 else os.getuid())


def test_what_a_closed_client_left_behind_is_nobodys(owners: SocketOwners, ends: Ends) -> None:
    ends.client.close()

    assert owners.uid_behind(ends.accepted) is None


def test_a_client_that_has_ended_sending_is_not_trusted(owners: SocketOwners, ends: Ends) -> None:
    ends.client.shutdown(socket.SHUT_WR)

    assert owners.uid_behind(ends.accepted) is None


def test_a_client_that_was_cut_off_is_nobodys(owners: SocketOwners, ends: Ends) -> None:
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    ends.client.close()

    assert owners.uid_behind(ends.accepted) is None


def test_who_got_the_port_later_is_not_taken_for_the_client(owners: SocketOwners) -> None:
    unused = "127.0.0.2"  # where nobody else is given the port meanwhile
    first = Ends("127.0.0.1", "127.0.0.1", V4, V4, os.getuid(), unused)
    port = first.client.getsockname()[1]
    first.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.client.close()
    with socket.socket() as later:
        later.bind((unused, port))
        later.connect(first.listener.getsockname())

        assert owners.uid_behind(first.accepted) is None
        accepted, _ = first.listener.accept()
        assert owners.uid_behind(accepted) == os.getuid()
        accepted.close()
    first.close()


def test_two_hundred_questions_get_their_own_answers() -> None:
    owners = SocketOwners()
    pairs = [Ends("127.0.0.1", "127.0.0.1", V4, V4, os.getuid()) for _ in range(100)]
    for each in pairs[::2]:
        each.client.close()

    answers = [owners.uid_behind(each.accepted) for each in pairs * 2]

    assert answers == [None, os.getuid()] * 100
    for each in pairs:
        each.close()
    owners.close()
