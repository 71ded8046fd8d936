"""What [[notify]] may say, and that all its mistakes are found at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from labd.cli.daemon import main
from labd.config import read_config
from labd.notify_file import Command, NotifyTarget, Webhook

SHIPPED = Path(__file__).parents[2] / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config")) / "labd.toml"


def add(config: Path, *tables: str) -> None:
    text = "".join(f"[[notify]]\n{table}\n" for table in tables)
    config.write_text(text + config.read_text())


def targets(config: Path) -> tuple[NotifyTarget, ...]:
    return read_config(config).notify


def mistakes(config: Path) -> list[str]:
    done = CliRunner().invoke(main, ["check-config", "--config", str(config), "--json"])
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    return [f"{each['where']}: {each['what']}" for each in told["problems"]]


def program(config: Path, mode: int = 0o755) -> Path:
    path = config.with_name("tell")
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_a_webhook_is_taken_apart_once(config: Path) -> None:
    add(config, 'name = "chat"\non = ["FAILED"]\nwebhook = "https://chat.example.org/hook?key=1"')

    (target,) = targets(config)

    assert target.how == Webhook("chat.example.org", 443, "/hook?key=1", is_tls=True)
    assert (target.timeout_s, target.retries, target.most_per_minute) == (10.0, 3, 12.0)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://localhost:8080", "localhost:8080", "/"),
        ("http://[::1]:80/a/b", "[::1]", "/a/b"),
        ("https://h:444/?x=%20y", "h:444", "/?x=%20y"),
    ],
)
def test_where_a_webhook_goes(config: Path, url: str, authority: str, path: str) -> None:
    add(config, f'name = "x"\non = ["rack"]\nwebhook = "{url}"')

    (target,) = targets(config)

    assert isinstance(target.how, Webhook)
    assert (target.how.authority, target.how.path) == (authority, path)


def test_a_command_is_found_from_the_files_folder(config: Path) -> None:
    path = program(config)
    add(config, 'name = "page"\non = ["rack"]\ncommand = ["./tell", "--to", "$USER; rm -rf /"]')

    (target,) = targets(config)

    assert target.how == Command((str(path), "--to", "$USER; rm -rf /"))


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("", "notify.0: it has neither command nor webhook; a table has one of them"),
        ('webhook = "ftp://h/x"', "notify.0.webhook: ftp: only https and http are spoken"),
        ('webhook = "chat"', "notify.0.webhook: it names no host"),
        ('webhook = "http://h:99999/"', "notify.0.webhook: Port out of range 0-65535"),
        ('webhook = "https://ann:pw@h/"', "notify.0.webhook: a name and a password do not belong"),
        ('webhook = "https://h/#top"', "notify.0.webhook: a server never sees what stands behind"),
        (
            'webhook = "https://h/a\\r\\nX: y"',
            "notify.0.webhook: a URL is printable ASCII without spaces",
        ),
        ('command = ["mail"]', "notify.0.command: 'mail' is not looked for in PATH"),
        ('command = ["/no/such"]', "notify.0.command: there is no program /no/such"),
        ('webhook = "http://h/"\nretrys = 2', "notify.0.retrys: unknown key; did you mean retries"),
        ('webhook = "http://h/"\ntimeout_s = 0.0', "notify.0.timeout_s: "),
    ],
)
def test_mistakes_are_named(config: Path, line: str, mistake: str) -> None:
    add(config, f'name = "x"\non = ["FAILED"]\n{line}')

    assert any(found.startswith(mistake) for found in mistakes(config)), mistakes(config)


def test_unknown_topics_and_names_are_named(config: Path) -> None:
    add(config, 'name = "a b"\non = ["DONE"]\nwebhook = "http://h/"')

    found = mistakes(config)

    assert {each.split(":")[0] for each in found} == {"notify.0.name", "notify.0.on.0"}


def test_all_tables_are_looked_at(config: Path) -> None:
    program(config, 0o777)
    both = 'command = ["./tell"]\nwebhook = "http://h/"'
    add(
        config,
        f'name = "x"\non = ["FAILED"]\n{both}',
        'name = "x"\non = ["FAILED"]\ncommand = ["./tell"]',
        'name = "x"\non = ["FAILED"]\nwebhook = "http://h/"',
    )

    found = mistakes(config)

    assert "notify.0: it has both command and webhook; a table has one of them" in found
    assert any("tell may be written by everybody" in each for each in found)


def test_a_name_is_used_once(config: Path) -> None:
    table = 'name = "x"\non = ["FAILED"]\nwebhook = "http://h/"'
    add(config, table, table)

    assert mistakes(config) == ["notify.1.name: there is another x"]


def test_a_program_that_cannot_be_run_is_refused(config: Path) -> None:
    program(config, 0o644)
    add(config, 'name = "x"\non = ["FAILED"]\ncommand = ["./tell"]')

    (found,) = mistakes(config)

    assert found.endswith("tell is not executable; chmod +x it")
