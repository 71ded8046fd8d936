"""How many shots a block has: as many as take a quarter of a second, as far as is known."""

import pytest

from labd.rack.executor import BLOCK_S, MAX_CHANGE, Tempo, next_block


def test_before_anything_is_known_a_block_is_as_long_as_its_shots_play() -> None:
    assert Tempo().shots_of_block(0.01) == 25


def test_a_shot_longer_than_a_block_is_a_block() -> None:
    assert Tempo().shots_of_block(3.0) == 1


@pytest.mark.parametrize("stretch", [0.1, 1.0, 7.0])
def test_blocks_settle_at_a_quarter_of_a_second(stretch: float) -> None:
    tempo, loop_s = Tempo(), 0.0005

    for _ in range(5):
        played_s = tempo.shots_of_block(loop_s) * loop_s
        tempo.learn(played_s, stretch * played_s)

    taken_s = tempo.shots_of_block(loop_s) * loop_s * stretch
    assert taken_s == pytest.approx(BLOCK_S, rel=0.05)


def test_one_odd_block_does_not_change_everything() -> None:
    tempo = Tempo()

    tempo.learn(0.001, 10.0)

    assert tempo.shots_of_block(0.001) == int(BLOCK_S / 0.001 / MAX_CHANGE)


@pytest.mark.parametrize(
    ("n_left", "n_wanted", "limit", "n_next"),
    [
        (20, 19, 100, 20),  # not 19 and a block of one
        (28, 19, 100, 28),
        (40, 19, 100, 20),
        (1, 50, 100, 1),
        (1000, 1, 100, 1),
        (149, 100, 100, 75),  # the limit is kept
    ],
)
def test_what_is_left_is_cut_into_equal_blocks(
    n_left: int, n_wanted: int, limit: int, n_next: int
) -> None:
    assert next_block(n_left, n_wanted, limit) == n_next
