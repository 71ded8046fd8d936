from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from labd.cli.daemon import main
from labd.config import BadConfig, Config, read_config

SHIPPED = Path(__file__).parents[2] / "config"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config"))


def sentences(path: Path) -> list[str]:
    with pytest.raises(BadConfig) as caught:
        read_config(path)
    return [
        f"{Path(file.path).name}: {problem}"
        for file in caught.value.files
        for problem in file.problems
    ]


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def test_the_shipped_configuration_is_good(folder: Path) -> None:
    config = read_config(folder / "labd.toml")

    (computer,) = config.quantum_computers
    assert computer.alias == "star5"
    assert len(computer.station) == 18
    assert config.server.unix_socket == Path("/var/lib/labd/labd.sock")
    assert not computer.rig.LIMITS.has_fast_feedback


def test_the_shipped_file_shows_every_key_with_its_default(folder: Path) -> None:
    tables = tomllib.loads((folder / "labd.toml").read_text())
    bare = folder / "bare.toml"
    computer = tables["quantum_computers"]["star5"]
    lines = ["[quantum_computers.star5]"]
    lines += [
        f"{key} = {json.dumps(value)}" for key, value in computer.items() if key != "timeslots"
    ]
    bare.write_text("\n".join(lines))

    shown, default = read_config(folder / "labd.toml"), read_config(bare)

    assert (shown.server, shown.limits) == (default.server, default.limits)
    assert (shown.tls, shown.access) == (default.tls, default.access)
    assert shown.quantum_computers[0].timeslots == default.quantum_computers[0].timeslots
    assert set(tables["server"]) == {
        *("listen", "unix_socket", "state_dir", "chunk_bytes", "keepalive_s", "stop_grace_s"),
        "log_level",
        "log_format",
    }
    roles = {"user", "operator", "admin"}
    assert set(tables["limits"]) == {"payload_bytes", "result_bytes", *roles}
    assert set(tables["access"]) == {"local_users", "admins"}
    assert set(computer["timeslots"]) == {
        *("required", "overrun", "idle_release_min", "show_owners"),
    }
    assert set(computer) == {
        *("id", "display_name", "station", "wiring", "chip_design_record", "calibration_set"),
        "timeslots",
    }


def test_options_replace_what_the_file_says(folder: Path, tmp_path: Path) -> None:
    config = read_config(folder / "labd.toml", state_dir=tmp_path / "s", listen="[::1]:0")

    assert (config.server.host, config.server.port) == ("::1", 0)
    assert config.server.state_dir == tmp_path / "s"
    assert config.server.unix_socket == tmp_path / "s" / "labd.sock"


def test_the_unix_socket_can_be_elsewhere_or_nowhere(folder: Path) -> None:
    path = folder / "labd.toml"
    edit(path, ('unix_socket = ""', 'unix_socket = "none"'))
    nowhere: Config = read_config(path)
    edit(path, ('unix_socket = "none"', 'unix_socket = "run/labd.sock"'))

    elsewhere = read_config(path)

    assert nowhere.server.unix_socket is None
    assert elsewhere.server.unix_socket == folder / "run" / "labd.sock"


def test_an_unknown_key_is_refused_with_the_nearest_known_one(folder: Path) -> None:
    edit(folder / "labd.toml", ("chunk_bytes", "chunk_byte"), ("wiring =", "wirring ="))

    found = sentences(folder / "labd.toml")

    assert "labd.toml: server.chunk_byte: unknown key; did you mean chunk_bytes?" in found
    assert "labd.toml: quantum_computers.star5.wirring: unknown key; did you mean wiring?" in found
    assert "labd.toml: quantum_computers.star5.wiring: required key is missing" in found


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("127.0.0.1:50051", "0.0.0.0:50051"), "0.0.0.0 is not a loopback address"),
        (("127.0.0.1:50051", "labhost:50051"), "labhost is not a loopback address"),
        (("127.0.0.1:50051", "127.0.0.1"), "'127.0.0.1' is not host:port"),
        (("127.0.0.1:50051", "127.0.0.1:99999"), "'127.0.0.1:99999' is not host:port"),
        (("chunk_bytes = 1048576", "chunk_bytes = 4194300"), "less than or equal to 4194299"),
        (("chunk_bytes = 1048576", 'chunk_bytes = "1 MiB"'), "valid integer, not '1 MiB'"),
        (("keepalive_s = 1.0", "keepalive_s = 0.0"), "greater than 0"),
        (("5c1e5000-0000-4000-8000-0000000000a5", "5c1e"), "'5c1e' is not a UUID"),
        (("quantum_computers.star5", 'quantum_computers."a/b"'), "an alias is letters"),
        (("star5/wiring.toml", "star5/nothing.toml"), "No such file"),
        (("[limits]", "[limits"), "at line"),
    ],
)
def test_a_mistake_in_labd_toml_is_named(
    folder: Path, change: tuple[str, str], expected: str
) -> None:
    edit(folder / "labd.toml", change)

    assert any(expected in sentence for sentence in sentences(folder / "labd.toml"))


def test_two_quantum_computers_with_one_id_are_refused(folder: Path) -> None:
    text = (folder / "labd.toml").read_text()
    table = text[text.index("[quantum_computers.star5]") :]
    (folder / "labd.toml").write_text(text + table.replace("computers.star5", "computers.twin"))

    assert sentences(folder / "labd.toml") == [
        "labd.toml: quantum_computers.twin.id: star5 has the same id"
    ]


def test_mistakes_of_all_files_are_found_at_once(folder: Path) -> None:
    edit(folder / "labd.toml", ("127.0.0.1:50051", "10.0.0.1:1"))
    edit(
        folder / "star5" / "station.yaml",
        ("  bias_qb1:\n", "  bias_qb_1:\n"),
        ("    address: TCPIP::127.0.0.1::hislip0,15105::INSTR\n", ""),
    )
    edit(folder / "star5" / "chip-design-record.json", ('"variant": "Z00"', '"variant": 1'))
    edit(
        folder / "star5" / "calibration-set.json",
        ("5c1e5000-0000-4000-8000-000000000001", "first"),
    )

    found = sentences(folder / "labd.toml")

    assert any("10.0.0.1 is not a loopback address" in each for each in found)
    assert any("station.yaml: instruments.lo_qb2.address" in each for each in found)
    assert any("chip-design-record.json: variant" in each for each in found)
    assert any("calibration_set_id: 'first' is not a UUID" in each for each in found)


def test_an_instrument_that_only_the_wiring_knows_is_named(folder: Path) -> None:
    edit(folder / "star5" / "station.yaml", ("  bias_qb1:\n", "  bias_qb_1:\n"))

    (found,) = sentences(folder / "labd.toml")

    assert found.startswith("wiring.toml: settings.QB1__flux.voltage.parameter: the station has")
    assert found.endswith("no instrument bias_qb1; did you mean bias_qb_1?")


def test_a_rig_that_does_not_exist_is_named(folder: Path) -> None:
    edit(folder / "star5" / "wiring.toml", ("labd_drivers.rigs.scpi", "labd_drivers.rigs.scip"))

    (found,) = sentences(folder / "labd.toml")

    assert found.startswith("wiring.toml: rig: labd_drivers.rigs.scip cannot be imported")


def test_a_module_that_is_no_rig_is_named(folder: Path) -> None:
    edit(folder / "star5" / "wiring.toml", ('"labd_drivers.rigs.scpi"', '"json"'))

    assert sentences(folder / "labd.toml") == ["wiring.toml: rig: json is no rig: it has no LIMITS"]


@pytest.mark.parametrize("name", ["station.yaml", "wiring.toml"])
def test_a_file_that_names_code_and_is_open_to_all_is_refused(folder: Path, name: str) -> None:
    (folder / "star5" / name).chmod(0o666)

    (found,) = sentences(folder / "labd.toml")

    assert found.startswith(f"{name}: may be written by everybody, and it names code to run")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("instruments: [", "while parsing"),
        ("instruments: {}", "lists no instruments"),
        ("instruments: {a: 1}", "an instrument is a table"),
        ("instruments: {a: {type: b, address: c}}", "'b' is not the dotted path"),
        ("instruments: {a: {type: b.C, address: c, adress: d}}", "did you mean address?"),
        ("instruments: {a b: {type: b.C, address: c}}", "an instrument's name is letters"),
    ],
)
def test_a_mistake_in_the_station_is_named(folder: Path, text: str, expected: str) -> None:
    (folder / "star5" / "station.yaml").write_text(text)

    assert any(expected in sentence for sentence in sentences(folder / "labd.toml"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda record: record.pop("content"), "content.components: an object is required"),
        (
            lambda record: record["content"]["components"].pop("probe_line"),
            "content.components.probe_line: a list is required",
        ),
        (
            lambda record: record["content"]["components"]["qubit"][0].pop("connections"),
            "content.components.qubit, QB1: a list of connections",
        ),
        (
            lambda record: record["content"]["components"]["qubit"].append({}),
            "content.components.qubit, 5: a component is an object",
        ),
    ],
)
def test_a_mistake_in_the_chip_design_record_is_named(
    folder: Path, change: Callable[[dict[str, object]], object], expected: str
) -> None:
    path = folder / "star5" / "chip-design-record.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))

    assert any(expected in sentence for sentence in sentences(folder / "labd.toml"))


def test_check_config_prints_ok_and_exits_0(folder: Path) -> None:
    result = CliRunner().invoke(main, ["check-config", "--config", str(folder / "labd.toml")])

    assert (result.exit_code, result.stdout) == (0, "OK\n")


def test_check_config_lists_every_mistake_and_exits_1(folder: Path) -> None:
    edit(folder / "labd.toml", ("chunk_bytes", "chunk_byte"), ("127.0.0.1:50051", "0.0.0.0:1"))
    arguments = ["check-config", "--config", str(folder / "labd.toml")]

    plain = CliRunner().invoke(main, arguments)
    as_json = CliRunner().invoke(main, [*arguments, "--json"])

    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert "server.chunk_byte: unknown key; did you mean chunk_bytes?" in plain.stdout
    answer = json.loads(as_json.stdout)
    assert not answer["ok"]
    assert answer["problems"][0]["where"] == "server.chunk_byte"


def test_check_config_of_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check-config", "--config", str(tmp_path / "no.toml")])

    assert result.exit_code == 1
    assert "No such file" in result.stdout
