"""labctl in this process, against a daemon in its own; and on a terminal of 80 columns."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from lab_processes import command

from labd.cli.labctl.root import cli

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@dataclass
class Labctl:
    """labctl for one server. token: sent with every call, empty for none."""

    url: str
    token: str = ""
    config: Path = Path("/nonexistent")

    def run(self, *arguments: str, stdin: str = "") -> Result:
        """What it says and how it ends; stdin is no terminal."""
        return CliRunner().invoke(cli, arguments, input=stdin, env=self._environment())

    def answer(self, *arguments: str, stdin: str = "") -> str:
        """What it prints, where nothing goes wrong."""
        done = self.run(*arguments, stdin=stdin)
        assert done.exit_code == 0, (arguments, done.stderr, done.exception)
        return done.stdout

    def facts(self, *arguments: str, stdin: str = "") -> dict[str, Json]:
        """What it prints with --json."""
        told = json.loads(self.answer(*arguments, "--json", stdin=stdin))
        assert isinstance(told, dict)
        return told

    def refused(self, *arguments: str) -> str:
        """The one line on stderr of a refusal."""
        done = self.run(*arguments)
        assert (done.exit_code, done.stdout) == (1, ""), done.output
        assert len(done.stderr.splitlines()) == 1
        return done.stderr.strip()

    def on_a_terminal(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Exit status and all that a person at a terminal of 80 columns sees, without colours."""
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "r+b", buffering=0) as terminal:
            process = subprocess.Popen(
                [command("labctl"), *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, **self._environment(), "TERM": "xterm-256color"},
            )
            os.close(theirs)
            terminal.write(typed.encode())
            seen = b""
            while True:
                try:
                    piece = terminal.read(65536)
                except OSError:  # the other end is closed
                    break
                if not piece:
                    break
                seen += piece
            return process.wait(30), _COLOURS.sub("", seen.decode()).replace("\r\n", "\n")

    @contextmanager
    def environment_set(self) -> Iterator[None]:
        """Its environment in this process, as a shell that completes has it."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self._environment().items():
                patch.setenv(name, value)
            yield

    def _environment(self) -> dict[str, str]:
        return {
            "LABD_URL": self.url,
            "LABD_TOKEN": self.token,
            "XDG_CONFIG_HOME": str(self.config),
            "TZ": "UTC",
            "COLUMNS": "80",
            "LANG": "C.UTF-8",
            "GRPC_VERBOSITY": "NONE",
        }


def listed(told: dict[str, Json], name: str) -> list[dict[str, Json]]:
    """The objects under a key."""
    found = told[name]
    assert isinstance(found, list)
    objects = [each for each in found if isinstance(each, dict)]
    assert len(objects) == len(found)
    return objects
