"""`wiring.toml` read into `labd.core.wiring` values, or refused with every mistake in it at once.

Two passes: pydantic checks keys and types table by table; then the cross checks, for which more
than one table must be known: which outputs are taken, whether a marker belongs to a playing AWG,
and so on. Where the first pass refused a table, the cross checks that need it are left out.
"""

from __future__ import annotations

import copy
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labd.core.errors import BadFile, Problem
from labd.core.outputs import OutputRule
from labd.core.wiring import (
    AwgOutput,
    AwgSync,
    ChannelKind,
    ControllerChannel,
    DigitizerInput,
    ExpectedIdentity,
    Loopback,
    MarkerOutput,
    Readout,
    SettingRoute,
    Wiring,
)
from labd.wiring_tables import (
    ChannelTable,
    IdentityTable,
    LoopbackTable,
    OutputTable,
    ReadoutTable,
    SettingTable,
    SyncTable,
    Table,
    WiringTables,
)

COMPATIBLE_INSTRUCTIONS = {
    ChannelKind.IQ: ("Wait", "IQPulse", "VirtualRZ"),
    ChannelKind.REAL: ("Wait", "RealPulse"),
    ChannelKind.READOUT: ("Wait", "ReadoutTrigger"),
}
"""What IQM's compiler may use on a channel of a kind, on a rack without feedback."""


def read_wiring(path: Path) -> Wiring:
    """The wiring that a TOML file describes; raises BadFile with all mistakes."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    try:
        file = WiringTables.model_validate(tables)
    except ValidationError as error:
        raise BadFile(str(path), _all_problems(tables, error.errors())) from error
    problems = tuple(_cross_checks(file, frozenset()))
    if problems:
        raise BadFile(str(path), problems)
    return _wiring_of(file)


def instruments_of(wiring: Wiring) -> Mapping[str, str]:
    """Every instrument that the wiring names, with the first place that names it."""
    places: dict[str, str] = {}
    for channel in wiring.channels.values():
        for output in channel.outputs:
            places.setdefault(output.instrument, f"channels.{channel.name}.outputs")
        if channel.local_oscillator is not None:
            places.setdefault(channel.local_oscillator, f"channels.{channel.name}.local_oscillator")
    for readout in wiring.readouts.values():
        places.setdefault(readout.digitizer, f"readouts.{readout.channel}.digitizer")
        places.setdefault(readout.trigger.instrument, f"readouts.{readout.channel}.trigger")
    for route in wiring.settings.values():
        places.setdefault(route.parameter.split(".", 1)[0], f"settings.{route.setting}.parameter")
    for name in wiring.identities:
        places.setdefault(name, f"identities.{name}")
    for parameter, rule in wiring.outputs.items():
        places.setdefault(rule.instrument, f"outputs.{parameter}")
    return places


# ---- what pydantic found, as sentences

_MODEL_OF: dict[str, type[Table]] = {
    "channels": ChannelTable,
    "readouts": ReadoutTable,
    "settings": SettingTable,
    "outputs": OutputTable,
    "identities": IdentityTable,
    "loopbacks": LoopbackTable,
}


def _all_problems(tables: dict[str, object], errors: list[ErrorDetails]) -> tuple[Problem, ...]:
    """What pydantic found, and what the cross checks find in the tables that are whole."""
    problems = [_problem_of(each) for each in errors]
    rest = copy.deepcopy(tables)
    broken = {_remove(rest, each) for each in errors} - {""}
    try:
        file = WiringTables.model_validate(rest)
    except ValidationError:
        return tuple(problems)
    return (*problems, *_cross_checks(file, frozenset(broken)))


def _remove(tables: dict[str, object], error: ErrorDetails) -> str:
    """Take a mistake out of the tables; returns the section that lost a table to it, or ``""``."""
    loc = [str(part) for part in error["loc"]]
    is_unknown_key = error["type"] == "extra_forbidden"
    path = loc if is_unknown_key else loc[: 2 if loc[0] in _MODEL_OF else 1]
    holder: object = tables
    for part in path[:-1]:
        holder = holder.get(part) if isinstance(holder, dict) else None
    if isinstance(holder, dict):
        holder.pop(path[-1], None)
    return "" if is_unknown_key else loc[0]


def _problem_of(error: ErrorDetails) -> Problem:
    where = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return Problem(where, f"unknown key{_nearest(error['loc'])}")
        case "missing":
            return Problem(where, "required key is missing")
        case "string_pattern_mismatch":
            return Problem(where, f"{error['input']!r} {_PATTERN_HINTS[error['ctx']['pattern']]}")
        case _:
            return Problem(where, f"{error['msg']}, not {error['input']!r}")


_PATTERN_HINTS = {
    r"^[A-Za-z_]\w*\.ch[1-9]\d*$": "is not an AWG output such as awg1.ch1",
    r"^[A-Za-z_]\w*\.ch[1-9]\d*\.m[1-9]\d*$": "is not a marker output such as awg1.ch1.m1",
    r"^[A-Za-z_]\w*(\.\w+)+$": "is not a parameter of an instrument such as bias_qb1.voltage",
    r"^[A-Za-z_]\w*$": "is not an instrument name",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$": "is not the dotted path of a module",
}


def _nearest(loc: tuple[int | str, ...]) -> str:
    model: type[Table] = WiringTables
    if len(loc) > 1:
        model = SyncTable if loc[0] == "sync" else _MODEL_OF[str(loc[0])]
    known = list(model.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(sorted(known))}"


# ---- cross checks


def _cross_checks(file: WiringTables, broken: frozenset[str]) -> Iterator[Problem]:
    """All checks whose sections are whole; broken: sections that lost a table."""
    checks = (
        (_channel_checks, {"channels", "readouts"}),
        (_readout_checks, {"channels"}),
        (_sync_checks, {"channels", "sync"}),
        (_marker_checks, {"channels", "sync"}),
        (_setting_checks, set[str]()),
        (_output_checks, set[str]()),
        (_loopback_checks, {"channels", "readouts"}),
    )
    for check, needs in checks:
        if not needs & broken:
            yield from check(file)


def _channel_checks(file: WiringTables) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for name, channel in file.channels.items():
        where = f"channels.{name}"
        wanted = 1 if channel.kind == "real" else 2
        if len(channel.outputs) != wanted:
            yield Problem(
                f"{where}.outputs",
                f"kind {channel.kind} has {wanted} output(s), not {len(channel.outputs)}",
            )
        for output in channel.outputs:
            if output in taken:
                yield Problem(f"{where}.outputs", f"{output} is already used by {taken[output]}")
            taken.setdefault(output, name)
        rate_hz = channel.sample_rate_hz or file.sample_rate_hz
        if channel.kind != "iq" and channel.if_hz != 0:
            yield Problem(
                f"{where}.if_hz", "only channels of kind iq have an intermediate frequency"
            )
        elif abs(channel.if_hz) >= rate_hz / 2:
            yield Problem(
                f"{where}.if_hz", f"{channel.if_hz:g} Hz is not below half of {rate_hz:g} Hz"
            )
        if channel.kind == "readout" and name not in file.readouts:
            yield Problem(where, f'a readout channel needs a table [readouts."{name}"]')


def _readout_checks(file: WiringTables) -> Iterator[Problem]:
    inputs: dict[tuple[str, int], str] = {}
    for name, readout in file.readouts.items():
        where = f"readouts.{name}"
        channel = file.channels.get(name)
        if channel is None:
            near = difflib.get_close_matches(name, file.channels, n=1)
            tail = f"; did you mean {near[0]}?" if near else ""
            yield Problem(where, f"there is no channel of this name{tail}")
        elif channel.kind != "readout":
            yield Problem(where, f"channel {name} is of kind {channel.kind}, not readout")
        else:
            ours = readout.sample_rate_hz or file.sample_rate_hz
            theirs = channel.sample_rate_hz or file.sample_rate_hz
            if ours != theirs:
                yield Problem(
                    f"{where}.sample_rate_hz", f"{ours:g} Hz is not the channel's {theirs:g} Hz"
                )
        for number in (readout.input_i, readout.input_q):
            key = (readout.digitizer, number)
            if key in inputs:
                yield Problem(where, f"input {number} of {key[0]} is already used by {inputs[key]}")
            inputs.setdefault(key, name)
        if any(value == [0.0, 0.0] for value in readout.gain.values()):
            yield Problem(f"{where}.gain", "a gain of zero leaves nothing to discriminate")


def _sync_checks(file: WiringTables) -> Iterator[Problem]:
    used = _awgs(file)
    sync = file.sync
    if sync is None:
        if len(used) > 1:
            yield Problem(
                "sync", f"{', '.join(used)} must start together: a table [sync] is needed"
            )
        return
    for name in [sync.leader, *sync.followers]:
        if name not in used:
            yield Problem("sync", f"no channel uses {name}{_or_near(name, used)}")
    if len({sync.leader, *sync.followers}) != 1 + len(sync.followers):
        yield Problem("sync.followers", "an AWG stands twice among leader and followers")
    for name in used:
        if name not in (sync.leader, *sync.followers):
            yield Problem("sync.followers", f"{name} plays channels but is not among them")
    if sync.trigger.split(".", 1)[0] != sync.leader:
        yield Problem(
            "sync.trigger", f"{sync.trigger} is not a marker of the leader, {sync.leader}"
        )


def _marker_checks(file: WiringTables) -> Iterator[Problem]:
    places = [(f"readouts.{name}.trigger", r.trigger) for name, r in file.readouts.items()]
    if file.sync is not None:
        places.insert(0, ("sync.trigger", file.sync.trigger))
    n_markers = max(0, min(2, 16 - file.awg_resolution_bits))
    used = _awgs(file)
    taken: dict[str, str] = {}
    for where, marker in places:
        awg, _, number = marker.split(".")
        if awg not in used:
            yield Problem(where, f"no channel uses {awg}, so its marker never rises")
        if int(number[1:]) > n_markers:
            bits = file.awg_resolution_bits
            yield Problem(
                where, f"at {bits} bits an output has {n_markers} marker(s), not {number}"
            )
        if marker in taken:
            yield Problem(where, f"{marker} is already used by {taken[marker]}")
        taken.setdefault(marker, where)


def _setting_checks(file: WiringTables) -> Iterator[Problem]:
    parameters: dict[str, str] = {}
    for name, setting in file.settings.items():
        where = f"settings.{name}"
        low, high = setting.minimum, setting.maximum
        if low is not None and high is not None and low > high:
            yield Problem(f"{where}.minimum", f"{low:g} is more than the maximum, {high:g}")
        if setting.scale == 0:
            yield Problem(f"{where}.scale", "0 makes every setting the same")
        numeric = setting.model_fields_set & {"scale", "offset", "minimum", "maximum"}
        if setting.switch and numeric:
            yield Problem(
                where, f"a switch is true or false and has no {', '.join(sorted(numeric))}"
            )
        if setting.parameter in parameters:
            other = parameters[setting.parameter]
            yield Problem(f"{where}.parameter", f"{setting.parameter} already follows {other}")
        parameters.setdefault(setting.parameter, name)


def _loopback_checks(file: WiringTables) -> Iterator[Problem]:
    digitizers = {readout.digitizer for readout in file.readouts.values()}
    taken: dict[str, str] = {}
    for name, loopback in file.loopbacks.items():
        where, channel = f"loopbacks.{name}", file.channels.get(name)
        if channel is None:
            yield Problem(
                where, f"there is no channel of this name{_or_near(name, [*file.channels])}"
            )
        elif len(channel.outputs) != len(loopback.inputs):
            n_outputs = len(channel.outputs)
            yield Problem(
                f"{where}.inputs", f"the channel has {n_outputs} output(s): one cable each"
            )
        if len({text.split(".")[0] for text in loopback.inputs}) > 1:
            yield Problem(f"{where}.inputs", "they are of two instruments, which is not recorded")
        for text in loopback.inputs:
            if text.split(".")[0] not in digitizers:
                yield Problem(f"{where}.inputs", f"{text} is no input of a readout's digitizer")
            if text in taken:
                yield Problem(f"{where}.inputs", f"{text} is already used by {taken[text]}")
            taken.setdefault(text, name)


def _output_checks(file: WiringTables) -> Iterator[Problem]:
    switches = {each.parameter: name for name, each in file.settings.items() if each.switch}
    for parameter, output in file.outputs.items():
        where = f"outputs.{parameter}"
        low, high, safe = output.minimum, output.maximum, output.safe
        rule = _rule_of(parameter, output)
        numeric = sorted(output.model_fields_set & {"minimum", "maximum", "slew_per_s"})
        is_number = isinstance(safe, float | int) and not isinstance(safe, bool)
        if safe is None and not numeric:
            yield Problem(where, "it says nothing: safe, minimum, maximum or slew_per_s is needed")
        if numeric and safe is not None and not is_number:
            yield Problem(where, f"{', '.join(numeric)} go with numbers, and safe is {safe!r}")
        if numeric and parameter in switches:
            other = f"settings.{switches[parameter]}"
            yield Problem(where, f"{', '.join(numeric)} go with numbers; {other} is a switch")
        if low is not None and high is not None and low > high:
            yield Problem(f"{where}.minimum", f"{low:g} is more than the maximum, {high:g}")
        elif is_number and rule.limit_broken_by(float(safe or 0)) is not None:
            yield Problem(f"{where}.safe", f"{safe:g} is not {rule.between()}")
        if output.write.count("{}") != bool(output.write):
            yield Problem(f"{where}.write", "the command needs {} once, where the value stands")
        if bool(output.write) != bool(output.query):
            what = "write and query go together: what is set is read back"
            yield Problem(f"{where}.{'query' if output.write else 'write'}", what)


def _awgs(file: WiringTables) -> list[str]:
    names = (output.split(".")[0] for each in file.channels.values() for output in each.outputs)
    return list(dict.fromkeys(names))


def _or_near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


# ---- values


def _wiring_of(file: WiringTables) -> Wiring:
    return Wiring(
        rig=file.rig,
        channels={name: _channel_of(name, each, file) for name, each in file.channels.items()},
        readouts={name: _readout_of(name, each, file) for name, each in file.readouts.items()},
        settings={name: _route_of(name, each, file) for name, each in file.settings.items()},
        outputs={name: _rule_of(name, each) for name, each in file.outputs.items()},
        sync=_sync_of(file.sync),
        dut_label=file.dut_label,
        awg_resolution_bits=file.awg_resolution_bits,
        identities={
            name: ExpectedIdentity(each.model, each.serial)
            for name, each in file.identities.items()
        },
        loopbacks={name: _loopback_of(name, each) for name, each in file.loopbacks.items()},
    )


def _loopback_of(name: str, table: LoopbackTable) -> Loopback:
    inputs = (text.split(".ch") for text in table.inputs)
    return Loopback(
        name, tuple(DigitizerInput(scope, int(number)) for scope, number in inputs), table.gain
    )


def _channel_of(name: str, table: ChannelTable, file: WiringTables) -> ControllerChannel:
    kind = ChannelKind(table.kind)
    return ControllerChannel(
        name=name,
        kind=kind,
        component=table.component,
        outputs=tuple(_output_of(output) for output in table.outputs),
        sample_rate_hz=table.sample_rate_hz or file.sample_rate_hz,
        granularity_samples=table.granularity_samples,
        min_samples=table.min_samples,
        full_scale_v=table.full_scale_v or file.awg_full_scale_v,
        if_hz=table.if_hz,
        delay_samples=table.delay_samples,
        local_oscillator=table.local_oscillator,
        compatible_instructions=tuple(
            COMPATIBLE_INSTRUCTIONS[kind]
            if table.compatible_instructions is None
            else table.compatible_instructions
        ),
    )


def _readout_of(name: str, table: ReadoutTable, file: WiringTables) -> Readout:
    return Readout(
        channel=name,
        digitizer=table.digitizer,
        input_i=table.input_i,
        input_q=table.input_q,
        trigger=_marker_of(table.trigger),
        sample_rate_hz=table.sample_rate_hz or file.sample_rate_hz,
        integration_start_dead_time_samples=table.integration_start_dead_time_samples,
        integration_stop_dead_time_samples=table.integration_stop_dead_time_samples,
        center_frequency_hz=table.center_frequency_hz,
        gain={
            "" if key == "default" else key: complex(real, imag)
            for key, (real, imag) in table.gain.items()
        },
        max_record_samples=table.max_record_samples,
        rearm_samples=table.rearm_samples,
        max_frames=table.max_frames,
        input_full_scale_v=table.input_full_scale_v,
    )


def _route_of(name: str, table: SettingTable, file: WiringTables) -> SettingRoute:
    offset = table.offset if table.offset is not None else -_if_hz_of(name, file)
    return SettingRoute(
        setting=name,
        parameter=table.parameter,
        unit=table.unit,
        scale=table.scale,
        offset=offset + 0.0,
        minimum=float("-inf") if table.minimum is None else table.minimum,
        maximum=float("inf") if table.maximum is None else table.maximum,
        is_switch=table.switch,
    )


def _rule_of(parameter: str, table: OutputTable) -> OutputRule:
    return OutputRule(
        parameter,
        unit=table.unit,
        safe=table.safe,
        minimum=float("-inf") if table.minimum is None else table.minimum,
        maximum=float("inf") if table.maximum is None else table.maximum,
        slew_per_s=float("inf") if table.slew_per_s is None else table.slew_per_s,
        write=table.write,
        query=table.query,
    )


def _if_hz_of(setting: str, file: WiringTables) -> float:
    """By how much the source must stay below a drive frequency: carrier = source + if_hz."""
    for channel in file.channels.values():
        if channel.kind == "iq" and setting == f"{channel.component}__drive.frequency":
            return channel.if_hz
    return 0.0


def _sync_of(table: SyncTable | None) -> AwgSync | None:
    if table is None:
        return None
    return AwgSync(
        leader=table.leader,
        trigger=_marker_of(table.trigger),
        followers=tuple(table.followers),
        latency_samples=table.latency_samples,
    )


def _output_of(text: str) -> AwgOutput:
    instrument, channel = text.split(".")
    return AwgOutput(instrument, int(channel[2:]))


def _marker_of(text: str) -> MarkerOutput:
    instrument, channel, marker = text.split(".")
    return MarkerOutput(instrument, int(channel[2:]), int(marker[1:]))
