"""A rack process without instruments: it speaks the real messages and does what a payload says.

The payload is a captured sweep; JSON after ``quick:`` in its queue name says what to do:
{"do": "complete" | "fail" | "die" | "deaf" | "unavailable" | "measure", "bytes": n, "s": seconds}.
"crash" ends it by {"signal": n}, "leave" by _exit; "stall" answers pings and does nothing; "fault"
is an instrument's, in every attempt; "fault once" and "crash once" complete in the second one.
"slow" completes beside an instrument that has become slow. "ignore" does not even start; "hang" is
a driver that does not come back. After "fault" the rack is ready again at once, unless there is a
file away: then once that has gone.
"measure" writes a real result of zeros block by block; {"blocks": n, "then": "wait" | "die" |
"fail" | "finish"} says how many of ten it writes before it waits for a cancel, dies, fails or
finishes.
A circuit job says it in a member "quick" of its JSON; its result has one key "m" and a bit a shot.
Every job that it starts is noted in started.txt, so that a test can count runs.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from labd.core.errors import JobFailure
from labd.core.flight import BOARD_BYTES, Recorder
from labd.core.health import Sign
from labd.rack import messages as rack
from labd.wire import sweep_pb2


class QuickRack:
    def __init__(self, connection: socket.socket, wiring: Path, flight: int = -1) -> None:
        self._wiring = wiring
        self._flight = flight
        self._connection = connection
        self._reader = rack.MessageReader()
        self._inbox: list[rack.Message] = []
        self._is_released = False
        self._owes_ready = False

    def say(self, message: rack.FromRack) -> None:
        self._connection.sendall(rack.pack_message(message))

    def next(self, timeout_s: float | None) -> rack.Message | None:
        if not self._inbox:
            ready, _, _ = select.select([self._connection], [], [], timeout_s)
            if not ready:
                return None
            chunk = self._connection.recv(65536)
            if not chunk:
                sys.exit(0)
            self._inbox += self._reader.feed(chunk)
        message = self._inbox.pop(0) if self._inbox else None
        if isinstance(message, rack.Ping):
            self.say(rack.Pong())
        return message

    def serve(self) -> None:
        self._owes_ready = True
        while True:
            if self._owes_ready and not Path("away").exists():
                self._owes_ready = False
                self.say(rack.Ready((rack.Instrument("awg1", "quick", "1", "1"),)))
            match self.next(None):
                case rack.Run() as order:
                    self.run(order)
                case rack.Granted() if self._is_released:
                    self._is_released, self._owes_ready = False, True
                case rack.Shutdown():
                    self.say(rack.Stopped())
                    return
                case _:
                    pass

    def run(self, order: rack.Run) -> None:
        with Path(os.environ.get("LABD_TEST_STARTED", "started.txt")).open("a") as log:
            log.write(order.job_id + "\n")
        payload = Path(order.payload_path).read_bytes()
        wish = wish_of(payload)
        if wish["do"] == "ignore":
            self.wait_for_the_end()
        self.say(rack.Started(order.job_id))
        match wish["do"]:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                self.say(rack.Failed(order.job_id, "awg1, while playing: it caught fire"))
                return
            case "crash":
                os.kill(os.getpid(), wish["signal"])
            case "leave":
                os._exit(3)
            case "stall":
                self.say(rack.Budgeted(order.job_id, 0.0, 0.0))
                self.wait_for_the_end()
            case "slow":
                for took_s in (0.002, 2.0, 2.0):
                    self.say(rack.Probed((Sign("awg1", took_s),)))
            case "hang":
                self.say(rack.Budgeted(order.job_id, 3600.0, 3600.0))
                self.hang()
            case "fault once" if not Path("faulted-once").exists():
                Path("faulted-once").touch()
                Path(order.result_path + ".part").write_bytes(b"of the first attempt")
                what = "awg1, while playing: it is mute"
                self.say(rack.Faulted("awg1", what))
                self.say(rack.Unavailable(what))
                self.say(rack.Failed(order.job_id, what, "awg1"))
                self.say(rack.Released())
                self._is_released = True
                return
            case "fault":
                what = "awg1, while playing: it is mute"
                self.say(rack.Faulted("awg1", what))
                self.say(rack.Unavailable(what))
                self.say(rack.Failed(order.job_id, what, "awg1"))
                self.say(rack.Released())
                self._is_released = True
                return
            case "crash once" if not Path("crashed-once").exists():
                Path("crashed-once").touch()
                os.kill(os.getpid(), signal.SIGSEGV)
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(3600)
            case "measure":
                self.measure(order, wish)
                return
            case "unavailable":
                self.say(rack.Failed(order.job_id, "awg1 is gone"))
                self.say(rack.Unavailable("awg1 does not answer"))
                time.sleep(wish["s"])
                self.say(rack.Ready(()))
                return
            case _:
                pass
        if self.was_cancelled(order, wish["s"]):
            self.say(rack.Cancelled(order.job_id))
            return
        part = Path(order.result_path + ".part")
        with part.open("wb") as file:
            if order.job_type == "CIRCUIT":
                file.write(rows_of(payload))
            else:
                file.truncate(wish["bytes"])
                file.seek(0, os.SEEK_END)
                file.write(b"result of " + order.job_id.encode())
            file.flush()
            os.fsync(file.fileno())
        part.rename(order.result_path)
        self.say(rack.Completed(order.job_id, {"play": wish["s"]}))

    def wait_for_the_end(self) -> None:
        while not isinstance(self.next(None), rack.Shutdown):
            pass

    def hang(self) -> None:
        """As a driver does below which a thread has gone and does not come back."""
        board = memoryview(mmap.mmap(self._flight, BOARD_BYTES))
        recorder = Recorder(board, 0, "awg1", time.monotonic_ns)
        recorder.sent(b"AWGControl:RUN\n")
        recorder.enter(threading.get_ident(), 0.1)
        self.wait_for_the_end()

    def measure(self, order: rack.Run, wish: dict[str, Any]) -> None:
        from quick_measurement import measure  # numpy: half of this process's start

        steps = measure(order, self._wiring, wish["blocks"], wish["then"] == "finish")
        try:
            for done, total in steps:
                self.say(rack.Progress(order.job_id, done, total))
        except JobFailure as error:
            self.say(rack.Failed(order.job_id, str(error)))
            return
        match wish["then"]:
            case "finish":
                self.say(rack.Completed(order.job_id, {}))
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                self.say(rack.Failed(order.job_id, "awg1, while playing: it caught fire"))
            case _:
                self.was_cancelled(order, 3600.0)
                self.say(rack.Cancelled(order.job_id))

    def was_cancelled(self, order: rack.Run, seconds: float) -> bool:
        until, total = time.monotonic() + seconds, 10
        for done in range(1, total + 1):
            while (left := until - seconds * (total - done) / total - time.monotonic()) > 0:
                match self.next(left):
                    case rack.Cancel(job_id) if job_id == order.job_id:
                        return True
                    case rack.Shutdown():
                        self.say(rack.Cancelled(order.job_id))
                        self.say(rack.Stopped())
                        sys.exit(0)
                    case _:
                        pass
            self.say(rack.Progress(order.job_id, done, total))
        return False


DEFAULT = {"do": "complete", "bytes": 0, "s": 0.0, "blocks": 0, "then": "finish", "signal": 11}


def rows_of(payload: bytes) -> bytes:
    asked = json.loads(payload)
    ones = b"[0],[1]," * (asked["shots"] // 2) + b"[0]," * (asked["shots"] % 2)
    circuit = b'{"m":[' + ones[:-1] + b" ]}"
    return b"[" + b",".join([circuit] * len(asked["circuits"])) + b"]"


def wish_of(payload: bytes) -> dict[str, Any]:
    if payload.startswith(b"{"):
        return {**DEFAULT, **json.loads(payload).get("quick", {})}
    name = sweep_pb2.SweepTaskRequest.FromString(payload).queue_name
    wish = dict(DEFAULT)
    if name.startswith("quick:"):
        wish |= json.loads(name.removeprefix("quick:"))
    return wish


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--flight-fd", type=int, required=True)
    parser.add_argument("--wiring", type=Path, required=True)
    arguments, _ = parser.parse_known_args()
    connection = socket.socket(fileno=arguments.fd)
    QuickRack(connection, arguments.wiring, arguments.flight_fd).serve()
