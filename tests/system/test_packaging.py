"""What is published works: the wheel and the sdist hold all that labd needs."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_the_wheel_runs_from_a_place_of_its_own(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)

    script = "import labd, labd_drivers.rigs.scpi; from labd.cli.daemon import main; main()"
    config = tmp_path / "labd" / "_config" / "labd.toml"
    checked = subprocess.run(
        [sys.executable, "-P", "-c", script, "check-config", "--config", str(config)],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stderr
    assert (tmp_path / "labd" / "_config" / "star5" / "wiring.toml").exists()


def test_the_sdist_holds_sources_tests_and_docs(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")

    with tarfile.open(sdist) as archive:
        names = {"/".join(name.split("/")[1:]) for name in archive.getnames()}

    assert {"proto/labd/wire/iqm_server.proto", "config/labd.toml", "Makefile"} <= names
    assert {"README.md", "LICENSE", "CHANGELOG.md", "tests/compat/test_pulla.py"} <= names
    assert not any(name.startswith((".venv", "benchmarks/results")) for name in names)
