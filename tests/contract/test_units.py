"""The units, as systemd itself judges them; and that the install script is a script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = ("labd.service", "labd-simrack@.service")
EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose commands are there on every machine."""
    name = str(request.param)
    text = (SYSTEMD / name).read_text()
    copy = tmp_path / name
    copy.write_text(re.sub(r"/opt/labd/current/bin/\S+", "/bin/true", text))
    return copy


def analyze(*arguments: str) -> str:
    command = ["systemd-analyze", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout + ended.stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, indirect=True)
def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    said = analyze("verify", "--man=no", str(unit))

    assert said == ""


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, indirect=True)
def test_the_exposure_is_small(unit: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", str(unit))

    level = re.search(r"exposure level for \S+: ([0-9.]+)", said)
    assert level is not None, said
    assert float(level[1]) <= EXPOSURE


def test_instruments_stay_reachable() -> None:
    """Each of these cuts off LAN, USB, serial or GPIB instruments, or hides callers."""
    lines = (SYSTEMD / "labd.service").read_text().splitlines()
    settings = {line.partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line}

    forbidden = {"PrivateDevices", "PrivateNetwork", "PrivateUsers", "IPAddressDeny", "ProcSubset"}
    assert not forbidden & settings.keys()
    assert "AF_NETLINK" in settings["RestrictAddressFamilies"].split()
    assert {"dialout", "plugdev"} <= set(settings["SupplementaryGroups"].split())
    classes = re.findall(r"^DeviceAllow=char-(\S+) rw$", "\n".join(lines), flags=re.M)
    assert set(classes) == {"ttyS", "ttyUSB", "ttyACM", "usb", "usb_device", "gpib"}


def test_the_install_script_is_portable_shell() -> None:
    ended = subprocess.run(["sh", "-n", str(SYSTEMD / "install.sh")], check=False)

    assert ended.returncode == 0


def test_whatever_ends_labd_its_outputs_are_made_safe() -> None:
    """A service manager that kills all processes of a unit kills the guard, too."""
    lines = (SYSTEMD / "labd.service").read_text().splitlines()

    (command,) = [line for line in lines if line.startswith("ExecStopPost=")]
    assert "/labd make-safe --config /etc/labd/labd.toml" in command
