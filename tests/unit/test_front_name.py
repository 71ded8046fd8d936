from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.names import USER_NAME
from labd.front.name import NAMES_NOBODY, Peer, peer_of, tcp_name, unix_name
from labd.front.peer import new_unique, packed_address

MOST_BYTES = 107
NAMES = st.from_regex(USER_NAME, fullmatch=True)
UIDS = st.none() | st.integers(0, 2**32 - 1)


@given(
    address=st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    port=st.integers(1, 65535),
    uid=UIDS,
    certificate=st.just("") | st.just(NAMES_NOBODY) | NAMES,
)
def test_a_tcp_name_fits_and_is_read_as_written(
    address: bytes, port: int, uid: int | None, certificate: str
) -> None:
    unique = new_unique()

    name = tcp_name(address, port, uid, certificate, unique)
    peer = peer_of(name)

    assert len(name.encode()) <= MOST_BYTES
    assert peer is not None
    assert (peer.unique, peer.uid, peer.certificate) == (unique, uid, certificate)
    assert peer.origin.endswith(f":{port}")


def test_origins_are_written_as_people_know_them() -> None:
    name = tcp_name(packed_address("127.0.0.1"), 5, 7, "", "aa")
    longer = tcp_name(packed_address("fe80::1%lo"), 5, None, "alice", "bb")

    assert peer_of(name) == Peer("aa", 7, "127.0.0.1:5")
    assert peer_of(longer) == Peer("bb", None, "[fe80::1]:5", "alice")
    assert peer_of(unix_name(7, 4711, "", "cc")) == Peer("cc", 7, "unix, pid 4711")


def test_an_ipv4_address_is_one_in_either_family() -> None:
    assert packed_address("::ffff:10.0.0.1") == packed_address("10.0.0.1") == bytes([10, 0, 0, 1])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "\0labd/u/0/1",
        "\0labd/u/0/1/zz",
        "\0labd/u/-1/1/aa",
        "x\0labd/u/0/1/aa",
        "\0labd/u/0/1/aa/bb",
        "\0labd/t/7f0001/5/0/-/aa",
        "\0labd/t/7f000001/5/0/Alice/aa",
        "\0labd/t/7f000001/5//-/aa",
    ],
)
def test_a_name_of_nobodys_is_nobody(name: str) -> None:
    assert peer_of(name) is None
