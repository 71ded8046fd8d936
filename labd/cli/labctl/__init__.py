"""`labctl`: labd from a terminal.

Prints the answer and nothing else; errors are one line on stderr; exit 0 done, 1 refused, 2 usage.
Nothing heavier than click is imported before a command runs, so that --help is instant.
"""

from __future__ import annotations

import os


def main() -> None:
    """The command's entry point."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from labd.cli.labctl.root import cli

    cli(prog_name="labctl")
