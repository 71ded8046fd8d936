"""Mutated payloads against a whole labd: refused with a sentence, or executed to a valid result.

The captured jobs, with few shots, are mutated byte by byte (flips, cuts, insertions, repeats) and
field by field (numbers pushed to their edges). `LABD_FUZZ_N` sets how many: 300 by default, 5,000
in `make fuzz`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import sweep_pb2

N_MUTATIONS = int(os.environ.get("LABD_FUZZ_N", "300"))
PAYLOADS = sorted((Path(__file__).parents[1] / "data" / "payloads").glob("*.sweep.bin"))
FINAL = (iqm.COMPLETED, iqm.CANCELLED, iqm.FAILED, iqm.INTERRUPTED)
EDGES = (0, 1, 2**31 - 1, 2**32, 2**53, 2**63 - 1)
REAL_EDGES = (0.0, -1.0, 1e300, 5e-324, float("nan"), float("inf"), 1.0000001)
JOB_DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def playground() -> Iterator[subprocess.Popen[str]]:
    labd = Path(sys.executable).with_name("labd")
    command = [str(labd), "playground", "--port", "0", "--seed", "11", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.terminate()


@pytest.mark.timeout(max(300, N_MUTATIONS))
def test_mutated_payloads_are_refused_with_a_sentence_or_executed(
    playground: subprocess.Popen[str],
) -> None:
    assert playground.stdout is not None
    url = json.loads(playground.stdout.readline())["url"]
    rng = random.Random(20)
    outcomes: Counter[str] = Counter()

    with grpc.insecure_channel(url.split("/")[2]) as channel:
        jobs = iqm_grpc.JobsStub(channel)
        listed = iqm_grpc.QuantumComputersStub(channel).ListQuantumComputersV1(
            iqm.ListQuantumComputerFiltersV1()
        )
        qc_id = listed.items[0].id
        for number in range(N_MUTATIONS):
            payload = _mutated(rng)
            outcomes[_outcome(jobs, qc_id, payload, number)] += 1

    assert playground.poll() is None, "labd or the rack ended"
    assert set(outcomes) == {"refused", "completed"}, outcomes
    assert outcomes["refused"] > N_MUTATIONS // 10
    assert outcomes["completed"] > N_MUTATIONS // 50


def _outcome(jobs: iqm_grpc.JobsStub, qc_id: iqm.Uuid, payload: bytes, number: int) -> str:
    request = iqm.SubmitJobRequestV1(qc_id=qc_id, type=iqm.PULSE, payload=payload)
    try:
        job = jobs.SubmitJobV1(request, timeout=JOB_DEADLINE_S)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, (number, error)
        assert len(error.details() or "") > 10, (number, error)
        return "refused"
    lookup = iqm.JobLookupV1(id=job.id)
    for event in jobs.SubscribeToJobV1(lookup, timeout=JOB_DEADLINE_S):
        if event.WhichOneof("value") == "update":
            job = event.update
    assert job.status in FINAL, (number, job)
    assert job.status == iqm.COMPLETED, (number, job.error)
    data = b"".join(chunk.data for chunk in jobs.GetJobResultsV1(lookup, timeout=JOB_DEADLINE_S))
    assert sweep_pb2.SweepResultsResponse.FromString(data).results, number
    return "completed"


def _mutated(rng: random.Random) -> bytes:
    task = sweep_pb2.SweepTaskRequest.FromString(rng.choice(PAYLOADS).read_bytes())
    request = sweep_pb2.SweepRequest.FromString(task.payload.value)
    options = request.settings.subnodes["options"].settings
    averaged = options["averaging_bins"].value.sint64_value == 1
    options["playlist_repeats"].value.sint64_value = 4
    options["averaging_bins"].value.sint64_value = 1 if averaged else 4
    if rng.random() < 0.5:
        for _ in range(rng.randint(1, 3)):
            _mutate_field(rng, request)
        task.payload.value = request.SerializeToString()
        return task.SerializeToString()
    task.payload.value = _mutate_bytes(rng, request.SerializeToString())
    data = task.SerializeToString()
    return _mutate_bytes(rng, data) if rng.random() < 0.1 else data


def _mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    place = rng.randrange(len(data))
    length = rng.choice((1, 1, 1, 2, 8, 64))
    match rng.randrange(4):
        case 0:
            flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in data[place : place + length])
            return data[:place] + flipped + data[place + length :]
        case 1:
            return data[:place] + data[place + length :]
        case 2:
            return data[:place] + rng.randbytes(length) + data[place:]
        case _:
            return data[:place] + data[place : place + length] * 2 + data[place + length :]


def _mutate_field(rng: random.Random, message: Message) -> None:
    """Walk down to a random number, text or list and push it to an edge."""
    while True:
        fields = message.ListFields()
        if not fields:
            return
        field, value = rng.choice(fields)
        if field.message_type is None:
            _push(rng, message, field.name, value)
            return
        if field.message_type.GetOptions().map_entry:
            entry = value[rng.choice(sorted(value))]
            if not isinstance(entry, Message):
                return
            message = entry
        elif isinstance(value, Message):
            message = value
        else:
            message = rng.choice(value)


def _push(rng: random.Random, message: Message, name: str, value: object) -> None:
    match value:
        case bool():
            setattr(message, name, not value)
        case int():
            edge = rng.choice((*EDGES, value + 1, value * 16, max(value - 1, 0)))
            try:
                setattr(message, name, edge)
            except ValueError:  # beyond the field's own range
                setattr(message, name, 0)
        case float():
            setattr(message, name, rng.choice((*REAL_EDGES, -value, value * 1.5)))
        case str():
            setattr(message, name, rng.choice(("", value + "x", "QB9__drive.awg", value[:-1])))
        case _:
            items = getattr(message, name)
            place = rng.randrange(len(items))
            if rng.random() < 0.3:
                del items[place]
            elif isinstance(items[place], float):
                items[place] = rng.choice(REAL_EDGES)
            elif isinstance(items[place], int):
                items[place] = rng.choice((0, 1, 7, 1000, 2**31 - 1))
            else:
                items[place] = items[place] + "x"
