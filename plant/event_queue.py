"""Machines that depend on each other, or on something beside them: all live in step, and rows are said on the way.

Machines on their own may each be brought up to its next row when that is due. Where one can stop another, all events
of the plant have to happen in the order of time; `EventQueue` sees to that. In the same millisecond what is beside the
machines comes first, in the order given, then machines by type and number, and rows after all that. So where the time
is cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush, merge
from operator import attrgetter, itemgetter
from typing import Final, Protocol

from plant.machines.fleet import Fleet
from plant.machines.jobs import NO_JOB
from plant.machines.machine import Machine
from plant.machines.states import NEVER
from plant.telemetry import Message

_IN_ORDER: Final = itemgetter(0, 1, 2)
_TIME: Final = attrgetter("time_ms")


class Participant(Protocol):
    """Something beside the machines that stops them and lets them go (`Machine.hold`, `Machine.release`)."""

    @property
    def next_ms(self) -> int:
        """When it acts next by itself; NEVER if only what machines do makes it act."""

    def advance_to(self, until_ms: int) -> None:
        """Live up to a time, which is its `next_ms`; that then lies behind it."""


class EventQueue:
    """All machines of some fleets, and what is beside them; made anew when the fleets are tuned."""

    def __init__(self, fleets: Sequence[Fleet], coupled: Sequence[Participant]) -> None:
        self._fleets = {fleet.declared.number: fleet for fleet in fleets}
        self._coupled = coupled
        self._events: list[tuple[int, int, int, Machine]] = []
        self._said: list[tuple[int, int, int, Message]] = []
        self._silent = False
        self._crowded = any(fleet.crowded for fleet in fleets)
        for machine in (machine for fleet in fleets for machine in fleet.machines):
            machine.runtime.on_rescheduled = self._reschedule
            self._reschedule(machine)

    @property
    def next_ms(self) -> int:
        """When a row may be due next; machines of a crowded type may say one at any event."""
        rows_ms = min(fleet.next_ms for fleet in self._fleets.values())
        return min(rows_ms, self._event_ms()) if self._crowded else rows_ms

    def messages_until(self, until_ms: int) -> list[Message]:
        """Every row due up to a time, in order of time, type and machine number; all have then lived up to it."""
        for due in merge(*(fleet.schedule(until_ms) for fleet in self._fleets.values()), key=_TIME):
            self.advance_to(due.time_ms)
            if due.machine.finished is not NO_JOB or not due.jobs_only:
                self._emit(due.machine, due.time_ms, jobs_only=due.jobs_only)
        self.advance_to(until_ms)
        said, self._said = sorted(self._said, key=_IN_ORDER), []
        return [message for _, _, _, message in said]

    def advance_to(self, until_ms: int) -> None:
        """Let everything happen up to a time."""
        while (now_ms := self._event_ms()) <= until_ms:
            for thing in self._coupled:
                if thing.next_ms <= now_ms:
                    thing.advance_to(now_ms)
            self._process_machines(now_ms)

    def skip_to(self, until_ms: int) -> None:
        """Let everything happen up to a time; nothing is said of it."""
        self._silent = True
        self.advance_to(until_ms)
        self._silent = False
        for fleet in self._fleets.values():
            fleet.skip_to(until_ms)

    def _event_ms(self) -> int:
        machine_ms = self._events[0][0] if self._events else NEVER
        return min((machine_ms, *(thing.next_ms for thing in self._coupled)))

    def _reschedule(self, machine: Machine) -> None:
        """Have the machine's next event happen. What was expected of it before is passed over in its time."""
        if machine.next_ms < NEVER:
            heappush(self._events, (machine.next_ms, machine.runtime.declared.number, machine.number, machine))

    def _process_machines(self, now_ms: int) -> None:
        while self._events and self._events[0][0] <= now_ms:
            at_ms, _, _, machine = heappop(self._events)
            if machine.next_ms == at_ms:
                self._step(machine, at_ms)

    def _step(self, machine: Machine, now_ms: int) -> None:
        if machine.runtime.crowded:
            self._emit_job(machine, now_ms)
            machine.step()
            self._emit_job(machine, now_ms)
        else:
            machine.step()
        self._reschedule(machine)

    def _emit_job(self, machine: Machine, time_ms: int) -> None:
        if machine.finished is not NO_JOB:
            self._emit(machine, time_ms, jobs_only=True)

    def _emit(self, machine: Machine, time_ms: int, *, jobs_only: bool) -> None:
        if self._silent:
            machine.discard_message(time_ms)
            return
        kind = machine.runtime.declared.number
        row = self._fleets[kind].row(machine, time_ms, jobs_only=jobs_only)
        self._said.append((time_ms, kind, machine.number, row))
