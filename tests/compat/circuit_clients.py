"""Both generations of IQM's circuit client behind one face, whichever this environment has.

Each does what it does in its own way: the former asks relative to the alias's URL, the later one
under the root; their exceptions are their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any
from uuid import UUID

import numpy as np
import requests
from iqm.iqm_client import IQMClient
from iqm.pulse import Circuit
from iqm.qiskit_iqm import IQMProvider

IS_LATER = int(version("iqm-client").split(".")[0]) >= 36
POLLED_EVERY_S = 0.1

Bits = dict[str, np.ndarray]

if IS_LATER:
    from exa.common.errors.iqm_error import (
        AuthenticationError,
        ConflictError,
        IQMError,
        NotFoundError,
        ValidationError,
    )

    REFUSED_PAYLOAD: type[Exception] = ValidationError
    REFUSED_TIMESLOT: type[Exception] = ConflictError
    REFUSED_CANCEL: type[Exception] = ConflictError
    UNKNOWN_JOB: type[Exception] = NotFoundError
    UNKNOWN_SET: type[Exception] = NotFoundError
    WRONG_TOKEN: type[Exception] = AuthenticationError
    FAILED_JOB: type[Exception] = IQMError
else:
    from exa.common.errors.station_control_errors import NotFoundError as StationNotFound
    from iqm.iqm_client.errors import (
        CircuitExecutionError,
        ClientConfigurationError,
        JobAbortionError,
    )

    REFUSED_PAYLOAD = ClientConfigurationError
    REFUSED_TIMESLOT = ClientConfigurationError
    REFUSED_CANCEL = JobAbortionError
    UNKNOWN_JOB = requests.HTTPError
    UNKNOWN_SET = StationNotFound
    WRONG_TOKEN = RuntimeError
    """While it is made, the former client wraps whatever goes wrong over gRPC."""
    FAILED_JOB = CircuitExecutionError


class CircuitClient:
    """IQMClient on one labd. url: as labd prints it, with the alias."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.root, self.alias = url.rsplit("/", 1)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if IS_LATER:
            self.client = IQMClient.from_url(self.root, token=token)
        else:
            self.client = IQMClient(url, token=token)

    def backend(self) -> Any:
        """The Qiskit backend, by the provider."""
        return IQMProvider(self.root if IS_LATER else self.url).get_backend()

    def submit(self, circuits: Sequence[Circuit], shots: int, **how: Any) -> UUID:
        """By submit_circuits."""
        submitted = self.client.submit_circuits(list(circuits), shots=shots, **how)
        return submitted.job_id if IS_LATER else submitted

    def submit_for_timeslot(self, circuits: Sequence[Circuit], shots: int) -> UUID:
        """As each generation says it."""
        if IS_LATER:
            return self.submit(circuits, shots, use_timeslot=True)
        return CircuitClient(f"{self.url}:timeslot").submit(circuits, shots)

    def submit_text(self, payload: bytes) -> UUID:
        """A payload that the client does not write."""
        path = f"api/v1/jobs/{self.alias}/circuit" if IS_LATER else f"{self.alias}/circuits"
        answer = requests.post(f"{self.root}/{path}", data=payload, headers=self._headers)
        answer.raise_for_status()
        return UUID(answer.json()["id"])

    def bits(self, job_id: UUID) -> list[Bits]:
        """Waits for the job's end; per circuit and key an array of shape (shots, qubits)."""
        if IS_LATER:
            job = self.client.get_job(job_id)
            job.wait_for_completion(polling_interval=POLLED_EVERY_S)
            measured = job.result()
            assert measured is not None, job.errors
        else:
            measured = self.client.wait_for_results(job_id).measurements
            assert measured is not None
        return [{key: np.asarray(rows) for key, rows in each.items()} for each in measured]

    def counts(self, job_id: UUID) -> list[dict[str, int]]:
        """As labd counted them."""
        if IS_LATER:
            return [dict(each.counts) for each in self.client.get_job_measurement_counts(job_id)]
        return [dict(each.counts) for each in self.client.get_run_counts(job_id).counts_batch]

    def failure(self, job_id: UUID) -> str:
        """What the user reads of a job that failed."""
        if IS_LATER:
            job = self.client.get_job(job_id)
            job.wait_for_completion(polling_interval=POLLED_EVERY_S)
            return f"{job.status}: {job.errors}"
        try:
            self.client.wait_for_results(job_id)
        except FAILED_JOB as error:
            return f"failed: {error}"
        return ""

    def status(self, job_id: UUID) -> str:
        """In the client's own words."""
        if IS_LATER:
            return str(self.client.get_job(job_id).status.value)
        return str(self.client.get_run_status(job_id).status.value)

    def cancel(self, job_id: UUID) -> None:
        """By cancel_job or abort_job."""
        (self.client.cancel_job if IS_LATER else self.client.abort_job)(job_id)

    def circuits_of(self, job_id: UUID) -> list[Any]:
        """The circuits of a job as the client reads them back."""
        if IS_LATER:
            return list(self.client.get_job(job_id).payload().circuits)
        return list(self.client.get_run(job_id).metadata.circuits)
