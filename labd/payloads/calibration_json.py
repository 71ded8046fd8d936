"""Calibration sets as JSON text: read with every mistake in it, written as they are stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from labd.core.errors import Problem
from labd.core.observations import Components, Document, Observations, read_document
from labd.core.station_description import Json

MAX_BYTES = 4 * 1024 * 1024
"""Of a set's document; a set of a hundred qubits has less than one."""


def read_calibration(
    data: bytes, components: Components | None
) -> tuple[Document, tuple[Problem, ...]]:
    """A document, and every mistake in it; it is of use only when there is none.

    components: those of the station; None: names are not checked.
    """
    if len(data) > MAX_BYTES:
        what = f"{len(data)} bytes are more than {MAX_BYTES}"
        return Document(None, {}), (Problem("", what),)
    twice: list[str] = []

    def pairs(members: list[tuple[str, Json]]) -> dict[str, Json]:
        found = dict(members)
        if len(found) < len(members):
            seen: set[str] = set()
            for key, _ in members:
                if key in seen:
                    twice.append(key)
                seen.add(key)
        return found

    try:
        document: Json = json.loads(data, object_pairs_hook=pairs)
    except (UnicodeDecodeError, ValueError) as error:
        return Document(None, {}), (Problem("", f"this is no JSON: {error}"),)
    except RecursionError:
        return Document(None, {}), (Problem("", "this JSON is nested too deeply"),)
    read, problems = read_document(document, components)
    found = (*(Problem(key, "stands there twice") for key in twice), *problems)
    return read, tuple(Problem(_sendable(each.where), _sendable(each.what)) for each in found)


def _sendable(text: str) -> str:
    """JSON can name half a character, which no other text can hold."""
    return text.encode(errors="replace").decode()


def write_observations(observations: Observations) -> str:
    """Observations as they are stored: the text of a JSON object, every member as given."""
    return json.dumps(observations)


def stored_observations(text: str) -> Observations:
    """Observations from the store."""
    return cast("Mapping[str, Mapping[str, Json]]", json.loads(text))
