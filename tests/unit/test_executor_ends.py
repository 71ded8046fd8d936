"""Whatever a job's way ends with, its owner is told, in a sentence of sensible length."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import cast

import pytest

from labd.core.errors import InstrumentFault, OutOfMemory
from labd.core.rig import Rig
from labd.rack import executor
from labd.rack.executor import Aftermath, Bench, Tempo, execute
from labd.rack.last_settings import LastSettings
from labd.rack.messages import Failed, Faulted, FromRack, Run, Started, Unavailable
from labd.rack.preparation import Workshop

RUN = Run("j1", "/p", "/r")
LIMIT_BYTES = 3 << 30


def end_by(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> tuple[Aftermath, list[FromRack]]:
    """Execute a job that meets this before it needs a rig."""

    def prepare(*_: object) -> None:
        raise error

    said: list[FromRack] = []
    monkeypatch.setattr(executor, "prepare", prepare)
    last = LastSettings(folder / "last", b"")
    bench = Bench(
        cast("Rig", None), cast("Workshop", None), said.append, lambda: False, Tempo(), last
    )
    return execute(RUN, bench), said


def test_a_lack_of_memory_is_told_with_the_limit_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (LIMIT_BYTES, LIMIT_BYTES))

    aftermath, said = end_by(MemoryError(), monkeypatch, tmp_path)

    what = (
        "the rack process ran out of its memory of 3221225472 bytes: make the job smaller, or raise"
        " rack_memory_bytes of the quantum computer in labd.toml"
    )
    assert said == [Started("j1"), Unavailable(what), Failed("j1", what)]
    assert aftermath is Aftermath.DOUBTFUL


def test_whose_driver_was_at_work_then_is_told_and_not_blamed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, said = end_by(OutOfMemory("awg1", "starting it"), monkeypatch, tmp_path)

    assert not [one for one in said if isinstance(one, Faulted)]
    assert str(said[-1]).count("awg1, while starting it: the rack process ran out of its mem") == 1


def test_without_a_limit_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)

    _, said = end_by(MemoryError(), monkeypatch, tmp_path)

    assert "out of its memory: make the job smaller" in str(said[-1])


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt("3"), ValueError("3"), ValueError("3" * 9_000_000)]
)
def test_what_nobody_expects_leaves_the_rack_in_doubt_and_is_told_in_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException
) -> None:
    aftermath, said = end_by(error, monkeypatch, tmp_path)

    failed = said[-1]
    assert isinstance(failed, Failed)
    assert failed.error.startswith(f"internal error: {type(error).__name__}: 3")
    assert len(failed.error) < 1000
    assert aftermath is Aftermath.DOUBTFUL


def test_an_instruments_fault_is_told_before_the_jobs_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    aftermath, said = end_by(InstrumentFault("awg1", "playing", "mute"), monkeypatch, tmp_path)

    what = "awg1, while playing: mute"
    assert said[1:] == [Faulted("awg1", what), Unavailable(what), Failed("j1", what, "awg1")]
    assert aftermath is Aftermath.DOUBTFUL
