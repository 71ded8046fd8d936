"""What the station was set to last is set again after trouble, and after another process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labd.rack.last_settings import LAST_SETTINGS_FILE, LastSettings

WIRING = b"[settings]"


def last(folder: Path, wiring: bytes = WIRING) -> LastSettings:
    return LastSettings(folder / LAST_SETTINGS_FILE, wiring)


def test_a_job_sets_what_the_jobs_before_it_left_and_its_own_on_top(tmp_path: Path) -> None:
    one = last(tmp_path)
    one.note({"flux": 0.05, "on": True})
    one.note({"flux": 0.1})

    assert one.under({"on": False, "power": -10.0}) == {"flux": 0.1, "on": False, "power": -10.0}
    assert one.under({}) == {"flux": 0.1, "on": True}


def test_the_next_process_knows_what_was_kept_and_no_more(tmp_path: Path) -> None:
    one = last(tmp_path)
    one.note({"flux": 0.05, "mode": "sine", "on": True})
    one.keep()
    one.note({"flux": 0.2})

    assert last(tmp_path).under({}) == {"flux": 0.05, "mode": "sine", "on": True}


def test_with_another_wiring_nothing_of_it_holds(tmp_path: Path) -> None:
    one = last(tmp_path)
    one.note({"flux": 0.05})
    one.keep()

    assert last(tmp_path, b"[other]").under({}) == {}


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    one = last(tmp_path)
    one.note({"flux": 0.05})
    one.keep()
    path = tmp_path / LAST_SETTINGS_FILE
    path.unlink()

    one.note({"flux": 0.05})
    one.keep()

    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"wiring": 1, "settings": 2}', json.dumps({"settings": {"flux": 1}})],
)
def test_a_file_that_says_nothing_sensible_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / LAST_SETTINGS_FILE).write_text(content)

    assert last(tmp_path).under({}) == {}


def test_a_disk_that_refuses_costs_no_job(tmp_path: Path) -> None:
    one = last(tmp_path / "nowhere")
    one.note({"flux": 0.05})

    one.keep()

    assert one.under({}) == {"flux": 0.05}
