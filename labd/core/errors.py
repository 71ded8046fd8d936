"""Errors as data: a culprit, a limit, a next step. Two families that never mix.

A `Refusal` is a call that labd does not do: nothing was stored, the caller is told why. A
`JobFailure` is a job that was accepted and could not be finished: its sentence becomes the job's
`error`. `labd.rpc.status` holds the one table from refusals to gRPC codes; a test demands a row for
each.
"""

from __future__ import annotations

from dataclasses import dataclass


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
        more = len(self.problems) - 1
        tail = f" (and {more} more)" if more > 0 else ""
        return f"the payload is not executable here: {self.problems[0]}{tail}"


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
