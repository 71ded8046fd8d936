"""The grammar of program messages, the command tree, and the framing on bare sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd_drivers.sim.rawsocket import Framer
from labd_drivers.sim.scpi import Data, ScpiError, Text, Unit, Word, definite_block, parse
from labd_drivers.sim.tree import Call, CommandTree


def units(message: bytes) -> list[Unit]:
    return list(parse(memoryview(message)))


def headers(message: bytes) -> list[str]:
    return [str(unit) for unit in units(message)]


def test_a_header_after_a_semicolon_continues_where_the_last_one_ended() -> None:
    message = b":HOR:FAST:STATE 1;COUN 5;:CH1:SCA 0.1;*OPC?;OFFS?"

    assert headers(message) == [
        "HOR:FAST:STATE",
        "HOR:FAST:COUN",
        "CH1:SCA",
        "*OPC?",
        "CH1:OFFS?",
    ]


def test_a_newline_ends_the_message_and_its_path() -> None:
    assert headers(b"CH1:SCA 1\nHEAD OFF\r\n") == ["CH1:SCA", "HEAD"]


def test_parameters_are_words_strings_and_blocks() -> None:
    (unit,) = units(b'X:Y  1.5E9 , 10 MHz,"it\'s; ""new""",\'"a",b\', #14\n;\x00\xff ,#HFF\n')

    data = unit.parameters[4]
    assert unit.parameters[:4] == (
        Word("1.5E9"),
        Word("10 MHz"),
        Text('it\'s; "new"'),
        Text('"a",b'),
    )
    assert isinstance(data, Data)
    assert bytes(data.octets) == b"\n;\x00\xff"
    assert unit.parameters[5] == Word("#HFF")


def test_an_indefinite_block_runs_to_the_end_without_its_newline() -> None:
    (unit,) = units(b'D "f",#0ab\n;c\n')

    assert isinstance(unit.parameters[1], Data)
    assert bytes(unit.parameters[1].octets) == b"ab\n;c"


@given(st.binary(max_size=300), st.sampled_from([b"", b"\n", b";*OPC?"]))
def test_a_definite_block_may_hold_any_bytes(content: bytes, tail: bytes) -> None:
    (unit, *rest) = units(b'DATA "n",' + definite_block(content) + tail)

    assert isinstance(unit.parameters[1], Data)
    assert bytes(unit.parameters[1].octets) == content
    assert [str(other) for other in rest] == (["*OPC?"] if b"OPC" in tail else [])


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"1X 2", -102),
        (b"A:B 1 2,", -102),
        (b"A:B 1,,2", -102),
        (b'A:B"x"', -102),
        (b'A "x', -151),
        (b"A #3", -161),
        (b"A #15abc", -161),
        (b"A #2xxabc", -161),
        (b"\x80\xff", -102),
    ],
)
def test_what_leaves_the_grammar_is_a_command_error(message: bytes, code: int) -> None:
    with pytest.raises(ScpiError) as caught:
        units(b"FINE;" + message)

    assert caught.value.code == code


@given(st.binary(max_size=80))
def test_any_bytes_are_units_or_a_command_error(message: bytes) -> None:
    try:
        units(message)
    except ScpiError as error:
        assert error.is_command_error


# ---- the tree


@pytest.fixture
def tree() -> CommandTree:
    built = CommandTree()
    for pattern in (
        "[SOURce#8]:VOLTage[:LEVel][:AMPLitude]",
        "OUTPut#8[:STATe]",
        "OUTPut:OFF",
        "SLISt:STEP#16383:TASSet#8:WAVeform",
        "WFMOutpre:BYT_Nr",
        "*OPC",
    ):
        built.add(pattern, write=lambda _: None)
    return built


@pytest.mark.parametrize(
    ("header", "pattern", "suffixes"),
    [
        ("VOLT", "[SOURce#8]:VOLTage[:LEVel][:AMPLitude]", (1,)),
        ("sour3:voltage:ampl", "[SOURce#8]:VOLTage[:LEVel][:AMPLitude]", (3,)),
        ("SOURCE8:VOLT:LEV:AMPLITUDE", "[SOURce#8]:VOLTage[:LEVel][:AMPLitude]", (8,)),
        ("OUTP", "OUTPut#8[:STATe]", (1,)),
        ("OUTPut:STATe", "OUTPut#8[:STATe]", (1,)),
        ("OUTPut4", "OUTPut#8[:STATe]", (4,)),
        ("OUTPUT:OFF", "OUTPut:OFF", ()),
        ("SLIS:STEP77:TASS2:WAV", "SLISt:STEP#16383:TASSet#8:WAVeform", (77, 2)),
        ("wfmoutpre:byt_nr", "WFMOutpre:BYT_Nr", ()),
        ("*opc", "*OPC", ()),
    ],
)
def test_headers_are_found_in_short_and_long_form_with_suffixes(
    tree: CommandTree, header: str, pattern: str, suffixes: tuple[int, ...]
) -> None:
    found = tree.find(header)

    assert (found.command.pattern, found.suffixes) == (pattern, suffixes)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("VOLTA", -113),
        ("SOUR:CURR", -113),
        ("OUTP9", -114),
        ("OUTP0:STAT", -114),
        ("OUTP:OFF2", -113),
        ("SLIS:STEP", -113),
        ("", -113),
    ],
)
def test_unknown_headers_and_suffixes_are_refused(
    tree: CommandTree, header: str, code: int
) -> None:
    with pytest.raises(ScpiError) as caught:
        tree.find(header)

    assert caught.value.code == code


def test_a_full_header_is_long_and_in_capitals(tree: CommandTree) -> None:
    assert tree.full_header(tree.find("SLIS:STEP7:TASS2:WAV")) == ":SLIST:STEP7:TASSET2:WAVEFORM"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("-.5e3", -500.0), ("10MHz", 1e7), ("2 GHZ", 2e9), ("#H1F", 31.0), ("5mV", 5e-3)],
)
def test_numbers_come_in_base_units(text: str, value: float) -> None:
    call = Call(Unit("X", False, (Word(text),)), ())

    assert call.number(0) == pytest.approx(value)


@pytest.mark.parametrize(("text", "code"), [("abc", -104), ("1 parsec", -224), ("1e", -224)])
def test_what_is_no_number_is_refused(text: str, code: int) -> None:
    call = Call(Unit("X", False, (Word(text),)), ())

    with pytest.raises(ScpiError) as caught:
        call.number(0)

    assert caught.value.code == code


# ---- framing on a bare socket


def test_a_block_ends_its_message_and_one_newline_after_it_is_swallowed() -> None:
    framer = Framer()

    messages = framer.feed(b'D "a",#15\n;"\'#*OPC?\nD "b",#11x\n*IDN?\n')

    assert [bytes(message) for message in messages] == [
        b'D "a",#15\n;"\'#',
        b"*OPC?",
        b'D "b",#11x',
        b"*IDN?",
    ]


def test_a_newline_in_quotes_still_ends_a_message() -> None:
    assert [bytes(m) for m in Framer().feed(b'A "x\n*OPC?\n')] == [b'A "x', b"*OPC?"]


_messages = st.one_of(
    st.sampled_from([b"*OPC?\n", b"A:B 1,'#x\"'\n", b'N "a#15",#HFF\n', b"Q #0ab\n"]),
    st.binary(min_size=1, max_size=40).map(lambda octets: b'D "n",' + definite_block(octets)),
)


@given(st.lists(_messages, max_size=6), st.data())
def test_framing_does_not_depend_on_how_the_bytes_arrive(
    messages: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer, received = Framer(), []

    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += [bytes(message) for message in framer.feed(stream[start:stop])]

    assert received == [m if b'"n"' in m else m.rstrip(b"\n") for m in messages]
