"""An installed labd, as root sees it in a booted systemd. Standard library alone."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

INSTALL = str(Path(__file__).resolve().parents[2] / "systemd" / "install.sh")
CONFIG = Path("/etc/labd/labd.toml")


def run(*command: str, status: int | None = 0) -> str:
    """Its output; status: what it must end with, None for whatever."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return (done.stdout + done.stderr).strip()


def labctl(*arguments: str, status: int | None = 0) -> str:
    return run("/usr/local/bin/labctl", *arguments, status=status)


def shown(name: str, unit: str = "labd.service") -> str:
    return run("systemctl", "show", "-P", name, unit)


def until(what: Callable[[], bool], limit_s: float, sentence: str) -> float:
    """Wait for it; how long it took."""
    started = time.monotonic()
    while not what():
        took_s = time.monotonic() - started
        assert took_s < limit_s, f"{sentence}: not within {limit_s} s"
        time.sleep(0.05)
    return time.monotonic() - started


def main_pid() -> int:
    return int(shown("MainPID"))


def rack_pid() -> int:
    """The rack process: the child of the daemon whose command line says so."""
    pid = main_pid()
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if "labd.rack" in Path(f"/proc/{child}/cmdline").read_text():
            return int(child)
    return 0


def submit(payload: Path) -> str:
    return labctl("submit", str(payload))


def state(job: str) -> str:
    return str(json.loads(labctl("show", job, "--json"))["status"]).upper()


def began(job: str) -> str:
    """When it was started."""
    events = json.loads(labctl("show", job, "--json"))["events"]
    return next(str(each["at"]) for each in events if each["state"] == "EXECUTING")


def wait_for(job: str, *states: str, limit_s: float = 90.0) -> None:
    until(lambda: state(job) in states, limit_s, f"{job} is {'/'.join(states)}")


def rack_is(word: str) -> bool:
    return f"star5 {word}" in shown("StatusText")


def answers() -> bool:
    """Whether the API answers on the port."""
    try:
        with socket.create_connection(("127.0.0.1", 50051), 0.5) as client:
            client.sendall(b"GET /star5/about HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b"iqm_server" in client.recv(65536) + client.recv(65536)
    except OSError:
        return False


def journal(*matches: str) -> list[dict[str, object]]:
    text = run("journalctl", "-o", "json", "--no-pager", "-q", *matches)
    return [json.loads(line) for line in text.splitlines()]


def edit(old: str, new: str, file: Path = CONFIG) -> None:
    text = file.read_text()
    assert old in text, f"{file} has no {old}"
    file.write_text(text.replace(old, new, 1))


def install(name: str, *options: str, status: int = 0) -> str:
    """The package of that name, as for `run`."""
    (wheel,) = Path(f"/bench/dist/{name}").glob("*.whl")
    command = ("sh", INSTALL, "install", str(wheel), "--find-links", "/bench/wheels")
    return run(*command, *options, status=status)


def override(line: str) -> None:
    """A line of [Service] for the proofs; empty: the unit as it is."""
    folder = Path("/run/systemd/system/labd.service.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.conf").write_text(f"[Service]\n{line}\n" if line else "")
    run("systemctl", "daemon-reload")


def watchdog(limit: str) -> None:
    """A limit for the proofs; empty: the unit's own."""
    override(f"WatchdogSec={limit}" if limit else "")
    run("systemctl", "restart", "labd.service")
    until(lambda: rack_is("ready"), 60, "the rack is ready")
