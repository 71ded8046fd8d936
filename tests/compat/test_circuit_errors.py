"""What goes wrong reaches the user as his client's own exception, with labd's sentence in it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import circuit_clients as clients
import pytest
from circuit_clients import CircuitClient
from iqm_lab import PI, bell, circuit, delay, measure, prx

if TYPE_CHECKING:
    from conftest import Playground

LONG = circuit("long", prx("QB1", PI), measure("QB1"))
LONG_SHOTS = 200_000


@pytest.fixture(scope="module")
def labctl(url: str, labd_bin: Path) -> Callable[..., Any]:
    def ask(*arguments: str) -> Any:
        command = [str(labd_bin / "labctl"), "--url", url, *arguments, "--json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    return ask


@pytest.fixture(scope="module")
def token(labctl: Callable[..., Any]) -> str:
    labctl("users", "add", "cleo")
    return str(labctl("token", "new", "--user", "cleo")["secret"])


@pytest.fixture
def long_job(client: CircuitClient) -> Iterator[UUID]:
    job_id = client.submit([LONG], LONG_SHOTS)
    yield job_id
    if client.status(job_id) not in ("aborted", "cancelled"):
        client.cancel(job_id)


def test_a_mistake_that_the_client_does_not_see_is_told(client: CircuitClient) -> None:
    backwards = circuit("c", delay("QB1", -1e-6), measure("QB1"), measure("QB2", key="k"))

    with pytest.raises(clients.REFUSED_PAYLOAD, match=r"instruction 0 .*duration"):
        client.submit([backwards], 100)


def test_a_calibration_set_that_is_not_there_is_told(client: CircuitClient) -> None:
    with pytest.raises(clients.UNKNOWN_SET, match=r"calibration set .* not found"):
        client.submit([bell()], 10, calibration_set_id=uuid4())


def test_a_job_that_is_not_there_is_told(client: CircuitClient) -> None:
    with pytest.raises(clients.UNKNOWN_JOB, match="not found"):
        client.status(uuid4())


def test_a_job_without_a_timeslot_is_refused(client: CircuitClient) -> None:
    with pytest.raises(clients.REFUSED_TIMESLOT, match="no active or upcoming timeslot"):
        client.submit_for_timeslot([bell()], 10)


def test_a_job_is_cancelled_once(client: CircuitClient, long_job: UUID) -> None:
    client.cancel(long_job)

    deadline = time.monotonic() + 20.0
    while client.status(long_job) not in ("aborted", "cancelled") and time.monotonic() < deadline:
        time.sleep(0.05)
    with pytest.raises(clients.REFUSED_CANCEL, match="already CANCELLED"):
        client.cancel(long_job)


def test_a_job_that_fails_says_which_instrument_did(
    client: CircuitClient, playground: Playground
) -> None:
    fault = {"do": "fault", "instrument": "scope", "fault": "drop", "seconds": 3600}
    job_id = client.submit([LONG], LONG_SHOTS)
    deadline = time.monotonic() + 20.0
    while client.status(job_id) not in ("execution_started", "processing"):
        assert time.monotonic() < deadline
        time.sleep(0.02)

    playground.ask(fault)
    told = client.failure(job_id)
    playground.ask({"do": "clear", "instrument": "scope"})

    assert told.startswith("failed: ")
    assert "scope" in told
    assert client.bits(client.submit([bell()], 100))


def test_a_token_is_enough_and_others_jobs_are_not_there(
    client: CircuitClient, url: str, token: str
) -> None:
    cleo = CircuitClient(url, token=token)
    hers, theirs = cleo.submit([bell()], 50), client.submit([bell()], 50)

    assert cleo.bits(hers)
    assert client.bits(theirs)
    assert sum(cleo.counts(hers)[0].values()) == 50
    with pytest.raises(clients.UNKNOWN_JOB, match="not found"):
        cleo.status(theirs)


def test_a_wrong_token_is_refused_with_the_way_to_a_right_one(url: str) -> None:
    with pytest.raises(clients.WRONG_TOKEN) as caught:
        CircuitClient(url, token="nonsense").submit([bell()], 10)

    told: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        told.append(str(error))
        error = error.__cause__ or error.__context__
    assert "get a token from an admin" in " ".join(told)


def test_labctl_sees_the_jobs_of_the_clients(
    client: CircuitClient, labctl: Callable[..., Any]
) -> None:
    job_id = client.submit([bell()], 50)
    client.bits(job_id)

    listed = {each["id"]: each for each in labctl("list")["jobs"]}

    assert listed[str(job_id)]["status"] == "COMPLETED"
    assert listed[str(job_id)]["shots"] == 50
