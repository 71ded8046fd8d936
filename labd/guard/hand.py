"""The hand on the instruments: all at once, each by a connection of its own, until a deadline.

An instrument that lets nobody in, because the process that had it has only just died, is tried
again until the time is over. Nothing is written after the deadline: by then somebody else may have
the instruments.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pyvisa
from pyvisa.constants import InterfaceType
from pyvisa.resources import MessageBasedResource

from labd.guard.dialects import Condition
from labd.guard.plan import PATIENCE_S, RAMP_STEP_S, InstrumentPlan, Plan, SafeStep, Unsafe

ANSWER_TIMEOUT_S: Final = 0.8
RETRY_S: Final = 0.05
TROUBLE: Final = (pyvisa.Error, OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError)
"""What VISA raises when an instrument is silent, gone, or answers nonsense."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """unsafe: instruments that are not known to be safe. n_outputs: that are."""

    unsafe: tuple[Unsafe, ...]
    n_outputs: int
    took_s: float

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each instrument that is not known to be safe."""
        return tuple(map(str, self.unsafe))


class NotSafe(Exception):
    """An instrument answered, and is not as it should be."""


def make_safe(plan: Plan) -> Outcome:
    """Bring every output of the plan to its safe value and read it back. Never raises."""
    started = time.monotonic()
    hands = [_Hand(each, started + PATIENCE_S + each.longest_ramp_s) for each in plan]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join(max(hand.deadline - time.monotonic(), 0.0) + ANSWER_TIMEOUT_S)
    unsafe = tuple(
        Unsafe(hand.plan.name, problem, hand.is_absent)
        for hand in hands
        if (problem := hand.problem)
    )
    n_outputs = sum(len(hand.plan.steps) for hand in hands if not hand.problem)
    return Outcome(unsafe, n_outputs, time.monotonic() - started)


class _Hand(threading.Thread):
    """One instrument. problem: "" once everything was read back.

    is_absent: as far as is known, nobody takes its connections.
    """

    def __init__(self, plan: InstrumentPlan, deadline: float) -> None:
        super().__init__(name=f"safe-{plan.name}", daemon=True)
        self.plan = plan
        self.deadline = deadline
        self.problem = f"{plan.name} at {plan.address}: it does not answer"
        self.is_absent = False

    def run(self) -> None:
        """Again and again until it is safe or the time is over."""
        while not self._is_late():
            try:
                with self._connection() as instrument:
                    for condition in self.plan.first:
                        self._bring_about(instrument, condition)
                    for step in self.plan.steps:
                        self._make_safe(instrument, step)
            except (NotSafe, *TROUBLE) as error:
                what = str(error).strip().split("\n", 1)[0] or type(error).__name__
                self.problem = f"{self.plan.name} at {self.plan.address}: {what}"
                error.__traceback__ = None
                gc.collect()  # a connection that was made by half is held until then
                time.sleep(RETRY_S)
            else:
                self.problem = ""
                return

    def _is_late(self) -> bool:
        return time.monotonic() > self.deadline

    @contextmanager
    def _connection(self) -> Iterator[MessageBasedResource]:
        manager = pyvisa.ResourceManager(self.plan.visalib)
        self.is_absent = True
        resource = manager.open_resource(
            self.plan.address, open_timeout=int(ANSWER_TIMEOUT_S * 1000)
        )
        self.is_absent = False
        try:
            if not isinstance(resource, MessageBasedResource):
                raise TypeError("it takes no messages")
            resource.timeout = ANSWER_TIMEOUT_S * 1000
            resource.read_termination = resource.write_termination = "\n"
            if resource.interface_type in (InterfaceType.gpib, InterfaceType.usb):
                resource.clear()  # what the last one to talk to it left unread
            yield resource
        finally:
            resource.close()

    def _write(self, instrument: MessageBasedResource, command: str) -> None:
        if self._is_late():
            raise TimeoutError("it was too slow")
        instrument.write(command)

    def _query(self, instrument: MessageBasedResource, command: str) -> str:
        self._write(instrument, command)
        return instrument.read().strip()

    def _bring_about(self, instrument: MessageBasedResource, condition: Condition) -> None:
        if condition.write:
            self._write(instrument, condition.write)
        answer = self._query(instrument, condition.query)
        if not answer.startswith(condition.start):
            raise NotSafe(f"{condition.query} says {answer!r}, not {condition.start}")

    def _make_safe(self, instrument: MessageBasedResource, step: SafeStep) -> None:
        commands = step.commands
        if commands.condition is not None:
            self._bring_about(instrument, commands.condition)
        due = time.monotonic()
        for value in step.values_from(self._query(instrument, commands.query)):
            time.sleep(max(due - time.monotonic(), 0.0))
            due = time.monotonic() + RAMP_STEP_S
            self._write(instrument, commands.write.format(value))
        answer = self._query(instrument, commands.query)
        if not step.is_safe(answer):
            raise NotSafe(f"{step.parameter} is {answer!r} and does not become {step.value!r}")
