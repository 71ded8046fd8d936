"""The station: QCoDeS instruments opened from the lab's station file, checked, closed in reverse.

The file is QCoDeS' own format, untouched. It names classes that are imported and so it is code:
a file that others may write to is refused. Instruments are opened side by side, because most of an
opening is waiting; nothing is snapshot, because some getters take seconds.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyvisa
from pyvisa.constants import InterfaceType, ResourceAttribute
from pyvisa.resources import MessageBasedResource
from qcodes.instrument import Instrument, VisaInstrument
from qcodes.station import Station

from labd.core.errors import BadFile, Problem, sentence_of
from labd.rack.flight import FlightBoard
from labd.station_file import read_station

_log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 1 << 20
"""How much is read from an instrument at once: VISA's 20 KiB cost a factor on large blocks."""

OPEN_LIMIT_S: Final = 60.0
"""How long drivers may take to connect to their instruments."""
LOOK_TIMEOUT_MS: Final = 1000
"""For a connection to an instrument that did not open: does anybody take it?"""
LONGEST_TIMEOUT_S: Final = 30.0
"""What a station file may set as `timeout` of an instrument at most."""
MAX_SENTENCES: Final = 3
"""Where the whole rack is off, nobody wants to read of each instrument."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An instrument's answer to ``*IDN?``, by its name in the station."""

    name: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class OpeningFault:
    """One instrument that cannot be opened. what: why. is_absent: nothing takes the connection."""

    instrument: str
    what: str
    is_absent: bool = False
    address: str = ""

    def __str__(self) -> str:
        """``name at address: sentence``."""
        where = f" at {self.address}" if self.address else ""
        return f"{self.instrument}{where}: {self.what}"


@dataclass(eq=False)
class StationUnavailable(Exception):
    """Instruments that cannot be opened. is_hung: a driver is still trying, nobody can stop it.

    identities: of those that could be opened.
    """

    faults: tuple[OpeningFault, ...]
    is_hung: bool = False
    identities: tuple[Identity, ...] = ()

    def __str__(self) -> str:
        """The first sentences, and how many more there are."""
        n_more = len(self.faults) - MAX_SENTENCES
        more = (f"and {n_more} more instruments do not open either",) if n_more > 0 else ()
        return "; ".join((*map(str, self.faults[:MAX_SENTENCES]), *more))


class OpenStation(Mapping[str, object]):
    """The station's instruments by name, in the order of the file, all of them open."""

    def __init__(
        self, instruments: Mapping[str, Instrument], identities: tuple[Identity, ...]
    ) -> None:
        self._instruments = dict(instruments)
        self.identities = identities

    def __getitem__(self, name: str) -> Instrument:
        return self._instruments[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._instruments)

    def __len__(self) -> int:
        return len(self._instruments)

    def close(self) -> None:
        """Close the instruments in reverse order of opening. Idempotent."""
        _close(list(self._instruments.values()))


def open_station(path: Path, flight: FlightBoard | None = None) -> OpenStation:
    """Open every instrument of the station file.

    flight: where what is said to them is recorded.

    Raises BadFile if the file has mistakes or others may write to it, StationUnavailable if an
    instrument cannot be opened; then none stays open.
    """
    names = list(read_station(path))
    _demand_own_file(path)
    station = _Station(config_file=str(path), default=False, use_monitor=False)
    configs = station.config["instruments"] if station.config is not None else {}
    # pyvisa keeps a resource manager as long as somebody does; made in one thread, used by many.
    managers = [pyvisa.ResourceManager(visalib) for visalib in sorted(_visalibs(configs))]
    pool = ThreadPoolExecutor(max(len(names), 1), thread_name_prefix="opening")
    openings = {name: pool.submit(_open, station, name, configs[name]) for name in names}
    hung = wait(openings.values(), OPEN_LIMIT_S).not_done
    pool.shutdown(wait=False)
    faults = _faults_of(openings, configs)
    opened = {name: openings[name].result() for name in names if name not in faults}
    if faults:
        _close([instrument for instrument, _ in opened.values()])
        identities = tuple(identity for _, identity in opened.values())
        openings.clear()
        opened.clear()
        gc.collect()  # half-made drivers hold their connections until they are collected
        raise StationUnavailable(_with_absences(faults, configs), bool(hung), identities)
    del managers
    for name, (instrument, _) in opened.items():
        if flight is not None and isinstance(instrument, VisaInstrument):
            flight.record(name, instrument.visa_handle)
    return OpenStation(
        {name: instrument for name, (instrument, _) in opened.items()},
        tuple(identity for _, identity in opened.values()),
    )


class _Station(Station):
    """QCoDeS' station reads its file again for each instrument; read once, it serves threads."""

    _is_read = False

    def load_config_files(self, *filenames: str) -> None:
        if not self._is_read:
            super().load_config_files(*filenames)
            self._is_read = True


def _demand_own_file(path: Path) -> None:
    """Refuse a station file that belongs to somebody else; `read_station` looks at its mode."""
    owner = path.stat().st_uid
    if owner not in (0, os.geteuid()):
        what = f"belongs to user {owner}, and it names code to run; chown it"
        raise BadFile(str(path), (Problem("", what),))


def _visalibs(configs: Mapping[str, Mapping[str, object]]) -> set[str]:
    return {library for config in configs.values() if (library := _visalib(config))}


def _faults_of(
    openings: Mapping[str, Future[tuple[Instrument, Identity]]],
    configs: Mapping[str, Mapping[str, object]],
) -> dict[str, OpeningFault]:
    """What is wrong with each instrument that did not open, by its name."""
    faults: dict[str, OpeningFault] = {}
    for name, opening in openings.items():
        address = str(configs[name].get("address", "no address"))
        if not opening.done():
            what = f"its driver has not opened it within {OPEN_LIMIT_S:g} s"
            faults[name] = OpeningFault(name, what, address=address)
            continue
        error = opening.exception()
        if error is not None:
            faults[name] = OpeningFault(name, sentence_of(error), address=address)
            _log.debug("cannot open %s", name, exc_info=error)
            error.__traceback__ = None
    return faults


def _with_absences(
    faults: Mapping[str, OpeningFault], configs: Mapping[str, Mapping[str, object]]
) -> tuple[OpeningFault, ...]:
    """The faults, with those marked whose instruments take no connection at all."""
    with ThreadPoolExecutor(len(faults), thread_name_prefix="looking") as pool:
        absences = pool.map(lambda name: _is_absent(configs[name]), faults)
        return tuple(
            replace(fault, is_absent=is_absent)
            for fault, is_absent in zip(faults.values(), absences, strict=True)
        )


def _is_absent(config: Mapping[str, object]) -> bool:
    """Whether an instrument that speaks VISA takes no connection."""
    address = str(config.get("address", ""))
    if not address:
        return False
    try:
        manager = pyvisa.ResourceManager(_visalib(config))
        manager.open_resource(address, open_timeout=LOOK_TIMEOUT_MS).close()
    except (pyvisa.Error, OSError, EOFError, RuntimeError, ValueError) as error:
        _log.debug("no connection to %s: %s", address, error)
        return True
    return False


def _visalib(config: Mapping[str, object]) -> str:
    init = config.get("init")
    return str(init.get("visalib", "")) if isinstance(init, Mapping) else ""


def _open(station: Station, name: str, config: Mapping[str, object]) -> tuple[Instrument, Identity]:
    """One instrument, open, identified, its connection tuned."""
    address = str(config.get("address", ""))
    if address.upper().endswith("::SOCKET"):
        resource = _open_socket(address, _visalib(config))
        instrument = station.load_instrument(
            name, update_snapshot=False, resource=resource, address=None, visalib=None
        )
    else:
        instrument = station.load_instrument(name, update_snapshot=False)
    if isinstance(instrument, VisaInstrument):
        _tune(instrument.visa_handle)
        _limit_patience(name, instrument.visa_handle)
    idn = {key: str(value or "") for key, value in instrument.get_idn().items()}
    identity = Identity(name, idn.get("model", ""), idn.get("serial", ""), idn.get("firmware", ""))
    if isinstance(instrument, VisaInstrument) and not identity.model:
        instrument.close()
        raise TimeoutError("it accepts the connection but does not say who it is (*IDN?)")
    return instrument, identity


def _open_socket(address: str, visalib: str) -> MessageBasedResource:
    """A raw socket without Nagle's delay, which costs 40 ms for every write before a query."""
    manager = pyvisa.ResourceManager(visalib)
    resource = manager.open_resource(address)
    if not isinstance(resource, MessageBasedResource):
        resource.close()
        raise TypeError(f"{address} is no message based resource")
    sessions = getattr(manager.visalib, "sessions", {})  # pyvisa-py's; others set it themselves
    session = sessions.get(resource.session)
    connection = getattr(session, "interface", None)
    if session is not None and isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        session.max_recv_size = CHUNK_BYTES
    return resource


def _tune(resource: MessageBasedResource) -> None:
    """Framed transports end a message by themselves: do not look for newlines in binary data."""
    is_framed = resource.resource_class == "INSTR"
    if is_framed and resource.interface_type == InterfaceType.tcpip:
        resource.set_visa_attribute(ResourceAttribute.termchar_enabled, False)
        resource.chunk_size = CHUNK_BYTES


def _limit_patience(name: str, resource: MessageBasedResource) -> None:
    """No answer is waited for without end, whatever the station file's `timeout` says."""
    if not resource.timeout <= 1000.0 * LONGEST_TIMEOUT_S:
        _log.warning("%s: its timeout is limited to %g s", name, LONGEST_TIMEOUT_S)
        resource.timeout = 1000.0 * LONGEST_TIMEOUT_S


def _close(instruments: list[Instrument]) -> None:
    for instrument in reversed(instruments):
        try:
            instrument.close()
        except (pyvisa.Error, OSError, RuntimeError) as error:
            _log.info("%s did not close: %s", instrument.name, error)
