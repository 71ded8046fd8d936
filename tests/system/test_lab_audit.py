"""The audit through a real channel."""

from __future__ import annotations

import os
import pwd
import re
import sqlite3
from collections.abc import Iterator

import grpc
import pytest
from quick_lab import QuickLab, lookup

from labd.core.audit import AuditLine, verify
from labd.wire import lab_pb2

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def read(lab: QuickLab, **wanted: int | str) -> list[AuditLine]:
    request = lab_pb2.ReadAuditRequest(**wanted)  # type: ignore[arg-type]
    return [
        AuditLine(**{field: getattr(each, field) for field in each.DESCRIPTOR.fields_by_name})
        for each in lab.lab.ReadAudit(request)
    ]


def actions(lines: list[AuditLine]) -> list[str]:
    return [line.action for line in lines]


def test_the_chain_goes_on_over_stops_and_kills(lab: QuickLab) -> None:
    lab.jobs.CancelJobV1(lookup(lab.submit(s=60)))
    lab.kill()
    lab.restart()
    lab.stop()
    lab.restart()

    lines = read(lab)

    assert verify(lines) is None
    assert actions(lines) == [
        "daemon.start",
        "calibration.import",
        "calibration.activate",
        "user.put",
        "job.submit",
        "job.cancel",
        "daemon.start",
        "daemon.stop",
        "daemon.start",
    ]
    heads = re.findall(r"audit head (\d+):([0-9a-f]{64})", lab.log())
    by_number = {line.number: line.hash.hex() for line in lines}
    assert [int(number) for number, _ in heads] == [1, 7, 8, 9]
    assert all(by_number[int(number)] == digest for number, digest in heads)


def test_lines_are_found_by_conditions(lab: QuickLab) -> None:
    jobs = [lab.submit() for _ in range(3)]
    lab.jobs.CancelJobV1(lookup(lab.submit(s=60)))
    everything = read(lab)

    submits = read(lab, action="job.submit")

    assert len(submits) == 4
    assert {line.user for line in submits} == {ME}
    assert actions(read(lab, action="job.")) == ["job.submit"] * 4 + ["job.cancel"]
    assert read(lab, last=1, action="job.submit") == submits[-1:]
    assert read(lab, last=2) == everything[-2:]
    assert read(lab, first_number=2, last_number=3) == everything[1:3]
    assert read(lab, user="nobody at all") == []
    assert read(lab, first_number=2**64 - 1) == []
    assert [line.object for line in read(lab, object=submits[0].object)] == [submits[0].object]
    assert len(jobs) == 3
    with pytest.raises(grpc.RpcError) as caught:
        read(lab, last=10_001)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_who_gets_round_the_database_is_found_out(lab: QuickLab) -> None:
    for _ in range(3):
        lab.submit()
    lab.stop()
    with sqlite3.connect(lab.state / "labd.db") as db:
        db.execute("DROP TRIGGER audit_no_update")
        db.execute("UPDATE audit SET user = 'mallory' WHERE number = 5")
    db.close()
    lab.restart()

    bad = verify(read(lab))

    assert bad is not None
    assert bad.number == 5
