"""Who does what on this rack: the station's instruments in their roles, as the wiring says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from qcodes.instrument import VisaInstrument
from qcodes.instrument_drivers.rohde_schwarz import RohdeSchwarzSGS100A
from qcodes.instrument_drivers.tektronix import TektronixAWG5208
from qcodes.instrument_drivers.tektronix.DPO7200xx import TektronixDPO7000xx
from qcodes.instrument_drivers.yokogawa import YokogawaGS200

from labd.core.errors import InstrumentFault
from labd.core.wiring import Wiring
from labd_drivers.rigs.scpi.awg import Awg, OutputSetting
from labd_drivers.rigs.scpi.link import Link, tektronix_scope_status
from labd_drivers.rigs.scpi.scope import Digitizer
from labd_drivers.rigs.scpi.sources import Bias, Carrier, Source

_Driver = TypeVar("_Driver", bound=VisaInstrument)

Station = Mapping[str, object]
Work = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Rack:
    """The instruments in their roles. digitizers: by readout channel; all else by instrument name.

    An instrument that is set by parameters besides its other role stands in `sources` as well.
    """

    links: Mapping[str, Link]
    awgs: Mapping[str, Awg]
    digitizers: Mapping[str, Digitizer]
    sources: Mapping[str, Source]

    def set_up_work(self) -> Mapping[str, Work]:
        """What makes each instrument ready, by name."""
        work: dict[str, list[Work]] = {name: [] for name in self.links}
        for source in self.sources.values():
            work[source.link.name].append(source.set_up)
        for awg in self.awgs.values():
            work[awg.link.name].append(awg.set_up)
        for digitizer in self.digitizers.values():
            work[digitizer.link.name].append(digitizer.set_up)
        return {name: partial(_in_turn, steps) for name, steps in work.items() if steps}


def assemble(station: Station, wiring: Wiring) -> Rack:
    """Find the instruments that the wiring names, in their roles.

    station: open QCoDeS instruments by name.
    Raises InstrumentFault if one is missing or cannot do its part.
    """
    links: dict[str, Link] = {}
    awgs = {
        name: _awg(_find(station, name, TektronixAWG5208), outputs, wiring, links)
        for name, outputs in _awg_outputs(wiring).items()
    }
    digitizers: dict[str, Digitizer] = {}
    for channel, readout in wiring.readouts.items():
        if readout.digitizer in links:
            raise InstrumentFault(
                readout.digitizer,
                "opening the rack",
                f"it cannot serve {channel} and another channel",
            )
        driver = _find(station, readout.digitizer, TektronixDPO7000xx)
        links[readout.digitizer] = Link(readout.digitizer, driver, tektronix_scope_status)
        digitizers[channel] = Digitizer(links[readout.digitizer], driver, readout)
    sources = {
        name: _source(station, name, wiring, links) for name in sorted(_set_by_parameters(wiring))
    }
    return Rack(links, awgs, digitizers, sources)


def _in_turn(steps: list[Work]) -> None:
    for step in steps:
        step()


def _find(station: Station, name: str, driver_type: type[_Driver]) -> _Driver:
    driver = station.get(name)
    if not isinstance(driver, driver_type):
        what = "is not in the station file" if driver is None else f"is a {type(driver).__name__}"
        raise InstrumentFault(
            name, "opening the rack", f"it {what}; a {driver_type.__name__} is needed"
        )
    return driver


def _awg_outputs(wiring: Wiring) -> dict[str, dict[int, float]]:
    """Full scale in volts by AWG and output number; outputs with nothing but a marker included."""
    outputs: dict[str, dict[int, float]] = {}
    for channel in wiring.channels.values():
        for output in channel.outputs:
            outputs.setdefault(output.instrument, {})[output.channel] = channel.full_scale_v
    markers = [readout.trigger for readout in wiring.readouts.values()]
    markers += [wiring.sync.trigger] if wiring.sync is not None else []
    default_v = max((c.full_scale_v for c in wiring.channels.values()), default=0.25)
    for marker in markers:
        outputs.setdefault(marker.instrument, {}).setdefault(marker.channel, default_v)
    return outputs


def _awg(
    driver: TektronixAWG5208, outputs: Mapping[int, float], wiring: Wiring, links: dict[str, Link]
) -> Awg:
    link = links[driver.name] = Link(driver.name, driver)
    rates_hz = {channel.sample_rate_hz for channel in wiring.channels.values()}
    if len(rates_hz) != 1:
        raise InstrumentFault(driver.name, "opening the rack", "channels differ in sample rate")
    settings = tuple(OutputSetting(number, outputs[number]) for number in sorted(outputs))
    return Awg(
        link,
        driver,
        settings,
        sample_rate_hz=rates_hz.pop(),
        resolution_bits=wiring.awg_resolution_bits,
    )


def _set_by_parameters(wiring: Wiring) -> set[str]:
    """Names of all instruments that settings, safe values and carriers speak of.

    The outputs of AWGs are no settings: they are switched with the AWG.
    """
    names = {route.parameter.partition(".")[0] for route in wiring.settings.values()}
    safe = {rule.instrument for rule in wiring.outputs.values() if rule.safe is not None}
    names |= safe - set(_awg_outputs(wiring))
    return names | {c.local_oscillator for c in wiring.channels.values() if c.local_oscillator}


def _source(station: Station, name: str, wiring: Wiring, links: dict[str, Link]) -> Source:
    driver = _find(station, name, VisaInstrument)
    if name not in links:
        links[name] = Link(name, driver)
    link = links[name]
    match driver:
        case RohdeSchwarzSGS100A():
            return Carrier(link, driver)
        case YokogawaGS200():
            return Bias(link, driver, _extent_v(name, wiring))
        case _:
            return Source(link, driver)


def _extent_v(name: str, wiring: Wiring) -> float:
    """The largest magnitude that settings may send to this bias source, in volts."""
    routes = [r for r in wiring.settings.values() if r.parameter == f"{name}.voltage"]
    limits = [
        route.scale * limit + route.offset
        for route in routes
        for limit in (route.minimum, route.maximum)
    ]
    return max((abs(limit) for limit in limits), default=0.0)
