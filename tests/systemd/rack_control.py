"""The control port of the bench's simulated rack. Standard library alone."""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path

CONTROL_PORT = 15100
WIRING = Path("/etc/labd/star5/wiring.toml")
TOLERANCE = 1e-6


def rack_fault(do: str, **more: str) -> None:
    """Ask the simulated rack for a fault of its scope, or for the end of faults."""
    _asked(do, instrument="scope", **more)


def unsafe() -> set[str]:
    """What comes out now and is not at its safe value, as the simulated instruments say."""
    rules = tomllib.loads(WIRING.read_text())["outputs"]
    outputs: dict[str, float] = {}
    for name, ours in _asked("outputs")["outputs"].items():
        outputs |= {f"{name}.{path}": float(value) for path, value in ours.items()}
    playing = {name for name, value in outputs.items() if "is_running" in name and value}
    return playing | {
        name
        for name, rule in rules.items()
        if "safe" in rule and abs(outputs[name] - rule["safe"]) > TOLERANCE
    }


def _asked(do: str, **more: str) -> dict[str, dict[str, dict[str, float]]]:
    with socket.create_connection(("127.0.0.1", CONTROL_PORT)) as control:
        control.sendall(json.dumps({"do": do, **more}).encode() + b"\n")
        with control.makefile() as lines:
            answer: dict[str, dict[str, dict[str, float]]] = json.loads(lines.readline())
    assert "error" not in answer, answer
    return answer
