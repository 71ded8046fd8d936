"""Where a server is, as people write it."""

from __future__ import annotations

import pytest

from labd.client.address import Address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:50051/star5", Address("localhost:50051", "star5", False, False)),
        ("http://localhost:50051/star5/", Address("localhost:50051", "star5", False, False)),
        ("http://lab.example/a/b/star5", Address("lab.example:80", "star5", False, False)),
        ("https://lab.example/star5", Address("lab.example:443", "star5", True, False)),
        ("http://[::1]:50051/star5:timeslot", Address("[::1]:50051", "star5", False, True)),
        ("unix:/run/labd/labd.sock", Address("unix:/run/labd/labd.sock", "", False, False)),
    ],
)
def test_an_address_names_target_and_quantum_computer(url: str, expected: Address) -> None:
    assert Address.parse(url) == expected


def test_the_given_alias_overrides_that_of_the_url() -> None:
    assert Address.parse("http://localhost:50051/star5", "other").alias == "other"


@pytest.mark.parametrize("url", ["localhost:50051/star5", "ftp://x/star5", "http:///star5", ""])
def test_what_is_no_address_is_refused_with_the_form_expected(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://host:port/alias"):
        Address.parse(url)


def test_only_a_timeslot_may_follow_the_alias() -> None:
    with pytest.raises(ValueError, match="':timeslot'"):
        Address.parse("http://localhost:50051/star5:soon")
