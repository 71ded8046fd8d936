"""What the services work with: one value, made by the composition root."""

from __future__ import annotations

from collections.abc import Mapping

from labd.config import Config, QuantumComputer
from labd.core.errors import NotFound
from labd.core.jobs import Job, JobId, QcId
from labd.core.openings import TimeslotRules
from labd.desk import Desk
from labd.foresight import Foresight
from labd.identity import Caller
from labd.meters import Meters
from labd.rpc import convert
from labd.store.store import Store
from labd.supervisor import Supervisor
from labd.wire import iqm_server_pb2 as iqm

_GONE = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=0.0, shows_owners=False
)


class Laboratory:
    """The configuration, the desk where jobs are handled, the racks' keepers by id, foresight."""

    def __init__(
        self,
        config: Config,
        desk: Desk,
        supervisors: Mapping[QcId, Supervisor],
        foresight: Foresight,
        meters: Meters | None = None,
    ) -> None:
        """meters: what is streamed is counted there; None: by nobody else."""
        self.meters = Meters() if meters is None else meters
        self.foresight = foresight
        self.desk = desk
        self.supervisors = supervisors
        self.use(config)
        self._messages = {
            each.id: convert.quantum_computer_message(each.id, each.alias, each.display_name)
            for each in config.quantum_computers
        }

    def use(self, config: Config) -> None:
        """Work with this configuration; its quantum computers have the names they had."""
        self.config = config
        self._computers = {computer.id: computer for computer in config.quantum_computers}

    @property
    def store(self) -> Store:
        """Where records are read."""
        return self.desk.store

    def quantum_computer(self, lookup: iqm.Uuid) -> QuantumComputer:
        """The quantum computer with that id. Raises InvalidArgument, NotFound."""
        wanted = QcId(convert.uuid_of(lookup, "qc_id"))
        computer = self._computers.get(wanted)
        if computer is None:
            raise NotFound("quantum computer", str(wanted), self._known())
        return computer

    def by_alias(self, alias: str) -> QuantumComputer:
        """The quantum computer of that alias; of none, if there is only one. Raises NotFound."""
        if not alias and len(self.config.quantum_computers) == 1:
            return self.config.quantum_computers[0]
        for computer in self.config.quantum_computers:
            if computer.alias == alias:
                return computer
        raise NotFound("quantum computer", alias, self._known())

    def timeslot_rules(self, qc_id: QcId) -> TimeslotRules:
        """How a quantum computer is shared by time; one that is gone keeps its owners hidden."""
        computer = self._computers.get(qc_id)
        return _GONE if computer is None else computer.timeslots

    def _known(self) -> str:
        aliases = ", ".join(computer.alias for computer in self.config.quantum_computers)
        return f"labd serves {aliases}"

    def job(self, lookup: iqm.Uuid, caller: Caller) -> Job:
        """A job that the caller may see, without its queue position.

        Raises InvalidArgument; NotFound for one that does not exist and for one that is not his:
        the same answer after the same work, so that ids cannot be probed.
        """
        job_id = JobId(convert.uuid_of(lookup, "id"))
        job = self.store.job_record(job_id)
        if job is None or not caller.reaches(job.user_id):
            raise NotFound("job", str(job_id))
        return job

    def configured_job(self, lookup: iqm.Uuid, caller: Caller) -> Job:
        """As `job`; raises NotFound also when its quantum computer is not configured any more."""
        job = self.job(lookup, caller)
        if job.qc_id not in self._computers:
            alias, _ = self.store.quantum_computer_name(job.qc_id)
            raise NotFound(
                "quantum computer", alias, f"it is not configured any more; {self._known()}"
            )
        return job

    def quantum_computer_message(self, qc_id: QcId) -> iqm.QuantumComputerV1:
        """A quantum computer of the configuration, or of an old job's."""
        message = self._messages.get(qc_id)
        if message is None:
            alias, name = self.store.quantum_computer_name(qc_id)
            message = convert.quantum_computer_message(qc_id, alias, name)
            self._messages[qc_id] = message
        return message
