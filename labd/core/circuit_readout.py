"""Readout of several qubits in one trigger: tones side by side, an acquisition for each."""

from __future__ import annotations

from collections.abc import Sequence

from labd.core.circuit_station import Rack
from labd.core.circuit_steps import ReadEntry
from labd.core.circuit_tables import ChannelTables, PlaylistTables
from labd.core.gates_measure import Tone
from labd.core.playlist import (
    Acquisition,
    IQEntry,
    IQPulse,
    MultiplexedIQPulse,
    ReadoutTrigger,
    Threshold,
)


class TriggerMaker:
    """Makes the triggers of one job; the same readout is the same trigger.

    record_samples: what the digitizer records of each.
    """

    def __init__(self, rack: Rack, tables: PlaylistTables, record_samples: int) -> None:
        self._rack = rack
        self._record_samples = record_samples
        self._tables = tables
        self._known: dict[tuple[ReadEntry, ...], tuple[tuple[str, int, int], ...]] = {}

    def spacing_samples(self, channel: str) -> int:
        """How long after a trigger the digitizer is ready for the next one, on the grid."""
        readout = self._rack.wiring.readouts[channel]
        return self._rack.on_grid(self._record_samples + readout.rearm_samples)

    def triggers(self, entries: tuple[ReadEntry, ...]) -> tuple[tuple[str, int, int], ...]:
        """Channel, duration and instruction of the trigger on each probe line that is read."""
        found = self._known.get(entries)
        if found is None:
            lines: dict[str, list[ReadEntry]] = {}
            for entry in entries:
                lines.setdefault(entry.measurement.channel.name, []).append(entry)
            found = tuple((name, *self._trigger(part)) for name, part in lines.items())
            self._known[entries] = found
        return found

    def _trigger(self, entries: Sequence[ReadEntry]) -> tuple[int, int]:
        channel = entries[0].measurement.channel
        tables = self._tables.of(channel)
        offset = self._rack.wiring.readouts[channel.name].integration_start_dead_time_samples
        parts, acquisitions = [], []
        for entry in entries:
            measurement = entry.measurement
            probe = _operation(measurement.probe, tables)
            n_probe = measurement.probe.wave_i.n_samples
            parts.append(IQEntry(tables.instruction(n_probe, probe), offset))
            weights = _operation(measurement.weights, tables)
            method = Threshold(weights, measurement.threshold, entry.feedback_label)
            acquisition = Acquisition(entry.label, measurement.delay_samples, method)
            acquisitions.append(tables.acquisition(acquisition))
        n_probe = max(entry.measurement.probe.wave_i.n_samples for entry in entries)
        probe_pulse = tables.instruction(offset + n_probe, MultiplexedIQPulse(tuple(parts)))
        duration = max(entry.measurement.trigger_samples for entry in entries)
        trigger = ReadoutTrigger(probe_pulse, tuple(acquisitions))
        return duration, tables.instruction(duration, trigger)


def _operation(tone: Tone, tables: ChannelTables) -> IQPulse:
    return tone.operation(tables.waveform(tone.wave_i), tables.waveform(tone.wave_q))
