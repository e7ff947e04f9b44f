"""The event queue: advances machines that depend on each other, in one order of time, and emits their messages.

A machine that stands alone may be advanced just when its next message is due. Where one machine can stop another, all
events of the plant have to be processed in the order of time, which `EventQueue` does. In the same millisecond come
first the participants, in the order given, then machines by type and number, and messages after all of them. So the
messages do not depend on the times for which `messages_until` is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from heapq import heappop, heappush, merge
from operator import attrgetter, itemgetter
from typing import Final, Protocol

from plant.fleets.fleet import Fleet
from plant.jobs.jobs import NO_JOB
from plant.machines.machine import Machine
from plant.machines.states import NEVER
from plant.telemetry import Message

_IN_ORDER: Final = itemgetter(0, 1, 2)
_TIME: Final = attrgetter("time_ms")

_ROWS_OF_A_BLOCK: Final = 4096
"""Rows collected before messages are made of them: what looks at a signal meanwhile goes through those rows."""


class Participant(Protocol):
    """Something beside the machines that suspends and resumes them (`Machine.suspend`, `Machine.resume`)."""

    @property
    def next_ms(self) -> int:
        """The time at which it acts next by itself; NEVER if it only reacts to machines."""

    def advance_to(self, until_ms: int) -> None:
        """Act at a time, which is its `next_ms`; after that, `next_ms` is later."""


class EventQueue:
    """All machines of some fleets with the participants; built again when a configuration is applied."""

    def __init__(self, fleets: Sequence[Fleet], participants: Sequence[Participant]) -> None:
        self._fleets = {fleet.key: fleet for fleet in fleets}
        self._participants = participants
        self._events: list[tuple[int, int, int, Machine]] = []
        self._drops_jobs = False
        self._in_step: Machine | None = None
        self._reports_events = any(fleet.reports_events for fleet in fleets)
        for machine in (machine for fleet in fleets for machine in fleet.machines):
            machine.runtime.on_rescheduled = self._on_rescheduled
            machine.runtime.on_suspended = self._reschedule
            self._reschedule(machine)

    @property
    def next_ms(self) -> int:
        """The next time at which a message may be due; machines that report events may emit one at any of them."""
        message_ms = min(fleet.next_ms for fleet in self._fleets.values())
        return min(message_ms, self._next_event_ms()) if self._reports_events else message_ms

    def messages_until(self, until_ms: int) -> list[Message]:
        """Advance to a time and return every message due, in order of time, type and machine number."""
        messages: list[Message] = []
        now_ms, count = 0, 0
        for due in merge(*(fleet.schedule(until_ms) for fleet in self._fleets.values()), key=_TIME):
            if count >= _ROWS_OF_A_BLOCK and due.time_ms > now_ms:
                messages += self._take_messages()
                count = 0
            now_ms, count = due.time_ms, count + 1
            self.advance_to(now_ms)
            self._fleets[due.machine.runtime.machine_type.key].collect(due)
        self.advance_to(until_ms)
        return messages + self._take_messages()

    def _take_messages(self) -> list[Message]:
        collected = [each for fleet in self._fleets.values() for each in fleet.take_collected()]
        return [message for _, _, _, message in sorted(collected, key=_IN_ORDER)]

    def advance_to(self, until_ms: int) -> None:
        """Process all events up to a time."""
        while (now_ms := self._next_event_ms()) <= until_ms:
            for participant in self._participants:
                if participant.next_ms <= now_ms:
                    participant.advance_to(now_ms)
            self._step_machines(now_ms)

    def skip_to(self, until_ms: int) -> None:
        """Process all events up to a time, and drop the messages."""
        if any(fleet.accumulates for fleet in self._fleets.values()):
            with ExitStack() as stack:
                for fleet in self._fleets.values():
                    stack.enter_context(fleet.uncounted())
                self.messages_until(until_ms)
        self._drops_jobs = True
        self.advance_to(until_ms)
        self._drops_jobs = False
        for fleet in self._fleets.values():
            fleet.skip_to(until_ms)

    def _next_event_ms(self) -> int:
        event_ms = self._events[0][0] if self._events else NEVER
        for participant in self._participants:
            event_ms = min(event_ms, participant.next_ms)
        return event_ms

    def _on_rescheduled(self, machine: Machine) -> None:
        """Report a job that has ended outside the machine's own events, by a state that was set; queue its next one.

        In a step of the machine its job may be counted only in part, and is reported after the step.
        """
        if machine.runtime.reports_each_job and machine is not self._in_step:
            self._emit_job(machine, machine.finished_ms)
        self._reschedule(machine)

    def _reschedule(self, machine: Machine) -> None:
        """Queue the machine's next event. An earlier entry that is no longer valid is ignored when its time comes."""
        if machine.next_ms < NEVER:
            heappush(self._events, (machine.next_ms, machine.runtime.machine_type.number, machine.number, machine))

    def _step_machines(self, now_ms: int) -> None:
        while self._events and self._events[0][0] <= now_ms:
            at_ms, _, _, machine = heappop(self._events)
            if machine.next_ms == at_ms:
                self._step(machine, at_ms)

    def _step(self, machine: Machine, now_ms: int) -> None:
        if machine.runtime.reports_each_job:
            self._emit_job(machine, now_ms)
            self._in_step = machine
            machine.step()
            self._in_step = None
            self._emit_job(machine, now_ms)
        else:
            machine.step()
        self._reschedule(machine)

    def _emit_job(self, machine: Machine, time_ms: int) -> None:
        if machine.finished is NO_JOB:
            return
        if self._drops_jobs:
            machine.discard_message(time_ms)
        else:
            self._fleets[machine.runtime.machine_type.key].collect_job(machine, time_ms)
