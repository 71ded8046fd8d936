"""All services with all their methods, by name."""

from __future__ import annotations

from collections.abc import Mapping

from labd.gate import Gate
from labd.rpc.acceptance import Acceptance
from labd.rpc.calibrations import Calibrations
from labd.rpc.jobs import Jobs
from labd.rpc.lab_audit import LabAudit
from labd.rpc.lab_calibrations import LabCalibrations
from labd.rpc.lab_jobs import LabJobs
from labd.rpc.lab_limits import LabLimits
from labd.rpc.lab_machine import LabMachine
from labd.rpc.lab_people import LabPeople
from labd.rpc.lab_store import LabStore
from labd.rpc.lab_timeslots import LabTimeslots
from labd.rpc.laboratory import Laboratory
from labd.rpc.methods import Method, as_is, packed, stream, unary
from labd.rpc.quantum_computers import QuantumComputers
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2 as lab

LAB = "labd.v1.Lab"


def services(
    laboratory: Laboratory, acceptance: Acceptance, gate: Gate
) -> Mapping[str, Mapping[str, Method]]:
    """Service name -> method name -> method."""
    return {
        **_iqm_services(laboratory, acceptance),
        LAB: _lab_methods(laboratory, acceptance, gate),
    }


def _iqm_services(
    laboratory: Laboratory, acceptance: Acceptance
) -> dict[str, Mapping[str, Method]]:
    jobs = Jobs(laboratory, acceptance)
    computers = QuantumComputers(laboratory)
    calibrations = Calibrations(laboratory)
    return {
        "iqm.server.Jobs": {
            "SubmitJobV1": unary(jobs.submit, iqm.SubmitJobRequestV1),
            "GetJobV1": unary(jobs.get, iqm.JobLookupV1),
            "SubscribeToJobV1": stream(jobs.subscribe, iqm.JobLookupV1, packed),
            "GetJobPayloadV1": stream(jobs.payload, iqm.JobLookupV1, as_is),
            "GetJobResultsV1": stream(jobs.results, iqm.JobLookupV1, as_is),
            "CancelJobV1": unary(jobs.cancel, iqm.JobLookupV1),
        },
        "iqm.server.QuantumComputers": {
            "GetQuantumComputerV1": unary(computers.get, iqm.QuantumComputerLookupV1),
            "ListQuantumComputersV1": unary(computers.list, iqm.ListQuantumComputerFiltersV1),
            "GetQuantumComputerResourceV1": stream(
                computers.resource, iqm.QuantumComputerResourceLookupV1, as_is
            ),
        },
        "iqm.server.Calibrations": {
            "GetLatestQuantumComputerCalibrationV1": unary(
                calibrations.latest, iqm.LatestQuantumComputerCalibrationLookupV1
            ),
            "GetCalibrationV1": unary(calibrations.get, iqm.CalibrationLookupV1),
            "GetFullCalibrationDataV1": stream(
                calibrations.full_data, iqm.CalibrationLookupV1, as_is
            ),
        },
    }


def _lab_methods(
    laboratory: Laboratory, acceptance: Acceptance, gate: Gate
) -> Mapping[str, Method]:
    people = LabPeople(laboratory, gate)
    jobs = LabJobs(laboratory, acceptance)
    timeslots = LabTimeslots(laboratory)
    calibrations = LabCalibrations(laboratory)
    audit = LabAudit(laboratory)
    limits = LabLimits(laboratory)
    machine = LabMachine(laboratory)
    store = LabStore(laboratory)
    return {
        "SubmitJob": unary(jobs.submit, lab.SubmitJobRequest),
        "ListJobs": unary(jobs.list_jobs, lab.ListJobsRequest),
        "GetJobDetails": unary(jobs.details, iqm.JobLookupV1),
        "GetFlightRecord": unary(jobs.flight_record, iqm.JobLookupV1),
        "DeleteJob": unary(jobs.delete, iqm.JobLookupV1),
        "HoldJob": unary(jobs.hold, lab.HoldJobRequest),
        "ReleaseJob": unary(jobs.release, iqm.JobLookupV1),
        "SetPriority": unary(jobs.set_priority, lab.SetPriorityRequest),
        "SetTags": unary(jobs.set_tags, lab.SetTagsRequest),
        "GetMachine": unary(machine.get, lab.MachineRequest),
        "PauseMachine": unary(machine.pause, lab.MachineRequest),
        "DrainMachine": unary(machine.drain, lab.MachineRequest),
        "ResumeMachine": unary(machine.resume, lab.MachineRequest),
        "GetLimits": unary(limits.get, lab.GetLimitsRequest),
        "SetLimit": unary(limits.set, lab.SetLimitRequest),
        "ListTimeslots": unary(timeslots.list, lab.ListTimeslotsRequest),
        "BookTimeslot": unary(timeslots.book, lab.BookTimeslotRequest),
        "ChangeTimeslot": unary(timeslots.change, lab.ChangeTimeslotRequest),
        "CancelTimeslot": unary(timeslots.cancel, lab.CancelTimeslotRequest),
        "ImportCalibration": unary(calibrations.import_set, lab.ImportCalibrationRequest),
        "ListCalibrations": unary(calibrations.list_sets, lab.ListCalibrationsRequest),
        "DiffCalibrations": unary(calibrations.diff, lab.DiffCalibrationsRequest),
        "ActivateCalibration": unary(calibrations.activate, lab.ActivateCalibrationRequest),
        "RollBackCalibration": unary(calibrations.roll_back, lab.RollBackCalibrationRequest),
        "ReadAudit": stream(audit.read, lab.ReadAuditRequest, packed),
        "WhoAmI": unary(people.who_am_i, lab.Empty),
        "ListUsers": unary(people.list_users, lab.Empty),
        "PutUser": unary(people.put_user, lab.PutUserRequest),
        "CreateToken": unary(people.create_token, lab.CreateTokenRequest),
        "ListTokens": unary(people.list_tokens, lab.ListTokensRequest),
        "RevokeToken": unary(people.revoke_token, lab.RevokeTokenRequest),
        "ListConnections": unary(people.list_connections, lab.Empty),
        "WatchProgress": stream(jobs.watch_progress, iqm.JobLookupV1, packed),
        "PinJob": unary(jobs.pin, lab.PinJobRequest),
        "UnpinJob": unary(jobs.unpin, iqm.JobLookupV1),
        "GetPartialResults": stream(store.partial_results, iqm.JobLookupV1, as_is),
        "Fsck": stream(store.fsck, lab.FsckRequest, packed),
        "Backup": stream(store.backup, lab.Empty, as_is),
    }
