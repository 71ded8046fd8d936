"""A stored circuit payload as later generations of clients read it back.

Jobs are stored as they came. Whoever asks for one gets `locus` and angles in radians, whichever way
they were written; all else stays as it was. Texts (OpenQASM) stay texts.
"""

from __future__ import annotations

import json
import math

from labd.chip_files import Json, JsonObject

_ALIASES = {"phased_rx": "prx", "measurement": "measure"}
_TURNS = {"angle_t": "angle", "phase_t": "phase"}


def read_request(payload: bytes) -> JsonObject:
    """The request of an accepted circuit job."""
    request: JsonObject = json.loads(payload)
    if b'"qubits"' in payload or any(alias.encode() in payload for alias in _ALIASES):
        circuits = request.get("circuits")
        request["circuits"] = [_circuit(each) for each in _list(circuits)]
    return request


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _circuit(circuit: Json) -> Json:
    if not isinstance(circuit, dict):
        return circuit
    instructions = [_instruction(each) for each in _list(circuit.get("instructions"))]
    return {**circuit, "instructions": instructions}


def _instruction(instruction: Json) -> Json:
    if not isinstance(instruction, dict):
        return instruction
    renamed: JsonObject = {**instruction}
    name = renamed.get("name")
    if isinstance(name, str):
        renamed["name"] = _ALIASES.get(name, name)
    if renamed.get("qubits") is not None:
        renamed["locus"] = renamed.pop("qubits")
    args = renamed.get("args")
    if isinstance(args, dict):
        renamed["args"] = {_TURNS.get(key, key): _angle(key, args[key]) for key in args}
    return renamed


def _angle(name: str, value: Json) -> Json:
    """Turns as radians."""
    if name in _TURNS and isinstance(value, int | float):
        return value * 2 * math.pi
    return value
