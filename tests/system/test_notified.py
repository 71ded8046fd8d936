"""A running labd tells a program and a server of what they want to know."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import SimpleQueue

from quick_lab import QuickLab, lookup

from labd.wire import iqm_server_pb2 as iqm

Event = dict[str, str]


@contextmanager
def hook() -> Iterator[tuple[int, SimpleQueue[Event]]]:
    """A server on loopback, and the events that are posted to it."""
    events: SimpleQueue[Event] = SimpleQueue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            for event in json.loads(body)["events"]:
                events.put(event)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, events
        server.shutdown()
        thread.join()


def notifying(folder: Path, *tables: str) -> QuickLab:
    lab = QuickLab(folder)
    text = "".join(f"[[notify]]\n{table}\nmost_per_minute = 600\n" for table in tables)
    lab.config.write_text(text + lab.config.read_text())
    return lab


def test_ends_of_jobs_and_faults_of_racks_are_told(tmp_path: Path) -> None:
    with hook() as (port, events):
        topics = '["FAILED", "INTERRUPTED", "CANCELLED", "rack"]'
        table = f'name = "chat"\non = {topics}\nwebhook = "http://127.0.0.1:{port}/hook"'
        with notifying(tmp_path, table) as lab:
            lab.wait_for(lab.submit())
            lab.wait_for(failed := lab.submit(do="fail"))
            first = events.get(timeout=10)
            lab.wait_for(lab.submit(do="unavailable", s=0.1))
            others = [events.get(timeout=10) for _ in range(3)]
            lab.wait_for(died := lab.submit(do="die"))
            last = [events.get(timeout=10) for _ in range(2)]

    assert (first["event"], first["quantum_computer"]) == ("FAILED", "star5")
    assert first["error"] == "awg1, while playing: it caught fire"
    assert bytes.fromhex(first["job_id"].replace("-", "")) == failed.id.raw
    assert sorted(each["event"] for each in others) == ["FAILED", "rack", "rack"]
    racks = [each["text"] for each in others if each["event"] == "rack"]
    assert racks == ["star5: awg1 does not answer", "star5: the rack is ready again"]
    assert {each["event"] for each in last} == {"INTERRUPTED", "rack"}
    told = next(each for each in last if each["event"] == "INTERRUPTED")
    assert bytes.fromhex(told["job_id"].replace("-", "")) == died.id.raw


def test_a_job_that_a_crash_interrupted_is_told_after_the_restart(tmp_path: Path) -> None:
    with hook() as (port, events):
        table = f'name = "x"\non = ["INTERRUPTED"]\nwebhook = "http://127.0.0.1:{port}/"'
        with notifying(tmp_path, table) as lab:
            lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
            lab.kill()
            lab.restart()

            told = events.get(timeout=10)

    assert told["event"] == "INTERRUPTED"


def test_a_program_that_hangs_holds_up_no_job_and_no_stop(tmp_path: Path) -> None:
    program = tmp_path / "hang"
    program.write_text("#!/bin/sh\nexec sleep 1000\n")
    program.chmod(0o755)
    with notifying(tmp_path, f'name = "x"\non = ["COMPLETED"]\ncommand = ["{program}"]') as lab:
        for _ in range(20):
            job = lab.submit()
        ended = lab.wait_for(job)

        status = lab.stop()

    assert ended.status == iqm.COMPLETED
    assert status == 0
    assert "notices are lost" in lab.log()


def test_log_lines_are_objects_with_fields(tmp_path: Path) -> None:
    with QuickLab(tmp_path).edit('log_format = "text"', 'log_format = "json"') as lab:
        lab.wait_for(job := lab.submit())
        user = lab.lab.GetJobDetails(lookup(job)).summary.user

    lines = [json.loads(line) for line in lab.log().splitlines()]
    states = [line["JOB_STATE"] for line in lines if "JOB_STATE" in line]
    completed = next(line for line in lines if line.get("JOB_STATE") == "COMPLETED")
    assert states == ["IN_QUEUE", "EXECUTING", "COMPLETED"]
    assert bytes.fromhex(completed["JOB_ID"].replace("-", "")) == job.id.raw
    assert (completed["QC"], completed["USER_ID"]) == ("star5", user)
    assert completed["level"] == "INFO"
