from __future__ import annotations

from labd.connections import MAX_ENDED, Connections
from labd.core.access import Role, User
from labd.identity import Caller

ANN, BEN = User(1, "ann", Role.USER), User(2, "ben", Role.USER)


def caller(user: User, connection: str) -> Caller:
    return Caller(user, f"token {user.name}", "127.0.0.1:5", connection=connection)


def made() -> Connections:
    ticks = iter(range(1000))
    return Connections(lambda: next(ticks))


def test_a_connection_is_listed_from_its_first_call_to_its_end() -> None:
    connections = made()
    call = connections.begin(caller(ANN, "aa"), "a/B")
    listed = [(each.user, each.last_call, each.n_calls) for each in connections.list()]
    call.n_calls -= 1

    connections.end("aa")

    assert listed == [("ann", "a/B", 1)]
    assert connections.list() == ()


def test_calls_of_several_people_on_one_connection_are_told_apart() -> None:
    connections = made()
    for user in (ANN, BEN, ANN):
        connections.begin(caller(user, "aa"), "a/B")

    assert [(each.user, each.n_calls) for each in connections.list()] == [("ann", 2), ("ben", 1)]


def test_a_call_that_is_served_after_its_connection_has_ended_leaves_nothing() -> None:
    connections = made()
    connections.end("aa")

    connections.begin(caller(ANN, "aa"), "a/B")

    assert connections.list() == ()


def test_what_has_no_name_is_not_listed() -> None:
    connections = made()

    connections.begin(caller(ANN, ""), "a/B")

    assert connections.list() == ()


def test_the_end_of_the_front_is_the_end_of_all() -> None:
    connections = made()
    for number in range(3):
        connections.begin(caller(ANN, str(number)), "a/B")

    connections.end_all()

    assert connections.list() == ()


def test_ends_are_not_remembered_for_ever() -> None:
    connections = made()
    for number in range(MAX_ENDED + 1):
        connections.end(str(number))

    connections.begin(caller(ANN, "0"), "a/B")
    connections.begin(caller(BEN, str(MAX_ENDED)), "a/B")

    assert [each.user for each in connections.list()] == ["ann"]
