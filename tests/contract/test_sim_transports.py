"""HiSLIP, VXI-11 and raw SOCKET on one port: framing, device clear, blocks, clients that go."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest
import pyvisa
from pyvisa.constants import ResourceAttribute
from pyvisa.resources import MessageBasedResource
from sim_support import loopback_rack

from labd_drivers.sim.main import HOST, SimulatedRack

EVERY_BYTE = bytes(range(256)) * 8


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    with loopback_rack() as running:
        yield running


@pytest.fixture(scope="module")
def manager() -> Iterator[pyvisa.ResourceManager]:
    opened = pyvisa.ResourceManager("@py")
    yield opened
    opened.close()


class Client:
    """A VISA resource with what the tests say to it."""

    def __init__(self, resource: MessageBasedResource, transport: str) -> None:
        self.resource = resource
        self.transport = transport

    def ask(self, message: str) -> str:
        return self.resource.query(message)

    def code(self) -> int:
        return int(self.ask("SYST:ERR:CODE?"))

    def ask_block(self, message: str, n_bytes: int) -> bytes:
        self.resource.write(message)
        head = self.resource.read_bytes(2)
        n_digits = int(head[1:])
        assert int(self.resource.read_bytes(n_digits)) == n_bytes
        content = self.resource.read_bytes(n_bytes)
        assert self.resource.read_bytes(1) == b"\n"
        return content


@pytest.fixture(params=["hislip", "vxi11", "socket"])
def client(
    rack: SimulatedRack, manager: pyvisa.ResourceManager, request: pytest.FixtureRequest
) -> Iterator[Client]:
    address = rack.addresses(request.param)["awg1"]
    resource = manager.open_resource(address, read_termination="\n", write_termination="\n")
    assert isinstance(resource, MessageBasedResource)
    if request.param != "socket":
        resource.set_visa_attribute(ResourceAttribute.termchar_enabled, False)
    resource.timeout = 5000
    opened = Client(resource, request.param)
    opened.ask("*CLS;:WLIS:WAV:DEL ALL;*OPC?")
    yield opened
    resource.close()


def test_files_with_every_byte_come_back_as_they_went(client: Client) -> None:
    client.resource.write_raw(b'MMEM:DATA "all.bin",#42048' + EVERY_BYTE)

    assert client.ask_block('MMEM:DATA? "all.bin"', 2048) == EVERY_BYTE
    assert client.code() == 0


def test_a_newline_after_a_block_is_no_message(client: Client) -> None:
    client.resource.write_raw(b'MMEM:DATA "nl.bin",#13a\nb\n')

    assert client.ask("*OPC?") == "1"
    assert client.ask_block('MMEM:DATA? "nl.bin"', 3) == b"a\nb"


def test_an_indefinite_block_ends_with_its_message(client: Client) -> None:
    content = b"ab;c" if client.transport == "socket" else b"a\nb;c"
    client.resource.write_raw(b'MMEM:DATA "nl.bin",#0' + content + b"\n")

    assert client.ask_block('MMEM:DATA? "nl.bin"', len(content)) == content


def test_a_waveform_of_megabytes_arrives(client: Client) -> None:
    n_samples = 1_000_000
    wave = np.random.default_rng(0).uniform(-1, 1, n_samples).astype("<f4")

    client.resource.write(f'WLIS:WAV:NEW "big",{n_samples},REAL')
    client.resource.write_raw(b'WLIS:WAV:DATA "big",0,1000000,#74000000' + wave.tobytes())

    assert client.ask_block('WLIS:WAV:DATA? "big",999000,1000', 4000) == wave[-1000:].tobytes()


def test_two_clients_share_one_instrument(client: Client, rack: SimulatedRack) -> None:
    client.resource.write('WLIS:WAV:NEW "mine",10,REAL')
    assert client.ask("*OPC?") == "1"

    with socket.create_connection((HOST, rack.servers["awg1"].port)) as other:
        other.sendall(b"WLIS:LIST?\n")
        assert other.recv(100) == b'"mine"\n'


def test_clients_that_go_in_the_middle_leave_the_instrument_alive(
    client: Client, rack: SimulatedRack
) -> None:
    for start in (
        b"",
        b"H",
        b"HS",
        b"HS\x00\x00",
        b"\x80\x00\x00\x28half",
        b'MMEM:DATA "x",#9',
        b"*",
    ):
        with socket.create_connection((HOST, rack.servers["awg1"].port)) as other:
            other.sendall(start)

    assert client.ask("*OPC?") == "1"


def test_wrong_bytes_end_a_connection_and_nothing_else(client: Client, rack: SimulatedRack) -> None:
    for wrong in (
        b"HS" + b"\xff" * 14,
        struct.pack("!2sBBIQ", b"HS", 0, 0, 0x01000000, 7) + b"hislip0" + b"XX" * 8,
        struct.pack("!2sBBIQ", b"HS", 17, 0, 999, 0),
        struct.pack("!I", 0x80000008) + b"too few!",
        struct.pack("!I", 0x80000028) + struct.pack("!10I", 1, 0, 2, 99, 1, 10, 0, 0, 0, 0),
    ):
        with socket.create_connection((HOST, rack.servers["awg1"].port)) as other:
            other.settimeout(5)
            other.sendall(wrong)
            other.shutdown(socket.SHUT_WR)
            while other.recv(1000):
                pass

    assert client.ask("*OPC?") == "1"


# ---- device clear and interrupted queries


def test_device_clear_drops_what_waits(client: Client, rack: SimulatedRack) -> None:
    if client.transport == "socket":
        pytest.skip("pyvisa-py clears only its own buffer on a socket")
    scope_address = rack.addresses(client.transport)["scope"]
    scope = pyvisa.ResourceManager("@py").open_resource(
        scope_address, read_termination="\n", write_termination="\n"
    )
    assert isinstance(scope, MessageBasedResource)
    scope.write("*RST;:ACQ:STOPA SEQ;STATE ON;*OPC?;*IDN?")
    instrument = rack.rack.instruments["scope"]
    with rack.rack.room:
        assert rack.rack.room.wait_for(instrument.is_busy, 5)

    scope.clear()

    assert scope.query("HEAD OFF;:ACQ:STATE?") == "1"
    assert scope.query("ACQ:STATE OFF;*OPC?") == "1"
    scope.close()


def test_an_answer_that_nobody_read_is_an_interrupted_query(client: Client) -> None:
    if client.transport == "socket":
        pytest.skip("answers on a socket have gone when the next message comes")
    client.resource.write("*IDN?")

    assert client.ask("*OPC?") == "1"

    assert client.code() == -410


def test_reading_what_was_not_asked_times_out_and_stays_in_step(client: Client) -> None:
    if client.transport == "hislip":
        pytest.skip("pyvisa-py does not wait after the end of an answer")
    client.resource.timeout = 100

    with pytest.raises(pyvisa.VisaIOError):
        client.resource.read()

    client.resource.timeout = 5000
    assert client.ask("*OPC?") == "1"


def test_the_status_byte_is_read_beside_the_messages(client: Client) -> None:
    if client.transport == "socket":
        pytest.skip("a socket has no status byte")
    client.resource.write("*SRE 32;*ESE 32;NONSENSE")
    client.ask("*OPC?")

    assert client.resource.read_stb() & 0x64 == 0x64


def test_vxi11_stops_at_a_termination_character_when_it_is_asked_to(
    rack: SimulatedRack, manager: pyvisa.ResourceManager
) -> None:
    resource = manager.open_resource(rack.addresses("vxi11")["awg1"], read_termination="\n")
    assert isinstance(resource, MessageBasedResource)
    resource.write_raw(b'MMEM:DATA "nl.bin",#13a\nb')
    resource.write('MMEM:DATA? "nl.bin"')

    assert [resource.read(), resource.read()] == ["#13a", "b"]
    resource.close()


def test_small_reads_take_an_answer_in_parts(client: Client) -> None:
    client.resource.write("*IDN?")

    assert client.resource.read_bytes(4) == b"TEKT"
    assert client.resource.read().startswith("RONIX,AWG5208")


def test_a_hislip_message_larger_than_the_client_takes_comes_in_pieces(
    rack: SimulatedRack, manager: pyvisa.ResourceManager
) -> None:
    resource = manager.open_resource(rack.addresses("hislip")["awg1"], read_termination="\n")
    assert isinstance(resource, MessageBasedResource)
    resource.set_visa_attribute(ResourceAttribute.tcpip_hislip_max_message_kb, 1)
    resource.write_raw(b'MMEM:DATA "all.bin",#42048' + EVERY_BYTE)

    answer = resource.query_binary_values('MMEM:DATA? "all.bin"', datatype="B", container=bytes)

    assert answer == EVERY_BYTE
    resource.close()
