"""`python -m labd.guard`: the guard of one quantum computer's rack, as the daemon starts it."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import signal
import socket
import sys

from labd.guard.lightness import without_numpy
from labd.journal import start_logging


def main() -> int:
    """Serve; the process's exit status."""
    parser = argparse.ArgumentParser(prog="labd.guard", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the socket to the daemon")
    parser.add_argument("--name", required=True, help="alias of the quantum computer")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    faulthandler.enable()
    start_logging("info", identifier="labd-guard", qc=arguments.name, form=arguments.log_format)
    # It writes a traceback for every connection that fails; the guard says each once.
    logging.getLogger("pyvisa").setLevel(logging.CRITICAL)
    # Whoever ends everything at once must not end the guard first; it ends with the daemon.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with without_numpy():
        from labd.guard.loop import Guard

    with socket.socket(fileno=arguments.fd) as connection:
        return Guard(connection).serve()


if __name__ == "__main__":
    sys.exit(main())
