"""What labd promises as a service, proven inside a booted systemd by root. Standard library alone.

Each proof is a function that raises AssertionError; they run in order, on one installation.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from installed import (
    CONFIG,
    INSTALL,
    answers,
    began,
    edit,
    install,
    journal,
    labctl,
    main_pid,
    override,
    rack_is,
    rack_pid,
    run,
    shown,
    state,
    submit,
    until,
    wait_for,
    watchdog,
)
from rack_control import rack_fault, unsafe

HERE = Path(__file__).resolve().parent
PAYLOAD = HERE.parents[1] / "tests" / "data" / "payloads" / "bell.sweep.bin"
RULES = Path("/etc/udev/rules.d/99-labd.rules")
UNITS = Path("/etc/systemd/system")
PLACED = (
    *(RULES, UNITS / "labd.service", UNITS / "labd-simrack@.service"),
    *(Path("/etc") / each / "labd.conf" for each in ("sysusers.d", "tmpfiles.d", "modules-load.d")),
    *(Path("/usr/local/bin") / each for each in ("labd", "labctl", "labd-simrack")),
)
UDEVADM_VERIFIES = 254
"""The first version that can."""
SHORT, LONG = Path("/tmp/short.bin"), Path("/tmp/long.bin")
FINAL = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
BACK_S = 3.0
SAFE_S = 3.0
TOLD_S = 5.0
"""Within that STATUS= has changed; it is looked at every second."""
EXPOSURE = 1.5

MAKE_PAYLOAD = """
import sys
from labd.wire import sweep_pb2
task = sweep_pb2.SweepTaskRequest.FromString(open(sys.argv[1], "rb").read())
request = sweep_pb2.SweepRequest.FromString(task.payload.value)
shots = request.settings.subnodes["options"].settings["playlist_repeats"].value
shots.sint64_value = int(sys.argv[3])
task.payload.value = request.SerializeToString()
open(sys.argv[2], "wb").write(task.SerializeToString())
"""


# ---- the proofs


def installs() -> None:
    """The package of the commit before, if there is one, with a simulated rack beside it."""
    name = "old" if Path("/bench/dist/old").exists() else "new"
    install(name, "--no-start")
    assert shown("ActiveState") == "inactive"
    run("systemctl", "enable", "--now", "labd-simrack@star5.service")
    run("systemctl", "start", "labd.service")
    assert answers(), "systemctl start returned before the port was open"
    python = "/opt/labd/current/bin/python"
    for path, shots in ((SHORT, 1000), (LONG, 3_000_000)):
        run(python, "-c", MAKE_PAYLOAD, str(PAYLOAD), str(path), str(shots))
    job = submit(SHORT)
    wait_for(job, *FINAL, limit_s=120)
    assert state(job) == "COMPLETED", labctl("show", job)


def upgrades_with_jobs_in_the_queue() -> None:
    """Database backed up and migrated, the queue goes on in order, the configuration is kept."""
    CONFIG.write_text(CONFIG.read_text() + "# a line of the lab's own\n")
    running = submit(LONG)
    wait_for(running, "EXECUTING")
    queued = [submit(SHORT) for _ in range(4)]
    said = install("new")
    assert state(running) == "INTERRUPTED", state(running)
    for job in queued:
        wait_for(job, "COMPLETED")
    started = [began(job) for job in queued]
    assert started == sorted(started)
    assert CONFIG.read_text().endswith("own\n")
    if Path("/bench/dist/old").exists():
        assert "backup /var/lib/labd/backups/labd-" in said, said
        assert list(Path("/var/lib/labd/backups").glob("labd-*.db"))
    labctl("audit", "verify")


def installs_again_without_a_change() -> None:
    """Nor where the configuration has a mistake: that is said, and all goes on."""
    pid = main_pid()
    install("new")
    edit("keepalive_s = 1.0", "keepalives = 1.0")
    said = install("new", status=1)
    edit("keepalives = 1.0", "keepalive_s = 1.0")
    assert "nothing was stopped or changed" in said, said
    assert main_pid() == pid


def has_its_account_directories_rules_and_drivers() -> None:
    assert {"dialout", "plugdev"} <= set(run("id", "-nG", "labd").split())
    for path, mode, owner in (
        ("/etc/labd", "750", "root:labd"),
        ("/etc/labd/labd.toml", "640", "root:labd"),
        ("/var/lib/labd", "750", "labd:labd"),
        ("/run/labd", "755", "labd:labd"),
        ("/run/labd/labd.sock", "660", "labd:labd"),
    ):
        assert run("stat", "-c", "%a %U:%G", path) == f"{mode} {owner}", path
    assert "usbtmc" in Path("/etc/modules-load.d/labd.conf").read_text().split()
    assert all(each.exists() for each in PLACED)
    version = int(run("udevadm", "--version").split()[0])
    if version >= UDEVADM_VERIFIES:
        run("udevadm", "verify", str(RULES))
        note(f"udevadm {version} finds nothing wrong with the rules")


def is_ready_when_racks_have_reported() -> None:
    """Also when they report that they cannot be used; then it heals by itself."""
    run("systemctl", "stop", "labd-simrack@star5.service")
    run("systemctl", "restart", "labd.service")
    until(lambda: rack_is("unavailable"), TOLD_S, "STATUS= tells that the rack is not there")
    assert "awg1" in shown("StatusText")
    job = submit(SHORT)
    run("systemctl", "start", "labd-simrack@star5.service")
    wait_for(job, "COMPLETED")
    until(lambda: rack_is("ready"), TOLD_S, "STATUS= tells that the rack is ready")


def tells_how_it_stands() -> None:
    labctl("pause", "cable")
    job = submit(SHORT)
    until(lambda: "1 queued, PAUSED by root" in shown("StatusText"), TOLD_S, "STATUS= counts")
    labctl("resume")
    wait_for(job, "COMPLETED")


def comes_back_after_kill_9() -> None:
    """Within BACK_S; the running job is INTERRUPTED, the queue goes on. Each time.

    How fast is measured thrice at most: a machine that is busy otherwise says nothing about labd.
    """
    best_s = BACK_S
    for _ in range(3):
        best_s = min(best_s, killed_and_back_s())
        if best_s < BACK_S:
            return
    raise AssertionError(f"the API was never back within {BACK_S} s")


def killed_and_back_s() -> float:
    """How long nobody answered."""
    running = submit(LONG)
    wait_for(running, "EXECUTING")
    queued = submit(SHORT)
    before = main_pid()
    os.kill(before, signal.SIGKILL)
    started = time.monotonic()
    until(lambda: not answers(), 5, "nobody answers")
    until(answers, 30, "the API answers again")
    api_s = time.monotonic() - started
    until(lambda: shown("ActiveState") == "active", 30, "it is ready again")
    note(f"API back after {api_s:.2f} s, ready after {time.monotonic() - started:.2f} s")
    assert main_pid() not in (0, before)
    assert state(running) == "INTERRUPTED"
    wait_for(queued, "COMPLETED")
    return api_s


def outputs_are_safe_when_all_is_killed() -> None:
    """Daemon, guard and rack by SIGKILL in the same instant, and nothing is started again.

    How fast is measured thrice at most, as above.
    """
    override("Restart=no")
    try:
        best_s = SAFE_S
        for _ in range(3):
            best_s = min(best_s, killed_and_safe_s())
            if best_s < SAFE_S:
                return
    finally:
        override("")
    raise AssertionError(f"the outputs were never safe within {SAFE_S} s")


def killed_and_safe_s() -> float:
    """How long an output was on after the last process had died."""
    running = submit(LONG)
    wait_for(running, "EXECUTING")
    until(lambda: "awg1.is_running" in unsafe(), 60, "the AWG plays")
    n_on = len(unsafe())
    started = time.monotonic()
    run("systemctl", "kill", "-s", "KILL", "labd.service")
    until(lambda: not unsafe(), 30, "every output is safe")
    safe_s = time.monotonic() - started
    note(f"{n_on} outputs safe {safe_s:.2f} s after systemctl kill was called")
    until(lambda: shown("ActiveState") == "failed", 10, "the unit has failed")
    assert main_pid() == 0
    assert "outputs are safe after" in run("journalctl", "-u", "labd", "-n", "20", "--no-pager")
    run("systemctl", "start", "labd.service")
    assert state(running) == "INTERRUPTED"
    wait_for(submit(SHORT), "COMPLETED")
    return safe_s


def a_hanging_daemon_is_replaced() -> None:
    watchdog("4s")
    before = main_pid()
    os.kill(before, signal.SIGSTOP)
    took_s = until(lambda: main_pid() not in (0, before) and answers(), 40, "a new daemon")
    note(f"after {took_s:.1f} s")
    until(lambda: shown("ActiveState") == "active", 30, "it is ready again")
    text = run("journalctl", "-u", "labd", "--no-pager", "-q")
    assert "Watchdog timeout" in text
    assert "Fatal Python error: Aborted" in text, "faulthandler leaves tracebacks"


def a_hanging_rack_starves_the_watchdog() -> None:
    """With a limit shorter than the daemon's own patience with racks."""
    before = main_pid()
    until(lambda: rack_is("ready"), 60, "the rack is ready")
    time.sleep(4)
    os.kill(rack_pid(), signal.SIGSTOP)
    took_s = until(lambda: main_pid() not in (0, before), 40, "a new daemon")
    note(f"after {took_s:.1f} s")
    until(lambda: rack_is("ready"), 60, "the rack is ready")
    job = submit(SHORT)
    wait_for(job, "COMPLETED")


def a_hanging_rack_is_replaced_by_the_daemon() -> None:
    """With the limit that is shipped, the service itself goes on."""
    watchdog("")
    daemon, running = main_pid(), submit(LONG)
    wait_for(running, "EXECUTING")
    queued, rack = submit(SHORT), rack_pid()
    os.kill(rack, signal.SIGSTOP)
    took_s = until(lambda: rack_pid() not in (0, rack), 40, "a new rack process")
    note(f"after {took_s:.1f} s")
    wait_for(running, "INTERRUPTED")
    assert "no sign of life" in labctl("show", running)
    wait_for(queued, "COMPLETED")
    assert main_pid() == daemon


def reloads() -> None:
    """What can change live does, the rest is named; a file with a mistake fails the reload."""
    text = CONFIG.read_text()
    try:
        live_and_not()
    finally:
        CONFIG.write_text(text)


def live_and_not() -> None:
    pid, rack = main_pid(), rack_pid()
    edit("#queued_jobs = 1000 ", "queued_jobs = 7 ")
    edit('listen = "127.0.0.1:50051"', 'listen = "127.0.0.1:50052"')
    run("systemctl", "reload", "labd.service")
    until(lambda: bool(reload_lines("server.listen")), 10, "the journal says what cannot change")
    assert "now hold: limits" in reload_lines("server.listen")[-1]
    run("runuser", "-u", "daemon", "--", "/usr/local/bin/labctl", "whoami")
    limits = json.loads(labctl("limits", "show", "daemon", "--json"))["limits"]
    assert 7 in [each["limit"] for each in limits if each["name"] == "queued_jobs"], limits
    assert main_pid() == pid
    assert rack_pid() == rack
    edit('listen = "127.0.0.1:50052"', 'listen = "127.0.0.1:50051"')
    wiring = Path("/etc/labd/star5/wiring.toml")
    wiring.write_text(wiring.read_text() + "# another cable\n")
    running = submit(LONG)
    wait_for(running, "EXECUTING")
    run("systemctl", "reload", "labd.service")
    until(lambda: bool(reload_lines("the rack files of star5")), 10, "the wiring was read")
    assert rack_pid() == rack, "a job runs: the rack is left alone"
    labctl("cancel", running)
    until(lambda: rack_pid() not in (0, rack), 30, "the rack is opened again")
    wait_for(submit(SHORT), "COMPLETED")
    edit("keepalive_s = 1.0", "keepalives = 1.0")
    said = run("systemctl", "reload", "labd.service", status=None)
    assert "failed" in said.lower(), said
    edit("keepalives = 1.0", "keepalive_s = 1.0")
    assert (main_pid(), shown("ActiveState")) == (pid, "active")


def reload_lines(what: str) -> list[str]:
    said = [str(each["MESSAGE"]) for each in journal("-u", "labd")]
    return [line for line in said if line.startswith("reload: ") and what in line]


def drains_and_keeps_the_queue() -> None:
    running = submit(LONG)
    wait_for(running, "EXECUTING")
    queued = [submit(SHORT) for _ in range(3)]
    started = time.monotonic()
    run("systemctl", "stop", "labd.service")
    took_s = time.monotonic() - started
    note(f"stopped after {took_s:.1f} s")
    assert took_s < 30
    assert shown("Result") == "success"
    run("systemctl", "start", "labd.service")
    assert state(running) == "INTERRUPTED"
    for job in queued:
        wait_for(job, "COMPLETED")


def lines_of_the_journal_have_fields() -> None:
    job = submit(SHORT)
    wait_for(job, "COMPLETED")
    lines = journal("-u", "labd", f"JOB_ID={job}")
    assert {("star5", "root")} <= {(each.get("QC"), each.get("USER_ID")) for each in lines}, lines
    failing = submit(LONG)
    wait_for(failing, "EXECUTING")
    rack_fault("fault", fault="mute")
    wait_for(failing, "FAILED", limit_s=120)
    rack_fault("clear")
    lines = [each for each in journal("-u", "labd", f"JOB_ID={failing}") if "INSTRUMENT" in each]
    assert {(each["INSTRUMENT"], each.get("QC")) for each in lines} == {("scope", "star5")}, lines
    wait_for(submit(SHORT), "COMPLETED", limit_s=120)


def is_hardened() -> None:
    for unit in ("labd.service", "labd-simrack@.service"):
        said = run("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{unit}")
        assert said == "", said
    for unit in ("labd.service", "labd-simrack@star5.service"):
        text = run("systemd-analyze", "security", "--no-pager", unit, status=None)
        found = re.search(r"exposure level for \S+: ([0-9.]+)", text)
        assert found is not None, text
        note(f"{unit} {found[1]}")
        assert float(found[1]) <= EXPOSURE
    for pid in (main_pid(), rack_pid()):
        status = Path(f"/proc/{pid}/status").read_text()
        for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
            assert line in status, (pid, line)
        for path in ("/usr/x", "/etc/x", "/opt/labd/x"):
            said = run("nsenter", "-t", str(pid), "-m", "touch", path, status=None)
            assert "Read-only file system" in said, said
    assert "daemon" in run("runuser", "-u", "daemon", "--", "/usr/local/bin/labctl", "whoami")
    assert "root" in labctl("--url", "unix:/run/labd/labd.sock", "--alias", "star5", "whoami")


def uninstalls() -> None:
    run("sh", INSTALL, "uninstall")
    assert not Path("/opt/labd").exists()
    assert run("systemctl", "is-active", "labd.service", status=None) == "inactive"
    assert Path("/var/lib/labd/labd.db").exists()
    assert CONFIG.exists()
    assert not any(each.exists() or each.is_symlink() for each in PLACED)
    run("sh", INSTALL, "uninstall", "--purge")
    assert "labd:" not in Path("/etc/passwd").read_text() + Path("/etc/group").read_text()
    assert not Path("/var/lib/labd").exists()
    assert not CONFIG.exists()


PROOFS = (
    installs,
    upgrades_with_jobs_in_the_queue,
    installs_again_without_a_change,
    has_its_account_directories_rules_and_drivers,
    is_ready_when_racks_have_reported,
    tells_how_it_stands,
    comes_back_after_kill_9,
    outputs_are_safe_when_all_is_killed,
    a_hanging_daemon_is_replaced,
    a_hanging_rack_starves_the_watchdog,
    a_hanging_rack_is_replaced_by_the_daemon,
    reloads,
    drains_and_keeps_the_queue,
    lines_of_the_journal_have_fields,
    is_hardened,
    uninstalls,
)

_notes: list[str] = []


def note(text: str) -> None:
    """Say it beside the proof's name."""
    _notes.append(text)


def chosen(names: list[str]) -> Iterator[Callable[[], None]]:
    """All, or those named; labd is installed in any case."""
    for proof in PROOFS:
        if not names or proof.__name__ in names or proof is installs:
            yield proof


def main(names: list[str]) -> int:
    """0 when all hold."""
    os.environ["LABD_URL"] = "http://127.0.0.1:50051/star5"
    n_failed = 0
    for proof in chosen(names):
        _notes.clear()
        started = time.monotonic()
        try:
            proof()
            word = "ok"
        except Exception as error:  # whatever went wrong, the other proofs go on
            word, n_failed = f"FAILED: {type(error).__name__}: {error}", n_failed + 1
        said = "; ".join(_notes)
        print(f"{time.monotonic() - started:6.1f} s  {proof.__name__}: {word}  {said}", flush=True)
        if proof is installs and n_failed:
            break
    print(f"{n_failed} failed" if n_failed else "all hold")
    return int(n_failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
