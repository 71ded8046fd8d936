from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.errors import InvalidArgument
from labd.core.idempotency import check_key, request_hash
from labd.core.tags import MAX_TAG_CHARACTERS, MAX_TAGS, clean_tags


def test_tags_are_trimmed_composed_sorted_and_each_there_once() -> None:
    assert clean_tags(["  t1", "Zu\u0308rich", "t1 ", "Z\u00fcrich"]) == ("Z\u00fcrich", "t1")


@pytest.mark.parametrize(
    ("tags", "culprit"),
    [
        ([""], "empty"),
        ([" \t"], "empty"),
        (["x" * (MAX_TAG_CHARACTERS + 1)], "65 characters"),
        (["a\x00b"], "printed"),
        ([str(number) for number in range(MAX_TAGS + 1)], "17 are more than the 16"),
    ],
)
def test_a_refusal_says_what_is_wrong(tags: list[str], culprit: str) -> None:
    with pytest.raises(InvalidArgument, match=culprit):
        clean_tags(tags)


@given(st.lists(st.text(max_size=70), max_size=20))
def test_what_is_clean_stays_as_it_is(tags: list[str]) -> None:
    try:
        cleaned = clean_tags(tags)
    except InvalidArgument:
        return

    assert clean_tags(cleaned) == cleaned


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb"])
def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidArgument):
        check_key(key)


def test_requests_that_differ_in_where_a_part_ends_have_other_hashes() -> None:
    assert request_hash([b"ab", b"c"]) != request_hash([b"a", b"bc"])
    assert request_hash([b"ab", b"c"]) == request_hash([b"ab", b"c"])
