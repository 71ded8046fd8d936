"""The quantum computer itself from Python: how it stands, pause, drain, resume."""

from __future__ import annotations

from labd.client.calls import Calls
from labd.client.values_machine import Connection, Machine, connection_of, machine_of
from labd.wire import lab_pb2 as lab


class MachineCalls:
    """Calls that concern one quantum computer. alias: empty where the server has only one."""

    def __init__(self, calls: Calls, alias: str) -> None:
        self._alias = alias
        self._get = calls.own("GetMachine", lab.MachineRequest, lab.Machine)
        self._pause = calls.own("PauseMachine", lab.MachineRequest, lab.Machine)
        self._drain = calls.own("DrainMachine", lab.MachineRequest, lab.Machine)
        self._resume = calls.own("ResumeMachine", lab.MachineRequest, lab.Machine)
        self._connections = calls.own("ListConnections", lab.Empty, lab.ListConnectionsReply)

    def status(self, alias: str = "") -> Machine:
        """How it stands, or how another one does."""
        return machine_of(self._get(lab.MachineRequest(alias=alias or self._alias)))

    def pause(self, note: str) -> Machine:
        """Start no job until `resume`. note: why; everyone who waits is shown it."""
        return machine_of(self._pause(lab.MachineRequest(alias=self._alias, note=note)))

    def drain(self, note: str) -> Machine:
        """Accept no job until `resume`; work off those in the queue. note: as in `pause`."""
        return machine_of(self._drain(lab.MachineRequest(alias=self._alias, note=note)))

    def resume(self) -> Machine:
        """Accept and start jobs again."""
        return machine_of(self._resume(lab.MachineRequest(alias=self._alias)))

    def connections(self) -> list[Connection]:
        """Who is connected to the server. For operators."""
        return [connection_of(each) for each in self._connections(lab.Empty()).connections]
