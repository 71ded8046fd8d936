"""What of a configuration that was read again holds at once, and what does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from labd.config import Access, Config, Tls, read_config
from labd.core.access import Role
from labd.core.jobs import QcId
from labd.reload_plan import plan

SHIPPED = Path(__file__).parents[2] / "config" / "labd.toml"


@pytest.fixture(scope="module")
def config() -> Config:
    return read_config(SHIPPED)


def test_nothing_changed(config: Config) -> None:
    made = plan(config, read_config(SHIPPED), {}, {})

    assert made.config == config
    assert made.sentence() == "nothing has changed"


def test_limits_access_and_timeslots_hold_at_once(config: Config) -> None:
    (computer,) = config.quantum_computers
    rules = replace(computer.timeslots, is_required=True)
    new = replace(
        config,
        access=Access(is_open=False, admins=("ann",)),
        limits=replace(config.limits, per_role={Role.USER: {"queued_jobs": 3}}),
        server=replace(config.server, stop_grace_s=60.0, log_level="debug"),
        quantum_computers=(replace(computer, timeslots=rules),),
    )

    made = plan(config, new, {}, {})

    assert made.config == new
    assert not made.refused
    assert not made.racks


def test_addresses_directories_and_tls_need_a_restart(config: Config) -> None:
    new = replace(
        config,
        server=replace(config.server, host="::1", port=1, state_dir=Path("/x"), keepalive_s=9.0),
        tls=Tls(Path("/c"), Path("/k"), None),
    )

    made = plan(config, new, {}, {})

    assert made.refused == ("server.listen", "server.state_dir", "tls")
    assert made.applied == ("server.keepalive_s",)
    assert made.config == replace(config, server=replace(config.server, keepalive_s=9.0))


def test_a_file_that_was_edited_opens_its_rack_again(config: Config) -> None:
    (computer,) = config.quantum_computers

    made = plan(config, config, {computer.id: "a"}, {computer.id: "b"})

    assert made.racks == {computer.id}
    assert made.sentence() == "now hold: the rack files of star5"


def test_other_files_open_the_rack_with_them(config: Config) -> None:
    (computer,) = config.quantum_computers
    new = replace(config, quantum_computers=(replace(computer, station_path=Path("/other")),))

    made = plan(config, new, {}, {})

    assert made.racks == {computer.id}
    assert made.config == new


def test_a_larger_result_is_only_possible_in_a_new_rack_process(config: Config) -> None:
    (computer,) = config.quantum_computers
    new = replace(config, limits=replace(config.limits, result_bytes=1))

    made = plan(config, new, {}, {})

    assert made.racks == {computer.id}


def test_computers_neither_come_nor_go_nor_change_their_names(config: Config) -> None:
    (computer,) = config.quantum_computers
    another = replace(computer, alias="other", id=QcId(uuid4()))
    renamed = replace(computer, display_name="Sun", id=QcId(uuid4()))

    added = plan(config, replace(config, quantum_computers=(computer, another)), {}, {})
    changed = plan(config, replace(config, quantum_computers=(renamed,)), {}, {})
    removed = plan(config, replace(config, quantum_computers=(another,)), {}, {})

    assert added.refused == ("quantum_computers.other",)
    assert changed.refused == (
        "quantum_computers.star5.display_name",
        "quantum_computers.star5.id",
    )
    assert removed.refused == ("quantum_computers.other", "quantum_computers.star5")
    assert added.config == changed.config == removed.config == config
