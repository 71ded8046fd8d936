import re
import shutil
from pathlib import Path
from typing import Protocol

import pytest

from labd.core.errors import BadFile
from labd.core.wiring import AwgOutput, ChannelKind, MarkerOutput
from labd.wiring_file import instruments_of, read_wiring

STAR5 = Path(__file__).parents[2] / "config" / "star5" / "wiring.toml"


class Edited(Protocol):
    """Changes the shipped file, each old text once to the new one, and gives its path."""

    def __call__(self, *changes: tuple[str, str]) -> Path: ...


@pytest.fixture
def edited(tmp_path: Path) -> Edited:
    path = tmp_path / "wiring.toml"
    shutil.copy(STAR5, path)

    def edit(*changes: tuple[str, str]) -> Path:
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        return path

    return edit


def problems_of(path: Path) -> list[str]:
    with pytest.raises(BadFile) as caught:
        read_wiring(path)
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_wiring_is_read_whole() -> None:
    wiring = read_wiring(STAR5)

    assert wiring.rig == "labd_drivers.rigs.scpi"
    assert len(wiring.channels) == 10
    drive = wiring.channels["QB5__drive.awg"]
    assert drive.kind is ChannelKind.IQ
    assert drive.outputs == (AwgOutput("awg2", 1), AwgOutput("awg2", 2))
    assert (drive.sample_rate_hz, drive.full_scale_v) == (2.0e9, 0.25)
    readout = wiring.readouts["PL-1__readout"]
    assert readout.trigger == MarkerOutput("awg2", 3, 1)
    assert readout.sample_rate_hz == 2.0e9
    assert readout.gain_of("QB3__m1") == readout.gain[""]
    assert wiring.sync is not None
    assert wiring.sync.followers == ("awg2",)
    assert wiring.settings["QB1__drive.local_oscillator.status"].is_switch
    assert wiring.outputs["lo_pl1.status"].safe is False
    assert wiring.outputs["bias_qb1.voltage"].slew_per_s == 10.0


def test_every_instrument_is_named_once_with_its_place() -> None:
    places = instruments_of(read_wiring(STAR5))

    assert len(places) == 18
    assert places["bias_qb1"] == "settings.QB1__flux.voltage.parameter"


def test_an_unknown_key_is_refused_with_the_nearest_known_one(edited: Edited) -> None:
    path = edited(("max_frames = 20000", "max_frame = 20000"))

    problems = problems_of(path)

    assert any("max_frame: unknown key; did you mean max_frames?" in each for each in problems)
    assert any("max_frames: required key is missing" in each for each in problems)


def test_all_mistakes_are_listed_at_once(edited: Edited) -> None:
    path = edited(
        ('rig = "labd_drivers.rigs.scpi"', 'rigg = "x"\nrig = "labd_drivers.rigs.scpi"'),
        ("rearm_samples = 500", 'rearm_samples = "many"'),
        ("maximum = 1.0", "maximum = -2.0"),
        ('local_oscillator = "lo_qb1"', 'local_osc = "lo_qb1"'),
        ("scale", "scale"),
    )

    problems = problems_of(path)

    assert len(problems) == 4
    assert any(each.startswith("rigg: unknown key; did you mean rig?") for each in problems)
    assert any("rearm_samples" in each and "'many'" in each for each in problems)
    assert any(
        "local_osc: unknown key; did you mean local_oscillator?" in each for each in problems
    )
    assert any("-1 is more than the maximum, -2" in each for each in problems)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('["awg1.ch3", "awg1.ch4"]', '["awg1.ch1", "awg1.ch4"]', "awg1.ch1 is already used by"),
        ('["awg1.ch3", "awg1.ch4"]', '["awg1.ch3"]', "kind iq has 2 output(s), not 1"),
        ('["awg1.ch3", "awg1.ch4"]', '["awg1.ch3", "four"]', "'four' is not an AWG output"),
        ('[readouts."PL-1__readout"]', '[readouts."PL-2__readout"]', "no channel of this name"),
        ('kind = "readout"', 'kind = "iq"', "is of kind iq, not readout"),
        ('kind = "real"', 'kind = "flux"', "Input should be 'iq', 'real' or 'readout', not 'flux'"),
        ('leader = "awg1"', 'leader = "awg7"', "no channel uses awg7"),
        ('followers = ["awg2"]', "followers = []", "awg2 plays channels but is not among them"),
        ('trigger = "awg1.ch1.m1"', 'trigger = "awg2.ch1.m1"', "not a marker of the leader"),
        ('trigger = "awg2.ch3.m1"', 'trigger = "awg9.ch3.m1"', "no channel uses awg9"),
        ('trigger = "awg2.ch3.m1"', 'trigger = "awg1.ch1.m1"', "awg1.ch1.m1 is already used by"),
        ("awg_resolution_bits = 14", "awg_resolution_bits = 16", "at 16 bits an output has 0"),
        ("\ndefault = [", "\nQB1 = [inf, 0.0]\ndefault = [", "finite number, not inf"),
        ("\ndefault = [", "\nQB1 = [0.0, 0.0]\ndefault = [", "leaves nothing to discriminate"),
        (
            "granularity_samples = 16",
            "granularity_samples = 0",
            "greater than or equal to 1, not 0",
        ),
        ("input_q = 2", "input_q = 1", "input 1 of scope is already used"),
        ("maximum = 1.0", "maximum = 1.0\nscale = 0.0", "0 makes every setting the same"),
        (
            "switch = true",
            "switch = true\nscale = 2.0",
            "a switch is true or false and has no scale",
        ),
        ('"bias_qb2.voltage"', '"bias_qb1.voltage"', "bias_qb1.voltage already follows"),
        ('"lo_qb1.status" =', '"lo_qb1" =', "is not a parameter of an instrument"),
        ("safe = 0.0, minimum", "save = 0.0, minimum", "unknown key; did you mean safe?"),
        ("safe = 0.0, minimum", "safe = 2.0, minimum", "2 is not between -1 and 1 V"),
        ("safe = 0.0, minimum", "safe = true, minimum", "go with numbers, and safe is True"),
        ("minimum = -1.0, maximum = 1.0, slew", "minimum = 1.0, maximum = -1.0, slew", "1 is more"),
        ("slew_per_s = 10.0", "slew_per_s = 0.0", "greater than 0, not 0.0"),
        ('status" = { safe = false }', 'status" = { }', "it says nothing"),
        ('status" = { safe = false }', 'status" = { maximum = 1.0 }', "status is a switch"),
        ("{ safe = false }", '{ safe = false, write = "X" }', "needs {} once"),
        ("{ safe = false }", '{ safe = false, write = "X {}" }', "write and query go together"),
        ("sample_rate_hz = 2.0e9", "sample_rate_hz = true", "valid number, not True"),
    ],
)
def test_a_mistake_is_named_with_its_value(
    edited: Edited, old: str, new: str, sentence: str
) -> None:
    problems = problems_of(edited((old, new)))

    assert any(sentence in each for each in problems), problems


def test_two_awgs_without_sync_are_refused(edited: Edited) -> None:
    text = STAR5.read_text()
    sync = re.search(r"\[sync\].*?(?=\n# ----)", text, re.DOTALL)
    assert sync is not None

    problems = problems_of(edited((sync.group(0), "")))

    assert problems == ["sync: awg1, awg2 must start together: a table [sync] is needed"]


def test_an_intermediate_frequency_moves_the_source_and_not_the_setting(edited: Edited) -> None:
    path = edited(("if_hz = 0.0", "if_hz = 100.0e6"))

    routes = read_wiring(path).settings

    assert routes["QB1__drive.frequency"].offset == -100.0e6
    assert routes["QB2__drive.frequency"].offset == 0.0


def test_an_offset_in_the_file_stands_above_the_intermediate_frequency(edited: Edited) -> None:
    path = edited(
        ("if_hz = 0.0", "if_hz = 100.0e6"),
        ('parameter = "lo_qb1.frequency"', 'parameter = "lo_qb1.frequency"\noffset = 5.0'),
    )

    assert read_wiring(path).settings["QB1__drive.frequency"].offset == 5.0


def test_a_file_that_is_no_toml_or_not_there_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "wiring.toml"
    broken.write_text("rig = [")

    assert "Invalid value" in problems_of(broken)[0]
    assert "No such file" in problems_of(tmp_path / "absent.toml")[0]
