"""One segment of a program: what is played after one trigger."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labd.client.envelopes import Envelope
from labd.client.tables import Grid, Readout, Tables, TimeTrace, pack_trace
from labd.wire import playlist_pb2 as wire


class Segment:
    """All that is played after one trigger. Components are the chip's: QB1, TC-1-3, PL-1."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._refs: dict[str, list[int]] = {}
        self._ends: dict[str, int] = {}
        self._floors: dict[str, int] = {}
        self._common_floor = 0
        self._frames_rad: dict[str, float] = {}

    @property
    def grid(self) -> Grid:
        """The rack's clock."""
        return self._tables.grid

    def drive(
        self,
        qubit: str,
        i: Envelope,
        q: Envelope | None = None,
        *,
        scale_i: float = 1.0,
        scale_q: float = 1.0,
        phase_rad: float = 0.0,
        detuning_hz: float = 0.0,
    ) -> None:
        """A pulse on the qubit's drive line.

        i, q: envelopes of the two quadratures. A complex i holds both; without q the second is 0.
        detuning_hz: modulation on top of the drive frequency, from the pulse's own start.
        """
        channel = f"{qubit}__drive.awg"
        tables = self._tables.of(channel)
        n_samples = self._length(i)
        if isinstance(i, np.ndarray) and np.iscomplexobj(i):
            i, q = np.ascontiguousarray(i.real), np.ascontiguousarray(i.imag)
        wave_i = tables.waveform(i, n_samples)
        pulse = wire.IQPulse(
            waveform_i_ref=wave_i,
            waveform_q_ref=wave_i if q is None else tables.waveform(q, n_samples),
            scale_i=scale_i,
            scale_q=0.0 if q is None else scale_q,
            phase=phase_rad,
            phase_mod_freq=detuning_hz / self.grid.sample_rate_hz,
            phase_increment=self._frames_rad.pop(channel, 0.0),
        )
        self._tables.sources[f"{qubit}__drive.local_oscillator.status"] = None
        self._append(qubit, channel, wire.Instruction(iq_pulse=pulse), n_samples)

    def flux(self, component: str, envelope: Envelope, *, scale: float = 1.0) -> None:
        """A pulse on the component's fast flux line."""
        channel = f"{component}__flux.awg"
        n_samples = self._length(envelope)
        waveform = self._tables.of(channel).waveform(envelope, n_samples)
        pulse = wire.RealPulse(waveform_ref=waveform, scale=scale)
        self._append(component, channel, wire.Instruction(real_pulse=pulse), n_samples)

    def virtual_z(self, qubit: str, angle_rad: float) -> None:
        """Rz by turning the frame of the qubit's later pulses in this segment. Takes no time."""
        channel = f"{qubit}__drive.awg"
        self._frames_rad[channel] = self._frames_rad.get(channel, 0.0) - angle_rad

    def wait(self, component: str, duration_s: float) -> None:
        """Let the component idle."""
        self._floors[component] = self._now(component) + self.grid.samples(duration_s)

    def sync(self, *components: str) -> None:
        """Let these components go on together once the last of them is done; all, if none named."""
        if components:
            instant = max(self._now(component) for component in components)
            self._floors.update(dict.fromkeys(components, instant))
        else:
            self._common_floor = max(
                [self._common_floor, *self._floors.values(), *self._ends.values()]
            )

    def measure(
        self,
        probe_line: str,
        readouts: Sequence[Readout],
        traces: Sequence[TimeTrace] = (),
    ) -> None:
        """Probe all these at once and acquire them with one trigger."""
        grid = self.grid
        tables = self._tables.of(f"{probe_line}__readout")
        dead = grid.start_dead_time_samples
        entries = [
            (tables.tone(readout, grid), grid.samples(readout.probe_s)) for readout in readouts
        ]
        probe = wire.MultiplexedIQPulse(
            entries=[
                wire.MultiplexedIQPulse.Entry(instruction_ref=ref, offset_samples=dead)
                for ref, _ in entries
            ]
        )
        probe_samples = dead + max((n_samples for _, n_samples in entries), default=0)
        acquisitions = [tables.acquisition(tables.weights(readout, grid)) for readout in readouts]
        acquisitions += [tables.acquisition(pack_trace(trace, grid)) for trace in traces]
        trigger = wire.ReadoutTrigger(
            probe_pulse_ref=tables.instruction(
                wire.Instruction(multiplexed_iq_pulse=probe), probe_samples
            ),
            acqusitions=acquisitions,
        )
        windows = [grid.samples(r.delay_s) + grid.samples(r.integration_s) for r in readouts]
        windows += [grid.samples(t.delay_s) + grid.samples(t.duration_s) for t in traces]
        duration = max([probe_samples, *windows]) + grid.stop_dead_time_samples
        self._tables.sources[f"{probe_line}__readout.local_oscillator.status"] = None
        labels = [readout.label for readout in readouts] + [trace.label for trace in traces]
        self._tables.labels.update(dict.fromkeys(labels))
        instruction = wire.Instruction(readout_trigger=trigger)
        self._append(probe_line, f"{probe_line}__readout", instruction, duration)

    def pack(self) -> wire.Schedule:
        """The segment on the wire."""
        return wire.Schedule(
            channels={
                name: wire.Schedule.Channel(instruction_refs=refs)
                for name, refs in self._refs.items()
            }
        )

    def _now(self, component: str) -> int:
        """Samples from the segment's start at which the component is free."""
        ends = [end for name, end in self._ends.items() if name.startswith(f"{component}__")]
        return max([self._common_floor, self._floors.get(component, 0), *ends])

    def _length(self, envelope: Envelope) -> int:
        if isinstance(envelope, np.ndarray):
            return len(envelope)
        return self.grid.samples(envelope.duration_s)

    def _append(
        self, component: str, channel: str, instruction: wire.Instruction, n_samples: int
    ) -> None:
        tables = self._tables.of(channel)
        refs = self._refs.setdefault(channel, [])
        end = self._ends.get(channel, 0)
        start = max(end, self._common_floor, self._floors.get(component, 0))
        if start > end:
            silence = wire.Instruction(wait=wire.Wait())
            refs.append(tables.instruction(silence, start - end))
        refs.append(tables.instruction(instruction, n_samples))
        self._ends[channel] = start + n_samples
