"""Start fast: whoever makes outputs safe is waited for by them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_numpy() -> Iterator[None]:
    """pyvisa, imported in here, does without numpy: half its start, two thirds of its memory."""
    had = sys.modules.get("numpy")
    sys.modules["numpy"] = had  # type: ignore[assignment]
    try:
        yield
    finally:
        if had is None:
            del sys.modules["numpy"]
