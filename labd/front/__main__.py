"""The front's process: takes over descriptors from the daemon, serves until it lets go."""

from __future__ import annotations

import argparse
import os
import resource
import socket
import sys

# Isolated and without site-packages, Python does not know where labd is. Last in the path: what the
# standard library has comes from there.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from labd.front.loop import SILENCE_S, Front


def main() -> None:
    """Serve until the control socket ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--directory", type=int, required=True)
    parser.add_argument("--listen", type=int, action="append", default=[])
    parser.add_argument("--silence-s", type=float, default=SILENCE_S)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--client-ca", default="")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    certificates = None
    if arguments.certificate:
        from labd.front.tls import Certificates

        certificates = Certificates(arguments.certificate, arguments.key, arguments.client_ca)
    Front(
        [socket.socket(fileno=descriptor) for descriptor in arguments.listen],
        socket.socket(fileno=arguments.control),
        # By descriptor: a state directory's path may be longer than a socket's address can be.
        f"/proc/self/fd/{arguments.directory}",
        silence_s=arguments.silence_s,
        certificates=certificates,
    ).run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
