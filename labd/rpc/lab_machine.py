"""labd.v1.Lab: a quantum computer as a machine that is paused, drained and resumed."""

from __future__ import annotations

from labd.audit_trail import entry
from labd.config import QuantumComputer
from labd.core.audit import Action
from labd.core.health import Condition
from labd.core.openings import Mode
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.lab_leases import lease_message
from labd.rpc.lab_timeslots import timeslot_message
from labd.rpc.laboratory import Laboratory
from labd.wire import lab_pb2


class LabMachine:
    """The methods of the service that concern the machine."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def get(
        self, request: lab_pb2.MachineRequest, caller: Caller, context: Context
    ) -> lab_pb2.Machine:
        """How a quantum computer stands."""
        del context
        return self._message(self._laboratory.by_alias(request.alias), caller)

    async def pause(
        self, request: lab_pb2.MachineRequest, caller: Caller, context: Context
    ) -> lab_pb2.Machine:
        """Let no job start; jobs are accepted."""
        del context
        return await self._set(request, caller, Mode.PAUSED, "machine.pause")

    async def drain(
        self, request: lab_pb2.MachineRequest, caller: Caller, context: Context
    ) -> lab_pb2.Machine:
        """Accept no job; those that wait still run."""
        del context
        return await self._set(request, caller, Mode.DRAINING, "machine.drain")

    async def resume(
        self, request: lab_pb2.MachineRequest, caller: Caller, context: Context
    ) -> lab_pb2.Machine:
        """Accept jobs and let them start again."""
        del context
        return await self._set(request, caller, Mode.RUNNING, "machine.resume")

    async def _set(
        self, request: lab_pb2.MachineRequest, caller: Caller, mode: Mode, action: Action
    ) -> lab_pb2.Machine:
        computer = self._laboratory.by_alias(request.alias)
        note = "" if mode is Mode.RUNNING else convert.note_of(request.note)
        by = entry(caller, action, "")
        await self._laboratory.desk.set_mode(computer.id, mode, note, by)
        return self._message(computer, caller)

    def _message(self, computer: QuantumComputer, caller: Caller) -> lab_pb2.Machine:
        laboratory, store = self._laboratory, self._laboratory.store
        record = store.queue.machine(computer.id)
        rack = laboratory.supervisors[computer.id].status
        message = lab_pb2.Machine(
            quantum_computer=laboratory.quantum_computer_message(computer.id),
            mode=record.mode.value,
            note=record.note,
            changed_by=record.by,
            rack_state=rack.state.value,
            rack_what=rack.what,
            n_queued=record.n_queued,
            instruments=[_health_message(each) for each in rack.health],
        )
        if record.since_ns is not None:
            message.changed_at.CopyFrom(convert.timestamp(record.since_ns))
        running = store.queue.running_job(computer.id)
        if running is not None:
            message.running_job.CopyFrom(convert.uuid_message(running))
        situation = store.timeslots.situation(computer.id, computer.timeslots)
        if situation.current is not None:
            slot = timeslot_message(laboratory, situation.current, caller)
            message.current_timeslot.CopyFrom(slot)
        for ahead in situation.ahead[:1]:
            message.next_timeslot.CopyFrom(timeslot_message(laboratory, ahead, caller))
        if situation.held is not None:
            message.lease.CopyFrom(lease_message(laboratory, situation.held, caller))
        active = store.calibration_sets.active(computer.id)
        if active is not None:
            message.calibration_set_id.CopyFrom(convert.uuid_message(active.id))
        return message


def _health_message(one: Condition) -> lab_pb2.InstrumentHealth:
    message = lab_pb2.InstrumentHealth(
        instrument=one.instrument, state=one.health.value, what=one.what, answer_s=one.answer_s or 0
    )
    if one.since_ns:
        message.since.CopyFrom(convert.timestamp(one.since_ns))
    if one.retry_ns is not None:
        message.retry_at.CopyFrom(convert.timestamp(one.retry_ns))
    return message
