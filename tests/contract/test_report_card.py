"""The report card on a simulated rack: a sound one passes, every defect is found and named."""

from __future__ import annotations

import gc
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sim_support import LoopbackFridge

from labd.core.rig import SettingValue
from labd.guard.hand import Outcome, make_safe
from labd.guard.plan import Plan
from labd.hil import inspection
from labd.hil.card import Area, ReportCard, Verdict, json_of, junit_of, text_of
from labd.hil.inspection import RackFiles, inspect
from labd.wiring_file import read_wiring
from labd_drivers.rigs.scpi.rig import ScpiRig
from labd_drivers.sim.main import SimulatedRack, write_station
from labd_drivers.sim.rackfile import read_rack_file

CONFIG = Path(__file__).parents[2] / "config" / "star5"
BIAS_LIMITS = ("minimum = -1.0\nmaximum = 1.0", "minimum = -0.04\nmaximum = 0.04")
"""Biases are walked in steps of 10 mV."""


@dataclass
class Copy:
    """A copy of the station, to be spoilt. addresses: of its simulated instruments."""

    folder: Path
    addresses: Mapping[str, str]

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new))

    def readdress(self, **addresses: str) -> None:
        path = self.folder / "opened.yaml"
        write_station(path, path, addresses)


Spoil = Callable[[Copy], None]


@contextmanager
def rack_of(folder: Path) -> Iterator[Copy]:
    """The rack of the copy's simrack.toml; its probe line is a pair of cables."""
    described = read_rack_file(folder / "simrack.toml")
    rack = SimulatedRack(described, LoopbackFridge(), are_ports_free=True, seed=1)
    rack.start()
    try:
        addresses = rack.addresses("hislip")
        write_station(folder / "station.yaml", folder / "opened.yaml", addresses)
        yield Copy(folder, addresses)
    finally:
        rack.close()


@contextmanager
def by_hand(name: str, plan: Plan) -> Iterator[Callable[[], Outcome]]:
    """The guard's work, in the test's own process: a guard would end one that hangs."""
    del name
    yield lambda: make_safe(plan)


def card_of(tmp_path: Path, spoil_cables: Spoil, spoil: Spoil) -> ReportCard:
    folder = Path(shutil.copytree(CONFIG, tmp_path / "star5"))
    bare = Copy(folder, {})
    bare.edit("wiring.toml", *BIAS_LIMITS)
    spoil_cables(bare)
    with rack_of(folder) as copy:
        spoil(copy)
        files = RackFiles("star5", folder / "opened.yaml", folder / "wiring.toml")
        # VISA leaves refused sockets to the collector; QCoDeS logs, and so keeps, their exceptions.
        logging.disable()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                card = inspect(files, "simulated", guarding=by_hand)
                gc.collect()
        finally:
            logging.disable(logging.NOTSET)
        return card


def nothing(copy: Copy) -> None:
    del copy


def edited(file: str, old: str, new: str) -> Spoil:
    return lambda copy: copy.edit(file, old, new)


def wiring(old: str, new: str) -> Spoil:
    return edited("wiring.toml", old, new)


def swapped(copy: Copy, file: str, one: str, other: str) -> None:
    path = copy.folder / file
    text = path.read_text()
    assert one in text
    assert other in text
    path.write_text(text.replace(one, "\0").replace(other, one).replace("\0", other))


QB1_FREQUENCY = 'parameter = "lo_qb1.frequency"\nunit = "Hz"\nminimum = 3.0e9\nmaximum = '
QB1_POWER = 'parameter = "lo_qb1.power"\nunit = "dBm"\nminimum = -40.0\nmaximum = '
QB1_FLUX = 'parameter = "bias_qb1.voltage"\nunit = "V"\nminimum = -0.04\nmaximum = '
QB2_STATUS = 'parameter = "lo_qb2.status"'
POWER_RULE = '"lo_qb1.power" = { minimum = -40.0, maximum = '
LOOPS = '"scope.ch3" = "awg1.ch1"\n"scope.ch4" = "awg1.ch2"\n'


def driver_limits_forgotten(copy: Copy) -> None:
    copy.edit("wiring.toml", QB1_POWER + "20.0", QB1_POWER + "60.0")
    copy.edit("wiring.toml", POWER_RULE + "20.0", POWER_RULE + "60.0")


DEFECTS: dict[str, tuple[Spoil, Spoil, Area, set[str], str]] = {
    "wrong address": (
        nothing,
        lambda c: c.readdress(lo_qb2="TCPIP::127.0.0.1::hislip0,1::INSTR"),
        Area.IDENTITY,
        {"lo_qb2"},
        "hislip0,1::INSTR",
    ),
    "two addresses swapped": (
        nothing,
        lambda c: c.readdress(lo_qb1=c.addresses["lo_qb2"], lo_qb2=c.addresses["lo_qb1"]),
        Area.IDENTITY,
        {"lo_qb1", "lo_qb2"},
        "another SGS100A answers at its address",
    ),
    "wrong model at the address": (
        nothing,
        lambda c: c.readdress(lo_qb3=c.addresses["bias_qb5"]),
        Area.IDENTITY,
        {"lo_qb3"},
        "",
    ),
    "instrument exchanged for another model": (
        edited("simrack.toml", 'model = "GS200"\nport = 15110', 'model = "SGS100A"\nport = 15110'),
        edited("opened.yaml", "{visalib: '@py'}", "{visalib: '@py', timeout: 1.0}"),
        Area.IDENTITY,
        {"bias_qb1"},
        "",
    ),
    "instrument missing from the station": (
        nothing,
        edited("opened.yaml", "  lo_qb4:", "  lo_qb44:"),
        Area.FILES,
        {"channels.QB4__drive.awg.local_oscillator"},
        "no instrument lo_qb4",
    ),
    "limit above the instrument's": (
        nothing,
        wiring(QB1_FREQUENCY + "6.0e9", QB1_FREQUENCY + "19.0e9"),
        Area.LIMITS,
        {"QB1__drive.frequency"},
        "it refused",
    ),
    "limit above the driver's": (
        nothing,
        driver_limits_forgotten,
        Area.LIMITS,
        {"QB1__drive.local_oscillator.power"},
        "60",
    ),
    "limit above all ranges": (
        nothing,
        wiring(QB1_FLUX + "0.04", QB1_FLUX + "45.0"),
        Area.RACK,
        {"bias_qb1"},
        "beyond its 30.0 V",
    ),
    "setting without parameter": (
        nothing,
        wiring(QB2_STATUS, 'parameter = "lo_qb2.statsu"'),
        Area.LIMITS,
        {"QB2__drive.local_oscillator.status"},
        "no such parameter",
    ),
    "digitizer inputs swapped": (
        nothing,
        wiring("input_i = 1\ninput_q = 2", "input_i = 2\ninput_q = 1"),
        Area.CABLES,
        {"PL-1__readout"},
        "I and Q are swapped",
    ),
    "drive channels swapped": (
        nothing,
        lambda c: swapped(c, "wiring.toml", '"awg1.ch1", "awg1.ch2"', '"awg1.ch3", "awg1.ch4"'),
        Area.CABLES,
        {"QB1__drive.awg loop-back"},
        "does not arrive at scope.ch3",
    ),
    "probe line at another output": (
        nothing,
        lambda c: swapped(c, "wiring.toml", '"awg2.ch3", "awg2.ch4"', '"awg2.ch1", "awg2.ch2"'),
        Area.CABLES,
        {"PL-1__readout"},
        "is the line connected",
    ),
    "cable between the AWGs missing": (
        edited("simrack.toml", '[triggers.awg2]\nfrom = "awg1.ch1.m1"\nlatency_samples = 480', ""),
        nothing,
        Area.CABLES,
        {"PL-1__readout", "QB1__drive.awg loop-back"},
        "awg1.ch1.m1 to that of awg2",
    ),
    "cable to the trigger input missing": (
        edited("simrack.toml", 'trigger = "awg2.ch3.m1"', 'trigger = "awg2.ch5.m1"'),
        nothing,
        Area.CABLES,
        {"PL-1__readout", "QB1__drive.awg loop-back"},
        "awg2.ch3.m1 to the trigger input of scope",
    ),
    "loop-back cable missing": (
        edited("simrack.toml", '"scope.ch4" = "awg1.ch2"\n', ""),
        nothing,
        Area.CABLES,
        {"QB1__drive.awg loop-back"},
        "Q does not arrive at scope.ch4",
    ),
    "loop-back cables swapped": (
        edited(
            "simrack.toml",
            LOOPS,
            LOOPS.replace("ch3", "chX").replace("ch4", "ch3").replace("chX", "ch4"),
        ),
        nothing,
        Area.CABLES,
        {"QB1__drive.awg loop-back"},
        "I arrives at scope.ch4 instead of scope.ch3",
    ),
    "attenuator forgotten": (
        nothing,
        wiring("gain = 1.0", "gain = 0.1"),
        Area.CABLES,
        {"QB1__drive.awg loop-back"},
        "with a gain of 1; the wiring file says 0.1",
    ),
    "safe value that the instrument does not take": (
        nothing,
        wiring(
            '"lo_qb1.status" = {', '"lo_qb1.frequency" = { safe = 19.0e9 }\n"lo_qb1.status" = {'
        ),
        Area.SAFE,
        {"lo_qb1.frequency", "guard"},
        "lo_qb1.frequency",
    ),
}
"""Defect -> how cables are spoilt, and files; where it is found, on what, part of what is said."""


def test_a_sound_rack_has_a_good_card(tmp_path: Path) -> None:
    card = card_of(tmp_path, nothing, nothing)

    assert card.failed() == ()
    assert card.is_good
    areas = {check.area for check in card.checks if check.verdict is Verdict.PASSED}
    assert areas == set(Area)
    assert text_of(card).endswith(f"GOOD: {len(card.checks)} passed, 0 failed, 0 skipped\n")


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: str
) -> None:
    if "missing" in defect:
        monkeypatch.setattr(inspection, "RECORDS_PATIENCE_S", 0.5)
    spoil_cables, spoil, area, subjects, said = DEFECTS[defect]

    card = card_of(tmp_path, spoil_cables, spoil)

    assert not card.is_good
    assert {(check.area, check.subject) for check in card.failed()} == {
        (area, subject) for subject in subjects
    }, text_of(card)
    assert all(said in check.what for check in card.failed()), text_of(card)


def test_nothing_is_driven_beyond_a_limit_and_every_limit_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied: dict[str, set[SettingValue]] = {}
    apply = ScpiRig.apply

    def noting(rig: ScpiRig, settings: Mapping[str, SettingValue]) -> None:
        for name, value in settings.items():
            applied.setdefault(name, set()).add(value)
        apply(rig, settings)

    monkeypatch.setattr(ScpiRig, "apply", noting)

    card_of(tmp_path, nothing, nothing)

    routes = read_wiring(tmp_path / "star5" / "wiring.toml").settings
    assert set(applied) == set(routes)
    for name, route in routes.items():
        if route.is_switch:
            assert applied[name] == {False, True}
        else:
            values = [float(value) for value in applied[name]]
            assert (min(values), max(values)) == (route.minimum, route.maximum)


def test_a_rack_of_strangers_is_not_driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    monkeypatch.setattr(ScpiRig, "__init__", lambda *given: opened.append(given))

    card = card_of(
        tmp_path,
        nothing,
        lambda c: c.readdress(lo_qb1=c.addresses["lo_qb2"], lo_qb2=c.addresses["lo_qb1"]),
    )

    assert opened == []
    skipped = {check.area for check in card.checks if check.verdict is Verdict.SKIPPED}
    assert skipped == {Area.RACK, Area.LIMITS, Area.CABLES, Area.SAFE}


def test_the_card_is_written_as_json_and_junit(tmp_path: Path) -> None:
    spoil = DEFECTS["wrong address"][1]

    card = card_of(tmp_path, nothing, spoil)

    told = json.loads(json_of(card))
    suite = ElementTree.fromstring(junit_of(card))
    assert (told["ok"], told["failed"]) == (False, 1)
    assert [each["subject"] for each in told["checks"] if each["verdict"] == "failed"] == ["lo_qb2"]
    assert suite.attrib["failures"] == "1"
    assert len(suite.findall("testcase")) == len(card.checks) == int(suite.attrib["tests"])
    assert [case.attrib["name"] for case in suite.findall("testcase[failure]")] == ["lo_qb2"]
