"""Users, tokens and connections, as people meet them."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from people_lab import PeopleLab, Tunnel, bearer, call
from quick_lab import lookup, metadata_of

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

WHO = "labd.v1.Lab/WhoAmI"
SUBSCRIBE = "iqm.server.Jobs/SubscribeToJobV1"
ACCOUNT = 54321
NOBODY = 65534

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be other accounts")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeopleLab]:
    made = PeopleLab(tmp_path_factory.mktemp("lab"))
    made.edit("keepalive_s = 1.0", "keepalive_s = 0.1")
    with made:
        made.add("ann")
        made.add("otto", "operator")
        yield made


def who(channel: grpc.Channel, *shown: str) -> lab_pb2.WhoAmIReply:
    (reply,) = call(channel, WHO, lab_pb2.Empty(), tuple(("authorization", s) for s in shown))
    assert isinstance(reply, lab_pb2.WhoAmIReply)
    return reply


def refused(ask: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        ask()
    return caught.value.code().name, caught.value.details() or ""


def put(lab: PeopleLab, name: str, **wish: int | bool | str) -> lab_pb2.User:
    request = lab_pb2.PutUserRequest(name=name, **wish)  # type: ignore[arg-type]
    user: lab_pb2.User = lab.lab.PutUser(request)
    return user


# ---- by which credentials


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}"])
def test_a_token_is_shown_as_iqms_clients_show_it(lab: PeopleLab, form: str) -> None:
    reply = who(lab.channel, form.format(lab.tokens["ann"]))

    assert (reply.user.name, reply.user.role) == ("ann", lab_pb2.USER)
    assert reply.credential.startswith("token ")
    assert reply.origin.startswith("127.0.0.1:")


def test_an_empty_header_is_no_credential(lab: PeopleLab) -> None:
    assert who(lab.channel, "").credential == f"uid {os.getuid()}"


def test_two_different_tokens_are_none(lab: PeopleLab) -> None:
    code, sentence = refused(
        lambda: who(lab.channel, lab.tokens["ann"], f"Bearer {lab.tokens['otto']}")
    )

    assert (code, "more than one" in sentence) == ("UNAUTHENTICATED", True)


@needs_root
@pytest.mark.parametrize("way", ["tcp", "unix"])
def test_another_account_is_another_user_on_either_socket(
    lab: PeopleLab, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, _, port = lab.address.partition(":")
    target = (host, int(port)) if way == "tcp" else "labd.sock"
    if way == "unix":  # by a short way: other accounts do not see where tests are
        monkeypatch.chdir(lab.state)
        lab.state.chmod(0o711)
        (lab.state / "labd.sock").chmod(0o666)

    with (
        Tunnel(target, ACCOUNT) as tunnel,
        grpc.insecure_channel(f"127.0.0.1:{tunnel.port}") as channel,
    ):
        reply = who(channel)
        job = iqm.JobLookupV1(id=lab.submit(s=0).id)
        answer = refused(lambda: call(channel, "iqm.server.Jobs/GetJobV1", job))

    assert (reply.user.name, reply.user.role) == (f"uid{ACCOUNT}", lab_pb2.USER)
    assert reply.credential == f"uid {ACCOUNT}"
    assert answer[0] == "NOT_FOUND"


@needs_root
def test_nobody_must_show_a_token(lab: PeopleLab) -> None:
    host, _, port = lab.address.partition(":")
    with (
        Tunnel((host, int(port)), NOBODY) as tunnel,
        grpc.insecure_channel(f"127.0.0.1:{tunnel.port}") as channel,
    ):
        code, sentence = refused(lambda: who(channel))
        assert who(channel, lab.tokens["ann"]).user.name == "ann"

    assert code == "UNAUTHENTICATED"
    assert sentence.startswith("no credentials")
    assert "`labctl token new`" in sentence


# ---- tokens


def test_a_token_is_listed_without_its_secret(lab: PeopleLab) -> None:
    request = lab_pb2.CreateTokenRequest(user="ann", note="bench 3")
    made: lab_pb2.CreateTokenReply = lab.lab.CreateToken(request)

    listed: lab_pb2.ListTokensReply = lab.lab.ListTokens(lab_pb2.ListTokensRequest(user="ann"))

    assert listed.tokens[0] == made.token
    assert made.secret.startswith(f"labd_{made.token.id}_")
    assert made.secret[14:] not in str(listed)
    assert (made.token.user, made.token.note) == ("ann", "bench 3")


def test_a_user_makes_tokens_for_himself_and_sees_his_own(lab: PeopleLab) -> None:
    token = lab.tokens["ann"]
    (made,) = lab.call("labd.v1.Lab/CreateToken", lab_pb2.CreateTokenRequest(), token)
    assert isinstance(made, lab_pb2.CreateTokenReply)

    (listed,) = lab.call("labd.v1.Lab/ListTokens", lab_pb2.ListTokensRequest(), token)

    assert isinstance(listed, lab_pb2.ListTokensReply)
    assert {each.user for each in listed.tokens} == {"ann"}
    assert made.token.id in {each.id for each in listed.tokens}
    assert who(lab.channel, made.secret).user.role == lab_pb2.USER


def test_a_token_that_expires_makes_none_that_lives_longer(lab: PeopleLab) -> None:
    expires_at = Timestamp(seconds=int(time.time()) + 3600)
    request = lab_pb2.CreateTokenRequest(user="ann", expires_at=expires_at)
    made: lab_pb2.CreateTokenReply = lab.lab.CreateToken(request)

    def make(expires_at: Timestamp | None = None) -> list[Message]:
        request = lab_pb2.CreateTokenRequest(expires_at=expires_at)
        return lab.call("labd.v1.Lab/CreateToken", request, made.secret)

    (heir,) = make()
    assert isinstance(heir, lab_pb2.CreateTokenReply)
    assert heir.token.expires_at == expires_at
    later = Timestamp(seconds=expires_at.seconds + 1)
    assert refused(lambda: make(expires_at=later))[0] == "INVALID_ARGUMENT"
    assert refused(lambda: make(expires_at=Timestamp(seconds=1)))[0] == "INVALID_ARGUMENT"


def test_a_token_may_be_revoked_twice(lab: PeopleLab) -> None:
    request = lab_pb2.RevokeTokenRequest(id=lab.token("ann").token.id)

    once, twice = lab.lab.RevokeToken(request), lab.lab.RevokeToken(request)

    assert once == twice
    assert once.HasField("revoked_at")


def test_a_token_outlives_a_restart_and_so_does_its_revocation(lab: PeopleLab) -> None:
    kept, ended = lab.token("ann"), lab.token("ann")
    lab.lab.RevokeToken(lab_pb2.RevokeTokenRequest(id=ended.token.id))

    lab.kill()
    lab.restart()

    assert who(lab.channel, kept.secret).user.name == "ann"
    assert "was revoked" in refused(lambda: who(lab.channel, ended.secret))[1]


# ---- what is under way


class Follower:
    """A call under way in a thread, and how it ended."""

    def __init__(self, lab: PeopleLab, method: str, job: iqm.JobV1, token: str, s: float) -> None:
        self.has_begun = threading.Event()
        self.ended: tuple[str, str] | None = None
        packed = lookup(job).SerializeToString()
        pieces: grpc.UnaryStreamMultiCallable[bytes, bytes] = lab.channel.unary_stream(
            f"/{method}", None, None
        )
        self._call = pieces(packed, metadata=bearer(token), timeout=30)
        self._pause_s = s
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        assert self.has_begun.wait(10)

    def _read(self) -> None:
        try:
            for _ in self._call:
                self.has_begun.set()
                time.sleep(self._pause_s)
        except grpc.RpcError as error:
            self.ended = (error.code().name, error.details() or "")

    def end(self) -> tuple[str, str] | None:
        self._thread.join(20)
        return self.ended


def _revoke(lab: PeopleLab, token: lab_pb2.Token) -> None:
    lab.lab.RevokeToken(lab_pb2.RevokeTokenRequest(id=token.id))


def _disable(lab: PeopleLab, token: lab_pb2.Token) -> None:
    put(lab, token.user, is_enabled=False)


@pytest.mark.parametrize("shut", [_revoke, _disable], ids=["revoked", "disabled"])
def test_streams_of_somebody_shut_out_end(
    lab: PeopleLab, shut: Callable[[PeopleLab, lab_pb2.Token], None]
) -> None:
    name = f"ben{shut.__name__}"
    lab.add(name)
    done = lab.submit_as(name, bytes=60_000_000)
    lab.wait_for(done)
    running = lab.submit_as(name, s=60)
    made = lab.token(name)
    followers = [
        Follower(lab, SUBSCRIBE, running, made.secret, 0.0),
        Follower(lab, "iqm.server.Jobs/GetJobResultsV1", done, made.secret, 0.01),
    ]
    assert all(follower.ended is None for follower in followers)

    shut(lab, made.token)
    ends = [follower.end() for follower in followers]
    lab.jobs.CancelJobV1(lookup(running))

    sentence = (
        f"the token {made.token.id} was revoked" if shut is _revoke else f"{name} is disabled"
    )
    for end in ends:
        assert end is not None
        assert end[0] == "UNAUTHENTICATED"
        assert end[1].startswith(sentence)


def test_a_stream_that_needs_a_role_ends_with_it(lab: PeopleLab) -> None:
    lab.add("olga", "operator")
    running = lab.submit_as("ann", s=60)
    follower = Follower(lab, SUBSCRIBE, running, lab.tokens["olga"], 0.0)

    put(lab, "olga", role=lab_pb2.USER)
    end = follower.end()
    lab.jobs.CancelJobV1(lookup(running))

    assert end is not None
    assert end[0] == "PERMISSION_DENIED"


def test_a_change_of_others_leaves_a_stream_alone(lab: PeopleLab) -> None:
    running = lab.submit_as("ann", s=1.0)
    follower = Follower(lab, SUBSCRIBE, running, lab.tokens["ann"], 0.0)

    for number in range(5):
        lab.add(f"guest{number}")

    assert follower.end() is None


# ---- who is connected


def connections(lab: PeopleLab) -> dict[str, lab_pb2.Connection]:
    reply: lab_pb2.ListConnectionsReply = lab.lab.ListConnections(lab_pb2.Empty())
    return {each.user: each for each in reply.connections}


def test_who_is_connected_is_listed_until_he_is_not(lab: PeopleLab) -> None:
    lab.add("cleo")
    own = (("grpc.use_local_subchannel_pool", 1),)
    with grpc.insecure_channel(lab.address, own) as channel:
        shown = bearer(lab.tokens["cleo"])
        call(channel, WHO, lab_pb2.Empty(), shown)

        listed = connections(lab)["cleo"]

        assert listed.last_call == WHO
        assert listed.n_calls == 0
        assert listed.credential.startswith("token ")
        assert listed.origin.startswith("127.0.0.1:")

    deadline = time.monotonic() + 5.0
    while "cleo" in connections(lab) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "cleo" not in connections(lab)


def test_a_call_under_way_is_counted(lab: PeopleLab) -> None:
    running = lab.submit_as("otto", s=60)
    follower = Follower(lab, SUBSCRIBE, running, lab.tokens["otto"], 0.0)

    listed = connections(lab)["otto"]
    lab.jobs.CancelJobV1(lookup(running))
    follower.end()

    assert (listed.n_calls, listed.last_call) == (1, SUBSCRIBE)
    assert connections(lab)["otto"].n_calls == 0


# ---- HTTP


def get(lab: PeopleLab, path: str, shown: str | None = None, port: int = 0) -> tuple[int, object]:
    host, _, own_port = lab.address.partition(":")
    connection = http.client.HTTPConnection(host, port or int(own_port), timeout=10)
    try:
        headers = {} if shown is None else {"Authorization": shown}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


ARCHITECTURE = "/star5/api/v1/quantum-architecture"
DEMANDING = (ARCHITECTURE, "/star5/api/v1/calibration/default/gates", "/no/such/page")


@needs_root
@pytest.mark.parametrize(
    "path", ["/", "/star5/about", "/star5:timeslot/about", "/star5/info/client-libraries"]
)
def test_what_clients_find_labd_by_is_open(lab: PeopleLab, path: str) -> None:
    host, _, port = lab.address.partition(":")
    with Tunnel((host, int(port)), NOBODY) as tunnel:
        status, body = get(lab, path, port=tunnel.port)

    assert status == 200
    assert "rack" not in str(body)


@needs_root
@pytest.mark.parametrize("path", DEMANDING)
def test_all_else_demands_credentials(lab: PeopleLab, path: str) -> None:
    host, _, port = lab.address.partition(":")
    with Tunnel((host, int(port)), NOBODY) as tunnel:
        status, body = get(lab, path, port=tunnel.port)
        allowed, _ = get(lab, path, lab.tokens["ann"], port=tunnel.port)

    assert status == 401
    assert isinstance(body, dict)
    assert body["error_code"] == "unauthenticated"
    assert "`labctl token new`" in body["message"]
    assert allowed == (404 if "no" in path else 200)


@pytest.mark.parametrize("path", ["/", *DEMANDING])
def test_wrong_credentials_are_wrong_over_http_too(lab: PeopleLab, path: str) -> None:
    status, body = get(lab, path, "Bearer nonsense")

    assert status == 401
    assert isinstance(body, dict)
    assert "get a token" in body["message"]


def test_the_racks_state_is_for_users(lab: PeopleLab) -> None:
    status, body = get(lab, "/", f"Bearer {lab.tokens['ann']}")

    assert status == 200
    assert isinstance(body, dict)
    assert body["quantum_computers"][0]["rack"]["state"] == "ready"


def test_a_header_does_not_say_who_the_client_is(lab: PeopleLab) -> None:
    host, _, port = lab.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    forged = {"X-Forwarded-For": "labd/u/0/1/aa", "Authorization": lab.tokens["ann"]}
    connection.request("GET", ARCHITECTURE, headers=forged)
    assert connection.getresponse().status == 200

    listed = connections(lab)["ann"]
    connection.close()

    assert listed.origin.startswith("127.0.0.1:")


# ---- the audit


def test_deeds_and_refusals_leave_lines(lab: PeopleLab) -> None:
    made = lab.token("ann")
    refused(lambda: lab.call("labd.v1.Lab/ListUsers", lab_pb2.Empty(), made.secret))
    _revoke(lab, made.token)

    def lines() -> list[lab_pb2.AuditLine]:
        return list(lab.lab.ReadAudit(lab_pb2.ReadAuditRequest(last=20)))

    deadline = time.monotonic() + 5.0
    while "access.refused" not in {line.action for line in lines()} and time.monotonic() < deadline:
        time.sleep(0.01)
    found = {line.action: line for line in lines()}
    assert found["token.create"].object == found["token.revoke"].object == made.token.id
    assert json.loads(found["token.create"].details)["owner"] == "ann"
    assert found["access.refused"].user == "ann"
    assert found["access.refused"].object == "labd.v1.Lab/ListUsers"
    assert made.secret[14:] not in str(lines())


def test_the_sentences_of_a_refused_user_are_the_apis(lab: PeopleLab) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        put(lab, "uid7", role=lab_pb2.USER)

    assert metadata_of(caught.value)["error_code"] == "invalid_argument"
    assert "uid<N> is account N's" in (caught.value.details() or "")
