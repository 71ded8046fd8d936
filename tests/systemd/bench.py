"""Boots a real systemd in a container, installs labd in it from its wheel, and runs the proofs.

    python tests/systemd/bench.py [--suite SUITE]... [--from REVISION] [--out DIR] [PROOF ...]

SUITE is a release of Debian or Ubuntu: bookworm (if none is named), trixie, noble; one after the
other. What is needed: root, systemd-nspawn, mmdebstrap, overlay mounts, and the packages once from
the network. What cannot be run for lack of these is skipped, with the reason, and is no failure.
Base trees, packages and wheels are kept in $LABD_BENCH_CACHE (~/.cache/labd-bench) for the next
time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("LABD_BENCH_CACHE", Path.home() / ".cache" / "labd-bench"))
LIMIT_S = 900.0
PYTHON_OF = {"bookworm": "3.11", "trixie": "3.13", "noble": "3.12"}
UBUNTU_KEYS = "usr/share/keyrings/ubuntu-archive-keyring.gpg"
UBUNTU_MIRROR = "http://archive.ubuntu.com/ubuntu"
PACKAGES = (
    "systemd,systemd-sysv,udev,dbus,procps,"
    "python3,python3-venv,python3-systemd,libstdc++6"  # as install.sh has them
)
PACKAGED = ("labd", "drivers", "config", "pyproject.toml", "README.md")
"""What a wheel is made of."""
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "e2scrub_all.timer", "dpkg-db-backup.timer"),
    *("fstrim.timer", "console-getty.service", "getty.target", "e2scrub_reap.service"),
)
UNIT = """[Unit]
Description=the proofs
After=multi-user.target
[Service]
Type=exec
ExecStart=/bench/run
StandardOutput=append:/bench/out/proofs.log
StandardError=append:/bench/out/proofs.log
Environment=PYTHONDONTWRITEBYTECODE=1 HOME=/root
[Install]
WantedBy=multi-user.target
"""
RUN = """#!/bin/sh
/usr/bin/python3 -u /bench/project/tests/systemd/prove.py {proofs}
echo $? >/bench/out/status
journalctl -b -o short-precise --no-pager >/bench/out/journal.txt 2>&1
systemctl poweroff --no-block
"""


class Skipped(Exception):
    """This machine cannot do it; the reason."""


def main() -> int:
    """The proofs' exit status; 0 with a reason where they cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--suite", action="append", choices=sorted(PYTHON_OF), dest="suites")
    parser.add_argument("--from", dest="old", help="upgrade from this commit")
    parser.add_argument("--out", type=Path, help="where the logs are kept, by suite")
    parser.add_argument("proofs", nargs="*", help="only these")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in order: nothing stays mounted
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="dist-") as folder:
        dist = Path(folder)
        try:
            check_machine()
        except Skipped as reason:
            print(f"test-systemd: skipped: {reason}")
            return 0
        build_wheel(ROOT, dist / "new")
        build_old_wheel(arguments.old or revision_before(), dist / "old")
        return prove_all(arguments.suites or ["bookworm"], dist, arguments.proofs, arguments.out)


def prove_all(suites: list[str], dist: Path, proofs: list[str], kept: Path | None) -> int:
    """The worst of the proofs' exit statuses; at the end a line of each release."""
    told = dict[str, str]()
    worst = 0
    for suite in suites:
        print(f"test-systemd: {suite}", flush=True)
        started = time.monotonic()
        try:
            base = base_tree(suite)
            wheels = wheelhouse(PYTHON_OF[suite], sorted(dist.iterdir()))
            status = boot(base, dist, wheels, proofs, kept / suite if kept else None)
            told[suite] = f"status {status} after {time.monotonic() - started:.0f} s"
            worst = max(worst, status)
        except Skipped as reason:
            told[suite] = f"skipped: {reason}"
    for suite, how in told.items():
        print(f"test-systemd: {suite}: {how}")
    return worst


class _Raw(argparse.RawDescriptionHelpFormatter):
    """The description as it is written."""


def check_machine() -> None:
    """Raises Skipped."""
    if os.geteuid() != 0:
        raise Skipped("only root can boot a container")
    for tool, package in (("systemd-nspawn", "systemd-container"), ("mmdebstrap", "mmdebstrap")):
        if shutil.which(tool) is None:
            raise Skipped(f"{tool} is missing (apt install {package})")
    with tempfile.TemporaryDirectory() as folder:
        below = Path(folder)
        for name in ("a", "up", "work", "m"):
            (below / name).mkdir()
        try:
            with overlay(below / "a", below):
                pass
        except subprocess.CalledProcessError as error:
            raise Skipped("overlay file systems cannot be mounted here") from error


def base_tree(suite: str) -> Path:
    """A minimal system of that release. Raises Skipped."""
    tree = CACHE / f"base-{suite}"
    complete = tree / ".complete"
    if complete.exists() and complete.read_text() == PACKAGES:
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", suite]
    if subprocess.run([*command, str(tree), *sources(suite)], check=False).returncode:
        shutil.rmtree(tree, ignore_errors=True)
        raise Skipped(f"{suite} cannot be had from its mirrors")
    (tree / "etc/machine-id").write_text("")
    for unit in MASKED:
        (tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
    for name in ("out", "project", "dist", "wheels"):
        (tree / "bench" / name).mkdir(parents=True)
    (tree / "etc/systemd/system/proofs.service").write_text(UNIT)
    wants = tree / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "proofs.service").symlink_to("/etc/systemd/system/proofs.service")
    complete.write_text(PACKAGES)
    return tree


def sources(suite: str) -> list[str]:
    """Where mmdebstrap has it from: the machine's mirrors, else the usual. Raises Skipped."""
    if suite == "noble":
        signed = f"[signed-by={ubuntu_keys()}]"
        return [
            f"deb {signed} {UBUNTU_MIRROR} {each} main universe"
            for each in (suite, "noble-updates")
        ]
    listed = Path("/etc/apt/sources.list.d/debian.sources")
    is_own = listed.exists() and suite in listed.read_text()
    return [str(listed)] if is_own else []


def ubuntu_keys() -> Path:
    """Ubuntu's archive keys: the machine's, else as Debian 13 has them. Raises Skipped."""
    own, taken = Path("/") / UBUNTU_KEYS, CACHE / Path(UBUNTU_KEYS).name
    if own.exists() or taken.exists():
        return own if own.exists() else taken
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "keys"
        command = ["mmdebstrap", "--quiet", "--variant=extract", "--include=ubuntu-archive-keyring"]
        if subprocess.run([*command, "trixie", str(tree)], check=False).returncode:
            raise Skipped(f"{own} is missing (apt install ubuntu-archive-keyring)")
        shutil.copy(tree / UBUNTU_KEYS, taken)
    return taken


def build_wheel(source: Path, target: Path) -> None:
    """The wheel of a source tree."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    command += ["--outdir", str(target), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def revision_before() -> str:
    """The last commit whose package was another one."""
    asked = ("git", "-C", str(ROOT))
    changed = subprocess.run(
        [*asked, "status", "--porcelain", "--", *PACKAGED], capture_output=True, check=False
    )
    if changed.stdout:
        return "HEAD"
    last = subprocess.run(
        [*asked, "log", "-1", "--format=%H", "--", *PACKAGED],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"{last.stdout.strip() or 'HEAD'}~1"


def build_old_wheel(revision: str, target: Path) -> None:
    """The wheel of an earlier commit, if there is one to be had."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "tree.tar"
        git = ["git", "-C", str(ROOT), "archive", "--output", str(archive), revision]
        if subprocess.run(git, check=False, stderr=subprocess.DEVNULL).returncode:
            print(f"test-systemd: no upgrade: there is no {revision}")
            return
        source = Path(folder) / "source"
        source.mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(source)], check=True)
        build_wheel(source, target)


def wheelhouse(python: str, dists: list[Path]) -> Path:
    """All that the wheels need, at the pinned versions. Raises Skipped."""
    pins = re.sub(
        r" *\\$|^\s+--hash.*$", "", (ROOT / ".ci/requirements.txt").read_text(), flags=re.M
    )
    key = hashlib.sha256(f"{python} {pins}".encode()).hexdigest()[:12]
    house = CACHE / f"wheels-{key}"
    if (house / ".complete").exists():
        return house
    house.mkdir(parents=True, exist_ok=True)
    constraints = house / "constraints.txt"
    constraints.write_text(pins)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--only-binary", ":all:"]
    command += ["--python-version", python, "--dest", str(house), "-c", str(constraints)]
    if python == ".".join(platform.python_version_tuple()[:2]):
        del command[command.index("--python-version") : command.index("--dest")]
    for dist in dists:
        (wheel,) = dist.glob("*.whl")
        if subprocess.run([*command, str(wheel)], check=False).returncode:
            raise Skipped("labd's dependencies cannot be downloaded")
    for wheel in house.glob("labd-*.whl"):
        wheel.unlink()
    (house / ".complete").touch()
    return house


@contextlib.contextmanager
def overlay(lower: Path, folder: Path) -> Iterator[Path]:
    """lower, writable, at folder/m; what is written lies in folder/up."""
    options = f"lowerdir={lower},upperdir={folder}/up,workdir={folder}/work"
    mounted = str(folder / "m")
    subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", options, mounted],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield folder / "m"
    finally:
        subprocess.run(["umount", "--lazy", mounted], check=True)


def boot(base: Path, dist: Path, wheels: Path, proofs: list[str], kept: Path | None) -> int:
    """Boot, run the proofs, shut down; their exit status. Raises Skipped."""
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as folder:
        run = Path(folder)
        for name in ("up", "work", "m", "out"):
            (run / name).mkdir()
        with overlay(base, run) as tree:
            script = tree / "bench/run"
            script.write_text(RUN.format(proofs=shlex.join(proofs)))
            script.chmod(0o755)
            status = _run_container(tree, run / "out", dist, wheels)
        if kept is not None:
            shutil.copytree(run / "out", kept, dirs_exist_ok=True)
        return status


def _run_container(tree: Path, out: Path, dist: Path, wheels: Path) -> int:
    log = out / "proofs.log"
    log.touch()
    command = ["systemd-nspawn", "--quiet", "-D", str(tree), "-M", f"labd-bench-{os.getpid()}"]
    command += ["--register=no", "--keep-unit", "--link-journal=no", "--console=pipe"]
    command += ["--kill-signal=SIGRTMIN+3", "--system-call-filter=bpf @keyring"]
    command += ["--private-network", "--resolv-conf=off", "--timezone=off"]
    command += [f"--bind-ro={ROOT}:/bench/project", f"--bind-ro={dist}:/bench/dist"]
    command += [f"--bind-ro={wheels}:/bench/wheels", f"--bind={out}:/bench/out"]
    command += ["/lib/systemd/systemd", "systemd.show_status=no"]
    with (out / "console.log").open("w") as console:
        container = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            # As these releases have it: on a hybrid one systemd 257 sometimes does not find the
            # control group of a unit that has died, and then starts no ExecStopPost=.
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
    try:
        _follow(container, log)
    finally:
        if container.poll() is None:
            container.terminate()
            try:
                container.wait(20)
            except subprocess.TimeoutExpired:
                container.kill()
                container.wait()
    status = out / "status"
    if status.exists():
        return int(status.read_text())
    if not log.stat().st_size:
        raise Skipped(f"no container boots here: {(out / 'console.log').read_text()[-500:]}")
    print("test-systemd: the proofs did not end in time")
    return 1


def _follow(container: subprocess.Popen[bytes], log: Path) -> None:
    """Show the proofs' output until the container is gone or the time is over."""
    deadline = time.monotonic() + LIMIT_S
    with log.open() as lines:
        while container.poll() is None and time.monotonic() < deadline:
            text = lines.read()
            print(text, end="", flush=True)
            if not text:
                time.sleep(0.2)
        print(lines.read(), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
