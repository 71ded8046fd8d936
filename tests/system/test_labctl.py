"""labctl against a real laboratory: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from lab_processes import PAYLOADS, ROOT, Playground, playground
from labctl_runner import Labctl

from labd.client import Client, gates

BELL = str(PAYLOADS / "bell.sweep.bin")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    with playground(tmp_path_factory.mktemp("lab"), "--seed", "11") as running:
        yield running


@pytest.fixture(scope="module")
def labctl(lab: Playground) -> Labctl:
    return Labctl(lab.url)


@pytest.fixture(scope="module")
def bell_id(labctl: Labctl) -> str:
    """A completed Bell job."""
    return labctl.answer("submit", "--wait", BELL).splitlines()[0]


def long_job(lab: Playground) -> str:
    """A job of ten minutes."""
    with Client(lab.url) as client:
        program = client.program(shots=1_000_000)
        segment = program.segment()
        gates.prx(segment, client.calibration(), "QB1", math.pi)
        gates.measure(segment, client.calibration(), "PL-1", ["QB1"])
        return str(client.submit(program).id)


def test_submit_and_wait_print_the_id_and_the_final_state(labctl: Labctl) -> None:
    lines = labctl.answer("submit", "--wait", BELL).splitlines()

    assert re.fullmatch(r"[0-9a-f-]{36}", lines[0])
    assert lines[1:] == ["COMPLETED"]


def test_results_are_a_table_of_counts_in_eighty_columns(labctl: Labctl, bell_id: str) -> None:
    lines = labctl.answer("results", bell_id).splitlines()

    counted = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    assert sum(counted.values()) == 1000
    assert counted["00"] + counted["11"] >= 900
    assert max(map(len, lines)) <= 80


def test_results_as_json_npz_png_and_raw_agree(
    labctl: Labctl, bell_id: str, tmp_path: Path
) -> None:
    npz, png, raw = tmp_path / "out.npz", tmp_path / "out.png", tmp_path / "out.bin"

    facts = json.loads(labctl.answer("results", bell_id, "--json"))
    labctl.answer("results", bell_id, "--npz", str(npz), "--plot", str(png), "--raw", str(raw))

    assert sum(facts["counts"][0].values()) == 1000
    with np.load(npz) as arrays:
        np.testing.assert_array_equal(
            arrays["QB1__m1"].tolist(), facts["labels"]["QB1__m1"]["values"]
        )
    assert png.read_bytes().startswith(b"\x89PNG")
    assert len(raw.read_bytes()) > 2000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.bin", "out.npz", "out.png"]


def test_the_payload_comes_back_as_it_was_submitted(
    labctl: Labctl, bell_id: str, tmp_path: Path
) -> None:
    labctl.answer("payload", bell_id, "-o", str(tmp_path / "payload"))

    assert (tmp_path / "payload").read_bytes() == Path(BELL).read_bytes()
    assert "channel TC-1-3__flux.awg (real" in labctl.answer("payload", bell_id, "--text")


def test_list_shows_the_newest_job_first_and_an_ending_names_a_job(
    labctl: Labctl, bell_id: str
) -> None:
    submitted = labctl.answer("submit", BELL).strip()

    jobs = json.loads(labctl.answer("list", "--json"))["jobs"]
    text = labctl.answer("list", "-n", "1").splitlines()

    assert jobs[0]["id"] == submitted
    assert bell_id in [job["id"] for job in jobs]
    assert {"job", "status", "shots", "submitted", "took"} <= set(text[0].split())
    assert submitted in text[1]
    assert max(map(len, text)) <= 80
    assert json.loads(labctl.answer("show", submitted[-8:], "--json"))["id"] == submitted
    assert json.loads(labctl.answer("show", "last", "--json"))["id"] == submitted


def test_watch_tells_every_state_and_the_shots(labctl: Labctl) -> None:
    job_id = labctl.answer("submit", BELL).strip()

    lines = [json.loads(line) for line in labctl.answer("watch", job_id, "--json").splitlines()]

    states = [line["status"] for line in lines if "status" in line]
    shots = [line["shots_done"] for line in lines if line.get("shots_total")]
    assert states[-1] == "COMPLETED"
    assert len(set(states)) == len(states) or states.count("IN_QUEUE") > 1
    assert shots == sorted(shots)


def test_cancelling_what_runs_and_what_waits(lab: Playground, labctl: Labctl) -> None:
    running, waiting = long_job(lab), long_job(lab)
    with Client(lab.url) as client:
        next(shots for shots in client.progress(running) if shots.shots_done > 0)

    answers = [labctl.answer("cancel", job_id).strip() for job_id in (waiting, running)]
    watched = labctl.run("watch", running)

    assert answers[0] == "CANCELLED"
    assert answers[1] in ("EXECUTING", "CANCELLED")
    assert watched.exit_code == 1
    assert watched.stdout == "CANCELLED\n"
    assert watched.stderr.splitlines()[-1] == "cancelled while it was executing"


def test_a_late_cancel_is_refused_in_one_line(labctl: Labctl, bell_id: str) -> None:
    done = labctl.run("cancel", bell_id)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"job {bell_id} is already COMPLETED and cannot be cancelled\n"


def test_a_payload_that_cannot_be_played_is_refused_with_every_mistake(labctl: Labctl) -> None:
    feedback = str(PAYLOADS / "reset_feedback.sweep.bin")

    text = labctl.run("submit", feedback)
    facts = json.loads(labctl.run("submit", "--json", feedback).stderr)

    assert text.exit_code == 1
    assert text.stderr.splitlines()[0] == "invalid_payload, 4 mistakes:"
    assert len(text.stderr.splitlines()) == 5
    assert facts["error_code"] == "invalid_payload"
    assert facts["code"] == "INVALID_ARGUMENT"
    assert any("ConditionalInstruction" in problem for problem in facts["problems"])


def test_a_payload_of_another_type_is_refused(labctl: Labctl) -> None:
    done = labctl.run("submit", "--type", "circuit", BELL)

    assert done.exit_code == 1
    assert "payload: is not JSON" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("show",), ("list", "--limit", "0"), ("show", "zz"), ("submit", "/nowhere"), ("payload",)],
)
def test_wrong_usage_ends_with_2(labctl: Labctl, arguments: tuple[str, ...]) -> None:
    done = labctl.run(*arguments)

    assert (done.exit_code, done.stdout) == (2, "")


def test_an_unknown_job_and_an_unknown_quantum_computer_are_refused(labctl: Labctl) -> None:
    job = labctl.run("show", "01920000-0000-7000-8000-000000000001")
    computer = labctl.run("--alias", "nope", "list")

    assert (job.exit_code, computer.exit_code) == (1, 1)
    assert "not found" in job.stderr
    assert computer.stderr == "quantum computer nope not found: labd serves star5\n"


def test_nobody_there_is_said_in_one_line() -> None:
    done = Labctl("http://127.0.0.1:1/star5").run("list")

    assert done.exit_code == 1
    assert done.stderr.startswith("nobody answers at http://127.0.0.1:1/star5")
    assert len(done.stderr.splitlines()) == 1


def test_the_unix_socket_serves_as_well(lab: Playground, bell_id: str) -> None:
    over_socket = Labctl(f"unix:{lab.directory}/state/labd.sock")

    assert json.loads(over_socket.answer("show", bell_id, "--json"))["status"] == "COMPLETED"


@pytest.mark.parametrize("document", ["docs/users.md", "README.md"])
def test_the_documented_python_examples_run(document: str, lab: Playground) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ours = [block for block in blocks if "iqm" not in block]

    namespace: dict[str, object] = {}
    for block in ours:
        code = re.sub(r"http://(localhost|127\.0\.0\.1):50051/star5", lab.url, block)
        exec(compile(code, document, "exec"), namespace)

    assert ours
    client = namespace.get("labd")
    if isinstance(client, Client):
        client.close()
