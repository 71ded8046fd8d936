"""Mutated payloads: refused with a sentence or compiled, nothing else, and never for long.

`LABD_FUZZ_N` sets how many mutations, 300 by default.
"""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable

import numpy as np
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from sweep_support import DRIVE, PAYLOADS, READOUT, Edit, compiled, payload_of

from labd.core.compile import PulseJob
from labd.core.demod import Demodulator
from labd.core.errors import InvalidPayload
from labd.core.layout import file_plan
from labd.core.program import Records
from labd.payloads.census import SMALL_BYTES
from labd.payloads.sweep import REQUEST_TYPE
from labd.wire import playlist_pb2, sweep_pb2

N_MUTATIONS = int(os.environ.get("LABD_FUZZ_N", "300"))
SEEDS = [path.read_bytes() for path in sorted(PAYLOADS.glob("*.sweep.bin"))]
LONGEST_S = 30.0


def mutated(rng: random.Random) -> bytes:
    payload = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(payload))
        match rng.randrange(6):
            case 0:
                payload[at] ^= 1 << rng.randrange(8)
            case 1:
                payload[at] = rng.choice((0x00, 0x7F, 0x80, 0xFF))
            case 2:
                del payload[at : at + rng.randint(1, 9)]
            case 3:
                payload[at:at] = rng.randbytes(rng.randint(1, 9))
            case 4:
                payload[at : at + 9] = b"\xff" * 9 + b"\x01"
            case _:
                end = min(len(payload), at + rng.randint(1, 64))
                payload[at:at] = payload[at:end]
        payload = payload or bytearray(b"\x00")
    return bytes(payload)


def field_mutated(rng: random.Random) -> bytes:
    """A mutation within the request, so that the envelope stays readable."""

    def edit(request: sweep_pb2.SweepRequest) -> None:
        raw = bytearray(request.SerializeToString())
        for _ in range(rng.randint(1, 3)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        request.ParseFromString(bytes(raw))

    name = rng.choice([p.name.split(".")[0] for p in sorted(PAYLOADS.glob("*.sweep.bin"))])
    try:
        return payload_of(name, edit)
    except Exception:
        return field_mutated(rng)


INTEGERS = (0, 1, 2, 15, 16, 2**31 - 1, 2**32, 2**53, 2**63 - 1)
REALS = (0.0, -1.0, 1.0000001, 0.5, 1e300, 5e-324, -1e-12, float("nan"), float("inf"), 1e18)


def edge_mutated(rng: random.Random) -> bytes:
    """Numbers somewhere in the request pushed to their edges, lists cut or doubled."""

    def edit(request: sweep_pb2.SweepRequest) -> None:
        for _ in range(rng.randint(1, 3)):
            push_to_edge(rng, request)

    return payload_of(rng.choice(sorted(PAYLOADS.glob("*.sweep.bin"))).name.split(".")[0], edit)


def push_to_edge(rng: random.Random, message: Message) -> None:
    """Walk down a random path of the message and change what is at its end."""
    while message.ListFields():
        field, value = rng.choice(message.ListFields())
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key = rng.choice(sorted(value))
            if isinstance(value[key], str):
                return
            message = value[key]
        elif field.message_type is not None:
            if field.is_repeated and rng.random() < 0.05:
                value.append(rng.choice(list(value)))
                return
            message = rng.choice(list(value)) if field.is_repeated else value
        elif field.is_repeated:
            value[rng.randrange(len(value))] = edge_of(rng, field, value[0])
            return
        else:
            setattr(message, field.name, edge_of(rng, field, value))
            return


def edge_of(rng: random.Random, field: FieldDescriptor, value: object) -> bool | int | float | str:
    match value:
        case bool():
            return not value
        case int() if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            return value
        case int():
            return rng.choice(INTEGERS)
        case float():
            return rng.choice(REALS)
        case _:
            return rng.choice(("", "QB1__m1", "QB1__drive.frequency", "\U0001f9ca"))


@pytest.mark.timeout(60 + N_MUTATIONS)
@pytest.mark.parametrize("mutate", [mutated, field_mutated, edge_mutated])
def test_a_mutated_payload_is_refused_or_compiled(mutate: Callable[[random.Random], bytes]) -> None:
    rng = random.Random(7)
    n_refused = n_compiled = 0

    for _ in range(N_MUTATIONS):
        payload = mutate(rng)
        started = time.monotonic()
        try:
            job = compiled(payload)
        except InvalidPayload as error:
            n_refused += 1
            assert all(len(str(problem)) > 10 for problem in error.problems)
        else:
            n_compiled += 1
            assert file_plan(job.layout, job.sweep_id).n_bytes == job.result_bytes
            Demodulator(job).values(no_records(job))
        assert time.monotonic() - started < LONGEST_S, payload

    assert n_refused > N_MUTATIONS // 5
    assert n_compiled > N_MUTATIONS // 50


def no_records(job: PulseJob) -> Records:
    shape = (0, job.program.n_triggers, job.program.record_samples)
    return Records(0, {READOUT: np.zeros(shape, dtype=np.complex64)})


def drive(request: sweep_pb2.SweepRequest) -> playlist_pb2.ChannelDescription:
    return request.playlist.channels[DRIVE]


def million_references(request: sweep_pb2.SweepRequest) -> None:
    request.playlist.schedules[0].channels[DRIVE].instruction_refs.extend([3] * 1_000_000)


def many_references(request: sweep_pb2.SweepRequest) -> None:
    request.playlist.schedules[0].channels[DRIVE].instruction_refs.extend([3] * 2_000_001)


def many_instructions(request: sweep_pb2.SweepRequest) -> None:
    drive(request).instruction_table.extend([playlist_pb2.Instruction()] * 1_000_001)


def many_segments(request: sweep_pb2.SweepRequest) -> None:
    request.playlist.schedules.extend([playlist_pb2.Schedule()] * 100_001)


def many_long_pulses(request: sweep_pb2.SweepRequest) -> None:
    drive(request).waveform_table.add(n_samples=4 << 20).constant.SetInParent()
    for k in range(64):
        pulse = drive(request).instruction_table.add(duration_samples=4 << 20).iq_pulse
        pulse.waveform_i_ref, pulse.scale_i = 2, 0.001 * k
        request.playlist.schedules[0].channels[DRIVE].instruction_refs.append(4 + k)


def many_entries_many_times(request: sweep_pb2.SweepRequest) -> None:
    table = drive(request).instruction_table
    mux = table.add(duration_samples=16).multiplexed_iq_pulse
    for _ in range(1000):
        mux.entries.add(instruction_ref=1)
    for k in range(1000):
        copy = table.add(duration_samples=16 * (k + 1))
        copy.multiplexed_iq_pulse.CopyFrom(mux)
        copy.multiplexed_iq_pulse.entries[0].offset_samples = 16 * k
        request.playlist.schedules[0].channels[DRIVE].instruction_refs.append(5 + k)


def many_unknown_labels(request: sweep_pb2.SweepRequest) -> None:
    request.return_parameters.extend(f"QB1__m{k}" for k in range(2, 200_000))


def in_playlist(channel: bytes) -> bytes:
    """A payload whose playlist has one channel, described by these bytes."""
    entry = field(2, channel)
    request = field(7, field(1, entry))
    task = sweep_pb2.SweepTaskRequest()
    task.payload.type_url = f"x/{REQUEST_TYPE}"
    task.payload.value = request
    return task.SerializeToString()


def field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def deep_settings(request: sweep_pb2.SweepRequest, depth: int = 40) -> None:
    node = request.settings
    for _ in range(depth):
        node = node.subnodes["a"]
    node.settings["b"].value.float64_value = 1.0


def far_entries(request: sweep_pb2.SweepRequest) -> None:
    mux = drive(request).instruction_table.add(duration_samples=16 << 20).multiplexed_iq_pulse
    mux.entries.add(instruction_ref=1, offset_samples=2**63 - 1)
    mux.entries.add(instruction_ref=1, offset_samples=-(2**63))
    request.playlist.schedules[0].channels[DRIVE].instruction_refs.append(4)


@pytest.mark.parametrize(
    ("edit", "is_refused"),
    [
        (million_references, False),
        (many_references, True),
        (many_instructions, True),
        (many_segments, True),
        (many_long_pulses, True),
        (many_entries_many_times, True),
        (many_unknown_labels, True),
        (deep_settings, False),
        (lambda request: deep_settings(request, 90), True),
        (far_entries, False),
    ],
)
def test_a_huge_claim_costs_little(edit: Edit, is_refused: bool) -> None:
    payload = payload_of("bell", edit)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()

    if is_refused:
        with pytest.raises(InvalidPayload):
            compiled(payload)
    else:
        compiled(payload)

    assert time.monotonic() - started < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 1 << 20


@pytest.mark.parametrize(
    "channel",
    [
        b"\x1a\x00" * (5 << 20),
        field(3, field(15, field(2, bytes(10 << 20)))),
        field(3, field(15, b"\x10\x01" * (9 << 20))),
    ],
    ids=["empty instructions", "packed numbers", "repeated numbers"],
)
def test_megabytes_of_tiny_parts_are_refused_before_they_are_unpacked(channel: bytes) -> None:
    payload = in_playlist(channel)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()

    with pytest.raises(InvalidPayload) as caught:
        compiled(payload)

    assert "parts or 8000000 numbers, the limits" in str(caught.value)
    assert time.monotonic() - started < LONGEST_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 64 << 10


def test_a_large_honest_payload_is_counted_and_compiled() -> None:
    def edit(request: sweep_pb2.SweepRequest) -> None:
        million_references(request)
        for index in range(4):
            wave = request.playlist.channels[DRIVE].waveform_table.add(n_samples=300_000)
            wave.samples.samples.extend(np.full(300_000, 0.1 * index).tolist())

    payload = payload_of("bell", edit)

    assert len(payload) > SMALL_BYTES
    assert compiled(payload).n_shots == 1000
