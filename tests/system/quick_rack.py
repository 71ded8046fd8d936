"""A rack process without instruments: it speaks the real messages and does what a payload says.

The payload is a captured sweep; JSON after ``quick:`` in its queue name says what to do:
{"do": "complete" | "fail" | "die" | "deaf" | "unavailable", "bytes": n, "s": seconds}.
A circuit job says it in a member "quick" of its JSON; its result has one key "m" and a bit a shot.
Every job that it starts is noted in started.txt, so that a test can count runs.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from labd.rack import messages as rack
from labd.wire import sweep_pb2


class QuickRack:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = rack.MessageReader()
        self._inbox: list[rack.Message] = []

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
        return self._inbox.pop(0) if self._inbox else None

    def serve(self) -> None:
        self.say(rack.Ready((rack.Instrument("awg1", "quick", "1", "1"),)))
        while True:
            match self.next(None):
                case rack.Run() as order:
                    self.run(order)
                case rack.Shutdown():
                    self.say(rack.Stopped())
                    return
                case _:
                    pass

    def run(self, order: rack.Run) -> None:
        with Path("started.txt").open("a") as log:
            log.write(order.job_id + "\n")
        payload = Path(order.payload_path).read_bytes()
        wish = wish_of(payload)
        self.say(rack.Started(order.job_id))
        match wish["do"]:
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fail":
                self.say(rack.Failed(order.job_id, "awg1, while playing: it caught fire"))
                return
            case "deaf":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(3600)
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
            os.fsync(file.fileno())
        part.rename(order.result_path)
        self.say(rack.Completed(order.job_id, {"play": wish["s"]}))

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


def rows_of(payload: bytes) -> bytes:
    asked = json.loads(payload)
    ones = b"[0],[1]," * (asked["shots"] // 2) + b"[0]," * (asked["shots"] % 2)
    circuit = b'{"m":[' + ones[:-1] + b" ]}"
    return b"[" + b",".join([circuit] * len(asked["circuits"])) + b"]"


def wish_of(payload: bytes) -> dict[str, Any]:
    if payload.startswith(b"{"):
        return {"do": "complete", "bytes": 0, "s": 0.0, **json.loads(payload).get("quick", {})}
    name = sweep_pb2.SweepTaskRequest.FromString(payload).queue_name
    wish = {"do": "complete", "bytes": 0, "s": 0.0}
    if name.startswith("quick:"):
        wish |= json.loads(name.removeprefix("quick:"))
    return wish


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    arguments, _ = parser.parse_known_args()
    QuickRack(socket.socket(fileno=arguments.fd)).serve()
