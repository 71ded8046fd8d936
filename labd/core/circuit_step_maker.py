"""Gates become steps: their pulses enter the job's tables; the same gate is the same step."""

from __future__ import annotations

from dataclasses import dataclass

from labd.core.circuit import Rotation, X
from labd.core.circuit_steps import Branch, Entangle, Flip, Read, ReadEntry, Relax, Rotate
from labd.core.circuit_tables import ChannelTables, PlaylistTables
from labd.core.gates import GateLibrary, Refused
from labd.core.gates_prx import CalibratedPrx
from labd.core.playlist import ConditionalInstruction, IQPulse, Operation, RealPulse
from labd.core.wiring import ControllerChannel

RESET_KEY = "__reset"
"""Ends the labels of readouts that are only for a reset."""


@dataclass(frozen=True, slots=True)
class _Driven:
    """A calibrated rotation whose waveforms are in its channel's table."""

    prx: CalibratedPrx
    tables: ChannelTables
    wave_i: int
    wave_q: int


class StepMaker:
    """Makes the steps of one job."""

    def __init__(self, library: GateLibrary, tables: PlaylistTables) -> None:
        self.library = library
        self._rack = library.rack
        self._tables = tables
        self._driven: dict[tuple[str, str | None], _Driven | Refused] = {}

    def rotate(
        self, qubit: str, rotation: Rotation, implementation: str | None = None
    ) -> Rotate | Refused:
        """A rotation by (angle, phase)."""
        driven = self._driven_qubit(qubit, implementation)
        if isinstance(driven, Refused):
            return driven
        prx, tables = driven.prx, driven.tables
        pulses = tuple(
            (
                prx.n_samples,
                tables.instruction(
                    prx.n_samples,
                    IQPulse(
                        driven.wave_i,
                        driven.wave_q,
                        pulse.scale_i,
                        pulse.scale_q,
                        pulse.phase,
                        0.0,
                        pulse.phase_increment,
                    ),
                ),
            )
            for pulse in prx.pulses(*rotation)
        )
        n_samples = self._rack.occupied(prx.n_samples * len(pulses), prx.channel)
        return Rotate(qubit, prx.channel.name, pulses, n_samples)

    def entangle(
        self, one: str, other: str, implementation: str | None = None
    ) -> Entangle | Refused:
        """A controlled-Z."""
        cz = self.library.cz(one, other, implementation)
        if isinstance(cz, Refused):
            return cz
        pulses: list[tuple[ControllerChannel, int, Operation]] = []
        for flux in cz.flux:
            tables = self._tables.of(flux.channel)
            real = RealPulse(tables.waveform(flux.waveform), flux.amplitude)
            pulses.append((flux.channel, flux.waveform.n_samples, real))
        for stark in cz.stark:
            tables = self._tables.of(stark.channel)
            waves = (tables.waveform(stark.wave_i), tables.waveform(stark.wave_q))
            drive_pulse = IQPulse(*waves, stark.amplitude, stark.amplitude, 0.0, 0.0, 0.0)
            pulses.append((stark.channel, stark.wave_i.n_samples, drive_pulse))
        entered = tuple(
            (channel.name, n_samples, self._tables.of(channel).instruction(n_samples, operation))
            for channel, n_samples, operation in pulses
        )
        frames = []
        for qubit, angle_rad in cz.rz_rad:
            drive = self._rack.drive(qubit)
            if drive is not None and angle_rad != 0:
                frames.append((drive.name, -angle_rad))
        occupied = max(self._rack.occupied(length, channel) for channel, length, _ in pulses)
        return Entangle(cz.qubits, entered, tuple(frames), occupied)

    def branch(
        self,
        qubit: str,
        rotation: Rotation,
        feedback_qubit: str,
        implementation: str | None = None,
    ) -> Branch | Refused:
        """A rotation that is done where feedback_qubit's latest bit is 1."""
        feedback = self.library.feedback(qubit, implementation)
        if isinstance(feedback, Refused):
            return feedback
        source = self._rack.readout(feedback_qubit)
        if source is None or source.name not in feedback.delays_samples:
            return Refused((f"no bit of {feedback_qubit} reaches the drive of {qubit}",))
        rotate = self.rotate(qubit, rotation, feedback.implementation)
        if isinstance(rotate, Refused):
            return rotate
        duration, if_true = rotate.pulses[0]
        tables = self._tables.named(rotate.channel)
        condition = ConditionalInstruction(
            feedback_label(feedback_qubit), if_true, tables.wait(duration)
        )
        return Branch(
            qubit=qubit,
            channel=rotate.channel,
            feedback_qubit=feedback_qubit,
            n_samples=rotate.n_samples,
            duration=duration,
            instruction=tables.instruction(duration, condition),
            delay_samples=feedback.delays_samples[source.name],
        )

    def read(
        self,
        qubits: tuple[str, ...],
        key: str,
        implementation: str | None = None,
        *,
        is_final: bool = False,
        feeds_back: bool = False,
    ) -> Read | Refused:
        """A readout. key: what the labels end with."""
        entries: list[ReadEntry] = []
        reasons: list[str] = []
        for qubit in qubits:
            found = self.library.measurement(qubit, implementation, is_final=is_final)
            if isinstance(found, Refused):
                reasons += found.reasons
                continue
            feedback = feedback_label(qubit) if feeds_back else ""
            entries.append(ReadEntry(qubit, found, f"{qubit}__{key}", feedback))
        return Refused(tuple(reasons)) if reasons else Read(qubits, tuple(entries))

    def relax(self, qubits: tuple[str, ...]) -> Relax | Refused:
        """Reset by waiting, as long as the slowest of the qubits needs."""
        longest = 0
        reasons: list[str] = []
        for qubit in qubits:
            found = self.library.reset_wait_samples(qubit)
            if isinstance(found, Refused):
                reasons += found.reasons
            else:
                longest = max(longest, found)
        return Refused(tuple(reasons)) if reasons else Relax(qubits, longest)

    def flip(self, qubits: tuple[str, ...]) -> Flip | Refused:
        """Reset by a readout of all qubits and a conditional π pulse on each."""
        read = self.read(qubits, RESET_KEY, feeds_back=True)
        branches = [self.branch(qubit, X, qubit) for qubit in qubits]
        reasons = {
            reason: None
            for each in (read, *branches)
            if isinstance(each, Refused)
            for reason in each.reasons
        }
        if reasons or isinstance(read, Refused):
            return Refused(tuple(reasons))
        return Flip(qubits, read, tuple(each for each in branches if isinstance(each, Branch)))

    def reset(self, qubits: tuple[str, ...]) -> Flip | Relax | Refused:
        """By feedback where the rack can, else by waiting."""
        by_feedback = self.flip(qubits)
        if not isinstance(by_feedback, Refused):
            return by_feedback
        by_waiting = self.relax(qubits)
        if not isinstance(by_waiting, Refused):
            return by_waiting
        return Refused((*by_feedback.reasons, *by_waiting.reasons))

    def _driven_qubit(self, qubit: str, implementation: str | None) -> _Driven | Refused:
        key = (qubit, implementation)
        found = self._driven.get(key)
        if found is None:
            prx = self.library.prx(qubit, implementation)
            if isinstance(prx, Refused):
                found = prx
            else:
                tables = self._tables.of(prx.channel)
                waves = (tables.waveform(prx.wave_i), tables.waveform(prx.wave_q))
                found = _Driven(prx, tables, *waves)
            self._driven[key] = found
        return found


def feedback_label(qubit: str) -> str:
    """Where a qubit's latest bit is kept; racks keep one per qubit."""
    return f"{qubit}__feedback"
