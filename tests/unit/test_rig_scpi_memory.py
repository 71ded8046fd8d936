"""What an AWG is sent: what it lacks and nothing else, and room is made when it is full."""

from hashlib import blake2b

import numpy as np
import pytest

from labd_drivers.rigs.scpi import memory as memory_module
from labd_drivers.rigs.scpi.memory import AwgMemory, Blocks
from labd_drivers.rigs.scpi.plan import AwgPlan, Content, Part, Step, Waveform, render

N_SAMPLES = 2400
WAVEFORM_BYTES = 4 * N_SAMPLES


def pulse(seed: int) -> tuple[Content, Blocks]:
    samples = np.random.default_rng(seed).uniform(-1, 1, 100).astype(np.complex64)
    digest = blake2b(samples.tobytes(), digest_size=16).digest()
    return Content(N_SAMPLES, (Part(digest, 0, 0),), ()), {digest: samples}


def plan(*seeds: int, channels: tuple[int, ...] = (1,)) -> tuple[AwgPlan, Blocks]:
    """One step for each seed, the same pulse on all channels."""
    pulses = [pulse(seed) for seed in seeds]
    steps = tuple(Step((content,) * len(channels), 1, False) for content, _ in pulses)
    blocks = {digest: samples for _, some in pulses for digest, samples in some.items()}
    return AwgPlan("awg1", channels, steps), blocks


def test_the_same_plan_again_needs_nothing() -> None:
    memory = AwgMemory((1, 2))
    memory.load(*plan(1, 2))

    again = memory.load(*plan(1, 2))

    assert again.is_empty
    assert again.n_waveforms == 2


def test_another_plan_needs_what_is_new() -> None:
    memory = AwgMemory((1, 2))
    first = memory.load(*plan(1, 2))

    second = memory.load(*plan(2, 3))

    assert len(first.uploads) == 2
    assert len(second.uploads) == 1
    assert second.deletions == ()


def test_a_plan_known_from_before_is_only_assigned() -> None:
    memory = AwgMemory((1, 2))
    memory.load(*plan(1))
    memory.load(*plan(2))

    back = memory.load(*plan(1))

    assert not back.uploads
    assert not back.deletions
    assert [command.split(":")[1].split(" ")[0] for command in back.definitions] == [
        "CASSet",
        "CASSet",
    ]


def test_outputs_without_a_track_are_emptied() -> None:
    memory = AwgMemory((1, 2, 5))

    load = memory.load(*plan(1, channels=(2,)))

    assert load.definitions[-2:] == ("SOURce1:CASSet:CLEar", "SOURce5:CASSet:CLEar")


def test_after_forgetting_everything_is_sent() -> None:
    memory = AwgMemory((1,))
    memory.load(*plan(1, 2))
    memory.forget()

    assert len(memory.load(*plan(1, 2)).uploads) == 2


def test_the_waveform_used_longest_ago_makes_room_with_its_sequences() -> None:
    memory = AwgMemory((1,), max_bytes=2 * WAVEFORM_BYTES)
    one, two = (memory.load(*plan(seed)) for seed in (1, 2))
    memory.load(*plan(1))

    third = memory.load(*plan(3))

    (gone,) = two.uploads
    kept = one.uploads[0].name
    assert third.deletions[-1] == f'WLISt:WAVeform:DELete "{gone.name}"'
    assert third.deletions[0].startswith("SLISt:SEQuence:DELete")
    assert len(third.deletions) == 2
    assert not any(kept in command for command in third.deletions)
    assert len(memory.load(*plan(2)).uploads) == 1


def test_recipes_are_remembered_while_they_are_used_and_forgotten_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rendered: list[Content] = []

    def spy(content: Content, blocks: Blocks) -> Waveform:
        rendered.append(content)
        return render(content, blocks)

    monkeypatch.setattr(memory_module, "render", spy)
    monkeypatch.setattr(memory_module, "MAX_NAMED_CONTENTS", 3)
    memory = AwgMemory((1,))

    for seed in range(1, 20):
        memory.load(*plan(0, seed))
    back = memory.load(*plan(0, 1))

    assert rendered.count(pulse(0)[0]) == 1
    assert rendered.count(pulse(1)[0]) == 2
    assert back.uploads == ()


def test_what_the_new_plan_uses_is_never_deleted() -> None:
    memory = AwgMemory((1,), max_bytes=WAVEFORM_BYTES)
    memory.load(*plan(1))

    load = memory.load(*plan(1, 2))

    assert load.deletions == ()
    assert len(load.uploads) == 1


def test_old_sequences_are_deleted_before_there_are_too_many() -> None:
    memory = AwgMemory((1,), max_sequences=3)

    loads = [memory.load(*plan(1, *range(2, 2 + n))) for n in range(5)]

    assert [len(load.deletions) for load in loads] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("channels", [(1,), (1, 2, 3)])
def test_a_sequence_loops_over_all_its_tracks(channels: tuple[int, ...]) -> None:
    load = AwgMemory((1, 2, 3)).load(*plan(1, 2, channels=channels))

    name = load.definitions[0].split('"')[1]
    assert load.definitions[0] == f'SLISt:SEQuence:NEW "{name}",2,{len(channels)}'
    assert sum(":WAVeform " in command for command in load.definitions) == 2 * len(channels)
    assert f'SLISt:SEQuence:STEP2:GOTO "{name}",FIRSt' in load.definitions
