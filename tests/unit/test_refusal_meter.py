"""However many calls are refused, few lines are written, and all calls are counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labd.core.refusal_meter import BURST, MAX_KINDS, REFILL_NS, REPEAT_NS, RefusalMeter


def test_of_the_same_kind_one_an_hour_is_written_with_the_number_of_the_others() -> None:
    meter = RefusalMeter()

    taken = [meter.take("kind", second * 1_000_000_000) for second in range(2 * 3600)]

    assert taken[0] == 0
    assert taken[3600] == 3599
    assert [each for each in taken if each is not None] == [0, 3599]


def test_ever_new_kinds_empty_the_bucket() -> None:
    meter = RefusalMeter()

    written = [n for n in range(10 * BURST) if meter.take(n, 0) is not None]

    assert written == list(range(BURST))
    assert meter.take("later", REFILL_NS) == 9 * BURST
    assert meter.take("later still", REFILL_NS) is None


def test_what_is_remembered_of_kinds_is_bounded() -> None:
    meter = RefusalMeter()

    for n in range(2 * MAX_KINDS):
        assert meter.take(n, n * REFILL_NS) == 0

    assert len(meter._kinds) == MAX_KINDS


@given(st.sampled_from((0, REFILL_NS // 8, REPEAT_NS // 3)), st.data())
def test_every_refusal_is_written_or_counted(longest_ns: int, data: st.DataObject) -> None:
    calls = data.draw(
        st.lists(st.tuples(st.integers(0, 200), st.integers(0, longest_ns)), max_size=200)
    )
    meter = RefusalMeter()
    now_ns, n_told = 0, 0
    n_written = 0

    for kind, wait_ns in calls:
        now_ns += wait_ns
        n_unwritten = meter.take(kind, now_ns)
        if n_unwritten is not None:
            n_written += 1
            n_told += 1 + n_unwritten

    n_left = meter._n_lost + sum(kind.n_unwritten for kind in meter._kinds.values())
    assert n_told + n_left == len(calls)
    assert n_written <= BURST + now_ns // REFILL_NS
