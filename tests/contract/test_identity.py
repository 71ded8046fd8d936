"""Who a caller is, asked of the real store."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.config import Access
from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, InvalidArgument, NotFound, Unauthenticated
from labd.core.tokens import make_token, token_hash
from labd.front.name import NAMES_NOBODY, tcp_name, unix_name
from labd.identity import Identities
from labd.store.people import LocalAccount, NewToken, UserRecord, UserWish
from labd.store.store import Store

pytestmark = pytest.mark.anyio

LINE = AuditEntry("test", "", "", "user.put", "")
OTHER = 54321
MINUTE_NS = 60_000_000_000
LOOPBACK = bytes([127, 0, 0, 1])


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path, clock_ns=clock)
    yield opened
    opened.close()


@pytest.fixture
def identities(store: Store, clock: Clock) -> Identities:
    return Identities(store.people, Access(is_open=True, admins=()), clock)


def unix(uid: int) -> str:
    return unix_name(uid, 4711, "", "aa")


def remote(certificate: str = "", uid: int | None = None) -> str:
    return tcp_name(LOOPBACK, 5, uid, certificate, "aa")


async def put(store: Store, name: str, **wish: Role | int | bool) -> UserRecord:
    asked = UserWish(name=name, **wish)  # type: ignore[arg-type]
    return await store.people.put_user(asked, frozenset({0}), LINE)


async def token_of(store: Store, name: str, expires_at_ns: int | None = None) -> tuple[str, str]:
    token_id, secret = make_token(os.urandom(37))
    await store.people.create_token(
        name, NewToken(token_id, token_hash(secret), "", expires_at_ns), LINE
    )
    return token_id, secret


async def refusal(identities: Identities, peer: str, *shown: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await identities.identify(peer, shown)
    return caught.value.what


# ---- local accounts


async def test_a_local_account_becomes_a_user_of_its_name(identities: Identities) -> None:
    account = next(each for each in pwd.getpwall() if each.pw_uid not in (0, os.getuid(), 65534))

    caller = await identities.identify(unix(account.pw_uid), [])

    assert (caller.user.name, caller.user.role) == (account.pw_name, Role.USER)
    assert (caller.credential, caller.origin) == (f"uid {account.pw_uid}", "unix, pid 4711")
    assert await identities.identify(remote(uid=account.pw_uid), []) != caller


@pytest.mark.parametrize("uid", [0, os.getuid()])
async def test_root_and_labds_own_account_are_admins(identities: Identities, uid: int) -> None:
    caller = await identities.identify(unix(uid), [])

    assert caller.user.role is Role.ADMIN


async def test_an_account_without_a_name_is_called_by_its_number(identities: Identities) -> None:
    caller = await identities.identify(unix(OTHER), [])

    assert caller.user.name == f"uid{OTHER}"


@pytest.mark.parametrize("odd", ["Ann", "ann lee", "a" * 33, "", "uid7", "émile", "-x"])
async def test_a_name_that_is_odd_is_not_taken(store: Store, odd: str) -> None:
    record = await store.people.ensure_local_user(LocalAccount(OTHER, odd, is_admin=False))

    assert record.user.name == f"uid{OTHER}"


async def test_a_local_account_does_not_become_somebody_who_is_called_so(store: Store) -> None:
    named = await put(store, "ann", role=Role.ADMIN)

    record = await store.people.ensure_local_user(LocalAccount(OTHER, "ann", is_admin=False))

    assert record.user.name == f"uid{OTHER}"
    assert (record.user.id, record.user.role) != (named.user.id, named.user.role)


async def test_an_admin_by_configuration_is_made_one_again(store: Store, clock: Clock) -> None:
    await store.people.ensure_local_user(LocalAccount(0, "root", is_admin=False))
    identities = Identities(store.people, Access(is_open=False, admins=()), clock)

    caller = await identities.identify(unix(0), [])

    assert caller.user.role is Role.ADMIN


async def test_only_known_accounts_come_in_where_it_is_so_configured(
    store: Store, clock: Clock
) -> None:
    identities = Identities(store.people, Access(is_open=False, admins=()), clock)

    assert "the local account 54321 is no user here" in await refusal(identities, unix(OTHER))
    await put(store, "ann", uid=OTHER)

    assert (await identities.identify(unix(OTHER), [])).user.name == "ann"
    assert (await identities.identify(unix(0), [])).user.role is Role.ADMIN


@pytest.mark.parametrize("peer", ["", "unix:", unix(65534), remote(), "labd.uid=0.n=1"])
async def test_nobody_in_particular_stays_outside(identities: Identities, peer: str) -> None:
    assert (await refusal(identities, peer)).startswith("no credentials")


async def test_a_hundred_first_calls_at_once_make_one_user(
    store: Store, identities: Identities
) -> None:
    callers = await asyncio.gather(*(identities.identify(unix(OTHER), []) for _ in range(100)))

    assert len({caller.user.id for caller in callers}) == 1
    assert len(store.people.users()) == 1


async def test_a_disabled_user_stays_outside_at_once(store: Store, identities: Identities) -> None:
    await put(store, "adam", role=Role.ADMIN)
    await put(store, "ann", uid=OTHER)
    _, secret = await token_of(store, "ann")
    await identities.identify(unix(OTHER), [secret])
    await identities.identify(unix(OTHER), [])

    await put(store, "ann", is_enabled=False)

    for shown in ((), (secret,)):
        assert await refusal(identities, unix(OTHER), *shown) == "ann is disabled"
    assert await refusal(identities, remote("ann")) == "ann is disabled"


# ---- tokens


async def test_a_token_goes_before_the_account_and_the_certificate(
    store: Store, identities: Identities
) -> None:
    await put(store, "ann")
    token_id, secret = await token_of(store, "ann")

    for peer in (unix(0), remote("adam", 0), "unix:"):
        caller = await identities.identify(peer, [f"Bearer {secret}"])

        assert (caller.user.name, caller.credential) == ("ann", f"token {token_id}")


@pytest.mark.parametrize(
    "wrong", ["Bearer x", "x", "Basic YTpi", "Bearer labd_aaaaaaaa_" + 43 * "A"]
)
async def test_wrong_credentials_never_become_the_account(
    identities: Identities, wrong: str
) -> None:
    assert "token" in await refusal(identities, unix(0), wrong)


async def test_a_revoked_token_is_wrong_at_once(store: Store, identities: Identities) -> None:
    await put(store, "ann")
    token_id, secret = await token_of(store, "ann")
    await identities.identify(unix(0), [secret])

    await store.people.revoke_token(token_id, None, LINE)

    assert await refusal(identities, unix(0), secret) == f"the token {token_id} was revoked"


async def test_a_token_ends_when_it_expires(
    store: Store, identities: Identities, clock: Clock
) -> None:
    await put(store, "ann")
    token_id, secret = await token_of(store, "ann", clock.now_ns + MINUTE_NS)
    caller = await identities.identify(unix(0), [secret])
    generation = identities.generation
    assert not identities.is_over(caller, generation)

    clock.now_ns += MINUTE_NS

    assert identities.is_over(caller, generation)
    what = await refusal(identities, unix(0), secret)
    assert what == f"the token {token_id} expired at 2027-01-15 08:01:00 UTC"


async def test_a_changed_role_holds_at_once(store: Store, identities: Identities) -> None:
    await put(store, "ann")
    _, secret = await token_of(store, "ann")
    before = await identities.identify(unix(0), [secret])
    generation = identities.generation

    await put(store, "ann", role=Role.OPERATOR)

    assert identities.is_over(before, generation)
    assert (await identities.identify(unix(0), [secret])).user.role is Role.OPERATOR


async def test_the_last_use_is_written_once_a_minute(
    store: Store, identities: Identities, clock: Clock
) -> None:
    await put(store, "ann")
    _, secret = await token_of(store, "ann")

    async def last_use_after(step_ns: int) -> int | None:
        clock.now_ns += step_ns
        await identities.identify("", [secret])
        await asyncio.gather(*identities.noting)
        (token,) = store.people.tokens(None)
        return token.last_used_at_ns

    first_ns = clock.now_ns
    assert await last_use_after(0) == first_ns
    assert await last_use_after(MINUTE_NS - 1) == first_ns
    assert await last_use_after(1) == first_ns + MINUTE_NS


def _everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("labd.db*"))


async def test_secrets_are_nowhere_in_the_store(store: Store, tmp_path: Path) -> None:
    await put(store, "ann")
    _, secret = await token_of(store, "ann")
    store.close()

    stored = await asyncio.to_thread(_everything_in, tmp_path)

    assert token_hash(secret) in stored
    assert secret.encode() not in stored
    assert secret[14:].encode() not in stored


# ---- certificates


async def test_a_certificate_is_the_user_that_it_names(
    store: Store, identities: Identities
) -> None:
    assert "who is no user here" in await refusal(identities, remote("ann", uid=0))
    await put(store, "ann")

    caller = await identities.identify(remote("ann", uid=0), [])

    assert (caller.user.name, caller.credential) == ("ann", "certificate ann")
    assert "no user's name" in await refusal(identities, remote(NAMES_NOBODY, uid=0))


# ---- users


async def test_the_last_admin_stays_one(store: Store) -> None:
    await put(store, "adam", role=Role.ADMIN)

    for wish in ({"role": Role.USER}, {"is_enabled": False}):
        with pytest.raises(Conflict, match="adam is the last admin"):
            await put(store, "adam", **wish)
    await put(store, "abby", role=Role.ADMIN)
    assert (await put(store, "adam", role=Role.USER)).user.role is Role.USER
    with pytest.raises(Conflict):
        await put(store, "abby", is_enabled=False)


async def test_two_admins_who_demote_each_other_at_once_leave_one(store: Store) -> None:
    await put(store, "adam", role=Role.ADMIN)
    await put(store, "abby", role=Role.ADMIN)

    results = await asyncio.gather(
        *(put(store, name, role=Role.USER) for name in ("adam", "abby")), return_exceptions=True
    )

    assert sum(isinstance(result, Conflict) for result in results) == 1


async def test_what_is_not_wished_for_stays(store: Store) -> None:
    before = await put(store, "ann", role=Role.OPERATOR, uid=OTHER)

    assert await put(store, "ann") == before


async def test_an_account_is_one_users(store: Store) -> None:
    await put(store, "ann", uid=OTHER)

    with pytest.raises(Conflict, match="account 54321 is ann"):
        await put(store, "ben", uid=OTHER)


async def test_an_account_that_is_an_admin_by_configuration_is_no_plain_users(
    store: Store,
) -> None:
    with pytest.raises(Conflict, match="account 0 is an admin"):
        await put(store, "ann", uid=0)


@pytest.mark.parametrize("name", ["", "Ann", "a b", "a" * 33, "uid7", ".a", "a/b", "a\n"])
async def test_a_bad_name_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await put(store, name)


async def test_a_token_needs_an_owner_who_may_use_it(store: Store) -> None:
    with pytest.raises(NotFound):
        await token_of(store, "ann")
    await put(store, "ann", is_enabled=False)
    with pytest.raises(Conflict):
        await token_of(store, "ann")


async def test_every_change_of_people_leaves_a_line(store: Store) -> None:
    first = store.audit.head().number
    await put(store, "ann")
    token_id, _ = await token_of(store, "ann")
    await store.people.revoke_token(token_id, None, LINE)
    await store.people.ensure_local_user(LocalAccount(OTHER, "ben", is_admin=False))
    await store.people.ensure_local_user(LocalAccount(OTHER, "ben", is_admin=False))

    assert store.audit.head().number == first + 4
