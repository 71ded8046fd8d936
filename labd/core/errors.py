"""Errors as data: a culprit, a limit, a next step. Two families that never mix.

A `Refusal` is a call that labd does not do: nothing was stored, the caller is told why. A
`JobFailure` is a job that was accepted and could not be finished: its sentence becomes the job's
`error`. `labd.rpc.status` holds the one table from refusals to gRPC codes; a test demands a row for
each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_BRIEF: Final = 400


def brief(said: object) -> str:
    """The first line of what somebody else says, such as a driver, and of that the beginning."""
    line = str(said).strip().split("\n", 1)[0]
    return line if len(line) <= MAX_BRIEF else f"{line[:MAX_BRIEF]}..."


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a payload or a file: what is wrong, where, and what would be right.

    where: path of the culprit, e.g. ``QB1__drive.awg, instruction 3, duration_samples``.
    what: the sentence, with the value and the limit in it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        """``where: what``, or the sentence alone where there is no place to name."""
        return f"{self.where}: {self.what}" if self.where else self.what


def _first_of(problems: tuple[Problem, ...]) -> str:
    """The first one, and how many more there are."""
    more = len(problems) - 1
    return f"{problems[0]} (and {more} more)" if more > 0 else str(problems[0])


def sentence_of(error: BaseException) -> str:
    """What an exception says, in one line; QCoDeS adds what it was doing to its arguments."""
    told = [brief(each) for each in error.args] if str(error).startswith("(") else [str(error)]
    return brief("; ".join(told)) or type(error).__name__


class Refusal(Exception):
    """A call that is not done. `error_code` is the API's name of the reason."""

    error_code: str = "refused"


@dataclass(eq=False)
class InvalidPayload(Refusal):
    """The payload cannot be executed on this quantum computer; every mistake is listed."""

    problems: tuple[Problem, ...]
    error_code = "invalid_payload"

    def __str__(self) -> str:
        """The first mistake, and how many more there are."""
        return f"the payload is not executable here: {_first_of(self.problems)}"


@dataclass(eq=False)
class InvalidCalibration(Refusal):
    """A calibration set that cannot be stored; every mistake is listed."""

    problems: tuple[Problem, ...]
    error_code = "invalid_calibration"

    def __str__(self) -> str:
        """The first mistake, and how many more there are."""
        return f"the calibration set was not stored: {_first_of(self.problems)}"


@dataclass(eq=False)
class IncompleteCalibration(Refusal):
    """A calibration set that lacks what the station's gates need; all of it is listed."""

    set_id: str
    problems: tuple[Problem, ...]
    error_code = "incomplete_calibration"

    def __str__(self) -> str:
        """The first thing that is missing, how many more there are, and the way out."""
        return (
            f"calibration set {self.set_id} was not activated: {_first_of(self.problems)};"
            " import a complete one, or activate it by force"
        )


@dataclass(eq=False)
class JobTypeNotSupported(Refusal):
    """The quantum computer does not execute this type of job."""

    job_type: str
    supported: tuple[str, ...]
    error_code = "job_type_not_supported"

    def __str__(self) -> str:
        """Names the type and the supported ones."""
        return f"{self.job_type} jobs are not executed here; supported: {', '.join(self.supported)}"


@dataclass(eq=False)
class NotFound(Refusal):
    """There is no such thing: `kind` says what was looked for, `key` which one."""

    kind: str
    key: str
    hint: str = ""
    error_code = "not_found"

    def __str__(self) -> str:
        """``kind key not found``, with the hint if there is one."""
        tail = f": {self.hint}" if self.hint else ""
        return f"{self.kind} {self.key} not found{tail}"


@dataclass(eq=False)
class InvalidArgument(Refusal):
    """A request that names no thing at all, such as an empty or malformed id."""

    field_name: str
    what: str
    error_code = "invalid_argument"

    def __str__(self) -> str:
        """``field: sentence``."""
        return f"{self.field_name}: {self.what}"


@dataclass(eq=False)
class JobAlreadyFinal(Refusal):
    """A cancel that came too late: the job is in a final state."""

    job_id: str
    state: str
    error_code = "job_not_submitted_to_qc"

    def __str__(self) -> str:
        """Says the state the job is in."""
        return f"job {self.job_id} is already {self.state} and cannot be cancelled"


@dataclass(eq=False)
class JobDeleted(Refusal):
    """The job that a subscription follows was deleted."""

    job_id: str
    error_code = "job_deleted"

    def __str__(self) -> str:
        """Names the job."""
        return f"job {self.job_id} was deleted"


@dataclass(eq=False)
class ServerStopping(Refusal):
    """labd stops or restarts; the client may come back."""

    error_code = "server_cancel"

    def __str__(self) -> str:
        """A sentence for people; clients read the code."""
        return "labd is stopping; subscribe again in a few seconds"


@dataclass(eq=False)
class Unavailable(Refusal):
    """labd cannot do it now, and nothing was done: storage that takes no more, for one."""

    what: str
    error_code = "unavailable"

    def __str__(self) -> str:
        """The sentence."""
        return self.what


@dataclass(eq=False)
class Unauthenticated(Refusal):
    """No credentials, or wrong ones. what: which of the two, and why. remedy: what lets one in."""

    what: str
    remedy: str = (
        "get a token from an admin, or by `labctl token new` on the machine that runs labd, and"
        " send it as `authorization: Bearer <token>`"
    )
    error_code = "unauthenticated"

    def __str__(self) -> str:
        """The sentence, and the way in."""
        return f"{self.what}; {self.remedy}"


@dataclass(eq=False)
class PermissionDenied(Refusal):
    """The caller is known and may not do this."""

    user: str
    role: str
    what: str
    error_code = "permission_denied"

    def __str__(self) -> str:
        """Who, with which role, may not do what, and the way out."""
        return (
            f"{self.user} is a {self.role} here and may not {self.what}; ask an admin for the role,"
            " or use the token of someone who has it"
        )


@dataclass(eq=False)
class QuotaExceeded(Refusal):
    """The user has used up a limit.

    limit, used: numbers in the limit's unit. frees: when there is room again, as a sentence.
    """

    name: str
    user: str
    limit: float
    used: float
    asked: float
    frees: str
    error_code = "quota_exceeded"

    def __str__(self) -> str:
        """The limit, what is used, what was asked for, when it frees."""
        asks = f" and asks for {_amount(self.asked)} more" if self.asked else ""
        return (
            f"{self.user} has used {_amount(self.used)} of {_amount(self.limit)} {self.name}{asks};"
            f" {self.frees}"
        )


def _amount(value: float) -> str:
    """To three decimals, without an exponent."""
    return f"{round(value, 3):.15g}" if value < 1e6 else f"{value:.0f}"


@dataclass(eq=False)
class NoBookedTimeslots(Refusal):
    """use_timeslot without an active or upcoming slot."""

    user: str
    alias: str
    error_code = "no_booked_timeslots"

    def __str__(self) -> str:
        """Names the user, the quantum computer and the way out."""
        return (
            f"{self.user} has no active or upcoming timeslot on {self.alias}; ask an admin to book"
            " one, or submit without use_timeslot"
        )


@dataclass(eq=False)
class TimeslotRequired(Refusal):
    """The quantum computer runs jobs in timeslots only."""

    alias: str
    error_code = "timeslot_required"

    def __str__(self) -> str:
        """Names the quantum computer and the way out."""
        return (
            f"{self.alias} runs jobs in booked timeslots only; submit with use_timeslot, in IQM's"
            f" clients by the URL that ends in /{self.alias}:timeslot"
        )


@dataclass(eq=False)
class OutlastsTimeslot(Refusal):
    """The job is expected to run longer than any of its owner's slots leaves room for."""

    run_s: float
    longest_s: float
    error_code = "timeslot_too_short"

    def __str__(self) -> str:
        """Both durations."""
        return (
            f"the job runs about {self.run_s:.0f} s and the longest that is left of your timeslots"
            f" is {self.longest_s:.0f} s; book a longer one or split the job"
        )


@dataclass(eq=False)
class Conflict(Refusal):
    """What was asked for does not go with how things stand. what: both, in a sentence."""

    what: str
    error_code = "conflict"

    def __str__(self) -> str:
        """The sentence."""
        return self.what


@dataclass(eq=False)
class IdempotencyKeyReused(Refusal):
    """The key was used for another job."""

    key: str
    job_id: str
    error_code = "idempotency_key_reused"

    def __str__(self) -> str:
        """The key, and the job that has it."""
        return f"the idempotency key {self.key!r} was used for another job, {self.job_id}"


class JobFailure(Exception):
    """A job that was accepted and could not be finished."""


@dataclass(eq=False)
class InstrumentFault(JobFailure):
    """An instrument did not do what it was told.

    instrument: its name in the station. doing: the operation. what: the sentence, with codes.
    """

    instrument: str
    doing: str
    what: str

    def __str__(self) -> str:
        """``instrument, while doing: sentence``."""
        return f"{self.instrument}, while {self.doing}: {self.what}"


class OutOfMemory(MemoryError):
    """There was no memory left while an instrument was being used; whose fault it is, is not said.

    Its sentence is the beginning of one: ``instrument, while doing``.
    """

    def __init__(self, instrument: str, doing: str) -> None:
        super().__init__(f"{instrument}, while {doing}")


@dataclass(eq=False)
class StorageFault(JobFailure):
    """The disk does not take a job's result, or give its payload. what: which of them, and why."""

    what: str

    def __str__(self) -> str:
        """The sentence, and the next step."""
        return f"{self.what}; labd and the instruments are well: submit the job again"


@dataclass(eq=False)
class OutputLimitBroken(JobFailure):
    """A parameter was about to be set beyond what the station allows; it was not set.

    unit: of value and limit; may be empty.
    """

    instrument: str
    parameter: str
    value: float | str
    limit: float
    unit: str

    def __str__(self) -> str:
        """Instrument, parameter, value and limit."""
        unit = f" {self.unit}" if self.unit else ""
        value = self.value if isinstance(self.value, str) else f"{self.value:.12g}{unit}"
        return (
            f"{self.instrument}: {self.parameter} was to be set to {value}; the station's limit is"
            f" {self.limit:.12g}{unit}"
        )


@dataclass(eq=False)
class ExecutionFailed(JobFailure):
    """Any other reason for which an accepted job ends FAILED."""

    what: str

    def __str__(self) -> str:
        """The sentence."""
        return self.what


@dataclass(eq=False)
class BadFile(Exception):
    """A configuration file with mistakes, all of them listed. Nothing is started with it."""

    path: str
    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """The path, then one mistake a line."""
        return "\n".join([f"{self.path}:", *(f"  {problem}" for problem in self.problems)])
