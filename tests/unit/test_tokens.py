from __future__ import annotations

import hashlib

import pytest

from labd.core.errors import Unauthenticated
from labd.core.tokens import RANDOM_BYTES, make_token, presented_token, token_hash

ID, TOKEN = make_token(bytes(range(RANDOM_BYTES)))


def test_a_token_shows_its_id_and_hides_256_bits() -> None:
    prefix, token_id, secret = TOKEN.split("_", 2)

    assert (prefix, token_id) == ("labd", ID)
    assert (len(token_id), len(secret)) == (8, 43)
    assert token_hash(TOKEN) == hashlib.sha256(TOKEN.encode()).digest()


@pytest.mark.parametrize("chance", [bytes(37), bytes([255] * 37), bytes(range(200, 237))])
def test_every_token_is_recognised(chance: bytes) -> None:
    _, token = make_token(chance)

    assert presented_token([token]) == token


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {}", "{}", " Bearer {} "])
def test_a_token_is_shown_with_or_without_its_scheme(form: str) -> None:
    assert presented_token([form.format(TOKEN)]) == TOKEN


@pytest.mark.parametrize("shown", [[], [""], ["", " "]])
def test_an_empty_header_shows_nothing(shown: list[str]) -> None:
    assert presented_token(shown) is None


def test_the_same_token_twice_is_one() -> None:
    assert presented_token([TOKEN, f"Bearer {TOKEN}"[7:], ""]) == TOKEN


@pytest.mark.parametrize(
    "shown",
    [
        ["Bearer"],
        ["Bearer "],
        ["Basic YTpi"],
        [f"Basic {TOKEN}"],
        ["Bearer eyJhbGciOi.J9.x"],
        [TOKEN + "x"],
        [TOKEN[:-1]],
        [TOKEN.upper()],
        [TOKEN, "Bearer labd_aaaaaaaa_" + 43 * "A"],
        ["Bearer \N{SNOWMAN}"],
    ],
)
def test_what_is_no_token_is_refused_and_never_ignored(shown: list[str]) -> None:
    with pytest.raises(Unauthenticated):
        presented_token(shown)
