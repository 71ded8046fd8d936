"""labd.toml and the files it names: frozen values, or a refusal with every mistake at once.

Nothing here touches hardware or imports a driver; the rig's module is imported, because it holds
the pure half with which jobs are checked.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast
from uuid import UUID

from labd.chip_files import (
    CalibrationFile,
    JsonObject,
    read_calibration_file,
    read_chip_design_record,
)
from labd.config_file import (
    ConfigFile,
    LimitsTable,
    QuantumComputerTable,
    TlsTable,
    read_config_file,
)
from labd.core.access import Role
from labd.core.budget import Care
from labd.core.errors import BadFile, Problem
from labd.core.jobs import QcId
from labd.core.observations import Components
from labd.core.openings import TimeslotRules
from labd.core.rig import RigModule
from labd.core.station_description import Chip
from labd.core.wiring import Wiring
from labd.guard.plan import untold
from labd.journal import Level
from labd.log_lines import LogFormat
from labd.notify_file import NotifyTarget, notify_targets
from labd.station_file import (
    StationInstrument,
    missing_instruments,
    read_station,
    unsafe_permissions,
)
from labd.tls_files import tls_problems
from labd.wiring_file import read_wiring

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """How labd is reached. port 0: any free one. unix_socket None: no unix socket."""

    host: str
    port: int
    unix_socket: Path | None
    state_dir: Path
    chunk_bytes: int
    keepalive_s: float
    stop_grace_s: float
    log_level: Level
    log_format: LogFormat


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS on the TCP port. client_ca: whose client certificates are identities; None: nobody's."""

    certificate: Path
    key: Path
    client_ca: Path | None


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in without a token.

    is_open: every local account is a user; otherwise those that an admin made one.
    admins: local accounts that are admins, beside root and labd's own.
    """

    is_open: bool
    admins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a job may at most be, and what a user of a role may at most use.

    per_role: role -> limit's name -> value; the names are those of labd.core.limits.
    """

    payload_bytes: int
    result_bytes: int
    per_role: Mapping[Role, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Storage:
    """What is kept on the disk.

    reserve_bytes: never taken by payloads and results. keep_days: how long those of jobs that are
    over stay; None: for ever. keep_share: of the whole disk, how much they may take.
    """

    reserve_bytes: int
    keep_days: float | None
    keep_share: float


@dataclass(frozen=True, slots=True)
class QuantumComputer:
    """One quantum computer, its files read. calibration: to begin with, when the store has none.

    care: how its jobs are looked after. rack_memory_bytes: of its process's data; 0: any.
    """

    id: QcId
    alias: str
    display_name: str
    station_path: Path
    wiring_path: Path
    chip_path: Path
    station: Mapping[str, StationInstrument]
    wiring: Wiring
    rig: RigModule
    chip_design_record: JsonObject
    calibration: CalibrationFile | None
    timeslots: TimeslotRules
    care: Care
    rack_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Config:
    """All that labd.toml says."""

    path: Path
    server: Server
    tls: Tls | None
    access: Access
    limits: Limits
    storage: Storage
    notify: tuple[NotifyTarget, ...]
    quantum_computers: tuple[QuantumComputer, ...]


@dataclass(eq=False)
class BadConfig(Exception):
    """Files with mistakes, all of them. Nothing is started with them."""

    files: tuple[BadFile, ...]

    def __str__(self) -> str:
        """File by file, one mistake a line."""
        return "\n".join(str(file) for file in self.files)


class _Findings:
    """Mistakes so far, by file: reading goes on after a bad file to find the others'."""

    def __init__(self) -> None:
        self._problems: dict[str, list[Problem]] = {}

    def add(self, path: Path, *problems: Problem) -> None:
        if problems:
            self._problems.setdefault(str(path), []).extend(problems)

    def read(self, reader: Callable[[Path], T], path: Path) -> T | None:
        """What `reader` makes of a file, or None after noting its mistakes."""
        try:
            return reader(path)
        except BadFile as error:
            self.add(Path(error.path), *error.problems)
            return None

    def raise_if_any(self) -> None:
        """Raises BadConfig."""
        if self._problems:
            raise BadConfig(
                tuple(BadFile(path, tuple(found)) for path, found in self._problems.items())
            )


def read_config(path: Path, *, state_dir: Path | None = None, listen: str | None = None) -> Config:
    """labd.toml and all files it names; state_dir and listen replace what the file says.

    Raises BadConfig with the mistakes of all files.
    """
    findings = _Findings()
    file = findings.read(read_config_file, path)
    if file is None:
        findings.raise_if_any()
        raise AssertionError("a file that could not be read has mistakes")
    base = path.parent
    host, port = _address(
        findings,
        path,
        file.server.listen if listen is None else listen,
        has_tls=file.tls is not None,
    )
    directory = base / file.server.state_dir if state_dir is None else state_dir
    server = Server(
        host=host,
        port=port,
        unix_socket=_unix_socket(file.server.unix_socket, directory, base),
        state_dir=directory.absolute(),
        chunk_bytes=file.server.chunk_bytes,
        keepalive_s=file.server.keepalive_s,
        stop_grace_s=file.server.stop_grace_s,
        log_level=file.server.log_level,
        log_format=file.server.log_format,
    )
    computers = [
        _quantum_computer(findings, path, alias, table)
        for alias, table in file.quantum_computers.items()
    ]
    _check_ids(findings, path, file)
    tls = _tls(findings, path, file.tls)
    notify, mistakes = notify_targets(file.notify, base)
    findings.add(path, *mistakes)
    findings.raise_if_any()
    return Config(
        path=path,
        server=server,
        tls=tls,
        access=Access(file.access.local_users == "open", tuple(file.access.admins)),
        limits=_limits(file.limits),
        storage=Storage(
            file.storage.reserve_bytes, file.storage.keep_days or None, file.storage.keep_share
        ),
        notify=notify,
        quantum_computers=tuple(computer for computer in computers if computer is not None),
    )


def _tls(findings: _Findings, path: Path, table: TlsTable | None) -> Tls | None:
    """The files, after trying whether TLS can be spoken with them."""
    if table is None:
        return None
    base = path.parent
    tls = Tls(
        certificate=(base / table.certificate).absolute(),
        key=(base / table.key).absolute(),
        client_ca=(base / table.client_ca).absolute() if table.client_ca else None,
    )
    findings.add(path, *tls_problems(tls.certificate, tls.key, tls.client_ca))
    return tls


def _limits(table: LimitsTable) -> Limits:
    per_user = {Role.USER: table.user, Role.OPERATOR: table.operator, Role.ADMIN: table.admin}
    return Limits(
        table.payload_bytes,
        table.result_bytes,
        {role: one.model_dump(exclude_none=True) for role, one in per_user.items()},
    )


def _address(findings: _Findings, path: Path, listen: str, *, has_tls: bool) -> tuple[str, int]:
    """Host and port of ``host:port``; without TLS only of this machine alone."""
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535 or not host:
        findings.add(path, Problem("server.listen", f"{listen!r} is not host:port"))
        return "127.0.0.1", 0
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback and not has_tls:
        what = f"{host} is not a loopback address, and without [tls] everybody between here and the"
        what += " clients could read tokens and jobs; add [tls] with a certificate, or listen on"
        findings.add(path, Problem("server.listen", f"{what} 127.0.0.1:{port}"))
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def _unix_socket(value: str, state_dir: Path, base: Path) -> Path | None:
    if value == "none":
        return None
    return (base / value).absolute() if value else (state_dir / "labd.sock").absolute()


def _check_ids(findings: _Findings, path: Path, file: ConfigFile) -> None:
    aliases: dict[str, str] = {}
    for alias, table in file.quantum_computers.items():
        key = table.id.lower().replace("-", "")
        if key in aliases:
            where = f"quantum_computers.{alias}.id"
            findings.add(path, Problem(where, f"{aliases[key]} has the same id"))
        aliases.setdefault(key, alias)


def _quantum_computer(
    findings: _Findings, path: Path, alias: str, table: QuantumComputerTable
) -> QuantumComputer | None:
    base = path.parent
    qc_id = _uuid(findings, path, f"quantum_computers.{alias}.id", table.id)
    station_path, wiring_path = base / table.station, base / table.wiring
    station = findings.read(read_station, station_path)
    wiring = findings.read(read_wiring, wiring_path)
    rig = _rig(findings, wiring_path, wiring)
    if wiring is not None and station is not None:
        findings.add(wiring_path, *missing_instruments(wiring, station))
        findings.add(wiring_path, *untold(wiring.outputs, station))
    chip = findings.read(read_chip_design_record, base / table.chip_design_record)
    calibration = None
    if table.calibration_set:
        components = (
            None
            if wiring is None or chip is None
            else Components.of(Chip.from_design_record(chip), wiring)
        )
        calibration = findings.read(
            lambda path: read_calibration_file(path, components), base / table.calibration_set
        )
    if qc_id is None or station is None or wiring is None or rig is None or chip is None:
        return None
    return QuantumComputer(
        id=QcId(qc_id),
        alias=alias,
        display_name=table.display_name or alias,
        station_path=station_path.absolute(),
        wiring_path=wiring_path.absolute(),
        chip_path=(base / table.chip_design_record).absolute(),
        station=station,
        wiring=wiring,
        rig=rig,
        chip_design_record=chip,
        calibration=calibration,
        timeslots=TimeslotRules(
            is_required=table.timeslots.required,
            refuses_overrun=table.timeslots.overrun == "refuse",
            idle_release_s=60.0 * table.timeslots.idle_release_min,
            shows_owners=table.timeslots.show_owners,
        ),
        care=Care(table.job_patience_s, retries_once=table.retry_once),
        rack_memory_bytes=table.rack_memory_bytes,
    )


def _uuid(findings: _Findings, path: Path, where: str, text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        findings.add(path, Problem(where, f"{text!r} is not a UUID"))
        return None


def _rig(findings: _Findings, path: Path, wiring: Wiring | None) -> RigModule | None:
    """The rig's module by its dotted path; the file that names code must be its owner's."""
    if wiring is None:
        return None
    unsafe = unsafe_permissions(path)
    if unsafe is not None:
        findings.add(path, unsafe)
        return None
    try:
        module = importlib.import_module(wiring.rig)
    except ImportError as error:
        findings.add(path, Problem("rig", f"{wiring.rig} cannot be imported: {error}"))
        return None
    lacking = [name for name in ("LIMITS", "check", "open_rig") if not hasattr(module, name)]
    if lacking:
        findings.add(path, Problem("rig", f"{wiring.rig} is no rig: it has no {lacking[0]}"))
        return None
    return cast("RigModule", module)
