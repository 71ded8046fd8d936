"""Every mistake is found, named with place, value and limit, and all of them at once."""

from dataclasses import replace

import pytest
from google.protobuf.message import Message
from sweep_support import (
    DRIVE,
    READOUT,
    WIRING,
    Edit,
    compiled,
    payload_of,
    problems_of,
)

from labd.core.errors import InvalidPayload
from labd.core.outputs import OutputRule
from labd.core.sweep import SweptSetting
from labd.payloads.sweep import unpack_sweep
from labd.wire import data_pb2, playlist_pb2, sweep_pb2

NAN, INF = float("nan"), float("inf")


def drive(request: sweep_pb2.SweepRequest) -> playlist_pb2.ChannelDescription:
    return request.playlist.channels[DRIVE]


def readout(request: sweep_pb2.SweepRequest) -> playlist_pb2.ChannelDescription:
    return request.playlist.channels[READOUT]


def option(request: sweep_pb2.SweepRequest, name: str) -> data_pb2.Datum:
    return request.settings.subnodes["options"].settings[name].value


def pulse(request: sweep_pb2.SweepRequest) -> playlist_pb2.IQPulse:
    return drive(request).instruction_table[1].iq_pulse


def trigger(request: sweep_pb2.SweepRequest) -> playlist_pb2.ReadoutTrigger:
    return readout(request).instruction_table[7].readout_trigger


def acquisition(request: sweep_pb2.SweepRequest) -> playlist_pb2.AcquisitionMethod:
    return readout(request).acquisition_table[0]


def set_(target: Message, **fields: bool | int | float | str) -> None:
    for name, value in fields.items():
        setattr(target, name, value)


def add_sweep(request: sweep_pb2.SweepRequest, *names: str, n: int = 3) -> None:
    axis = request.sweeps.parallel_sweeps.add()
    for k, name in enumerate(names):
        single = axis.single_parameter_sweeps.add(parameter_name=name)
        single.values.float64_array.items.extend([4.4e9] * (n + k))


def sweep_one_setting_twice(request: sweep_pb2.SweepRequest) -> None:
    for _ in range(2):
        add_sweep(request, "QB1__drive.frequency")


def sweep_too_many_spots(request: sweep_pb2.SweepRequest) -> None:
    for k in (1, 2):
        add_sweep(request, f"QB{k}__drive.frequency", n=400)


def long_waveform(request: sweep_pb2.SweepRequest) -> None:
    drive(request).waveform_table.add(n_samples=2**63).constant.SetInParent()


def second_trigger(request: sweep_pb2.SweepRequest) -> None:
    refs = request.playlist.schedules[0].channels[READOUT].instruction_refs
    readout(request).instruction_table[7].duration_samples = 2048
    refs.append(7)


def multiplex_a_wait(request: sweep_pb2.SweepRequest) -> None:
    entries = readout(request).instruction_table[6].multiplexed_iq_pulse.entries
    entries[0].instruction_ref = 0


def two_kinds(request: sweep_pb2.SweepRequest) -> None:
    other = readout(request).acquisition_table[1]
    other.label = "QB1__m1"
    other.integration.weights.scale_i = 1.0
    del trigger(request).acqusitions[1]
    readout(request).instruction_table.add(duration_samples=2576).readout_trigger.CopyFrom(
        trigger(request)
    )
    readout(request).instruction_table[8].readout_trigger.acqusitions[:] = [1]
    request.playlist.schedules[0].channels[READOUT].instruction_refs.append(8)


def traces_of_different_length(request: sweep_pb2.SweepRequest) -> None:
    table = readout(request).acquisition_table
    for index, duration in ((0, 100), (1, 200)):
        table[index].label = "QB1__m1"
        table[index].timetrace.duration_samples = duration
    del request.return_parameters[1:]
    trigger(request).acqusitions[:] = [0]
    other = readout(request).instruction_table.add(duration_samples=2576).readout_trigger
    other.CopyFrom(trigger(request))
    other.acqusitions[:] = [1]
    request.playlist.schedules[0].channels[READOUT].instruction_refs.append(8)


MISTAKES: list[tuple[Edit, str]] = [
    # the playlist's tables
    (lambda r: set_(pulse(r), waveform_i_ref=9), f"{DRIVE}, instruction 1: waveform_i_ref is 9"),
    (lambda r: set_(pulse(r), waveform_q_ref=2**64 - 1), "waveform_q_ref is 18446744073709551615"),
    (lambda r: set_(pulse(r), scale_i=NAN), "scale_i is nan; its limit is 1"),
    (lambda r: set_(pulse(r), scale_q=-1.5), "scale_q is -1.5; its limit is 1"),
    (lambda r: set_(pulse(r), phase=INF), "phase is inf, not a finite number"),
    (lambda r: set_(pulse(r), phase_increment=NAN), "phase_increment is nan"),
    (lambda r: set_(pulse(r), phase_mod_freq=0.6), "phase_mod_freq is 0.6 cycles per sample"),
    (lambda r: set_(pulse(r), scale_i=1.0, scale_q=1.0, phase=0.6), "I or Q reaches 1."),
    (lambda r: set_(drive(r).instruction_table[1], duration_samples=81), "81 is not a multiple"),
    (lambda r: set_(drive(r).instruction_table[1], duration_samples=0), "0 is below the channel's"),
    (
        lambda r: set_(drive(r).instruction_table[0], duration_samples=2**64 - 16),
        "18446744073709551600 is longer than the longest segment, 2000000000 samples",
    ),
    (
        lambda r: set_(drive(r).instruction_table[0], duration_samples=2_000_000_000),
        f"segment 0, {DRIVE}: takes 2000002816 samples",
    ),
    (lambda r: drive(r).waveform_table[1].samples.samples.append(0.0), "has 81 samples, but"),
    (lambda r: drive(r).waveform_table[1].samples.samples.__setitem__(3, NAN), "sample 3 is nan"),
    (lambda r: drive(r).waveform_table[0].ClearField("shape"), "waveform 0: names no shape"),
    (long_waveform, "waveform 2: n_samples is 9223372036854775808; the limit is 4194304"),
    (
        lambda r: drive(r).instruction_table[1].real_pulse.SetInParent(),
        "RealPulse cannot be played",
    ),
    (
        lambda r: drive(r).instruction_table[1].readout_trigger.SetInParent(),
        "ReadoutTrigger cannot be played on a channel of kind iq",
    ),
    (lambda r: set_(drive(r).channel_config.iq_channel, sample_rate=1e9), "here it is 2e+09 Hz"),
    (lambda r: drive(r).channel_config.real_channel.SetInParent(), "of kind real; here it is of"),
    (lambda r: drive(r).ClearField("channel_config"), "names no kind of channel"),
    # readout
    (multiplex_a_wait, "entry 0: instruction 0 is a Wait; only IQPulses can be multiplexed"),
    (lambda r: set_(trigger(r), probe_pulse_ref=0), "probe_pulse_ref is 0, a Wait"),
    (lambda r: set_(trigger(r), probe_pulse_ref=7), "probe_pulse_ref is 7, a ReadoutTrigger"),
    (lambda r: set_(trigger(r), probe_pulse_ref=77), "probe_pulse_ref is 77; the channel has 8"),
    (lambda r: trigger(r).acqusitions.append(5), "acqusitions names 5; the channel has 5"),
    (lambda r: trigger(r).acqusitions.append(0), "label QB1__m1 is acquired twice by one trigger"),
    (lambda r: acquisition(r).ClearField("method"), "acquisition 0: names no method"),
    (lambda r: acquisition(r).ClearField("label"), "acquisition 0: has no label"),
    (
        lambda r: acquisition(r).threshold_discrimination.weights.Clear(),
        "weights: both scales are 0",
    ),
    (lambda r: set_(acquisition(r).threshold_discrimination, threshold=NAN), "threshold is nan"),
    (
        lambda r: set_(acquisition(r).timetrace, duration_samples=20_001),
        "its window of 20001 samples is longer than the longest record of scope, 20000 samples",
    ),
    (lambda r: acquisition(r).timetrace.SetInParent(), "its window has no samples"),
    (lambda r: set_(acquisition(r), delay_samples=2**63), "its window ends 9223372036854777808"),
    (lambda r: set_(acquisition(r), delay_samples=19_000), "reach from 480 to 21000 samples after"),
    (second_trigger, "two readout triggers are 2048 samples apart; a record of 2000"),
    (two_kinds, "label QB1__m1 is a integration here and a threshold discrimination in"),
    (traces_of_different_length, "is a time trace of 200 samples here and of 100"),
    # references and channels
    (
        lambda r: r.playlist.schedules[0].channels[DRIVE].instruction_refs.append(2**64 - 1),
        f"segment 0, {DRIVE}, position 4: refers to instruction 18446744073709551615",
    ),
    (
        lambda r: r.playlist.schedules[0].channels["QB7"].instruction_refs.append(0),
        "segment 0, QB7: the playlist describes no channel of this name",
    ),
    (
        lambda r: r.playlist.channels["QB11__drive.awg"].CopyFrom(drive(r)),
        "QB11__drive.awg: this rack has no channel of this name; did you mean QB1__drive.awg?",
    ),
    (lambda r: r.playlist.ClearField("schedules"), "playlist: has no segments"),
    # options and settings
    (lambda r: r.settings.Clear(), "options.playlist_repeats: is missing"),
    (lambda r: set_(option(r, "playlist_repeats"), sint64_value=0), "0 is not a whole number"),
    (lambda r: set_(option(r, "playlist_repeats"), sint64_value=-5), "-5 is not a whole number"),
    (lambda r: set_(option(r, "playlist_repeats"), float64_value=2.5), "2.5 is not a whole number"),
    (lambda r: set_(option(r, "playlist_repeats"), float64_value=NAN), "nan is not a whole number"),
    (lambda r: set_(option(r, "playlist_repeats"), bool_value=True), "true is not a whole number"),
    (lambda r: set_(option(r, "playlist_repeats"), string_value="many"), "'many' is not a whole"),
    (
        lambda r: set_(option(r, "playlist_repeats"), sint64_value=2_000_000),
        "2000000 shots; this rack plays at most 1000000",
    ),
    (lambda r: set_(option(r, "averaging_bins"), sint64_value=3), "1000 shots cannot be shared"),
    (lambda r: set_(option(r, "averaging_bins"), sint64_value=2000), "cannot be shared evenly"),
    (lambda r: set_(option(r, "end_delay"), float64_value=-1.0), "-1 s is not between 0 and 1 s"),
    (lambda r: set_(option(r, "end_delay"), float64_value=NAN), "nan s is not between 0 and 1 s"),
    (
        lambda r: set_(
            r.settings.subnodes["QB1__drive"].settings["frequency"].value, float64_value=9e9
        ),
        "QB1__drive.frequency: 9000000000 Hz is not between 3000000000 and 6000000000 Hz",
    ),
    (
        lambda r: set_(
            r.settings.subnodes["QB1__drive"].settings["frequency"].value, float64_value=NAN
        ),
        "QB1__drive.frequency: nan is not a finite number",
    ),
    (
        lambda r: r.settings.subnodes["QB1__flux"].settings["voltage"].value.array.SetInParent(),
        "QB1__flux.voltage: an array is not a finite number",
    ),
    (lambda r: set_(r, dut_label="other"), "dut_label: other is not here; M000_LAB_Z00_A00_01 is"),
    # soft sweeps
    (lambda r: add_sweep(r, "QB9__drive.frequency"), "nothing on this rack follows it"),
    (lambda r: add_sweep(r, "options.end_delay"), "options hold for the whole job"),
    (lambda r: add_sweep(r, "QB1__drive.frequency", n=0), "it has no values"),
    (lambda r: add_sweep(r), "an axis sweeps nothing"),
    (
        lambda r: add_sweep(r, "QB1__drive.frequency", "QB2__drive.frequency"),
        "QB1__drive.frequency, QB2__drive.frequency step together but have 3, 4 values",
    ),
    (sweep_one_setting_twice, "sweep of QB1__drive.frequency: it is swept twice"),
    (sweep_too_many_spots, "sweeps: 160000 spots; the limit is 100000"),
    (
        lambda r: add_sweep(r, "QB1__flux.voltage"),
        "value 2: 4400000000 V is not between -1 and 1 V",
    ),
    # what to return
    (lambda r: r.ClearField("return_parameters"), "return_parameters: is empty"),
    (lambda r: r.return_parameters.append("QB1__m1"), "QB1__m1 stands 2 times"),
    (lambda r: r.return_parameters.append("QB1__m2"), "no acquisition has the label QB1__m2; did"),
    (
        lambda r: r.playlist.schedules[0].channels[READOUT].instruction_refs.pop(),
        "no readout trigger that is played acquires QB1__m1",
    ),
]


@pytest.mark.parametrize(("edit", "sentence"), MISTAKES, ids=[m[1][:50] for m in MISTAKES])
def test_a_mistake_is_named_with_its_place_value_and_limit(edit: Edit, sentence: str) -> None:
    problems = problems_of(payload_of("bell", edit))

    assert any(sentence in each for each in problems), problems


def test_all_mistakes_are_told_at_once() -> None:
    payload = payload_of(
        "bell",
        lambda r: set_(pulse(r), scale_i=1.0, scale_q=1.0, phase=0.6),
        lambda r: set_(drive(r).instruction_table[2], duration_samples=81),
        lambda r: set_(drive(r).instruction_table[3].virtual_rz, phase_increment=NAN),
        lambda r: set_(option(r, "averaging_bins"), sint64_value=3),
        lambda r: trigger(r).acqusitions.append(9),
        lambda r: r.return_parameters.append("nobody"),
        lambda r: r.playlist.channels["QB9"].SetInParent(),
        lambda r: set_(r, dut_label="elsewhere"),
    )

    problems = problems_of(payload)

    for sentence in (
        "I or Q reaches",
        "81 is not a multiple",
        "phase_increment is nan",
        "shared evenly",
        "acqusitions names 9",
        "no acquisition has the label nobody",
        "QB9: this rack has no channel",
        "elsewhere is not here",
    ):
        assert any(sentence in each for each in problems), (sentence, problems)
    assert len(problems) == 8


def test_every_value_beyond_a_limit_of_the_station_is_told() -> None:
    """The setting's own limits are wider, and its unit is another one."""
    route = replace(WIRING.settings["QB1__flux.voltage"], scale=0.5, offset=0.1)
    rule = OutputRule("bias_qb1.voltage", unit="V", minimum=-0.2, maximum=0.2)
    wiring = replace(
        WIRING,
        settings={**WIRING.settings, "QB1__flux.voltage": route},
        outputs={"bias_qb1.voltage": rule},
    )
    sweep = unpack_sweep(payload_of("bell"))
    axis = (SweptSetting("QB1__flux.voltage", (-1.0, 0.0, 0.19, 0.21, 1.0)),)

    problems = problems_of(replace(sweep, axes=(axis,)), wiring)

    assert problems == [
        f"sweep of QB1__flux.voltage, value {index}: {value} makes bias_qb1.voltage {target} V, "
        "which the station keeps between -0.2 and 0.2 V"
        for index, value, target in ((0, "-1", "-0.4"), (3, "0.21", "0.205"), (4, "1", "0.6"))
    ]


def test_a_hundred_mistakes_are_listed_and_the_rest_counted() -> None:
    payload = payload_of("bell", lambda r: r.return_parameters.extend(f"n{k}" for k in range(250)))

    problems = problems_of(payload)

    assert len(problems) == 101
    assert problems[-1] == "and 150 more mistakes"


def test_a_result_beyond_the_limit_is_refused() -> None:
    problems = problems_of(payload_of("bell"), max_result_bytes=2000)

    assert problems == ["result: would be 2094 bytes; the limit is 2000"]


def test_channels_of_different_rates_are_refused() -> None:
    slow = replace(WIRING.channels[DRIVE], sample_rate_hz=1e9)
    wiring = replace(WIRING, channels={**WIRING.channels, DRIVE: slow})

    problems = problems_of(payload_of("bell"), wiring)

    assert any("different sample rates" in each for each in problems)


def test_a_count_may_come_as_a_whole_float() -> None:
    payload = payload_of(
        "bell",
        lambda r: set_(option(r, "playlist_repeats"), float64_value=20.0),
        lambda r: set_(option(r, "averaging_bins"), float64_value=10.0),
    )

    job = compiled(payload)

    assert (job.n_shots, job.n_bins) == (20, 10)


def test_a_null_setting_is_left_as_it_is() -> None:
    payload = payload_of(
        "bell",
        lambda r: set_(
            r.settings.subnodes["QB1__drive"].settings["frequency"].value,
            null_value=data_pb2.NULL_VALUE,
        ),
    )

    job = compiled(payload)

    assert "QB1__drive.frequency" not in job.settings
    assert "QB1__drive.frequency" not in job.ignored_settings


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "payload: holds nothing; a pulse job holds"),
        (b"\xff\xff\xff", "payload: is not a SweepTaskRequest message"),
        (b'{"circuits": []}', "payload: is not a SweepTaskRequest message"),
    ],
)
def test_other_bytes_are_refused(payload: bytes, sentence: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        unpack_sweep(payload)

    assert str(caught.value.problems[0]).startswith(sentence)


def test_another_type_and_a_missing_playlist_are_refused() -> None:
    task = sweep_pb2.SweepTaskRequest()
    task.payload.type_url = "x/iqm.RunRequest"
    empty = sweep_pb2.SweepTaskRequest()
    empty.payload.type_url = "any-host/iqm.data_definitions.station_control.v1.SweepRequest"

    assert "holds iqm.RunRequest" in problems_of(task.SerializeToString())[0]
    assert problems_of(empty.SerializeToString()) == ["playlist: is missing"]
