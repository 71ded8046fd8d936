"""IQM's clients with labd's tokens."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import grpc
import pytest
from iqm.iqm_client import IQMClient
from iqm.pulla.pulla import Pulla
from iqm_lab import bell, compile_batch


@pytest.fixture(scope="module")
def token(url: str, labd_bin: Path) -> str:
    labctl = [str(labd_bin / "labctl"), "--url", url]
    subprocess.run([*labctl, "users", "add", "ann"], check=True)
    made = subprocess.run(
        [*labctl, "token", "new", "--user", "ann", "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    return str(json.loads(made.stdout)["secret"])


@pytest.mark.parametrize("form", ["Bearer {}", "{}"])
def test_a_job_goes_through_with_a_token(url: str, token: str, form: str) -> None:
    pulla = Pulla(url, get_token_callback=lambda: form.format(token))

    job = pulla.execute(*compile_batch(pulla, [bell()], shots=10), verbose=False)

    assert job.result is not None


def test_a_callback_without_a_token_is_no_credential(url: str) -> None:
    assert Pulla(url, get_token_callback=lambda: None).get_chip_label()  # type: ignore[arg-type,return-value]


def test_iqm_client_shows_a_token_over_grpc_and_http(url: str, token: str) -> None:
    client = IQMClient(url, token=token)

    assert sorted(client.get_static_quantum_architecture().qubits)[0] == "QB1"
    assert client.get_dynamic_quantum_architecture().gates


def test_a_wrong_token_is_refused_with_the_way_to_a_right_one(url: str) -> None:
    with pytest.raises(ValueError, match="Failed to initialize") as caught:
        Pulla(url, get_token_callback=lambda: "Bearer nonsense")

    cause: BaseException | None = caught.value
    while cause is not None and not isinstance(cause, grpc.RpcError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, grpc.RpcError)
    assert cause.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "get a token from an admin" in cause.details()
