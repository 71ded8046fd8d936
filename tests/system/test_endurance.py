"""Two hundred jobs leave nothing behind but their files; `make soak` has 20,000."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from growth import (
    ARENA_BYTES,
    POOL_THREADS,
    Bounds,
    DiskSize,
    ProcessSize,
    Sample,
    growth_of_latency,
    growth_of_processes,
    memory_slope,
)
from loud_lab import LoudLab
from soak import OURS, judge, soak_quickly

from labd.rack.worker import RackFiles, give_back_memory, open_rack

MOST_BLOCKS = 150
"""Of Python's allocator, with an opening; 435 where garbage is collected once only."""
LOOSE = Bounds(OURS, arenas=3.0, latency_ratio=20.0)
"""What is not returned to the allocator yet is much for so few jobs."""
STRICT = Bounds(("daemon",))
SIZE = ProcessSize(1, 50 << 20, 40 << 20, 30, 15)


def test_jobs_of_all_kinds_leave_descriptors_threads_and_files_as_promised(tmp_path: Path) -> None:
    leg = soak_quickly("many", tmp_path, 200, {}, n_round=40)

    judge(leg, LOOSE)

    assert leg.problems == []
    assert leg.tally.n_jobs == 200
    assert leg.tally.states.keys() == {"COMPLETED", "FAILED", "CANCELLED"}


def test_a_rack_that_was_opened_and_closed_leaves_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lab = LoudLab(tmp_path)
    files = RackFiles(lab.station, lab.station.with_name("wiring.toml"), None, 1 << 33)

    def open_and_close() -> int:
        opened = open_rack(files)
        opened.rig.make_safe()
        opened.rig.close()
        del opened
        give_back_memory()
        return sys.getallocatedblocks()

    blocks = [open_and_close() for _ in range(5)]
    lab.close()

    assert blocks[-1] - blocks[1] < 3 * MOST_BLOCKS, blocks


def samples(*sizes: ProcessSize) -> list[Sample]:
    disk = DiskSize(0, 0, 0, 0, 0)
    return [Sample(100 * n, float(n), {"daemon": size}, disk) for n, size in enumerate(sizes)]


def test_what_only_moves_about_is_flat() -> None:
    noise = [0, 1 << 17, -(1 << 17), 0, 1 << 17, 0, -(1 << 17), 0]

    steady = samples(*(replace(SIZE, resident_bytes=SIZE.resident_bytes + n) for n in noise * 4))

    assert growth_of_processes(steady, STRICT) == []


def test_an_arena_more_is_flat_and_two_are_not() -> None:
    for n_arenas in (1, 2):
        more = replace(SIZE, resident_bytes=SIZE.resident_bytes + n_arenas * ARENA_BYTES)

        found = growth_of_processes(samples(*[SIZE] * 30, *[more] * 10), STRICT)

        assert len(found) == n_arenas - 1


def test_memory_that_grows_with_every_job_is_found() -> None:
    leaking = [replace(SIZE, resident_bytes=SIZE.resident_bytes + 50_000 * n) for n in range(100)]

    (found,) = growth_of_processes(samples(*leaking), STRICT)

    assert found == "daemon: 500 bytes of memory per job"
    assert memory_slope(samples(*leaking), "daemon") == pytest.approx(500.0)


@pytest.mark.parametrize(("what", "slack"), [("n_descriptors", 0), ("n_threads", POOL_THREADS)])
def test_descriptors_and_threads_that_stay_are_found(what: str, slack: int) -> None:
    for n_more in (slack, slack + 1):
        more = replace(SIZE, **{what: getattr(SIZE, what) + n_more})

        found = growth_of_processes(samples(*[SIZE] * 9, more), STRICT)

        assert [what in each for each in found] == [True] * (n_more - slack)


def test_a_process_that_was_replaced_is_told() -> None:
    found = growth_of_processes(samples(*[SIZE] * 5, *[replace(SIZE, pid=2)] * 5), STRICT)

    assert found == ["daemon: it was replaced on the way"]


def test_jobs_that_take_ever_longer_are_found() -> None:
    assert growth_of_latency([0.01] * 3000, STRICT) == []
    assert len(growth_of_latency([0.01 + 1e-5 * n for n in range(3000)], STRICT)) == 1
