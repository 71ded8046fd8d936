"""What labd says of its rack is what IQM's client was seen to accept."""

from __future__ import annotations

import json
from pathlib import Path

from labd.core.station_description import (
    Chip,
    channel_properties,
    dut_fields,
    dynamic_architecture,
    static_architecture,
)
from labd.payloads.settings import pack_settings_resource
from labd.wire import data_pb2
from labd.wiring_file import read_wiring

ROOT = Path(__file__).parents[2]
CHIP = ROOT / "tests" / "data" / "chip"
STAR5 = ROOT / "config" / "star5"
WIRING = read_wiring(STAR5 / "wiring.toml")
CALIBRATION = json.loads((STAR5 / "calibration-set.json").read_text())
DESIGN = Chip.from_design_record(json.loads((STAR5 / "chip-design-record.json").read_text()))


def _captured(name: str) -> object:
    return json.loads((CHIP / name).read_text())


def test_channel_properties_of_a_rack_with_feedback_are_the_captured_ones() -> None:
    properties = channel_properties(WIRING, has_fast_feedback=True)

    assert properties == _captured("channel-properties.json")


def test_a_rack_without_feedback_offers_none() -> None:
    properties = channel_properties(WIRING, has_fast_feedback=False)

    assert properties["QB1__drive.awg"]["fast_feedback_sources"] == []
    assert "ConditionalInstruction" not in str(properties)


def test_dut_fields_are_the_captured_ones() -> None:
    units = {path: entry["unit"] for path, entry in CALIBRATION["observations"].items()}

    assert dut_fields(units) == _captured("dut-fields.json")


def test_architectures_are_the_captured_ones() -> None:
    static = static_architecture(DESIGN, WIRING.dut_label)
    dynamic = dynamic_architecture(
        DESIGN, CALIBRATION["calibration_set_id"], list(CALIBRATION["observations"])
    )

    assert static == _captured("static-quantum-architecture.json")
    assert dynamic == _captured("dynamic-quantum-architecture.json")


def test_settings_have_every_node_and_leaf_that_the_client_was_seen_to_accept() -> None:
    observations = {path: entry["value"] for path, entry in CALIBRATION["observations"].items()}
    captured = data_pb2.SettingNode.FromString((CHIP / "settings.bin").read_bytes())

    packed = pack_settings_resource(WIRING, observations, has_fast_feedback=True)

    ours = _leaves(data_pb2.SettingNode.FromString(packed))
    theirs = _leaves(captured)
    assert theirs.keys() <= ours.keys()
    differing = {name for name in theirs if ours[name] != theirs[name]}
    assert differing == {f"QB{n}__flux.voltage" for n in range(1, 6)}  # there 0 V, here calibrated


def _leaves(node: data_pb2.SettingNode) -> dict[str, tuple[str, bytes]]:
    found = {
        setting.parameter.name: (node.name, setting.value.SerializeToString())
        for setting in node.settings.values()
    }
    for child in node.subnodes.values():
        found |= _leaves(child)
    return found
