"""Waveform and sequence files of Tektronix AWGs: WFMX and SEQX. Pure.

WFMX: an XML header whose attribute `offset` is its own length, then NumberSamples float32, then, if
MarkersIncluded, a byte for each sample whose bit i is marker i + 1. SEQX: a ZIP with
`Sequences/*.sml` (XML) and `Waveforms/*.wfmx`.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
import zipfile
from pathlib import PurePosixPath

import numpy as np

from labd_drivers.sim.awg_sequence import END, FIRST, INFINITE, LAST, NEXT, Step, StepList
from labd_drivers.sim.awg_waveform import Waveform
from labd_drivers.sim.scpi import ScpiError

_OFFSET = re.compile(rb'<DataFile[^>]*\boffset="(\d+)"')
_INPUTS = {"None": "OFF", "TrigA": "ATRigger", "TrigB": "BTRigger", "Internal": "ITRigger"}
_TARGETS = {"Next": NEXT, "First": FIRST, "Last": LAST, "End": END}


def read_wfmx(octets: bytes) -> Waveform:
    """The waveform in a WFMX file. Raises ScpiError -300 if it is none, -222 for bad samples."""
    offset = _OFFSET.search(octets[:1024])
    if offset is None:
        raise ScpiError(-300, "not a WFMX file: no DataFile element with an offset")
    header = _parse_xml(octets[: int(offset[1])])
    described = {
        name: _text(header, name) for name in ("NumberFormat", "Endian", "MarkersIncluded")
    }
    if described["NumberFormat"] != "Single" or described["Endian"] not in ("Little", ""):
        raise ScpiError(-300, f"WFMX with {described['NumberFormat']} {described['Endian']}")
    n_samples = int(_text(header, "NumberSamples") or 0)
    has_markers = described["MarkersIncluded"].lower() == "true"
    data = memoryview(octets)[int(offset[1]) :]
    if len(data) < n_samples * (5 if has_markers else 4):
        raise ScpiError(-300, f"WFMX of {n_samples} samples has only {len(data)} bytes of data")
    samples = np.frombuffer(data[: 4 * n_samples], "<f4")
    if not np.isfinite(samples).all():
        raise ScpiError(-222, "WFMX: samples that are no numbers")
    samples = np.clip(samples, -1.0, 1.0)
    if not has_markers:
        return Waveform(samples)
    return Waveform(samples, np.frombuffer(data[4 * n_samples : 5 * n_samples], np.uint8).copy())


def read_seqx(octets: bytes) -> tuple[dict[str, StepList], dict[str, Waveform]]:
    """The sequences and waveforms in a SEQX file, by name. Raises ScpiError."""
    sequences: dict[str, StepList] = {}
    waveforms: dict[str, Waveform] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            for name in archive.namelist():
                path = PurePosixPath(name)
                if path.suffix == ".wfmx":
                    waveforms[path.stem] = read_wfmx(archive.read(name))
                elif path.suffix == ".sml":
                    title, steps = _read_sml(archive.read(name))
                    sequences[title or path.stem] = steps
    except zipfile.BadZipFile as error:
        raise ScpiError(-300, f"not a SEQX file: {error}") from error
    return sequences, waveforms


def _read_sml(octets: bytes) -> tuple[str, StepList]:
    root = _parse_xml(octets)
    listed = _find(root, "Steps")
    steps = [_read_step(element) for element in listed if _local(element) == "Step"]
    n_tracks = int(listed.get("TrackCount") or max((max(s.assets) for s in steps), default=1))
    return _text(root, "SequenceName"), StepList(n_tracks, steps)


def _read_step(element: ET.Element) -> Step:
    kinds = {_text(asset, "AssetType") for asset in _find(element, "Assets")}
    if "Sequence" in kinds:
        raise ScpiError(-300, "subsequences are not simulated")
    names = [_text(asset, "AssetName") for asset in _find(element, "Assets")]
    repeat = _text(element, "Repeat")
    count = int(_text(element, "RepeatCount") or 1)
    return Step(
        assets=dict(enumerate(names, start=1)),
        repeat={"Once": 1, "Infinite": INFINITE}.get(repeat, count),
        wait_input=_INPUTS.get(_text(element, "WaitInput"), "OFF"),
        goto=_target(element, "GoTo"),
        jump_input=_INPUTS.get(_text(element, "EventJumpInput"), "OFF"),
        jump_to=_target(element, "EventJumpTo"),
    )


def _target(element: ET.Element, name: str) -> int:
    kind = _text(element, name)
    if kind in _TARGETS:
        return _TARGETS[kind]
    return int(_text(element, name + "Step") or 1)


def _parse_xml(octets: bytes) -> ET.Element:
    if b"<!" in octets.replace(b"<!--", b""):
        raise ScpiError(-300, "a document type declaration in a file header")
    try:
        return ET.fromstring(octets)
    except ET.ParseError as error:
        raise ScpiError(-300, f"not XML: {error}") from error


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _find(root: ET.Element, name: str) -> ET.Element:
    for element in root.iter():
        if _local(element) == name:
            return element
    raise ScpiError(-300, f"no {name} element")


def _text(root: ET.Element, name: str) -> str:
    for element in root.iter():
        if _local(element) == name:
            return (element.text or "").strip()
    return ""
