"""The chain: whatever is done to a line, it is found, and found first."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.audit import (
    EMPTY,
    MAX_TEXT,
    NO_HASH,
    AuditEntry,
    AuditLine,
    Head,
    JsonScalar,
    line_hash,
    seal,
    verify,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars: st.SearchStrategy[JsonScalar] = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts
)
entries = st.builds(
    AuditEntry,
    user=texts,
    credential=texts,
    origin=texts,
    action=st.sampled_from(("job.submit", "job.cancel", "user.put")),
    object=texts,
    details=st.dictionaries(texts, scalars, max_size=3),
)


@st.composite
def chains(draw: st.DrawFn, at_least: int = 0) -> tuple[AuditLine, ...]:
    """Lines of several transactions."""
    lines: tuple[AuditLine, ...] = ()
    for group in draw(st.lists(st.lists(entries, min_size=1, max_size=3), max_size=4)):
        lines += seal(group, head_of(lines), draw(st.integers(0, 2**62)))
    if len(lines) < at_least:
        lines += seal(draw(st.lists(entries, min_size=3, max_size=3)), head_of(lines), 7)
    return lines


def head_of(lines: tuple[AuditLine, ...]) -> Head:
    return Head(lines[-1].number, lines[-1].hash) if lines else EMPTY


ENTRY = AuditEntry("alice", "uid 1000", "unix, pid 7", "job.submit", "id", {"b": 1, "a": "ü"})


@given(chains())
def test_what_was_written_is_verified(lines: tuple[AuditLine, ...]) -> None:
    assert verify(lines) is None


@given(chains(at_least=2), st.data())
def test_a_part_of_the_chain_is_verified_from_its_head(
    lines: tuple[AuditLine, ...], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(lines)))

    assert verify(lines[cut:], head_of(lines[:cut])) is None


@given(chains(at_least=1), st.data())
def test_a_changed_field_is_found_in_its_line(
    lines: tuple[AuditLine, ...], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    name = data.draw(
        st.sampled_from(("user", "credential", "origin", "action", "object", "details"))
    )
    old: str = getattr(lines[at], name)
    new = data.draw(texts.filter(lambda text: text != old))
    changed = replace(lines[at], **{name: new})  # type: ignore[arg-type]

    bad = verify((*lines[:at], changed, *lines[at + 1 :]))

    assert bad is not None
    assert bad.number == lines[at].number


@given(chains(at_least=1), st.data())
def test_a_changed_time_is_found(lines: tuple[AuditLine, ...], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = replace(lines[at], at_ns=lines[at].at_ns + data.draw(st.integers(1, 10**18)))

    bad = verify((*lines[:at], changed, *lines[at + 1 :]))

    assert bad is not None
    assert bad.number == lines[at].number


@given(chains(at_least=2), st.data())
def test_a_line_sealed_anew_is_found_by_the_next(
    lines: tuple[AuditLine, ...], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 2))
    forged = replace(lines[at], user=lines[at].user + "!")
    forged = replace(forged, hash=line_hash(forged))

    bad = verify((*lines[:at], forged, *lines[at + 1 :]))

    assert bad is not None
    assert bad.number == lines[at].number + 1


@given(chains(at_least=2), st.data())
def test_a_removed_line_is_found(lines: tuple[AuditLine, ...], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 2))

    bad = verify(lines[:at] + lines[at + 1 :])

    assert bad is not None
    assert bad.number == lines[at].number


@given(chains(at_least=1), entries, st.data())
def test_an_inserted_line_is_found(
    lines: tuple[AuditLine, ...], entry: AuditEntry, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    inserted = seal((entry,), head_of(lines[:at]), 7)

    bad = verify(lines[:at] + inserted + lines[at:])

    assert bad is not None
    assert bad.number == lines[at].number + 1


@given(chains(at_least=2), st.data())
def test_lines_that_changed_places_are_found(
    lines: tuple[AuditLine, ...], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 2))
    swapped = [*lines]
    swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]

    bad = verify(swapped)

    assert bad is not None
    assert bad.number == lines[at].number


@given(chains(at_least=1), st.data())
def test_a_shortened_chain_no_longer_ends_at_its_head(
    lines: tuple[AuditLine, ...], data: st.DataObject
) -> None:
    kept = lines[: data.draw(st.integers(0, len(lines) - 1))]

    assert verify(kept) is None
    assert head_of(kept) != head_of(lines)


@given(texts, texts)
def test_text_moved_from_one_field_to_the_next_is_another_line(first: str, second: str) -> None:
    (line,) = seal((replace(ENTRY, user=first + "x", credential=second),), EMPTY, 7)

    moved = replace(line, user=first, credential="x" + second)

    assert line_hash(moved) != line.hash


def test_the_hash_is_the_one_that_the_manual_tells_how_to_compute() -> None:
    (line,) = seal((ENTRY,), EMPTY, 1_700_000_000_000_000_000)

    by_hand = hashlib.sha256(
        bytes(32)
        + b"1:1,19:1700000000000000000,5:alice,8:uid 1000,11:unix, pid 7,10:job.submit,2:id,"
        + b'23:{"a": "\\u00fc", "b": 1},'
    ).digest()

    assert line.previous_hash == NO_HASH
    assert line.hash == by_hand


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ({"run_s": float("inf")}, '{"run_s": "inf"}'),
        ({"note": "x" * (MAX_TEXT + 1)}, f'{{"note": "{"x" * (MAX_TEXT - 4)} ..."}}'),
        ({"note": "\ud800"}, '{"note": "?"}'),
    ],
)
def test_what_a_line_cannot_hold_is_made_to_fit(details: dict[str, JsonScalar], text: str) -> None:
    (line,) = seal((replace(ENTRY, details=details),), EMPTY, 7)

    assert line.details == text
    assert verify((line,)) is None
