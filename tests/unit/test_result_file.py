"""The file that is streamed: the right bytes at the right places, and never half a result."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sweep_support import PAYLOADS, READOUT, Edit, compiled, payload_of

from labd.core.compile import PulseJob
from labd.core.demod import Demodulator, LabelValues
from labd.core.program import Records
from labd.rack.result_file import ResultFile
from labd.wire import data_pb2, sweep_pb2

SWEEP_ID = "5c1e5000-0000-4000-8000-0000000000b1"
JOBS = sorted(
    path.name.split(".")[0]
    for path in PAYLOADS.glob("*.sweep.bin")
    if not path.name.startswith("reset")
)


Values = Mapping[str, LabelValues]


def options(repeats: int, bins: int) -> Edit:
    def edit(request: sweep_pb2.SweepRequest) -> None:
        settings = request.settings.subnodes["options"].settings
        settings["playlist_repeats"].value.sint64_value = repeats
        settings["averaging_bins"].value.sint64_value = bins

    return edit


def random_values(job: PulseJob, n_shots: int, rng: np.random.Generator) -> Values:
    """Values as a demodulator gives them, from noise, by label."""
    program = job.program
    shape = (n_shots, program.n_triggers, program.record_samples, 2)
    samples = rng.normal(0.0, 1.0, shape).astype(np.float32).view(np.complex64)[..., 0]
    return Demodulator(job).values(Records(n_shots, {READOUT: samples}))


def expected_message(job: PulseJob, per_spot: Sequence[Values]) -> sweep_pb2.SweepResultsResponse:
    response = sweep_pb2.SweepResultsResponse(sweep_id=SWEEP_ID)
    for label in job.layout.labels:
        for values in per_spot:
            each: npt.NDArray[np.generic] = values[label.label]
            if job.n_bins < job.n_shots:
                shape = (job.n_bins, job.n_shots // job.n_bins, *each.shape[1:])
                each = each.astype(complex).reshape(shape).mean(axis=1)
            flat = each.reshape(-1)
            array = response.results[label.label].arrays.add(shape=[flat.size])
            if label.kind.name == "BIT":
                array.int64_array.items.extend(flat.tolist())
            elif label.kind.name == "MEAN_OF_BITS":
                array.float64_array.items.extend(flat.real.tolist())
            else:
                array.complex128_array.real.extend(flat.real.astype(float).tolist())
                array.complex128_array.imag.extend(flat.imag.astype(float).tolist())
    return response


def write_in_blocks(
    path: Path, job: PulseJob, per_spot: Sequence[Values], sizes: Sequence[int]
) -> None:
    with ResultFile(path, job, SWEEP_ID) as result:
        for spot, values in enumerate(per_spot):
            done = 0
            for size in sizes:
                block = {label: each[done : done + size] for label, each in values.items()}
                result.write(spot, done, block)
                done += size
        result.finish()


@pytest.mark.parametrize("name", JOBS)
def test_single_shots_are_protobufs_own_bytes(tmp_path: Path, name: str) -> None:
    job = compiled(payload_of(name, options(12, 12)))
    rng = np.random.default_rng(1)
    per_spot = [random_values(job, 12, rng) for _ in job.spots]

    write_in_blocks(tmp_path / "r.bin", job, per_spot, [5, 1, 6])

    data = (tmp_path / "r.bin").read_bytes()
    assert data == expected_message(job, per_spot).SerializeToString(deterministic=True)
    assert len(data) == job.result_bytes


@pytest.mark.parametrize("sizes", [[24], [1] * 24, [5, 7, 1, 11], [4, 4, 16], [3, 21]])
@pytest.mark.parametrize("bins", [1, 3, 6, 12])
@pytest.mark.parametrize("name", ["time_trace", "readout_spectroscopy_soft"])
def test_bins_are_means_of_consecutive_shots_however_the_blocks_fall(
    tmp_path: Path, name: str, bins: int, sizes: Sequence[int]
) -> None:
    job = compiled(payload_of(name, options(24, bins)))
    rng = np.random.default_rng(2)
    per_spot = [random_values(job, 24, rng) for _ in job.spots]

    write_in_blocks(tmp_path / "r.bin", job, per_spot, sizes)

    found = sweep_pb2.SweepResultsResponse.FromString((tmp_path / "r.bin").read_bytes())
    wanted = expected_message(job, per_spot)
    assert set(found.results) == set(wanted.results)
    for label, arrays in wanted.results.items():
        for mine, theirs in zip(found.results[label].arrays, arrays.arrays, strict=True):
            assert mine.shape == theirs.shape
            np.testing.assert_allclose(numbers(mine), numbers(theirs), rtol=1e-6, atol=1e-7)


def numbers(array: data_pb2.Array) -> npt.NDArray[np.complex128] | npt.NDArray[np.float64]:
    if array.HasField("complex128_array"):
        return np.array(array.complex128_array.real) + 1j * np.array(array.complex128_array.imag)
    return np.array(array.float64_array.items)


def test_many_spots_have_all_their_headers(tmp_path: Path) -> None:
    def sweep(request: sweep_pb2.SweepRequest) -> None:
        values = request.sweeps.parallel_sweeps[0].single_parameter_sweeps[0].values
        values.float64_array.items[:] = np.linspace(4.0e9, 5.0e9, 7000).tolist()

    job = compiled(payload_of("readout_spectroscopy_soft", options(40, 40), sweep))
    assert job.layout.n_spots == 21_000
    values = random_values(job, 40, np.random.default_rng(4))
    per_spot = [values] * job.layout.n_spots

    write_in_blocks(tmp_path / "r.bin", job, per_spot, [40])

    found = sweep_pb2.SweepResultsResponse.FromString((tmp_path / "r.bin").read_bytes())
    assert {len(arrays.arrays) for arrays in found.results.values()} == {21_000}
    last = found.results["QB5__m1"].arrays[-1].int64_array.items
    assert list(last) == values["QB5__m1"].reshape(-1).tolist()


def test_an_unfinished_result_stays_beside_its_name(tmp_path: Path) -> None:
    job = compiled(payload_of("bell", options(10, 10)))
    path = tmp_path / "r.bin"

    with ResultFile(path, job, SWEEP_ID) as result:
        result.write(0, 0, random_values(job, 4, np.random.default_rng(0)))
        with pytest.raises(ValueError, match="spot 0 has 4 of 10 shots"):
            result.finish()

    assert not path.exists()
    assert sorted(os.listdir(tmp_path)) == ["r.bin.part", "r.bin.part-log"]
    assert (tmp_path / "r.bin.part").stat().st_size == job.result_bytes
    result.abort()


def test_blocks_out_of_order_or_of_another_job_are_refused(tmp_path: Path) -> None:
    job = compiled(payload_of("bell", options(10, 10)))
    values = random_values(job, 4, np.random.default_rng(0))

    with ResultFile(tmp_path / "r.bin", job, SWEEP_ID) as result:
        with pytest.raises(ValueError, match="shot 2 after 0 shots"):
            result.write(0, 2, values)
        with pytest.raises(ValueError, match="labels"):
            result.write(0, 0, {"QB1__m1": values["QB1__m1"]})
        result.write(0, 0, values)
        result.write(0, 4, values)
        with pytest.raises(ValueError, match="4 shots from 8 do not fit"):
            result.write(0, 8, values)
