"""The guard's log has the daemon's form: it is read beside it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys


def test_what_the_guard_says_is_an_object_where_the_log_is_made_of_objects() -> None:
    ours, theirs = socket.socketpair()
    guard = [sys.executable, "-m", "labd.guard", "--fd", str(theirs.fileno()), "--name", "star5"]

    with (
        ours,
        subprocess.Popen(
            [*guard, "--log-format", "json"],
            stderr=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
        ) as process,
    ):
        theirs.close()
        ours.sendall(b"dance\nend\n")
        _, said = process.communicate(timeout=30)

    line = json.loads(said)
    assert (line["QC"], line["level"]) == ("star5", "ERROR")
    assert line["message"] == "the daemon says what a guard does not know: dance"
