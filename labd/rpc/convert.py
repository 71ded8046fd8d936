"""Between the wire's messages and the core's values."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from labd.core.errors import InvalidArgument
from labd.core.jobs import Job
from labd.core.partial_mask import Mask
from labd.store.calibrations import CalibrationSet
from labd.store.keeping import Kept
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

MAX_NOTE = 200


def uuid_of(message: iqm.Uuid, field_name: str) -> UUID:
    """The UUID in either form. Raises InvalidArgument when it is none."""
    try:
        if message.WhichOneof("data") == "raw":
            return UUID(bytes=message.raw)
        if message.WhichOneof("data") == "str":
            return UUID(message.str)
    except ValueError:
        pass
    raise InvalidArgument(field_name, "not a UUID: 16 bytes in `raw`, or its text in `str`")


def uuid_message(value: UUID) -> iqm.Uuid:
    """A UUID as clients send it."""
    return iqm.Uuid(raw=value.bytes)


def timestamp(at_ns: int) -> Timestamp:
    """An instant, nanoseconds since 1970."""
    seconds, nanos = divmod(at_ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def instant_ns(message: Timestamp, field_name: str) -> int:
    """Nanoseconds since 1970. Raises InvalidArgument for what is none, or no 64-bit number."""
    at_ns = message.seconds * 1_000_000_000 + message.nanos
    if not 0 <= message.nanos < 1_000_000_000 or abs(at_ns) >= 2**63:
        raise InvalidArgument(field_name, "not an instant between the years 1678 and 2262")
    return at_ns


def note_of(text: str) -> str:
    """A note that people read in a table: one line. Raises InvalidArgument."""
    if len(text) > MAX_NOTE or not text.isprintable():
        raise InvalidArgument("note", f"a line of at most {MAX_NOTE} characters, please")
    return text


def quantum_computer_message(qc_id: UUID, alias: str, display_name: str) -> iqm.QuantumComputerV1:
    """A quantum computer as the API shows it."""
    return iqm.QuantumComputerV1(id=uuid_message(qc_id), alias=alias, display_name=display_name)


def job_message(job: Job, quantum_computer: iqm.QuantumComputerV1) -> iqm.JobV1:
    """A job as the API shows it. All required fields are set."""
    message = iqm.JobV1(
        id=uuid_message(job.id),
        type=job.job_type.value,
        quantum_computer=quantum_computer,
        input=iqm.JobInputSummaryV1(
            job_type=job.job_type.value, shots=job.shots, circuits=job.circuits
        ),
        status=job.state.value,
        created_at=timestamp(job.created_at_ns),
        updated_at=timestamp(job.updated_at_ns),
    )
    if job.queue_position is not None:
        message.queue_position = job.queue_position
    if job.error is not None:
        message.error = job.error
    if job.started_at_ns is not None:
        message.execution_started_at.CopyFrom(timestamp(job.started_at_ns))
    if job.ended_at_ns is not None:
        message.execution_ended_at.CopyFrom(timestamp(job.ended_at_ns))
    return message


def keeping_message(kept: Kept) -> lab_pb2.Keeping:
    """What is kept of a job."""
    return lab_pb2.Keeping(
        payload_sha256=kept.payload_sha256 or b"",
        result_sha256=kept.result_sha256 or b"",
        needed_bytes=kept.needed_bytes,
        is_partial=kept.is_partial,
        pin_note=kept.pin_note,
        pinned_by=kept.pinned_by,
        expired_at=None if kept.expired_at_ns is None else timestamp(kept.expired_at_ns),
        damage=kept.damage,
    )


def mask_message(mask: Mask) -> lab_pb2.PartialMask:
    """How far a partial result is valid."""
    return lab_pb2.PartialMask(
        bins_valid=mask.bins_valid,
        n_bins=mask.n_bins,
        rows_valid=mask.rows_valid,
        shots_valid=mask.shots_valid,
        shots_total=mask.shots_total,
    )


def calibration_message(calibration: CalibrationSet) -> iqm.CalibrationMetadataV1:
    """A calibration set's head as the API shows it."""
    return iqm.CalibrationMetadataV1(
        id=uuid_message(calibration.id),
        created_at=timestamp(calibration.created_at_ns),
        dut_label=calibration.dut_label,
        is_valid=calibration.is_valid,
    )
