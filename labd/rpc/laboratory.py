"""What the services work with: one value, made by the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labd.config import Config, QuantumComputer
from labd.core.errors import NotFound
from labd.core.jobs import QcId
from labd.desk import Desk
from labd.rpc import convert
from labd.store.store import Store
from labd.supervisor import Supervisor
from labd.wire import iqm_server_pb2 as iqm


@dataclass(frozen=True, slots=True)
class Laboratory:
    """The configuration, the desk where jobs are handled, and the racks' keepers by id."""

    config: Config
    desk: Desk
    supervisors: Mapping[QcId, Supervisor]

    @property
    def store(self) -> Store:
        """Where records are read."""
        return self.desk.store

    def quantum_computer(self, lookup: iqm.Uuid) -> QuantumComputer:
        """The quantum computer with that id. Raises InvalidArgument, NotFound."""
        wanted = convert.uuid_of(lookup, "qc_id")
        for computer in self.config.quantum_computers:
            if computer.id == wanted:
                return computer
        raise NotFound("quantum computer", str(wanted), self._known())

    def by_alias(self, alias: str) -> QuantumComputer:
        """The quantum computer of that alias. Raises NotFound."""
        for computer in self.config.quantum_computers:
            if computer.alias == alias:
                return computer
        raise NotFound("quantum computer", alias, self._known())

    def _known(self) -> str:
        aliases = ", ".join(computer.alias for computer in self.config.quantum_computers)
        return f"labd serves {aliases}"

    def quantum_computer_message(self, qc_id: QcId) -> iqm.QuantumComputerV1:
        """A quantum computer of the configuration, or of an old job's."""
        for computer in self.config.quantum_computers:
            if computer.id == qc_id:
                return convert.quantum_computer_message(
                    qc_id, computer.alias, computer.display_name
                )
        return convert.quantum_computer_message(qc_id, *self.store.quantum_computer_name(qc_id))
