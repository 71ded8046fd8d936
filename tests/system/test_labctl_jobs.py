"""labctl's verbs for jobs and for the machine, through a real daemon: for people and as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from click.shell_completion import ShellComplete
from labctl_runner import Labctl, listed
from quick_lab import QuickLab, payload

from labd.cli.labctl.root import cli

LONG = "a note that says at length what happened to the compressor of the second stage last night"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def labctl(lab: QuickLab) -> Iterator[Labctl]:
    """With nothing in the queue, and a machine that runs, afterwards."""
    labctl = Labctl(f"http://{lab.address}/star5")
    yield labctl
    labctl.answer("pause", "tidying up")
    for job in listed(labctl.facts("list", "--state", "in_queue"), "jobs"):
        labctl.answer("cancel", str(job["id"]))
    labctl.answer("resume")


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A file with the payload of a job that takes no time."""
    path = tmp_path / "quick.bin"
    path.write_bytes(payload(do="complete", s=0.0, bytes=10))
    return str(path)


def queued(labctl: Labctl, file: str, *options: str) -> str:
    """A job that waits, because the machine is paused."""
    labctl.answer("pause", "for a test")
    return labctl.answer("submit", file, *options).strip()


# ---- handing in, looking at


def test_a_job_is_handed_in_with_tags_priority_and_key(labctl: Labctl, quick: str) -> None:
    options = ("--tag", "rabi", "--tag", "q3", "--priority", "low", "--key", "run 1", "--wait")

    first = labctl.answer("submit", quick, *options).splitlines()
    again = labctl.answer("submit", quick, *options).splitlines()
    found = listed(labctl.facts("list", "--tag", "rabi", "--state", "completed"), "jobs")

    assert first == again
    assert first[1] == "COMPLETED"
    assert [(job["id"], job["tags"], job["priority"]) for job in found] == [
        (first[0], ["q3", "rabi"], "low")
    ]


def test_a_file_that_cannot_be_written_is_told_of_in_one_line(
    labctl: Labctl, quick: str, tmp_path: Path
) -> None:
    labctl.answer("submit", quick, "--wait")
    path = tmp_path / "file" / "below a file"
    path.parent.touch()

    for verb in (("payload", "last", "-o"), ("results", "last", "--raw"), ("backup",)):
        assert labctl.refused(*verb, str(path)).endswith("Not a directory"), verb


def test_the_same_key_with_another_job_is_refused(
    labctl: Labctl, quick: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(payload(do="complete", s=0.0, bytes=11))
    job_id = labctl.answer("submit", quick, "--key", "run 2").strip()

    sentence = labctl.refused("submit", str(other), "--key", "run 2")

    assert "run 2" in sentence
    assert job_id in sentence


def test_a_list_has_pages_and_conditions(labctl: Labctl, quick: str) -> None:
    ids = [labctl.answer("submit", quick, "--tag", "page").strip() for _ in range(3)]

    first = labctl.facts("list", "--tag", "page", "-n", "2")
    page = str(first["next_page"])
    second = labctl.facts("list", "--tag", "page", "-n", "2", "--page", page)
    told = labctl.run("list", "--tag", "page", "-n", "2")

    jobs = [*listed(first, "jobs"), *listed(second, "jobs")]
    assert [job["id"] for job in jobs] == ids[::-1]
    assert second["next_page"] is None
    assert told.stderr == f"more: --page {page}\n"
    assert listed(labctl.facts("list", "--tag", "page", "--since", "1h"), "jobs")
    assert not listed(labctl.facts("list", "--tag", "page", "--until", "1h"), "jobs")
    assert not listed(labctl.facts("list", "--tag", "page", "--type", "circuit"), "jobs")


def test_a_waiting_job_says_why_and_when(labctl: Labctl, quick: str) -> None:
    job_id = queued(labctl, quick)

    told = labctl.facts("why", job_id)
    sentence = labctl.answer("why", job_id).splitlines()[0]
    shown = labctl.answer("show", job_id)
    row = listed(labctl.facts("list", "-n", "1"), "jobs")[0]

    assert told["status"] == "IN_QUEUE"
    assert isinstance(told["waiting"], dict)
    assert told["waiting"]["kind"] == "MACHINE_HELD"
    assert sentence == told["waiting"]["sentence"]
    assert "for a test" in sentence
    assert sentence in " ".join(shown.split())
    assert isinstance(told["estimate"], dict)
    assert row["waiting"] == told["waiting"]


def test_what_is_known_of_a_finished_job(labctl: Labctl, quick: str, tmp_path: Path) -> None:
    job_id = labctl.answer("submit", quick, "--wait").splitlines()[0]

    told = labctl.facts("show", job_id)
    shown = labctl.answer("show", job_id)
    raw = tmp_path / "raw"
    labctl.answer("results", job_id, "--raw", str(raw))

    assert [event["state"] for event in listed(told, "events")] == [
        *("IN_QUEUE", "EXECUTING", "COMPLETED")
    ]
    assert told["result_bytes"] == raw.stat().st_size
    assert told["calibration_set_id"]
    assert re.search(r"^status +COMPLETED", shown, re.MULTILINE)
    assert labctl.answer("why", job_id).startswith("it is COMPLETED since ")


KEYS = {
    *("id", "type", "status", "quantum_computer", "shots", "circuits", "created_at", "updated_at"),
    *("execution_started_at", "execution_ended_at", "execution_s", "queue_position", "error"),
    *("user", "tags", "priority", "use_timeslot", "hold_note", "waiting", "estimate"),
}


def test_the_keys_of_a_job_are_the_documented_ones(labctl: Labctl, quick: str) -> None:
    job_id = labctl.answer("submit", quick, "--wait").splitlines()[0]

    row = listed(labctl.facts("list", "-n", "1"), "jobs")[0]
    told = labctl.facts("show", job_id)

    assert set(row) == KEYS
    assert set(told) - KEYS == {
        *("events", "timings_s", "payload_bytes", "result_bytes", "calibration_set_id", "keeping")
    }


# ---- what becomes of a job


def test_a_held_job_keeps_its_place_until_it_is_released(labctl: Labctl, quick: str) -> None:
    job_id = queued(labctl, quick)

    held = labctl.answer("hold", job_id, "wait for the mixer")
    row = labctl.answer("list", "-n", "1")
    why = labctl.answer("why", job_id)
    released = labctl.facts("release", job_id)

    assert held == f"{job_id} is IN_QUEUE, held: wait for the mixer, priority normal\n"
    assert "HELD #0" in row
    assert "wait for the mixer" in why
    assert released["hold_note"] is None
    assert labctl.facts("hold", job_id)["hold_note"] == ""


def test_priority_and_tags_are_changed(labctl: Labctl, quick: str) -> None:
    first, second = queued(labctl, quick), queued(labctl, quick)

    moved = labctl.answer("priority", second, "high")
    tagged = labctl.answer("tag", second, "a", "b")
    cleared = labctl.facts("tag", second, "--none")

    assert moved == f"{second} is IN_QUEUE, runs next, priority high\n"
    assert tagged.endswith("tags a b\n")
    assert cleared["tags"] == []
    assert labctl.facts("priority", second, "low")["queue_position"] == 1
    assert labctl.facts("show", first)["queue_position"] == 0


def test_deleted_jobs_are_gone(labctl: Labctl, quick: str) -> None:
    ids = [labctl.answer("submit", quick, "--wait").splitlines()[0] for _ in range(3)]

    printed = labctl.answer("delete", *ids[:2]).splitlines()
    told = labctl.facts("delete", ids[2])

    assert printed == ids[:2]
    assert told == {"deleted": [ids[2]]}
    assert f"job {ids[0]} not found" in labctl.refused("show", ids[0])


def test_a_job_that_waits_is_not_deleted(labctl: Labctl, quick: str) -> None:
    job_id = queued(labctl, quick)

    sentence = labctl.refused("delete", job_id)

    assert "cancel" in sentence
    assert labctl.facts("show", job_id)["status"] == "IN_QUEUE"


def test_deleting_asks_at_a_terminal(labctl: Labctl, quick: str) -> None:
    job_id = labctl.answer("submit", quick, "--wait").splitlines()[0]

    status, seen = labctl.on_a_terminal("delete", job_id, typed="n\n")
    kept = labctl.run("show", job_id).exit_code
    agreed, _ = labctl.on_a_terminal("delete", job_id, typed="y\n")

    assert (status, kept, agreed) == (1, 0, 0)
    assert f"delete COMPLETED job {job_id} with its payload and results? [y/N]" in seen
    assert "nothing was done" in seen


# ---- the machine


def test_a_paused_machine_accepts_and_starts_nothing(labctl: Labctl, quick: str) -> None:
    said = labctl.answer("pause", "He level low")
    job_id = labctl.answer("submit", quick).strip()
    (told,) = listed(labctl.facts("status"), "quantum_computers")
    shown = labctl.answer("status")
    watched: list[str] = []
    watcher = Thread(target=lambda: watched.append(labctl.answer("watch", job_id)))
    watcher.start()
    resumed = labctl.facts("resume")
    watcher.join(20)

    assert said == "star5 is PAUSED, accepts jobs and starts none: He level low\n"
    assert (told["mode"], told["note"], told["n_queued"]) == ("PAUSED", "He level low", 1)
    assert re.search(r"^mode +PAUSED", shown, re.MULTILINE)
    assert resumed["mode"] == "RUNNING"
    assert watched == ["COMPLETED\n"]


def test_a_draining_machine_refuses_with_the_note(labctl: Labctl, quick: str) -> None:
    told = labctl.facts("drain", "warm-up on Friday")

    sentence = labctl.refused("submit", quick)

    assert told["mode"] == "DRAINING"
    assert "warm-up on Friday" in sentence
    assert labctl.answer("resume") == "star5 is RUNNING, accepts and starts jobs\n"


def test_draining_asks_at_a_terminal(labctl: Labctl) -> None:
    refused, seen = labctl.on_a_terminal("drain", "a test", typed="\n")
    unasked, _ = labctl.on_a_terminal("drain", "a test", "--yes")

    assert (refused, unasked) == (1, 0)
    assert "refuse all jobs for star5 until `labctl resume`? [y/N]" in seen


# ---- 80 columns


def test_tables_of_jobs_fit_eighty_columns(labctl: Labctl, quick: str) -> None:
    tags = [option for n in range(5) for option in ("--tag", f"a-long-tag-of-mine-{n}")]
    job_id = queued(labctl, quick, *tags, "--priority", "high")
    labctl.answer("pause", LONG)
    labctl.answer("hold", job_id, LONG)

    _, on_a_terminal = labctl.on_a_terminal("list")
    assert max(map(len, on_a_terminal.splitlines())) <= 80
    for verb in (("list",), ("list", "--all"), ("show", job_id), ("status",)):
        seen = labctl.answer(*verb)
        assert max(map(len, seen.splitlines())) <= 80, seen
        assert job_id in seen or verb == ("status",)


def completed(labctl: Labctl, words: str, number: int) -> list[str]:
    """What the shell offers for the word of that number."""
    shell = ShellComplete(cli, {}, "labctl", "_LABCTL_COMPLETE")
    typed = words.split(" ")[1:]
    with labctl.environment_set():
        return [item.value for item in shell.get_completions(typed[: number - 1], typed[-1])]


def test_the_shell_completes_verbs_jobs_and_aliases(labctl: Labctl, quick: str) -> None:
    job_id = labctl.answer("submit", quick, "--wait").splitlines()[0]

    assert completed(labctl, "labctl rel", 1) == ["release"]
    assert completed(labctl, "labctl show ", 2)[:2] == ["last", job_id]
    assert job_id in completed(labctl, f"labctl delete {job_id[:6]}", 2)
    assert job_id not in completed(labctl, "labctl cancel ", 2)
    assert completed(labctl, "labctl --alias st", 2) == ["star5"]
    assert completed(labctl, "labctl --url http://127.0.0.1:1/star5 show ", 4) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    assert "_LABCTL_COMPLETE" in Labctl("http://127.0.0.1:1/star5").answer("completion", shell)
