"""Every output is safe, as the instruments say, whatever dies or hangs."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loud_lab import LoudLab, payload
from quick_lab import FINAL
from safety_watch import SafetyWatch

from labd.wire import iqm_server_pb2 as iqm

SAFE_WITHIN_S = 3.0
HANG_S = 5.0
LONG_S = 60.0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LoudLab]:
    lab = LoudLab(tmp_path)
    try:
        yield lab
    finally:
        lab.close()


def test_outputs_are_safe_at_boot_before_any_rack_has_them(lab: LoudLab) -> None:
    port = lab.rack.servers["bias_qb1"].port
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b":OUTP 1;:SOUR:LEV 0.7;*OPC?\n")
        assert line.recv(64) == b"1\n"
    assert set(lab.unsafe()) == {"bias_qb1.voltage"}

    with SafetyWatch(lab) as watch:
        watch.mark()
        lab.start()
        safe_s = watch.safe_after_s(20.0)
        job = lab.submit(s=0.01)
        assert lab.wait_for(job).status == iqm.COMPLETED

    assert safe_s < 20.0, watch.last_unsafe


@pytest.mark.parametrize("victims", ["daemon", "rack", "daemon rack", "rack guard"])
def test_outputs_are_safe_after_a_kill(lab: LoudLab, victims: str) -> None:
    lab.start()
    job = lab.submit(s=LONG_S)
    lab.wait_until_loud()

    with SafetyWatch(lab) as watch:
        lab.strike(victims.split())
        watch.mark()
        took_s = watch.safe_after_s(SAFE_WITHIN_S)

    assert took_s < SAFE_WITHIN_S, watch.last_unsafe
    if "daemon" in victims:
        lab.wait()
        lab.restart()
    assert lab.wait_for(job).status == iqm.INTERRUPTED


def test_the_guard_alone_may_die_without_anybody_noticing(lab: LoudLab) -> None:
    lab.start()
    job = lab.submit(s=1.5)
    lab.wait_until_loud()

    lab.strike(["guard"])

    assert lab.wait_for(job).status == iqm.COMPLETED
    assert lab.unsafe()


def test_outputs_are_safe_when_the_daemon_hangs(lab: LoudLab) -> None:
    lab.start()
    job = lab.submit(s=LONG_S)
    lab.wait_until_loud()

    with SafetyWatch(lab) as watch:
        lab.signal(signal.SIGSTOP)
        watch.mark()
        took_s = watch.safe_after_s(HANG_S + SAFE_WITHIN_S + 1.0)
    lab.signal(signal.SIGCONT)

    assert took_s < HANG_S + SAFE_WITHIN_S + 1.0, watch.last_unsafe
    assert lab.wait_for(job).status == iqm.INTERRUPTED
    assert lab.wait_for(lab.submit(s=0.0)).status == iqm.COMPLETED


def test_outputs_are_safe_after_the_service_stops(lab: LoudLab) -> None:
    lab.start()
    lab.submit(s=LONG_S)
    lab.wait_until_loud()

    assert lab.stop() == 0

    assert lab.unsafe() == {}
    status, told = lab.make_safe()
    assert (status, told["safe"], told["problems"]) == (0, 31, [])


def test_make_safe_ends_what_a_killed_labd_left(lab: LoudLab) -> None:
    lab.start()
    lab.submit(s=LONG_S)
    lab.wait_until_loud()
    lab.strike(["guard"], signal.SIGSTOP)
    lab.kill()

    began = time.monotonic()
    lab.strike(["guard"])
    status, told = lab.make_safe()

    assert (status, told["problems"]) == (0, [])
    assert time.monotonic() - began < 10.0
    assert lab.unsafe() == {}


def test_make_safe_needs_no_configuration_but_the_last_one_in_force(lab: LoudLab) -> None:
    lab.start()
    lab.submit(s=LONG_S)
    lab.wait_until_loud()
    lab.strike(["guard", "rack", "daemon"])
    lab.wait()
    lab.edit("[server]", "[server]\nstate_dri = 1")

    status, told = lab.make_safe()

    assert (status, told["safe"], told["problems"]) == (0, 31, [])
    assert "unknown key; did you mean state_dir?" in str(told["said"])
    assert lab.unsafe() == {}


def test_make_safe_leaves_a_running_labd_to_its_guard(lab: LoudLab) -> None:
    lab.start()

    status, told = lab.make_safe()

    assert status == 1
    assert "labd is running" in str(told["said"])


def test_no_job_runs_while_an_output_is_not_known_to_be_safe(lab: LoudLab) -> None:
    lab.rack.servers["lo_qb3"].drop(600.0)
    lab.start()
    job = lab.submit(s=0.0)
    reason = "not every output is known to be safe: lo_qb3"
    until = time.monotonic() + 20
    while reason not in lab.log() and "not known to be safe: lo_qb3" not in lab.log():
        assert time.monotonic() < until, lab.log()
        time.sleep(0.02)
    assert lab.get(job).status == iqm.IN_QUEUE

    lab.rack.servers["lo_qb3"].come_back()

    assert lab.wait_for(job).status in FINAL


class RealLab(LoudLab):
    RACK_MODULE = "labd.rack"


@pytest.fixture
def real_lab(tmp_path: Path) -> Iterator[RealLab]:
    lab = RealLab(tmp_path)
    try:
        yield lab
    finally:
        lab.close()


@pytest.mark.timeout(180)
def test_outputs_are_safe_after_the_end_of_a_real_rack_and_the_next_job_passes(
    real_lab: RealLab,
) -> None:
    real_lab.start()
    job = real_lab.submit(payload("bell", repeats=2_000_000))
    real_lab.wait_until_playing()

    with SafetyWatch(real_lab) as watch:
        real_lab.strike(["rack"], signal.SIGSEGV)
        watch.mark()
        took_s = watch.safe_after_s(SAFE_WITHIN_S)

    assert took_s < SAFE_WITHIN_S, watch.last_unsafe
    ended = real_lab.wait_for(job)
    assert ended.status == iqm.FAILED
    assert "SIGSEGV" in ended.error
    assert "the last message, to " in ended.error or "asked" in ended.error
    again = real_lab.submit(payload("bell", repeats=100))
    assert real_lab.wait_for(again).status == iqm.COMPLETED


@pytest.mark.timeout(180)
def test_outputs_are_safe_after_a_cancel(real_lab: RealLab) -> None:
    real_lab.start()
    job = real_lab.submit(payload("bell", repeats=2_000_000))
    real_lab.wait_until_playing()

    with SafetyWatch(real_lab) as watch:
        real_lab.jobs.CancelJobV1(iqm.JobLookupV1(id=job.id))
        watch.mark()
        took_s = watch.safe_after_s(SAFE_WITHIN_S)

    assert took_s < SAFE_WITHIN_S, watch.last_unsafe
    assert real_lab.wait_for(job).status == iqm.CANCELLED
    again = real_lab.submit(payload("bell", repeats=100))
    assert real_lab.wait_for(again).status == iqm.COMPLETED
