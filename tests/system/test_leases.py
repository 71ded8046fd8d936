"""Leases through the daemon: whose jobs start, what the others are told, the TTL, a restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from labctl_runner import Labctl
from people_lab import PeopleLab

from labd.client import Client, NotAllowed, WaitingKind
from labd.client.convert import uuid_of
from labd.wire import iqm_server_pb2 as iqm


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[PeopleLab]:
    lab = PeopleLab(tmp_path)
    with lab:
        lab.add("ann")
        lab.add("zoe")
        yield lab


def client(lab: PeopleLab, name: str) -> Client:
    return Client(f"http://{lab.address}/star5", token=lab.tokens[name])


def labctl(lab: PeopleLab, name: str) -> Labctl:
    return Labctl(f"http://{lab.address}", token=lab.tokens[name])


def test_while_a_lease_is_held_its_holders_jobs_alone_start(lab: PeopleLab) -> None:
    with client(lab, "ann") as ann, client(lab, "zoe") as zoe:
        lease = ann.leases.take("bench", 600.0, note="tuning")
        zoes = lab.submit_as("zoe")
        anns = lab.submit_as("ann")

        assert lab.wait_for(anns).status == iqm.COMPLETED
        waiting = zoe.details(uuid_of(zoes.id)).job.waiting

        assert waiting is not None
        assert waiting.kind is WaitingKind.LEASE
        assert waiting.sentence.startswith("ann has a lease on star5 until ")
        assert waiting.sentence.endswith(': "tuning"')
        assert waiting.until == lease.until
        assert zoe.machine.status().lease is not None
        with pytest.raises(NotAllowed, match=r'the lease "bench" of ann until .* in the way'):
            zoe.leases.take("bench", 60.0)

        ann.leases.give(lease.id)

        assert lab.wait_for(zoes).status == iqm.COMPLETED


def test_a_lease_ends_at_its_time_with_nobody_there_and_the_next_job_starts(
    lab: PeopleLab,
) -> None:
    with client(lab, "ann") as ann:
        lease = ann.leases.take("bench", 1.0)
    zoes = lab.submit_as("zoe")

    assert lab.wait_for(zoes).status == iqm.COMPLETED

    started = lab.get(zoes).execution_started_at.ToNanoseconds()
    assert started >= lease.until.timestamp() * 1e9 - 1000
    assert time.time() >= lease.until.timestamp()


def test_a_lease_is_still_held_after_labd_was_killed(lab: PeopleLab) -> None:
    with client(lab, "ann") as ann:
        lease = ann.leases.take("bench", 600.0)
    zoes = lab.submit_as("zoe")

    lab.kill()
    lab.restart()

    with client(lab, "ann") as ann, client(lab, "zoe") as zoe:
        anns = lab.submit_as("ann")
        assert lab.wait_for(anns).status == iqm.COMPLETED
        assert lab.get(zoes).status == iqm.IN_QUEUE
        assert ann.machine.status().lease == lease
        with pytest.raises(NotAllowed):
            zoe.leases.take("bench", 60.0)
        assert ann.leases.renew(lease.id, 700.0).id == lease.id


def test_labctl_takes_shows_and_gives(lab: PeopleLab) -> None:
    ann, zoe = labctl(lab, "ann"), labctl(lab, "zoe")

    taken = ann.answer("take", "star5", "--for", "20m", "--note", "cooling down")
    again = ann.facts("take", "star5", "--for", "30m")
    shown = zoe.answer("status")
    refused = zoe.refused("take", "star5")
    not_his = zoe.refused("give", "star5")
    job = lab.submit_as("zoe")
    why = Labctl(f"http://{lab.address}/star5", token=lab.tokens["zoe"]).answer("why", "last")
    given = ann.answer("give", "star5")

    assert taken.startswith("star5 is yours until ")
    assert taken.endswith(": cooling down\n")
    assert (again["note"], again["is_own"]) == ("cooling down", True)
    assert "lease" in shown
    assert "cooling down" in shown
    assert "of ann until" in refused
    assert "may not give back somebody else's lease" in not_his
    assert "ann has a lease on star5 until" in why
    assert given.startswith("star5 is free")
    assert lab.wait_for(job).status == iqm.COMPLETED
    assert "nobody holds a lease" in ann.refused("give", "star5")
