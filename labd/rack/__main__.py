"""`python -m labd.rack`: the rack process of one quantum computer, as the daemon starts it.

Its working directory must be its own: QCoDeS reads qcodesrc.json there. It ends when the daemon's
end of the socket closes.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from labd.journal import start_logging
from labd.rack.inbox import Inbox
from labd.rack.printed import Printed


def main() -> int:
    """Serve until the daemon is gone; the process's exit status."""
    arguments = _parse()
    # Small arrays gain nothing from BLAS threads, and the cores are needed elsewhere.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    faulthandler.enable()
    if arguments.memory_bytes:
        # Of its own data, not of what it maps: libraries and shared memory do not count.
        resource.setrlimit(resource.RLIMIT_DATA, (arguments.memory_bytes, arguments.memory_bytes))
    start_logging("info", identifier="labd-rack", qc=arguments.name, form=arguments.log_format)
    sys.stdout = Printed()
    # Both write a traceback for every connection that fails; labd says each once, in a sentence.
    logging.getLogger("qcodes").setLevel(logging.CRITICAL)
    logging.getLogger("pyvisa").setLevel(logging.CRITICAL)

    with socket.socket(fileno=arguments.fd) as connection:
        inbox = Inbox(connection)
        signal.signal(signal.SIGTERM, lambda *_: inbox.close())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to handle
        inbox.start()  # before the imports, which take seconds: pings are answered meanwhile
        from labd.rack.flight import FlightBoard, tell_of_crashes
        from labd.rack.worker import RackFiles, Worker

        files = RackFiles(
            arguments.station, arguments.wiring, arguments.chip, arguments.max_result_bytes
        )
        fd = arguments.flight_fd
        if fd is not None:
            tell_of_crashes(fd)
        Worker(files, inbox, None if fd is None else FlightBoard(fd)).serve()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="labd.rack", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="the socket to the daemon")
    parser.add_argument("--memory-bytes", type=int, default=0, help="of data at most; 0: any")
    parser.add_argument("--flight-fd", type=int, help="memory to record messages in")
    parser.add_argument("--name", required=True, help="alias of the quantum computer")
    parser.add_argument("--station", type=Path, required=True)
    parser.add_argument("--wiring", type=Path, required=True)
    parser.add_argument("--chip", type=Path, help="chip design record, for circuits")
    parser.add_argument("--log-format", choices=["text", "json"], default="text")
    parser.add_argument("--max-result-bytes", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
