"""TLS and client certificates, with real clients."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from certificates import Authority
from click.testing import CliRunner
from people_lab import PeopleLab, bearer, call
from quick_lab import lookup

from labd.cli.daemon import main
from labd.cli.labctl.root import cli
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

WHO = "labd.v1.Lab/WhoAmI"


class TlsLab(PeopleLab):
    """Its own calls go over the unix socket."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.authority = Authority(folder / "ca")
        self.server, self.key = self.authority.issue("server", "/CN=localhost")
        with self.config.open("a") as config:
            config.write(
                f'[tls]\ncertificate = "{self.server}"\nkey = "{self.key}"\n'
                f'client_ca = "{self.authority.certificate}"\n'
            )

    @property
    def channel(self) -> grpc.Channel:
        if self._channel is None:
            self._channel = grpc.insecure_channel(f"unix:{self.state / 'labd.sock'}")
        return self._channel

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def secure_channel(self, client: tuple[Path, Path] | None = None) -> grpc.Channel:
        certificate, key = (
            (None, None) if client is None else (each.read_bytes() for each in client)
        )
        credentials = grpc.ssl_channel_credentials(
            self.authority.certificate.read_bytes(), key, certificate
        )
        return grpc.secure_channel(f"localhost:{self.port}", credentials)

    def context(self, client: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if client is not None:
            context.load_cert_chain(*client)
        return context

    def get(self, path: str, client: tuple[Path, Path] | None = None) -> tuple[int, object]:  # type: ignore[override]
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=10, context=self.context(client)
        )
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def who(self, client: tuple[Path, Path] | None = None, token: str = "") -> lab_pb2.WhoAmIReply:
        with self.secure_channel(client) as channel:
            (reply,) = call(channel, WHO, lab_pb2.Empty(), bearer(token) if token else ())
        assert isinstance(reply, lab_pb2.WhoAmIReply)
        return reply


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsLab]:
    made = TlsLab(tmp_path_factory.mktemp("lab"))
    with made:
        made.add("ann")
        yield made


def test_one_port_speaks_grpc_and_http_over_tls(lab: TlsLab) -> None:
    assert lab.get("/star5/about")[0] == 200
    assert lab.who().credential == f"uid {os.getuid()}"
    assert lab.who(token=lab.tokens["ann"]).user.name == "ann"


def test_a_large_result_comes_whole_over_tls(lab: TlsLab) -> None:
    job = lab.submit(bytes=8_000_000)
    lab.wait_for(job)

    with lab.secure_channel() as channel:
        pieces = call(channel, "iqm.server.Jobs/GetJobResultsV1", lookup(job))

    data = b"".join(piece.data for piece in pieces if isinstance(piece, iqm.DataChunk))
    assert data == bytes(8_000_000) + f"result of {_text(job)}".encode()


def _text(job: iqm.JobV1) -> str:
    raw = job.id.raw.hex()
    return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))


def test_a_large_payload_goes_whole_over_tls(lab: TlsLab) -> None:
    request = lab.submit_request(pad="x" * 6_000_000, s=0)

    with lab.secure_channel() as channel:
        (job,) = call(channel, "iqm.server.Jobs/SubmitJobV1", request)
        assert isinstance(job, iqm.JobV1)
        pieces = call(channel, "iqm.server.Jobs/GetJobPayloadV1", lookup(job))

    data = b"".join(piece.data for piece in pieces if isinstance(piece, iqm.DataChunk))
    assert data == request.payload


def test_a_certificate_is_its_users_identity_over_grpc_and_http(lab: TlsLab) -> None:
    ann = lab.authority.issue("ann", "/CN=ann")

    who = lab.who(ann)

    assert (who.user.name, who.credential) == ("ann", "certificate ann")
    assert who.origin.startswith("127.0.0.1:")
    status, _ = lab.get("/star5/api/v1/quantum-architecture", ann)
    assert status == 200


def test_labctl_comes_in_by_a_certificate(lab: TlsLab) -> None:
    certificate, key = lab.authority.issue("ann", "/CN=ann")
    options = ["--ca", lab.authority.certificate, "--certificate", certificate, "--key", key]
    arguments = ["--url", f"https://localhost:{lab.port}/star5", *map(str, options), "whoami"]

    result = CliRunner().invoke(cli, arguments)

    assert result.output.startswith("ann, user, by certificate ann, 127.0.0.1:")


def test_labctl_says_what_is_wrong_with_a_connection(lab: TlsLab) -> None:
    unknown = CliRunner().invoke(cli, ["--url", f"https://localhost:{lab.port}/star5", "whoami"])
    plain = CliRunner().invoke(cli, ["--url", f"http://localhost:{lab.port}/star5", "whoami"])

    assert "--ca names the certificate of your lab's authority" in unknown.stderr
    assert "right about http and https?" in plain.stderr


def test_a_token_goes_before_a_certificate(lab: TlsLab) -> None:
    lab.add("ben")
    ann = lab.authority.issue("ann", "/CN=ann")

    assert lab.who(ann, lab.tokens["ben"]).user.name == "ben"


@pytest.mark.parametrize("subject", ["/CN=nobody-here", "/CN=Ann", "/CN=ann/CN=root", "/O=Lab"])
def test_a_certificate_that_names_no_user_is_refused_and_not_ignored(
    lab: TlsLab, subject: str
) -> None:
    client = lab.authority.issue("other", subject)

    with pytest.raises(grpc.RpcError) as caught:
        lab.who(client)

    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    status, body = lab.get("/star5/api/v1/quantum-architecture", client)
    assert status == 401
    assert isinstance(body, dict)
    assert "certificate" in body["message"]
    assert "labctl token new" in body["message"]


def test_a_strangers_certificate_does_not_get_through_the_handshake(
    lab: TlsLab, tmp_path: Path
) -> None:
    forged = Authority(tmp_path / "other").issue("ann", "/CN=ann")

    with pytest.raises(grpc.RpcError) as caught:
        lab.who(forged)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        lab.get("/star5/about", forged)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_old_tls_is_refused(lab: TlsLab) -> None:
    context = lab.context()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    with socket.create_connection(("localhost", lab.port), 10) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="localhost")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_what_is_spoken_is_agreed_upon(lab: TlsLab, version: ssl.TLSVersion) -> None:
    context = lab.context()
    context.minimum_version = context.maximum_version = version
    agreed = {}

    for offered in (["h2"], ["http/1.1"], ["h2", "http/1.1"], ["spdy/1"]):
        context.set_alpn_protocols(offered)
        with (
            socket.create_connection(("localhost", lab.port), 10) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as client,
        ):
            agreed[",".join(offered)] = client.selected_alpn_protocol()

    assert agreed == {"h2": "h2", "http/1.1": "http/1.1", "h2,http/1.1": "h2", "spdy/1": None}


def test_plaintext_is_told_to_speak_tls(lab: TlsLab) -> None:
    connection = http.client.HTTPConnection("localhost", lab.port, timeout=10)
    connection.request("GET", "/star5/about")
    answer = connection.getresponse()

    assert answer.status == 400
    assert "https://" in json.loads(answer.read())["message"]
    connection.close()


def test_a_client_that_dawdles_in_the_handshake_stops_nobody(lab: TlsLab) -> None:
    with socket.create_connection(("localhost", lab.port), 10) as slow:
        slow.sendall(b"\x16\x03\x01\x02\x00\x01")
        started = time.monotonic()

        assert lab.get("/star5/about")[0] == 200

        assert time.monotonic() - started < 5.0


def test_a_renewed_certificate_is_used_without_a_restart(lab: TlsLab) -> None:
    def serial() -> str:
        with (
            socket.create_connection(("localhost", lab.port), 10) as raw,
            lab.context().wrap_socket(raw, server_hostname="localhost") as client,
        ):
            shown = client.getpeercert()
            assert shown is not None
            return str(shown["serialNumber"])

    before = serial()
    whole = lab.server.read_bytes()
    lab.server.write_bytes(whole[: len(whole) // 2])
    assert serial() == before

    lab.authority.issue("server", "/CN=localhost")

    assert serial() != before


# ---- what is refused at the start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parents[2] / "config", tmp_path / "config"))


def mistakes(folder: Path, authority: Authority, change: Callable[[Path, Path], None]) -> str:
    certificate, key = authority.issue("server", "/CN=localhost")
    change(certificate, key)
    text = (folder / "labd.toml").read_text().replace("127.0.0.1:50051", "0.0.0.0:50051")
    text += f'\n[tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
    (folder / "labd.toml").write_text(text)
    arguments = ["check-config", "--config", str(folder / "labd.toml")]
    return CliRunner().invoke(main, arguments).output


def _swap(certificate: Path, key: Path) -> None:
    key.write_bytes((certificate.parent / "ca.key").read_bytes())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _, key: None, "OK"),
        (lambda _, key: key.chmod(0o644), "(mode 0644); chmod 600"),
        (lambda _, key: key.chmod(0o604), "(mode 0604); chmod 600"),
        (lambda _, key: key.unlink(), "tls.key: "),
        (lambda certificate, _: certificate.write_text("x"), "tls.certificate: "),
        (_swap, "tls.certificate: "),
    ],
    ids=["good", "readable", "readable-by-others", "no-key", "no-certificate", "not-its-key"],
)
def test_files_of_tls_are_tried_before_the_start(
    folder: Path, tmp_path: Path, change: Callable[[Path, Path], None], sentence: str
) -> None:
    assert sentence in mistakes(folder, Authority(tmp_path / "ca"), change)


def test_plaintext_off_loopback_is_refused_with_the_way_out(folder: Path) -> None:
    text = (folder / "labd.toml").read_text().replace("127.0.0.1:50051", "0.0.0.0:50051")
    (folder / "labd.toml").write_text(text)
    command = [sys.executable, "-m", "labd.cli.daemon", "serve", "--config"]
    command += [str(folder / "labd.toml"), "--state-dir", str(folder / "s")]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert "0.0.0.0 is not a loopback address, and without [tls]" in result.stderr
    assert not (folder / "s").exists()
