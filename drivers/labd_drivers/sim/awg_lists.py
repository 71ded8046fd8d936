"""The AWG's waveform list, sequence list and files, and the commands that work on them.

A sequence or waveform of an existing name is never overwritten by creating or loading one: NEW is
refused, loading a SEQX file keeps what is there, as users of the instrument have found.
"""

from __future__ import annotations

import ntpath
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.awg_files import read_seqx, read_wfmx
from labd_drivers.sim.awg_sequence import END, FIRST, INFINITE, LAST, NEXT, Step, StepList
from labd_drivers.sim.awg_waveform import Waveform
from labd_drivers.sim.instrument import Instrument
from labd_drivers.sim.scpi import ScpiError, Word, definite_block, quoted
from labd_drivers.sim.tree import Call, short_form

MIN_SEQUENCED_SAMPLES = 2400
MAX_STEPS = 16383
MAX_REPEAT = 1 << 20
_N_TRACKS = 8
_N_MARKERS = 4
_INPUTS = ("OFF", "ATRigger", "BTRigger", "ITRigger")
_TARGETS = {"NEXT": NEXT, "FIRSt": FIRST, "LAST": LAST, "END": END}
_TARGET_NAMES = {value: name for name, value in _TARGETS.items()}
_WIRE_BITS = np.array(
    [sum(((byte >> i) & 1) << (7 - i) for i in range(_N_MARKERS)) for byte in range(256)], np.uint8
)
_INNER_BITS = np.array(
    [sum(((byte >> (7 - i)) & 1) << i for i in range(_N_MARKERS)) for byte in range(256)], np.uint8
)


class AwgLists:
    """Waveforms and sequences by name, and the disk.

    on_deleted: called with the names of deleted waveforms or sequences.
    """

    def __init__(
        self, awg: Instrument, memory_samples: int, on_deleted: Callable[[set[str]], None]
    ) -> None:
        self._awg = awg
        self._on_deleted = on_deleted
        self._memory_samples = memory_samples
        self._waveforms: dict[str, Waveform] = {}
        self._used_samples = 0
        self._sequences: dict[str, StepList] = {}
        self._files: dict[str, bytes] = {}
        self._directory = "C:\\"
        self._add_waveform_commands()
        self._add_sequence_commands()
        self._add_file_commands()

    def clear(self) -> None:
        """Empty both lists."""
        self._waveforms.clear()
        self._sequences.clear()
        self._used_samples = 0

    def has_waveform(self, name: str) -> bool:
        """Whether the list has it."""
        return name in self._waveforms

    def waveform(self, name: str) -> Waveform:
        """A waveform. Raises ScpiError -224 if there is none."""
        if name not in self._waveforms:
            raise ScpiError(-224, f"no waveform {name}")
        return self._waveforms[name]

    def sequence(self, name: str) -> StepList:
        """A sequence. Raises ScpiError -224 if there is none."""
        if name not in self._sequences:
            raise ScpiError(-224, f"no sequence {name}")
        return self._sequences[name]

    # ---- waveforms

    def _add_waveform_commands(self) -> None:
        add = self._awg.tree.add
        add("WLISt:SIZE", query=lambda _: str(len(self._waveforms)))
        add("WLISt:LIST", query=lambda _: quoted(",".join(self._waveforms)))
        add("WLISt:NAME", query=lambda call: _nth(self._waveforms, call))
        add("WLISt:WAVeform:NEW", write=self._new_waveform)
        add("WLISt:WAVeform:DELete", write=self._delete_waveform)
        add(
            "WLISt:WAVeform:LENGth",
            query=lambda call: str(self.waveform(call.text(0)).n_samples),
        )
        add("WLISt:WAVeform:DATA", write=self._write_samples, query=self._read_samples)
        add("WLISt:WAVeform:MARKer:DATA", write=self._write_markers, query=self._read_markers)

    def _reserve(self, n_samples: int) -> None:
        free = self._memory_samples - self._used_samples
        if n_samples > free:
            raise ScpiError(-225, f"{n_samples} samples, {free} free of {self._memory_samples}")
        self._used_samples += n_samples

    def _new_waveform(self, call: Call) -> None:
        call.expect(2, 3)
        name, n_samples = call.text(0), call.integer(1, 1, self._memory_samples)
        if len(call.parameters) > 2:
            call.choice(2, ("REAL",))
        if name in self._waveforms:
            raise ScpiError(-224, f"waveform {name} exists")
        self._reserve(n_samples)
        self._waveforms[name] = Waveform(np.zeros(n_samples, np.float32))
        self._awg.changed()

    def _delete_waveform(self, call: Call) -> None:
        call.expect(1)
        if isinstance(call.parameters[0], Word) and call.choice(0, ("ALL",)):
            names = set(self._waveforms)
        else:
            self.waveform(call.text(0))
            names = {call.text(0)}
        for name in names:
            self._used_samples -= self._waveforms.pop(name).n_samples
        self._on_deleted(names)
        self._awg.changed()

    def _write_samples(self, call: Call) -> None:
        name, waveform, start, size, octets = self._addressed_data(call)
        if len(octets) != 4 * size:
            raise ScpiError(-161, f"{call.unit}: {len(octets)} bytes for {size} samples")
        samples = np.frombuffer(octets, "<f4")
        if not (np.abs(samples) <= 1.0).all():
            raise ScpiError(-222, f"{call.unit} {name}: samples beyond -1 to 1, or no numbers")
        self._waveforms[name] = waveform.with_samples(start, samples)
        self._awg.changed()

    def _write_markers(self, call: Call) -> None:
        name, waveform, start, size, octets = self._addressed_data(call)
        if len(octets) != size:
            raise ScpiError(-161, f"{call.unit}: {len(octets)} bytes for {size} samples")
        markers = _INNER_BITS[np.frombuffer(octets, np.uint8)]
        self._waveforms[name] = waveform.with_markers(start, markers)
        self._awg.changed()

    def _addressed_data(self, call: Call) -> tuple[str, Waveform, int, int, memoryview]:
        """The parameters "name"[,start[,size]],block."""
        call.expect(2, 4)
        octets = call.block(len(call.parameters) - 1)
        name = call.text(0)
        waveform = self.waveform(name)
        start, size = self._span(call, waveform, len(call.parameters) - 2)
        return name, waveform, start, size, octets

    def _span(self, call: Call, waveform: Waveform, n_given: int) -> tuple[int, int]:
        start = call.integer(1, 0, waveform.n_samples - 1) if n_given > 0 else 0
        left = waveform.n_samples - start
        return start, call.integer(2, 1, left) if n_given > 1 else left

    def _read_samples(self, call: Call) -> bytes:
        call.expect(1, 3)
        waveform = self.waveform(call.text(0))
        start, size = self._span(call, waveform, len(call.parameters) - 1)
        part: npt.NDArray[np.float32] = waveform.samples[start : start + size]
        return definite_block(part.astype("<f4").tobytes())

    def _read_markers(self, call: Call) -> bytes:
        call.expect(1, 3)
        waveform = self.waveform(call.text(0))
        start, size = self._span(call, waveform, len(call.parameters) - 1)
        return definite_block(_WIRE_BITS[waveform.markers[start : start + size]].tobytes())

    # ---- sequences

    def _add_sequence_commands(self) -> None:
        add = self._awg.tree.add
        step = f"SLISt:SEQuence:STEP#{MAX_STEPS}"
        add("SLISt:SIZE", query=lambda _: str(len(self._sequences)))
        add("SLISt:NAME", query=lambda call: _nth(self._sequences, call))
        add("SLISt:SEQuence:NEW", write=self._new_sequence)
        add("SLISt:SEQuence:DELete", write=self._delete_sequence)
        add(
            "SLISt:SEQuence:LENGth",
            query=lambda call: str(len(self.sequence(call.text(0)).steps)),
        )
        add("SLISt:SEQuence:TRACk", query=lambda c: str(self.sequence(c.text(0)).n_tracks))
        add(
            f"{step}:TASSet#{_N_TRACKS}:WAVeform",
            write=self._set_step_waveform,
            query=self._get_step_waveform,
        )
        add(f"{step}:TASSet#{_N_TRACKS}", query=self._get_step_waveform)
        add(f"{step}:RCOunt", write=self._set_repeat, query=self._get_repeat)
        add(f"{step}:WINPut", write=self._set_wait, query=self._get_wait)
        add(f"{step}:GOTO", write=self._set_goto, query=self._get_goto)
        add(f"{step}:EJINput", write=self._set_jump_input)
        add(f"{step}:EJUMp", write=self._set_jump)

    def _new_sequence(self, call: Call) -> None:
        call.expect(2, 3)
        name, n_steps = call.text(0), call.integer(1, 0, MAX_STEPS)
        n_tracks = call.integer(2, 1, _N_TRACKS) if len(call.parameters) > 2 else 1
        if name in self._sequences:
            raise ScpiError(-224, f"sequence {name} exists")
        self._sequences[name] = StepList(n_tracks, [Step() for _ in range(n_steps)])
        self._awg.changed()

    def _delete_sequence(self, call: Call) -> None:
        call.expect(1)
        if isinstance(call.parameters[0], Word) and call.choice(0, ("ALL",)):
            names = set(self._sequences)
        else:
            self.sequence(call.text(0))
            names = {call.text(0)}
        for name in names:
            del self._sequences[name]
        self._on_deleted(names)
        self._awg.changed()

    def _step(self, call: Call) -> Step:
        sequence, number = self.sequence(call.name(0)), call.suffixes[0]
        if number > len(sequence.steps):
            raise ScpiError(-222, f"{call.unit}: step {number} of {len(sequence.steps)}")
        return sequence.steps[number - 1]

    def _set_step_waveform(self, call: Call) -> None:
        call.expect(2)
        step, track, name = self._step(call), call.suffixes[1], call.text(1)
        if track > self.sequence(call.text(0)).n_tracks:
            raise ScpiError(-222, f"{call.unit}: the sequence has no track {track}")
        n_samples = self.waveform(name).n_samples
        if n_samples < MIN_SEQUENCED_SAMPLES:
            limit = f"at least {MIN_SEQUENCED_SAMPLES} in a sequence"
            raise ScpiError(-222, f"waveform {name} has {n_samples} samples: {limit}")
        step.assets[track] = name
        self._awg.changed()

    def _get_step_waveform(self, call: Call) -> str:
        return quoted(self._step(call).assets.get(call.suffixes[1], ""))

    def _set_repeat(self, call: Call) -> None:
        call.expect(2)
        step, word = self._step(call), call.word(1)
        if word == "ONCE":
            step.repeat = 1
        elif word in ("INF", "INFINITE"):
            step.repeat = INFINITE
        else:
            step.repeat = call.integer(1, 1, MAX_REPEAT)
        self._awg.changed()

    def _get_repeat(self, call: Call) -> str:
        repeat = self._step(call).repeat
        return {1: "ONCE", INFINITE: "INF"}.get(repeat, str(repeat))

    def _set_wait(self, call: Call) -> None:
        call.expect(2)
        self._step(call).wait_input = call.choice(1, _INPUTS)
        self._awg.changed()

    def _get_wait(self, call: Call) -> str:
        return short_form(self._step(call).wait_input)

    def _set_goto(self, call: Call) -> None:
        call.expect(2)
        self._step(call).goto = self._target(call)
        self._awg.changed()

    def _get_goto(self, call: Call) -> str:
        goto = self._step(call).goto
        return short_form(_TARGET_NAMES[goto]) if goto in _TARGET_NAMES else str(goto)

    def _target(self, call: Call) -> int:
        if call.word(1)[:1].isalpha():
            return _TARGETS[call.choice(1, tuple(_TARGETS))]
        return call.integer(1, 1, len(self.sequence(call.name(0)).steps))

    def _set_jump_input(self, call: Call) -> None:
        call.expect(2)
        self._step(call).jump_input = call.choice(1, _INPUTS)

    def _set_jump(self, call: Call) -> None:
        call.expect(2)
        self._step(call).jump_to = self._target(call)

    # ---- files

    def _add_file_commands(self) -> None:
        add = self._awg.tree.add
        add("MMEMory:CDIRectory", write=self._change_directory, query=self._get_directory)
        add("MMEMory:CATalog", query=self._catalogue)
        add("MMEMory:DATA", write=self._write_file, query=self._read_file)
        add("MMEMory:DELete", write=self._delete_file)
        add("MMEMory:OPEN", write=self._open_file)
        add("MMEMory:OPEN:SASSet[:WAVeform]", write=self._open_file)
        add("MMEMory:OPEN:SASSet:SEQuence", write=self._open_file)

    def _path(self, name: str) -> str:
        return ntpath.normpath(ntpath.join(self._directory, name)).lower()

    def _file(self, name: str) -> bytes:
        octets = self._files.get(self._path(name))
        if octets is None:
            raise ScpiError(-256, quoted(name))
        return octets

    def _change_directory(self, call: Call) -> None:
        call.expect(1)
        self._directory = ntpath.normpath(ntpath.join(self._directory, call.text(0)))

    def _get_directory(self, call: Call) -> str:
        call.expect(0)
        return quoted(self._directory)

    def _catalogue(self, call: Call) -> str:
        call.expect(0, 1)
        here = self._directory.lower()
        entries = [
            quoted(f"{ntpath.basename(path)},,{len(octets)}")
            for path, octets in self._files.items()
            if ntpath.dirname(path) == here.rstrip("\\") or ntpath.dirname(path) == here
        ]
        used = sum(len(octets) for octets in self._files.values())
        return ",".join([str(used), str(1 << 40), *entries])

    def _write_file(self, call: Call) -> None:
        call.expect(2, 3)
        octets = bytes(call.block(len(call.parameters) - 1))
        path = self._path(call.text(0))
        if len(call.parameters) == 3:
            kept = self._files.get(path, b"")
            start = call.integer(1, 0, len(kept))
            octets = kept[:start] + octets
        self._files[path] = octets

    def _read_file(self, call: Call) -> bytes:
        call.expect(1)
        return definite_block(self._file(call.text(0)))

    def _delete_file(self, call: Call) -> None:
        call.expect(1)
        self._file(call.text(0))
        del self._files[self._path(call.text(0))]

    def _open_file(self, call: Call) -> None:
        call.expect(1, 2)
        name = call.text(0)
        octets = self._file(name)
        stem, extension = ntpath.splitext(ntpath.basename(name))
        if extension.lower() == ".seqx":
            self._load_sequences(octets)
        elif extension.lower() == ".wfmx":
            waveform = read_wfmx(octets)
            replaced = self._waveforms.get(stem)
            self._reserve(waveform.n_samples - (replaced.n_samples if replaced else 0))
            self._waveforms[stem] = waveform
        else:
            raise ScpiError(-257, quoted(name))
        self._awg.changed()

    def _load_sequences(self, octets: bytes) -> None:
        sequences, waveforms = read_seqx(octets)
        for sequence in sequences.values():
            for number, step in enumerate(sequence.steps, start=1):
                for name in step.assets.values():
                    if name not in waveforms and name not in self._waveforms:
                        raise ScpiError(-224, f"step {number}: no waveform {name}")
        new = {name: wave for name, wave in waveforms.items() if name not in self._waveforms}
        self._reserve(sum(waveform.n_samples for waveform in new.values()))
        self._waveforms.update(new)
        for name, sequence in sequences.items():
            self._sequences.setdefault(name, sequence)


def _nth(listed: dict[str, Waveform] | dict[str, StepList], call: Call) -> str:
    call.expect(1)
    return quoted(list(listed)[call.integer(0, 1, len(listed)) - 1])
