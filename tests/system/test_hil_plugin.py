"""The pytest plugin from an installed wheel, in an empty directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from quick_lab import QuickLab, payload

from labd.client import Client

ROOT = Path(__file__).parents[2]
HEAVY = ("grpc", "google.protobuf", "numpy", "labd.client", "qcodes", "click")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed."""
    folder, site = tmp_path_factory.mktemp("dist"), tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir"]
    subprocess.run([*command, str(folder), str(ROOT)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    """A labd whose rack is quick and does not measure."""
    with QuickLab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


def run_pytest(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LABD_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        env={**kept, "PYTHONPATH": str(site), "OPENBLAS_NUM_THREADS": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def write(folder: Path, text: str) -> None:
    (folder / "test_it.py").write_text("import pytest\n" + text)


def test_the_example_bench_passes_on_the_simulated_rack(site: Path, tmp_path: Path) -> None:
    done = run_pytest(
        site, tmp_path, "--pyargs", "labd.hil.example", "--labd-station", "config/star5", "-rs"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert "labd: config/star5" in done.stdout


def test_without_its_options_nothing_heavy_is_loaded_and_its_tests_are_skipped(
    site: Path, tmp_path: Path
) -> None:
    write(
        tmp_path,
        "import sys\n"
        "def test_light():\n"
        f"    assert [name for name in {HEAVY!r} if name in sys.modules] == []\n"
        "def test_needs_a_labd(labd_client): ...\n"
        "@pytest.mark.needs_gates('cz')\n"
        "def test_needs_a_gate(): ...\n",
    )

    done = run_pytest(site, tmp_path, "-q", "-rs", "--strict-markers")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 2 skipped" in done.stdout
    assert "give --labd-url URL, or --labd-station DIRECTORY, to run it" in done.stdout


def test_what_the_station_does_not_have_skips_a_test_and_says_so(
    site: Path, tmp_path: Path, quick: QuickLab
) -> None:
    write(
        tmp_path,
        "@pytest.mark.needs_qubits('QB1', 'QB9')\ndef test_qb9(): ...\n"
        "@pytest.mark.needs_qubits(6)\ndef test_six(): ...\n"
        "@pytest.mark.needs_gates('cz QB1 QB5')\ndef test_cz(): ...\n"
        "@pytest.mark.needs_instruments('SHFQC')\ndef test_shfqc(): ...\n"
        "@pytest.mark.needs_qubits(5, 'QB5')\n@pytest.mark.needs_gates('cz QB3 QB1', 'prx')\n"
        "def test_here(labd_station):\n"
        "    assert labd_station.alias == 'star5'\n"
        "    assert labd_station.qubits == ('QB1', 'QB2', 'QB3', 'QB4', 'QB5')\n"
        "    assert labd_station.probe_lines == ('PL-1',)\n",
    )

    done = run_pytest(site, tmp_path, "-q", "-rs", "--labd-url", f"http://{quick.address}/star5")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 4 skipped" in done.stdout
    for reason in (
        "star5 has no qubit QB9",
        "star5 has 5 qubits; 6 are needed",
        "star5 has no calibrated cz QB1 QB5",
        "the rack of star5 has no SHFQC",
    ):
        assert reason in done.stdout


def test_the_machine_is_taken_while_tests_run_renewed_and_given_back(
    site: Path, tmp_path: Path, quick: QuickLab
) -> None:
    url = f"http://{quick.address}/star5"
    write(
        tmp_path,
        "import json, pathlib, time\n"
        "def test_taken(labd_client):\n"
        "    first = labd_client.machine.status().lease\n"
        "    while labd_client.machine.status().lease.until == first.until: time.sleep(0.05)\n"
        "    again = labd_client.machine.status().lease\n"
        "    assert again.id == first.id\n"
        "    told = {'name': first.name, 'note': first.note}\n"
        "    pathlib.Path('told.json').write_text(json.dumps(told))\n",
    )

    done = run_pytest(
        site, tmp_path, "-q", "--labd-url", url, "--labd-lease", "2", "--labd-lease-note", "night"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["name"].startswith("pytest ")
    assert told["note"] == "night"
    with Client(url) as client:
        assert client.machine.status().lease is None


def test_tests_fail_where_somebody_else_holds_the_machine(
    site: Path, tmp_path: Path, quick: QuickLab
) -> None:
    url = f"http://{quick.address}/star5"
    write(tmp_path, "def test_it(labd_client): ...\n")

    with Client(url) as client:
        lease = client.leases.take("the other bench", 60.0, note="until noon")
        done = run_pytest(site, tmp_path, "-q", "--labd-url", url, "--labd-lease-wait", "0")
        client.leases.give(lease.id)

    assert done.returncode == 1
    assert 'labd: the lease "the other bench" of' in done.stdout
    assert "until noon is in the way" in done.stdout


def test_a_job_that_must_complete_and_does_not_fails_its_test_with_the_reason(
    site: Path, tmp_path: Path, quick: QuickLab
) -> None:
    (tmp_path / "job.bin").write_bytes(payload(do="fail"))
    write(
        tmp_path,
        "import pathlib\n"
        "def test_it(labd_complete):\n"
        "    labd_complete(pathlib.Path('job.bin').read_bytes())\n",
    )

    done = run_pytest(site, tmp_path, "-q", "--labd-url", f"http://{quick.address}/star5")

    assert done.returncode == 1
    assert "JobDidNotComplete: job " in done.stdout
    assert " is FAILED: " in done.stdout
