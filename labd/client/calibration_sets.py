"""Calibration sets from Python: import, list, compare, activate, roll back."""

from __future__ import annotations

from uuid import UUID

from labd.client.calls import Calls
from labd.client.convert import pack_uuid
from labd.client.values_machine import (
    CalibrationHead,
    CalibrationPage,
    ObservationChange,
    calibration_head_of,
    change_of,
)
from labd.wire import lab_pb2 as lab


class CalibrationCalls:
    """Calls that concern the calibration sets of one quantum computer."""

    def __init__(self, calls: Calls, alias: str) -> None:
        self._alias = alias
        self._import = calls.own(
            "ImportCalibration", lab.ImportCalibrationRequest, lab.CalibrationSet
        )
        self._list = calls.own(
            "ListCalibrations", lab.ListCalibrationsRequest, lab.ListCalibrationsReply
        )
        self._diff = calls.own(
            "DiffCalibrations", lab.DiffCalibrationsRequest, lab.DiffCalibrationsReply
        )
        self._activate = calls.own(
            "ActivateCalibration", lab.ActivateCalibrationRequest, lab.CalibrationSet
        )
        self._roll_back = calls.own(
            "RollBackCalibration", lab.RollBackCalibrationRequest, lab.CalibrationSet
        )

    def store(
        self, document: bytes, *, parent_id: UUID | str | None = None, note: str = ""
    ) -> CalibrationHead:
        """Import a set; it is not activated by that.

        document: IQM's JSON, ``{"observations": {path: {"value": ...}}}``. parent_id: the set that
        it was made from.
        """
        request = lab.ImportCalibrationRequest(
            alias=self._alias,
            observations=document,
            parent_id=None if parent_id is None else pack_uuid(parent_id),
            note=note,
        )
        return calibration_head_of(self._import(request))

    def page(self, limit: int = 20, page_token: str = "") -> CalibrationPage:
        """The newest sets first."""
        reply = self._list(
            lab.ListCalibrationsRequest(alias=self._alias, limit=limit, page_token=page_token)
        )
        heads = tuple(calibration_head_of(each) for each in reply.sets)
        return CalibrationPage(heads, reply.next_page_token)

    def diff(self, old_id: UUID | str, new_id: UUID | str) -> list[ObservationChange]:
        """What differs between two sets, by path."""
        request = lab.DiffCalibrationsRequest(old_id=pack_uuid(old_id), new_id=pack_uuid(new_id))
        return [change_of(each) for each in self._diff(request).changes]

    def activate(
        self, set_id: UUID | str, *, note: str = "", force: bool = False
    ) -> CalibrationHead:
        """From now on this set is the one that clients get as the latest.

        force: also if it lacks what the station's gates need.
        """
        request = lab.ActivateCalibrationRequest(id=pack_uuid(set_id), note=note, force=force)
        return calibration_head_of(self._activate(request))

    def roll_back(self, *, note: str = "") -> CalibrationHead:
        """Activate the set that was active before the present one."""
        request = lab.RollBackCalibrationRequest(alias=self._alias, note=note)
        return calibration_head_of(self._roll_back(request))
