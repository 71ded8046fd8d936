"""What can go wrong with a rack, when, and what labd promises then: data alone.

A fault strikes when a job is at a certain point, told by the command that an instrument gets there.
Faults of instruments stand until they are healed, which is all that anybody does about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from labd_drivers.sim.faults import FaultName


class Phase(Enum):
    IDLE = "idle"
    UPLOADING = "uploading"
    PLAYING = "playing"
    FETCHING = "fetching"


class Promise(Enum):
    """FAILED: the job fails, and its sentence names the instrument. COMPLETED: with good values.

    NOTICED: without any job. UNHARMED: either of the first two, as the instants fall.
    """

    FAILED = "failed"
    COMPLETED = "completed"
    UNHARMED = "unharmed"
    NOTICED = "noticed"


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault of a simulated instrument. header "": that of the phase."""

    fault: FaultName
    seconds: float = 0.0
    header: str = ""
    code: int = -200
    answer: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """A row. deed: of a driver, instead of strikes. instrument "": that of the phase.

    promises: by phase, where it is not the usual one. word: what the sentence says besides.
    limit_s: within that the job has its end.
    """

    name: str
    instrument: str = ""
    strikes: tuple[Strike, ...] = ()
    deed: str = ""
    promises: dict[Phase, Promise] = field(default_factory=dict)
    word: str = ""
    limit_s: float = 20.0

    def promise(self, phase: Phase) -> Promise:
        usual = Promise.NOTICED if phase is Phase.IDLE else Promise.FAILED
        return self.promises.get(phase, usual)


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a job: the command that an instrument gets there."""

    instrument: str
    header: str


_AWG_RUN, _DATA = "AWGControl:RUN", "WLISt:WAVeform:DATA"
_FETCH = Point("scope", "CURVe?")
_PLAY = Point("awg1", _AWG_RUN)

POINTS: Final[dict[str, dict[Phase, Point]]] = {
    "awg1": {Phase.UPLOADING: Point("awg1", _DATA), Phase.PLAYING: _PLAY},
    "awg2": {Phase.UPLOADING: Point("awg2", _DATA), Phase.PLAYING: Point("awg2", _AWG_RUN)},
    "scope": {
        Phase.UPLOADING: Point("scope", "HORizontal:FASTframe:COUNt"),
        Phase.PLAYING: Point("scope", "ACQuire:STATE?"),
    },
    "lo_qb1": {Phase.UPLOADING: Point("lo_qb1", "SOURce:FREQuency")},
    "bias_qb1": {Phase.UPLOADING: Point("bias_qb1", "SOURce:LEVel")},
    "lo_pl1": {Phase.UPLOADING: Point("awg1", _DATA)},
}
"""Where an instrument is struck. Those who do nothing at that point feel it at their next one."""

DEED_POINTS: Final = {
    Phase.IDLE: Point("lo_qb1", "*ESR?"),
    Phase.UPLOADING: Point("awg1", _DATA),
    Phase.PLAYING: Point("awg1", _AWG_RUN),
    Phase.FETCHING: Point("scope", "CURVe?"),
}


def point_of(fault: Fault, phase: Phase) -> Point:
    """Where in a job the fault strikes."""
    if fault.deed:
        return DEED_POINTS[phase]
    default = _PLAY if phase is Phase.PLAYING else _FETCH
    return POINTS[fault.instrument].get(phase, default)


def _all(promise: Promise) -> dict[Phase, Promise]:
    return dict.fromkeys(Phase, promise)


def _power_cut(instrument: str) -> Fault:
    return Fault(
        f"power of {instrument} off and on", instrument, (Strike("power-cycle", seconds=0.2),)
    )


INSTRUMENT_FAULTS: Final = (
    *(
        Fault(f"{name} is mute", name, (Strike("mute"),))
        for name in ("awg1", "awg2", "scope", "lo_qb1", "bias_qb1")
    ),
    Fault(
        "scope is a little slow",
        "scope",
        (Strike("slow", seconds=0.03),),
        "",
        _all(Promise.COMPLETED),
    ),
    Fault("awg1 is far too slow", "awg1", (Strike("slow", seconds=60.0),)),
    Fault("lo_qb1 is far too slow", "lo_qb1", (Strike("slow", seconds=60.0),)),
    Fault("scope answers garbage", "scope", (Strike("garbage"),)),
    Fault("lo_qb1 answers garbage", "lo_qb1", (Strike("garbage"),)),
    Fault(
        "awg1 refuses (-200)",
        "awg1",
        (Strike("refuse", header=_DATA),),
        promises={
            Phase.IDLE: Promise.FAILED,
            Phase.PLAYING: Promise.COMPLETED,
            Phase.FETCHING: Promise.COMPLETED,
        },
        word="-200",
    ),
    Fault(
        "bias_qb1 refuses (-222)",
        "bias_qb1",
        (Strike("refuse", header="SOURce:LEVel", code=-222),),
        promises={Phase.IDLE: Promise.FAILED},
        word="-222",
    ),
    Fault(
        "awg1 refuses to run (-221)",
        "awg1",
        (Strike("refuse", header=_AWG_RUN, code=-221),),
        promises={Phase.IDLE: Promise.FAILED},
        word="-221",
    ),
    Fault(
        "error queue of awg2 is full", "awg2", (Strike("error", code=-300, times=40),), word="-300"
    ),
    Fault("scope has an error", "scope", (Strike("error", code=-300),), word="-300"),
    Fault("line to awg2 is cut", "awg2", (Strike("drop"),)),
    Fault("line to scope is cut", "scope", (Strike("drop"),)),
    Fault("lo_qb1 is away for 1 s", "lo_qb1", (Strike("drop", seconds=1.0),)),
    Fault("bias_qb1 is away for 1 s", "bias_qb1", (Strike("drop", seconds=1.0),)),
    *(_power_cut(name) for name in ("awg1", "awg2", "scope", "lo_qb1", "bias_qb1", "lo_pl1")),
    Fault(
        "lo_qb1 lies about its frequency",
        "lo_qb1",
        (Strike("lie", header="SOURce:FREQuency"),),
        promises={Phase.IDLE: Promise.FAILED},
    ),
    Fault(
        "bias_qb1 lies about its voltage",
        "bias_qb1",
        (Strike("lie", header="SOURce:LEVel"),),
        promises={Phase.IDLE: Promise.FAILED},
    ),
    Fault(
        "another lo_qb1 after a power cut",
        "lo_qb1",
        (Strike("identity"), Strike("power-cycle", seconds=0.1)),
    ),
    Fault(
        "records of scope are short",
        "scope",
        (Strike("short"),),
        promises={Phase.IDLE: Promise.FAILED},
    ),
    Fault(
        "records of scope have a wrong head",
        "scope",
        (Strike("lie", header="CURVe", answer="#41000abc"),),
        promises={Phase.IDLE: Promise.FAILED},
    ),
    Fault(
        "scale of scope is no number",
        "scope",
        (Strike("lie", header="WFMOutpre:YMUlt", answer="NAN"), Strike("drop")),
        promises={Phase.IDLE: Promise.FAILED},
    ),
    Fault("scope says half and is silent", "scope", (Strike("half"),)),
    Fault("awg1 says half and is silent", "awg1", (Strike("half"),)),
    Fault("scope never stops talking", "scope", (Strike("long"),), word="goes on beyond"),
    Fault("bias_qb1 never stops talking", "bias_qb1", (Strike("long"),), word="goes on beyond"),
)

_DRIVER = "driver of "

DRIVER_FAULTS: Final = (
    Fault("driver raises what nobody knows", deed="surprise", word="42 is not the answer"),
    Fault("driver raises SystemExit", deed="exit", word="SystemExit"),
    Fault("driver raises KeyboardInterrupt", deed="interrupt", word="KeyboardInterrupt"),
    Fault("driver segfaults", deed="segfault", word="SIGSEGV"),
    Fault("driver aborts", deed="abort", word="SIGABRT"),
    Fault("driver leaves by os._exit", deed="_exit", word="7"),
    Fault("driver hangs in C with the GIL", deed="hang-gil", limit_s=30.0),
    Fault("driver hangs in C without the GIL", deed="hang-c", limit_s=30.0),
    Fault("driver hangs in Python", deed="hang-python", limit_s=30.0),
    Fault("driver spins in Python", deed="spin", limit_s=30.0),
    Fault("driver eats memory", deed="memory", word="rack_memory_bytes"),
    Fault(
        "driver prints garbage",
        deed="print",
        promises=_all(Promise.COMPLETED),
    ),
    Fault("driver closes all descriptors", deed="close-fds"),
)

FAULTS: Final = (*INSTRUMENT_FAULTS, *DRIVER_FAULTS)


def every_cell() -> Iterator[tuple[Fault, Phase]]:
    """All of them."""
    for fault in FAULTS:
        for phase in Phase:
            yield fault, phase


SOME: Final = {
    "bias_qb1 refuses (-222)": Phase.IDLE,
    "lo_qb1 lies about its frequency": Phase.IDLE,
    "power of bias_qb1 off and on": Phase.IDLE,
    "records of scope are short": Phase.IDLE,
    "awg1 is mute": Phase.UPLOADING,
    "awg1 refuses (-200)": Phase.UPLOADING,
    "line to awg2 is cut": Phase.UPLOADING,
    "driver eats memory": Phase.UPLOADING,
    "driver raises SystemExit": Phase.UPLOADING,
    "driver segfaults": Phase.UPLOADING,
    "another lo_qb1 after a power cut": Phase.PLAYING,
    "bias_qb1 never stops talking": Phase.PLAYING,
    "power of awg1 off and on": Phase.PLAYING,
    "scope has an error": Phase.PLAYING,
    "driver prints garbage": Phase.FETCHING,
    "driver raises KeyboardInterrupt": Phase.FETCHING,
    "line to scope is cut": Phase.FETCHING,
    "records of scope have a wrong head": Phase.FETCHING,
    "scale of scope is no number": Phase.FETCHING,
    "scope is a little slow": Phase.FETCHING,
    "scope never stops talking": Phase.FETCHING,
}
"""One fault of each kind that is over soon, at the point where it is."""


def some_cells() -> Iterator[tuple[Fault, Phase]]:
    """Those that are tried with everything else."""
    by_name = {fault.name: fault for fault in FAULTS}
    for name, phase in SOME.items():
        yield by_name[name], phase
