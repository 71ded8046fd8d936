"""What is registered with grpc, what the API describes, and who may call it: one and the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.audit_trail import AuditTrail
from labd.changes import Changes
from labd.circuit_stations import CircuitStations
from labd.config import read_config
from labd.connections import Connections
from labd.core.access import PAGES, TABLE, Reach, Role, may, reach
from labd.desk import Desk
from labd.foresight import Foresight
from labd.gate import Gate
from labd.identity import Identities
from labd.rpc.acceptance import Acceptance
from labd.rpc.intake import Intake
from labd.rpc.laboratory import Laboratory
from labd.rpc.services import services
from labd.store.store import Store
from labd.wire import iqm_server_pb2, lab_pb2

SHIPPED = Path(__file__).parents[2] / "config" / "labd.toml"


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    config = read_config(SHIPPED, state_dir=tmp_path_factory.mktemp("state"))
    store = Store.open(config.server.state_dir, clock_ns=time.time_ns)
    intake = Intake(config.limits, CircuitStations(store.calibration_sets))
    changes = Changes()
    foresight = Foresight(config.quantum_computers, store.history, changes, {}, store.shortage)
    laboratory = Laboratory(config, Desk(store, changes), {}, foresight)
    identities = Identities(store.people, config.access, time.time_ns)
    gate = Gate(identities, Connections(time.time_ns), AuditTrail(store.audit, time.time_ns))
    yield {
        f"{service}/{name}"
        for service, methods in services(laboratory, Acceptance(laboratory, intake), gate).items()
        for name in methods
    }
    intake.close()
    store.close()


def test_every_registered_method_has_a_row_and_every_row_a_method(registered: set[str]) -> None:
    assert registered == set(TABLE) - PAGES


def test_everything_that_the_api_describes_is_served(registered: set[str]) -> None:
    assert registered == {
        f"{service.full_name}/{method.name}"
        for file in (iqm_server_pb2.DESCRIPTOR, lab_pb2.DESCRIPTOR)
        for service in file.services_by_name.values()
        for method in service.methods
    }


@pytest.mark.parametrize("role", Role)
def test_what_has_no_row_is_refused_to_everyone(role: Role) -> None:
    assert reach("labd.v1.Lab/SomethingNew", role) is Reach.NONE
    assert not may("labd.v1.Lab/SomethingNew", role, is_own=True)


@pytest.mark.parametrize("method", TABLE)
def test_a_higher_role_reaches_no_less(method: str) -> None:
    reaches = [reach(method, role) for role in (Role.USER, Role.OPERATOR, Role.ADMIN)]

    assert reaches == sorted(reaches)
