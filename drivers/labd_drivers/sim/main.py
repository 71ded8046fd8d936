"""`labd-simrack`: a rack of simulated instruments on loopback, wired to a chip with physics."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

import click
from ruamel.yaml import YAML

from labd.core.errors import BadFile
from labd_drivers.sim.control import ControlServer
from labd_drivers.sim.fault_board import FaultBoard
from labd_drivers.sim.instrument import Room
from labd_drivers.sim.rack import FridgeLike, Rack
from labd_drivers.sim.rackfile import RackFile, read_rack_file
from labd_drivers.sim.server import InstrumentServer

HOST = "127.0.0.1"
_ENDING = {signal.SIGINT, signal.SIGTERM}
_ADDRESSES = {
    "hislip": "TCPIP::{host}::hislip0,{port}::INSTR",
    "vxi11": "TCPIP::{host},{port}::inst0::INSTR",
    "socket": "TCPIP::{host}::{port}::SOCKET",
}


class SimulatedRack:
    """The rack with its sockets. Listens once built; `start` sets the machine room going.

    are_ports_free: take any free ports instead of those of the file. seed: of the faults' garbage.
    """

    def __init__(
        self, described: RackFile, fridge: FridgeLike, *, are_ports_free: bool, seed: int
    ) -> None:
        room = Room()
        instruments = described.build(room)
        self.rack = Rack(instruments, room, described.trigger_cables, described.digitizer, fridge)
        self.servers: dict[str, InstrumentServer] = {}
        try:
            for index, (name, instrument) in enumerate(instruments.items()):
                port = 0 if are_ports_free else described.port_of(name)
                faults = FaultBoard(seed + index)
                self.servers[name] = InstrumentServer(instrument, faults, HOST, port)
            control_port = 0 if are_ports_free else described.control_port
            self.control = ControlServer(self.servers, HOST, control_port)
        except OSError:
            self._close_servers()
            raise

    def start(self) -> None:
        """Serve faults and take records from now on."""
        self.control.start()
        self.rack.start()

    def addresses(self, transport: str) -> dict[str, str]:
        """VISA addresses by instrument. transport: hislip, vxi11 or socket."""
        form = _ADDRESSES[transport]
        return {name: form.format(host=HOST, port=s.port) for name, s in self.servers.items()}

    def close(self) -> None:
        """Cut all connections and end the worker. Idempotent."""
        self.control.close()
        self._close_servers()
        self.rack.close()

    def _close_servers(self) -> None:
        for server in self.servers.values():
            server.close()


def write_station(source: Path, target: Path, addresses: dict[str, str]) -> None:
    """Copy a QCoDeS station file with other addresses; comments stay."""
    yaml = YAML()
    station = yaml.load(source.read_text())
    for name, entry in station["instruments"].items():
        if name in addresses:
            entry["address"] = addresses[name]
    part = target.with_name(target.name + ".part")
    with part.open("w") as file:
        yaml.dump(station, file)
    os.replace(part, target)


def _open_fridge(path: Path, seed: int) -> FridgeLike:
    from labd_drivers.sim.physics.api import Fridge

    return Fridge.from_toml(path, seed)


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--ports", type=click.Choice(["file", "free"]), default="file", show_default=True,
              help="Ports of simrack.toml, or any free ones.")  # fmt: skip
@click.option("--transport", type=click.Choice(list(_ADDRESSES)), default="hislip",
              show_default=True, help="Transport of the addresses in --station-out.")  # fmt: skip
@click.option("--station-out", type=click.Path(dir_okay=False, path_type=Path),
              help="Write station.yaml with the actual addresses here.")  # fmt: skip
@click.option("--control-out", type=click.Path(dir_okay=False, path_type=Path),
              help="Write the port of the control socket here.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option("--verbose", is_flag=True, help="Log every message to stderr.")
def main(
    directory: Path,
    ports: str,
    transport: str,
    station_out: Path | None,
    control_out: Path | None,
    seed: int,
    verbose: bool,
) -> None:
    """Serve the simulated rack described in DIRECTORY until SIGINT or SIGTERM.

    DIRECTORY holds simrack.toml, chip.toml and station.yaml. Every instrument speaks HiSLIP, VXI-11
    and raw SOCKET on its one port.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(name)s: %(message)s",
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # before any thread: all inherit it
    try:
        described = read_rack_file(directory / "simrack.toml")
        fridge = _open_fridge(directory / "chip.toml", seed)
        rack = SimulatedRack(described, fridge, are_ports_free=ports == "free", seed=seed)
    except (BadFile, OSError) as error:
        raise click.ClickException(str(error)) from error
    try:
        rack.start()
        if station_out is not None:
            write_station(directory / "station.yaml", station_out, rack.addresses(transport))
        if control_out is not None:
            control_out.write_text(f"{rack.control.port}\n")
        click.echo(f"ready: {len(rack.servers)} instruments, control on {HOST}:{rack.control.port}")
        signal.sigwait(_ENDING)
    finally:
        rack.close()


if __name__ == "__main__":
    main()
