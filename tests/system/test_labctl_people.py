"""labctl's verbs for users, tokens, limits, connections and the audit, through a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from labctl_runner import Labctl, listed
from quick_lab import QuickLab, payload

LONG_NAME = "n" * 32
LONG = "who came from the other institute for the whole of the autumn to learn about couplers"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def labctl(lab: QuickLab) -> Labctl:
    """Of an admin."""
    return Labctl(f"http://{lab.address}/star5")


@pytest.fixture(scope="module")
def alice(lab: QuickLab) -> Labctl:
    """Of a user with a token."""
    admin = Labctl(f"http://{lab.address}/star5")
    admin.answer("users", "add", "alice", "--note", "group 2")
    return Labctl(admin.url, token=admin.answer("token", "new", "--user", "alice").strip())


# ---- users


def test_whoami_says_who_and_why(labctl: Labctl, alice: Labctl) -> None:
    told = alice.facts("whoami")

    assert labctl.answer("whoami").startswith(("root, admin, by uid ", "labd, admin, by uid "))
    assert alice.answer("whoami").startswith("alice, user, by token ")
    assert isinstance(told["user"], dict)
    assert set(told) == {"user", "credential", "origin"}
    assert set(told["user"]) == {"name", "role", "uid", "is_enabled", "note", "created_at"}


def test_users_are_added_changed_and_listed(labctl: Labctl) -> None:
    added = labctl.answer("users", "add", "bob", "--uid", "4242", "--note", "a guest")
    changed = labctl.facts("users", "set", "bob", "--role", "operator", "--disable")
    (bob,) = [
        user for user in listed(labctl.facts("users", "list"), "users") if user["name"] == "bob"
    ]

    assert added == "bob, user, local account 4242, a guest\n"
    assert bob == changed
    assert (bob["role"], bob["uid"], bob["is_enabled"]) == ("operator", 4242, False)
    assert "disabled a guest" in labctl.answer("users", "list")


def test_adding_never_changes_and_setting_never_adds(labctl: Labctl, alice: Labctl) -> None:
    assert "`labctl users set alice`" in labctl.refused("users", "add", "alice")
    assert "`labctl users add nobody`" in labctl.refused("users", "set", "nobody", "--disable")


def test_a_user_is_told_what_he_may_not_do(alice: Labctl) -> None:
    for verb in (
        ("users", "list"),
        ("who",),
        ("pause", "no"),
        ("limits", "set", "queued_jobs", "5", "--user", "alice"),
        ("audit", "list"),
        ("calibrations", "rollback"),
        ("slots", "book", "now", "+1h"),
    ):
        sentence = alice.refused(*verb)
        assert sentence.startswith("alice is a user here and may not "), sentence
        assert sentence.endswith("(`labctl whoami` says who you are here)")


# ---- tokens


def test_a_token_lets_in_until_it_is_revoked(labctl: Labctl, alice: Labctl) -> None:
    made = alice.facts("token", "new", "--note", "the laptop", "--expires", "90d")
    assert isinstance(made["token"], dict)
    token_id, laptop = str(made["token"]["id"]), Labctl(alice.url, token=str(made["secret"]))
    before = laptop.answer("whoami")
    said = labctl.answer("token", "revoke", token_id)

    sentence = laptop.refused("whoami")

    days = datetime.fromisoformat(str(made["token"]["expires_at"])) - datetime.now(UTC)
    assert 89 <= days.days <= 90
    assert f"by token {token_id}" in before
    assert said == f"token {token_id} of alice is revoked\n"
    assert "revoked" in sentence
    assert sentence.endswith("(the token came from --token or LABD_TOKEN)")


def test_a_list_of_tokens_has_no_secrets(alice: Labctl) -> None:
    made = alice.facts("token", "new", "--note", "a script")
    rows = listed(alice.facts("token", "list"), "tokens")

    assert str(made["secret"]) not in json.dumps(rows)
    assert [row["note"] for row in rows if row["note"] == "a script"]
    assert set(rows[0]) == {
        *("id", "user", "note", "created_at", "expires_at", "last_used_at", "revoked_at")
    }
    assert "a script" in alice.answer("token", "list")


def test_a_saved_token_is_found_again_and_read_by_its_owner_alone(
    alice: Labctl, tmp_path: Path
) -> None:
    laptop = Labctl(alice.url, token=alice.token, config=tmp_path)
    printed = laptop.answer("token", "new", "--save")
    laptop.token = ""
    path = tmp_path / "labd" / "token"

    known = laptop.answer("whoami")
    path.chmod(0o644)
    sentence = laptop.refused("whoami")

    assert printed == f"{path}\n"
    assert known.startswith("alice, user, by token ")
    assert f"chmod 600 {path}" in sentence


def test_a_wrong_token_is_said_to_be_wrong(alice: Labctl) -> None:
    done = Labctl(alice.url, token="nonsense").run("list", "--json")

    told = json.loads(done.stderr)
    assert (done.exit_code, told["error_code"]) == (1, "unauthenticated")
    assert "labctl token new" in told["error"]


def test_a_token_is_not_sent_where_others_can_read_it() -> None:
    sentence = Labctl("http://lab.example.org/star5", token="secret").refused("list")

    assert "https://" in sentence
    assert "secret" not in sentence


def test_revoking_asks_at_a_terminal(labctl: Labctl, alice: Labctl) -> None:
    made = alice.facts("token", "new")
    assert isinstance(made["token"], dict)

    status, seen = labctl.on_a_terminal("token", "revoke", str(made["token"]["id"]), typed="n\n")

    assert status == 1
    assert "[y/N]" in seen
    assert Labctl(alice.url, token=str(made["secret"])).run("whoami").exit_code == 0


# ---- limits


def test_a_limit_is_set_shown_and_taken_back(labctl: Labctl, alice: Labctl) -> None:
    set_for_role = labctl.facts("limits", "set", "result_bytes", "2GiB", "--role", "user")
    labctl.answer("limits", "set", "run_s_per_day", "10h", "--user", "alice")
    shown = alice.answer("limits", "show")
    rows = {row["name"]: row for row in listed(alice.facts("limits", "show"), "limits")}
    back = labctl.facts("limits", "set", "run_s_per_day", "default", "--user", "alice")
    free = labctl.facts("limits", "set", "result_bytes", "unlimited", "--user", "alice")

    assert set_for_role["limit"] == 2 * 2**30
    assert (rows["run_s_per_day"]["limit"], rows["run_s_per_day"]["source"]) == (36000.0, "user")
    assert rows["result_bytes"]["source"] == "role"
    assert "10 h" in shown
    assert "2 GiB" in shown
    assert back["limit"] is free["limit"] is None
    assert labctl.answer("limits", "show", "alice").splitlines()[0].split()[0] == "limit"


def test_a_used_up_limit_says_which_how_much_and_when(
    labctl: Labctl, alice: Labctl, tmp_path: Path
) -> None:
    file = tmp_path / "job.bin"
    file.write_bytes(payload(do="complete", s=0.0, bytes=10))
    labctl.answer("pause", "for a test")
    labctl.answer("limits", "set", "queued_jobs", "1", "--user", "alice")
    first = alice.answer("submit", str(file)).strip()

    sentence = alice.refused("submit", str(file))

    alice.answer("cancel", first)
    labctl.answer("resume")
    labctl.answer("limits", "set", "queued_jobs", "default", "--user", "alice")
    assert sentence.startswith("alice has used 1 of 1 queued_jobs and asks for 1 more; ")
    assert sentence.endswith("(`labctl limits show` lists your limits)")


@pytest.mark.parametrize("value", ["many", "-1", "5 apples"])
def test_a_value_that_is_none_is_wrong_usage(labctl: Labctl, value: str) -> None:
    done = labctl.run("limits", "set", "queued_jobs", "--user", "alice", "--", value)

    assert done.exit_code == 2
    assert "give one like 500 or 2M" in done.stderr


# ---- connections, audit


def test_who_lists_the_connections(labctl: Labctl) -> None:
    rows = listed(labctl.facts("who"), "connections")

    assert "ListConnections" in labctl.answer("who")
    assert set(rows[0]) == {
        *("user", "credential", "origin", "since", "last_call_at", "last_call", "n_calls")
    }


def test_the_audit_tells_who_did_what(labctl: Labctl) -> None:
    labctl.answer("users", "add", "carol")

    rows = listed(labctl.facts("audit", "list", "--action", "user.", "-n", "1"), "lines")
    shown = labctl.answer("audit", "list", "--object", "carol")

    assert (rows[0]["action"], rows[0]["object"]) == ("user.put", "carol")
    assert isinstance(rows[0]["details"], dict)
    assert set(rows[0]) == {
        *("number", "at_ns", "at", "user", "credential", "origin", "action", "object"),
        *("details", "previous_hash", "hash"),
    }
    assert "user.put" in shown


def test_the_audit_is_verified_from_a_noted_head(labctl: Labctl) -> None:
    head = labctl.answer("audit", "verify").strip()
    labctl.answer("users", "add", "dora")

    told = labctl.facts("audit", "verify", "--head", head)
    forged = labctl.refused("audit", "verify", "--head", f"{head.partition(':')[0]}:{'0' * 64}")

    number, _, digits = head.partition(":")
    assert len(bytes.fromhex(digits)) == 32
    assert told["ok"] is True
    assert told["lines"] == int(number) + 1
    assert "does not hold the head" in forged


# ---- 80 columns


def test_tables_of_people_fit_eighty_columns(labctl: Labctl) -> None:
    labctl.answer("users", "add", LONG_NAME, "--role", "operator", "--note", LONG)
    labctl.answer("token", "new", "--user", LONG_NAME, "--note", LONG, "--expires", "+30d")
    labctl.answer("limits", "set", "queued_shots", "1234567890", "--user", LONG_NAME)

    for verb in (
        ("users", "list"),
        ("token", "list", "--user", LONG_NAME),
        ("limits", "show", LONG_NAME),
        ("who",),
        ("audit", "list"),
        ("--help",),
    ):
        seen = labctl.answer(*verb)
        assert max(map(len, seen.splitlines())) <= 80, seen
