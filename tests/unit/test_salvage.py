"""What stays of a result that was not finished: what was measured, and the mask that says so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sweep_support import compiled, payload_of
from test_result_file import SWEEP_ID, Values, options, random_values

from labd.core.circuit_results import readout_map
from labd.core.compile import PulseJob
from labd.core.errors import StorageFault
from labd.core.jobs import JobId
from labd.core.partial_mask import Mask, mask_text, read_mask
from labd.rack.measurements_file import MeasurementsFile
from labd.rack.result_file import ResultFile
from labd.store.files import StateDirectory
from labd.store.salvage import salvage
from labd.wire import sweep_pb2

JOB = JobId(UUID(int=7))


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path)
    directory.results.mkdir()
    return directory


def mask_of(directory: StateDirectory, job_id: JobId = JOB) -> Mask:
    return read_mask(directory.mask_path(job_id).read_bytes())


def result_of(directory: StateDirectory) -> sweep_pb2.SweepResultsResponse:
    data = directory.partial_path(JOB).read_bytes()
    return sweep_pb2.SweepResultsResponse.FromString(data)


def write(directory: StateDirectory, job: PulseJob, blocks: list[tuple[int, int]]) -> list[Values]:
    """An unfinished result of blocks of so many shots of a spot; what was written."""
    rng, written = np.random.default_rng(1), []
    done: dict[int, int] = {}
    with ResultFile(directory.result_path(JOB), job, SWEEP_ID) as result:
        for spot, n_shots in blocks:
            values = random_values(job, n_shots, rng)
            result.write(spot, done.get(spot, 0), values)
            done[spot] = done.get(spot, 0) + n_shots
            written.append(values)
    return written


def test_the_shots_that_were_measured_are_kept_and_the_mask_says_which(
    directory: StateDirectory,
) -> None:
    job = compiled(payload_of("bell", options(1000, 1000)))
    first, second = write(directory, job, [(0, 300), (0, 200)])

    assert salvage(directory, JOB) > 0

    mask = mask_of(directory)
    assert (mask.bins_valid, mask.n_bins) == ((500,), 1000)
    assert (mask.shots_valid, mask.shots_total) == (500, 1000)
    for label, arrays in result_of(directory).results.items():
        kept = np.array(arrays.arrays[0].int64_array.items).reshape(1000, -1)
        measured = np.concatenate([first[label], second[label]])
        assert np.array_equal(kept[:500], measured.reshape(500, -1))
        assert not kept[500:].any()
    assert sorted(os.listdir(directory.results)) == [f"{JOB}.partial", f"{JOB}.partial.json"]


def test_of_a_sweep_the_whole_spots_count_and_the_last_as_far_as_it_came(
    directory: StateDirectory,
) -> None:
    job = compiled(payload_of("readout_spectroscopy_soft", options(24, 6)))
    write(directory, job, [(0, 24), (1, 10), (1, 14), (2, 11)])

    salvage(directory, JOB)

    mask = mask_of(directory)
    assert mask.bins_valid[:4] == (6, 6, 2, 0)
    assert mask.shots_valid == 24 + 24 + 8
    lengths = {
        len(array.int64_array.items)
        + len(array.float64_array.items)
        + len(array.complex128_array.real)
        for arrays in result_of(directory).results.values()
        for array in arrays.arrays
    }
    assert lengths == {6 * job.layout.labels[0].n_triggers}


@pytest.mark.parametrize("damage", ["values", "log", "head"])
def test_what_a_power_cut_took_is_not_called_valid(directory: StateDirectory, damage: str) -> None:
    job = compiled(payload_of("bell", options(1000, 1000)))
    write(directory, job, [(0, 300), (0, 200), (0, 100)])
    log, part = directory.part_log_path(JOB), directory.part_path(JOB)
    lines = log.read_bytes().splitlines(keepends=True)
    if damage == "values":
        offset = json.loads(lines[2])[4][0][0]
        with part.open("r+b") as file:
            file.seek(offset + 5)
            file.write(b"\xff\xff")
    elif damage == "log":
        log.write_bytes(b"".join(lines[:2]) + lines[2][:-9] + bytes(9) + lines[3])
    else:
        with part.open("r+b") as file:
            file.write(bytes(60))

    salvage(directory, JOB)

    valid = mask_of(directory).bins_valid
    assert valid == ((600,) if damage == "head" else (300,))
    assert result_of(directory).sweep_id == SWEEP_ID


def test_rows_of_circuits_that_were_measured_are_whole_json(directory: StateDirectory) -> None:
    readout = readout_map([("c", (("m", ("A", "B")),), ("H",)), ("d", (("k", ("A",)),), ())])
    rng = np.random.default_rng(2)
    bits = [
        {
            label: rng.integers(0, 2, (n, readout.n_triggers[label])).astype(np.uint8)
            for label in readout.n_triggers
        }
        for n in (5, 8)
    ]
    with MeasurementsFile(directory.result_path(JOB), readout, 50) as result:
        result.write(0, 0, bits[0])
        result.write(0, 5, bits[1])

    salvage(directory, JOB)

    mask = mask_of(directory)
    rows = json.loads(directory.partial_path(JOB).read_bytes())
    n_heralded = int(sum((each["H"][:, 0] == 0).sum() for each in bits))
    assert mask.rows_valid == (n_heralded, 13)
    assert (mask.shots_valid, mask.shots_total) == (13, 50)
    assert [len(rows[0]["m"]), len(rows[1]["k"])] == [n_heralded, 13]
    assert rows[1]["k"] == np.concatenate([each["A"][:, 1:2] for each in bits]).tolist()


def test_nothing_is_left_where_nothing_was_measured(directory: StateDirectory) -> None:
    job = compiled(payload_of("bell", options(10, 10)))
    write(directory, job, [])

    assert salvage(directory, JOB) == 0
    assert os.listdir(directory.results) == []
    assert salvage(directory, JobId(uuid4())) == 0


def cut_before_rename(directory: StateDirectory) -> None:
    directory.partial_path(JOB).rename(directory.part_path(JOB))


def cut_before_tidying(directory: StateDirectory) -> None:
    directory.part_log_path(JOB).write_bytes(b"{}\n")


@pytest.mark.parametrize("undo", [cut_before_rename, cut_before_tidying])
def test_a_salvage_that_was_interrupted_is_done_again(
    directory: StateDirectory, undo: Callable[[StateDirectory], None]
) -> None:
    job = compiled(payload_of("bell", options(1000, 1000)))
    write(directory, job, [(0, 300)])
    log = directory.part_log_path(JOB).read_bytes()
    salvage(directory, JOB)
    whole = directory.partial_path(JOB).read_bytes()
    directory.part_log_path(JOB).write_bytes(log)
    undo(directory)

    assert salvage(directory, JOB) > 0

    assert directory.partial_path(JOB).read_bytes() == whole
    assert mask_of(directory).bins_valid == (300,)
    assert not directory.part_log_path(JOB).exists()


def test_what_was_not_measured_of_a_large_result_takes_no_room(directory: StateDirectory) -> None:
    job = compiled(payload_of("time_trace", options(4000, 4000)))
    assert job.result_bytes > 10 << 20
    write(directory, job, [(0, 10)])
    assert directory.part_path(JOB).stat().st_blocks * 512 >= job.result_bytes

    assert salvage(directory, JOB) < 1 << 20

    assert directory.partial_path(JOB).stat().st_size == job.result_bytes


def test_a_result_that_has_no_room_is_refused_before_the_first_shot(tmp_path: Path) -> None:
    job = compiled(payload_of("bell", options(10, 10)))
    full = tmp_path / "none" / "r.bin"

    with pytest.raises(StorageFault, match="has no room on labd's disk: No such file"):
        ResultFile(full, job, SWEEP_ID)


def test_a_mask_is_read_as_it_was_written_and_nothing_else_is_one() -> None:
    mask = Mask((3, 0), 6, (), 12, 48)

    assert read_mask(mask_text(mask)) == mask
    for text in (b"", b"{}", b"[1]", b'{"bins_valid": 3}'):
        with pytest.raises(ValueError):  # noqa: PT011
            read_mask(text)
