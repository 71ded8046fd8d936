"""labd.v1.Lab: calibration sets."""

from __future__ import annotations

import asyncio
from uuid import uuid4

from labd.audit_trail import entry
from labd.calibrating import activation_details, components_of, import_details, lacking
from labd.config import QuantumComputer
from labd.core.audit import AuditEntry
from labd.core.calibration_set import diff
from labd.core.errors import IncompleteCalibration, InvalidArgument, InvalidCalibration, Problem
from labd.core.observations import Document
from labd.identity import Caller
from labd.payloads.calibration_json import (
    read_calibration,
    stored_observations,
    write_observations,
)
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.store.calibrations import Activation, CalibrationSet
from labd.wire import lab_pb2

DEFAULT_LIMIT = 50
MOST = 1000


class LabCalibrations:
    """The methods of the service that concern calibration sets.

    Documents are long texts: they are read, compared and checked on a thread.
    """

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._sets = laboratory.store.calibration_sets

    async def import_set(
        self, request: lab_pb2.ImportCalibrationRequest, caller: Caller, context: Context
    ) -> lab_pb2.CalibrationSet:
        """Store a set; it is not used before it is activated."""
        del context
        computer = self._laboratory.by_alias(request.alias)
        note = convert.note_of(request.note)
        parent_id = None
        if request.HasField("parent_id"):
            parent_id = convert.uuid_of(request.parent_id, "parent_id")
        document, text, is_complete = await asyncio.to_thread(
            _checked, computer, request.observations
        )
        calibration = CalibrationSet(
            id=document.id or uuid4(),
            qc_id=computer.id,
            created_at_ns=self._sets.now_ns(),
            dut_label=computer.wiring.dut_label,
            is_valid=is_complete,
            n_observations=len(document.observations),
            author=caller.user.name,
            note=note,
            parent_id=parent_id,
        )
        details = import_details(computer, calibration, text)
        line = entry(caller, "calibration.import", str(calibration.id), **details)
        await self._sets.put(calibration, text, line)
        return self._message(calibration)

    async def list_sets(
        self, request: lab_pb2.ListCalibrationsRequest, caller: Caller, context: Context
    ) -> lab_pb2.ListCalibrationsReply:
        """The sets of a quantum computer, the newest first."""
        del caller, context
        computer = self._laboratory.by_alias(request.alias)
        limit = min(request.limit or DEFAULT_LIMIT, MOST)
        page = self._sets.page(computer.id, limit, _place_of(request.page_token))
        return lab_pb2.ListCalibrationsReply(
            sets=[self._message(each) for each in page.sets],
            next_page_token=str(page.next_before) if page.next_before else "",
        )

    async def diff(
        self, request: lab_pb2.DiffCalibrationsRequest, caller: Caller, context: Context
    ) -> lab_pb2.DiffCalibrationsReply:
        """What differs from one set to another, by path."""
        del caller, context
        old = self._sets.observations(convert.uuid_of(request.old_id, "old_id"))
        new = self._sets.observations(convert.uuid_of(request.new_id, "new_id"))
        return await asyncio.to_thread(_difference, old, new)

    async def activate(
        self, request: lab_pb2.ActivateCalibrationRequest, caller: Caller, context: Context
    ) -> lab_pb2.CalibrationSet:
        """Make a set the one that everybody gets; an incomplete one only by force."""
        del context
        note = convert.note_of(request.note)
        calibration = self._sets.get(convert.uuid_of(request.id, "id"))
        computer = self._laboratory.quantum_computer(convert.uuid_message(calibration.qc_id))
        text = self._sets.observations(calibration.id)
        problems = await asyncio.to_thread(_lacking, computer, calibration, text)
        if problems and not request.force:
            raise IncompleteCalibration(str(calibration.id), problems)
        details = activation_details(computer, note, problems)
        line = entry(caller, "calibration.activate", str(calibration.id), **details)
        await self._sets.activate(calibration, note, line)
        return self._message(calibration)

    async def roll_back(
        self, request: lab_pb2.RollBackCalibrationRequest, caller: Caller, context: Context
    ) -> lab_pb2.CalibrationSet:
        """Make the set active that was so before the present one."""
        del context
        computer = self._laboratory.by_alias(request.alias)
        note = convert.note_of(request.note)

        def told(activation: Activation) -> AuditEntry:
            key = str(activation.set_id)
            return entry(caller, "calibration.roll_back", key, alias=computer.alias, note=note)

        activation = await self._sets.roll_back(computer.id, caller.user.name, note, told)
        return self._message(self._sets.get(activation.set_id))

    def _message(self, calibration: CalibrationSet) -> lab_pb2.CalibrationSet:
        message = lab_pb2.CalibrationSet(
            head=convert.calibration_message(calibration),
            author=calibration.author,
            note=calibration.note,
            n_observations=calibration.n_observations,
        )
        if calibration.parent_id is not None:
            message.parent_id.CopyFrom(convert.uuid_message(calibration.parent_id))
        activation = self._sets.activation(calibration.qc_id)
        if activation is not None and activation.set_id == calibration.id:
            message.is_active = True
            message.active_since.CopyFrom(convert.timestamp(activation.at_ns))
            message.activated_by = activation.by_user
            message.activation_note = activation.note
        return message


def _checked(computer: QuantumComputer, data: bytes) -> tuple[Document, str, bool]:
    """A document, its observations as they are stored, and whether it is complete.

    Raises InvalidCalibration with every mistake.
    """
    document, problems = read_calibration(data, components_of(computer))
    if problems:
        raise InvalidCalibration(problems)
    text = write_observations(document.observations)
    return document, text, not lacking(computer, document.observations)


def _lacking(
    computer: QuantumComputer, calibration: CalibrationSet, text: str
) -> tuple[Problem, ...]:
    found = lacking(computer, stored_observations(text))
    label = computer.wiring.dut_label
    if calibration.dut_label == label:
        return found
    return (
        Problem("chip", f"the set is of {calibration.dut_label}, the station has {label}"),
        *found,
    )


def _difference(old: str, new: str) -> lab_pb2.DiffCalibrationsReply:
    changes = diff(stored_observations(old), stored_observations(new))
    return lab_pb2.DiffCalibrationsReply(
        changes=[
            lab_pb2.ObservationChange(
                path=each.path, old_json=each.old_json, new_json=each.new_json
            )
            for each in changes
        ]
    )


def _place_of(page_token: str) -> int:
    if not page_token:
        return 0
    if not (page_token.isascii() and page_token.isdecimal() and len(page_token) < 19):
        raise InvalidArgument("page_token", "not one that labd gave")
    return int(page_token)
