"""A quick rack with instruments: from its first job on all outputs are on, and they stay on.

Like a rack whose driver is stuck, it makes nothing safe by itself. It touches the instruments only
while they are its own, by raw sockets and without a driver, and takes a moment to open them.
"""

from __future__ import annotations

import argparse
import re
import socket
import time
from pathlib import Path

from quick_rack import QuickRack

from labd.rack import messages as rack
from labd.station_file import read_station

OPENING_S = 0.25
_PORT = re.compile(r"hislip0,(\d+)")


class LoudRack(QuickRack):
    def __init__(self, connection: socket.socket, station: Path, wiring: Path) -> None:
        super().__init__(connection, wiring)
        self._ports = {
            name: int(found[1])
            for name, one in read_station(station).items()
            if (found := _PORT.search(one.address))
        }
        self._lines: dict[str, socket.socket] = {}

    def serve(self) -> None:
        while not isinstance(self.next(None), rack.Granted):
            pass
        time.sleep(OPENING_S)
        super().serve()

    def run(self, order: rack.Run) -> None:
        if not self._lines:
            self._switch_on()
        super().run(order)

    def _switch_on(self) -> None:
        for name in self._ports:
            if name.startswith("bias"):
                self._tell(name, ":OUTP 1", ":SOUR:LEV 0.3")
            elif name.startswith("lo"):
                self._tell(name, ":OUTP:STAT 1")
            elif name.startswith("awg"):
                self._tell(name, *(f":OUTP{n}:STAT 1" for n in range(1, 9)))

    def _tell(self, name: str, *commands: str) -> None:
        if name not in self._lines:
            address = ("127.0.0.1", self._ports[name])
            self._lines[name] = socket.create_connection(address, 5.0)
        line = self._lines[name]
        line.sendall(";".join((*commands, "*OPC?")).encode() + b"\n")
        while not line.recv(64).endswith(b"\n"):
            pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--station", type=Path, required=True)
    parser.add_argument("--wiring", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    connection = socket.socket(fileno=arguments.fd)
    LoudRack(connection, arguments.station, arguments.wiring).serve()
