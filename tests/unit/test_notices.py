from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.jobs import Job, JobId, JobState, JobType, Priority, QcId
from labd.core.notices import (
    N_SENTENCES,
    Notice,
    Rate,
    job_notice,
    pack_notices,
    rack_notice,
)

JOB = Job(
    seq=1,
    id=JobId(UUID(int=7)),
    qc_id=QcId(UUID(int=1)),
    job_type=JobType.PULSE,
    state=JobState.FAILED,
    shots=1,
    circuits=1,
    is_timeslot=False,
    user_id=1,
    submitted_by="ann",
    error="scope, while reading: gone",
    created_at_ns=1,
    updated_at_ns=1_800_000_000_000_000_000,
    started_at_ns=2,
    ended_at_ns=3,
    cancel_requested_at_ns=None,
    priority=Priority.NORMAL,
    share_tag_s=0.0,
    hold_note=None,
    payload_bytes=0,
    result_bytes=0,
    calibration_set_id=None,
)


def test_a_failed_job_is_told_with_its_owner_and_reason() -> None:
    notice = job_notice("star5", JOB)

    assert notice is not None
    assert notice.text == (
        "star5: job 00000000-0000-0000-0000-000000000007 of ann is FAILED:"
        " scope, while reading: gone"
    )


@pytest.mark.parametrize("state", JobState)
def test_jobs_are_told_when_they_are_final(state: JobState) -> None:
    notice = job_notice("star5", replace(JOB, state=state, error=None))

    assert (notice is not None) == state.is_final
    assert notice is None or notice.topic == state.value


def test_a_delivery_says_what_happened_and_when() -> None:
    notices = [rack_notice("star5", "awg1 is gone", 0), rack_notice("star5", "", 1_500_000_000)]

    told = json.loads(pack_notices(notices, 0))

    assert told["text"] == "star5: awg1 is gone\nstar5: the rack is ready again"
    assert [each["at"] for each in told["events"]] == [
        "1970-01-01T00:00:00+00:00",
        "1970-01-01T00:00:01.500000+00:00",
    ]
    assert told["n_dropped"] == 0


def test_a_long_delivery_has_a_short_text_and_all_its_events() -> None:
    notices = [Notice("FAILED", 0, "star5", f"number {n}") for n in range(50)]

    told = json.loads(pack_notices(notices, 3))

    assert len(told["text"].splitlines()) == N_SENTENCES + 1
    assert told["text"].endswith("and 43 more")
    assert len(told["events"]) == 50


@given(
    st.floats(0.1, 600),
    st.lists(st.floats(0, 30), min_size=1, max_size=200),
)
def test_a_rate_is_never_exceeded(per_minute: float, pauses_s: list[float]) -> None:
    rate, now_s, gone_s = Rate(per_minute, 0.0), 0.0, []

    for pause_s in pauses_s:
        now_s += pause_s
        now_s += rate.wait_s(now_s) + 1e-6
        rate.take(now_s)
        gone_s.append(now_s)

    for first in range(len(gone_s)):
        within = [at for at in gone_s[first:] if at <= gone_s[first] + 60.0]
        assert len(within) <= max(1.0, per_minute) + per_minute + 1.01
