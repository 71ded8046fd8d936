"""The page /metrics of a running labd tells the truth."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from quick_lab import QuickLab, lookup

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def samples(lab: QuickLab) -> Samples:
    with urllib.request.urlopen(f"http://{lab.address}/metrics") as reply:
        assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
        text = reply.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    """Of the one sample that has these labels among its own; 0 where there is none."""
    fitting = [
        number
        for (each, its), number in found.items()
        if each == name and labels.items() <= dict(its).items()
    ]
    assert len(fitting) < 2
    return sum(fitting)


def test_what_happened_to_jobs_is_counted(lab: QuickLab) -> None:
    before = samples(lab)
    lab.wait_for(done := lab.submit(bytes=5000))
    n_bytes = len(lab.result(done))
    lab.wait_for(lab.submit(do="fail"))

    after = samples(lab)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("labd_jobs", state="COMPLETED") == grown("labd_jobs", state="FAILED") == 1
    assert grown("labd_jobs_ended_total", state="FAILED") == 1
    assert grown("labd_jobs_submitted_total") == 2
    assert grown("labd_job_wait_seconds_count") == 2
    assert grown("labd_job_phase_seconds_count", phase="play") == 1
    assert n_bytes <= grown("labd_streamed_bytes_total", what="results") < n_bytes + 100
    assert 2 <= grown("labd_store_commit_seconds_count") <= grown("labd_store_changes_total")


def test_the_queue_is_seen_with_its_age(lab: QuickLab) -> None:
    lab.wait_for(running := lab.submit(s=60), iqm.EXECUTING)
    waiting = [lab.submit() for _ in range(3)]

    found = samples(lab)
    for job in (*waiting, running):
        lab.jobs.CancelJobV1(lookup(job))
    lab.wait_for(running)

    assert value(found, "labd_queue_jobs") == value(found, "labd_jobs", state="IN_QUEUE") == 3
    assert value(found, "labd_jobs", state="EXECUTING") == 1
    assert 0 < value(found, "labd_queue_oldest_seconds") < 60
    assert value(samples(lab), "labd_queue_oldest_seconds") == 0


def test_processes_and_the_rack_are_seen(lab: QuickLab) -> None:
    lab.wait_for(lab.submit())

    found = samples(lab)

    assert value(found, "labd_rack_state", state="ready") == 1
    assert value(found, "labd_rack_state", state="dead") == 0
    assert value(found, "labd_instrument_up", instrument="awg1") == 1
    for process in ("daemon", "front", "rack star5"):
        assert value(found, "labd_process_resident_bytes", process=process) > 1e6
        assert value(found, "labd_process_cpu_seconds_total", process=process) >= 0
    assert value(found, "labd_store_bytes", of="wal") > 0
    assert value(found, "labd_disk_free_bytes") > 0
    assert value(found, "labd_mode", mode="RUNNING") == 1


def test_a_paused_machine_shows(lab: QuickLab) -> None:
    lab.lab.PauseMachine(lab_pb2.MachineRequest(alias="star5", note="n"))

    found = samples(lab)
    lab.lab.ResumeMachine(lab_pb2.MachineRequest(alias="star5"))

    assert value(found, "labd_mode", mode="PAUSED") == 1
    assert value(found, "labd_mode", mode="RUNNING") == 0


def test_counts_of_the_store_outlive_a_restart(lab: QuickLab) -> None:
    lab.wait_for(lab.submit())
    before = samples(lab)
    lab.stop()
    lab.restart()

    after = samples(lab)

    for name in ("labd_jobs_submitted_total", "labd_jobs"):
        was = {key: number for key, number in before.items() if key[0] == name}
        assert was
        assert was == {key: number for key, number in after.items() if key[0] == name}
