"""Makes the messages of a type with one class of regular messages and no signals: the common case, and the fastest.

Where jobs may be shorter than the period of regular messages, each finished job is reported by a message of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from plant.fleets.phase_ring import PhaseRing, renewed_ring
from plant.fleets.reporting import FOR_JOB, REGULAR, Collected, DueMessage, Reporting
from plant.jobs.jobs import NO_JOB
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import NEVER
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.telemetry import JobMessage, Message

_new_tuple: Final = tuple.__new__  # takes half the time of Message(...)


class PlainReporter:
    """The messages of machines of one type, which have the same period. machines: by number."""

    __slots__ = (
        "_class",
        "_collected",
        "_moved",
        "_ring",
        "_timestamp_prefix",
        "_wake_ups",
        "machines",
        "periods_ms",
        "reports_events",
    )

    def __init__(self, runtime: MachineTypeRuntime, machines: Sequence[Machine]) -> None:
        message_class = runtime.machine_type.main
        self._class, self.machines = message_class, machines
        self.reports_events: Final = runtime.reports_each_job
        self.periods_ms: Final = (runtime.period_ms,)
        self._timestamp_prefix = TimestampPrefix(message_class.timestamp, message_class.form)
        self._ring = PhaseRing((), 1.0, 0, 0)
        self._wake_ups: list[tuple[int, int, Machine]] = []
        self._moved: dict[int, int] = {}
        self._collected: list[Collected] = []

    def start(self, earlier: Reporting | None, now_ms: int, *, slower: bool, coupled: bool) -> None:
        """Schedule all messages after now.

        earlier: what reported machines of the type before a reload.  slower: the period has become longer.
        coupled: an event queue advances the machines.
        """
        name = self._class.name
        self._ring = renewed_ring(earlier.ring_of(name) if earlier else None, self.machines, self.periods_ms[0], now_ms)
        if earlier and not isinstance(earlier, PlainReporter):
            for machine, count in zip(self.machines, earlier.counts_of(name), strict=False):
                machine.message_count = count
        self._wake_ups = [*self._first_wake_ups(now_ms, slower=slower, coupled=coupled)]
        heapify(self._wake_ups)

    @property
    def next_ms(self) -> int:
        """The next time at which a message may be due; NEVER without machines."""
        return min(self._ring.next_ms, self._wake_ups[0][0] if self._wake_ups else NEVER)

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return every message due up to a time, in order of time and machine number."""
        if self._wake_ups:
            return self._messages_with_wake_ups(until_ms)
        return self._regular_messages(until_ms) if self._ring.next_ms <= until_ms else []

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Remove and yield what is due up to a time, in order of time; not the messages of single jobs."""
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, number, machine = heappop(self._wake_ups)
            yield from self._schedule_regular(wake_ms - 1)
            yield DueMessage(wake_ms, number, 0, FOR_JOB, machine)
        yield from self._schedule_regular(until_ms)

    def collect(self, due: DueMessage) -> None:
        """Collect a message that is due, of a machine that has advanced to its time."""
        if due.form == FOR_JOB and due.machine.finished is NO_JOB:
            return
        message = self._message_at(due.machine, due.time_ms, JobMessage if due.form == FOR_JOB else Message)
        self._collected.append(Collected(due.time_ms, due.number, message))

    def reschedule(self, machine: Machine) -> None:
        """Note that the next event of a machine is at another time now, where no event queue advances it.

        A job that has ended meanwhile, by a state that was set, is reported as of then.
        """
        if not self.reports_events:
            return
        next_ms = machine.next_ms if machine.finished is NO_JOB else machine.finished_ms
        if next_ms < NEVER and next_ms != self._moved.get(machine.number):
            heappush(self._wake_ups, (next_ms, machine.number, machine))
        self._moved[machine.number] = next_ms

    def take_collected(self) -> list[Collected]:
        """Return what was collected since the last call, in order."""
        collected, self._collected = self._collected, []
        return collected

    accumulates: Final = False
    changing_slots: Final = ()
    alarms: Final = None
    measurements: Final = None

    def restore_counts(self) -> Callable[[], None]:
        """Return what sets the numbers of messages back to those of now."""
        counts = [machine.message_count for machine in self.machines]

        def restore() -> None:
            for machine, count in zip(self.machines, counts, strict=True):
                machine.message_count = count

        return restore

    def skip_to(self, until_ms: int) -> None:
        """Drop the messages up to a time, to which the machines have advanced."""
        for last_ms, machine in self._ring.skip_to(until_ms):
            machine.discard_message(last_ms)
        passed = [
            each for each in self._wake_ups if each[0] <= until_ms and self._moved.get(each[1], each[0]) == each[0]
        ]
        for wake_ms, _, machine in passed:
            machine.discard_message(until_ms if machine.runtime.reports_each_job else wake_ms)
        rescheduled = [
            (machine.next_ms, number, machine) for _, number, machine in passed if machine.runtime.reports_each_job
        ]
        self._moved |= {number: next_ms for next_ms, number, _ in rescheduled if number in self._moved}
        self._wake_ups = rescheduled + [wake_up for wake_up in self._wake_ups if wake_up[0] > until_ms]
        heapify(self._wake_ups)

    def subset(self, machines: Sequence[Machine], now_ms: int) -> PlainReporter:
        """Return the same for some of the machines."""
        subset, chosen = copy.copy(self), set(machines)
        subset.machines, subset._ring = machines, self._ring.with_machines(machines, now_ms)  # noqa: SLF001 - of the same class
        subset._wake_ups = [wake_up for wake_up in self._wake_ups if wake_up[2] in chosen]  # noqa: SLF001
        subset._moved = self._moved.copy()  # noqa: SLF001
        heapify(subset._wake_ups)  # noqa: SLF001
        return subset

    def ring_of(self, name: str) -> PhaseRing | None:
        """Return the ring of a class of messages by its name."""
        return self._ring if name == self._class.name else None

    def counts_of(self, name: str) -> Sequence[int]:
        """Return the number of messages so far of each machine in a class, by its name."""
        return [machine.message_count for machine in self.machines] if name == self._class.name else ()

    @property
    def class_names(self) -> Sequence[str]:
        """The name of its only class of messages."""
        return (self._class.name,)

    def set_count(self, _name: str, slot: int, count: int) -> None:
        """Continue the messages of a machine from so many. slot: the place of the machine in its fleet."""
        self.machines[slot].message_count = count

    def _first_wake_ups(self, now_ms: int, *, slower: bool, coupled: bool) -> Iterator[tuple[int, int, Machine]]:
        """Yield the wake-ups of machines: time, number, machine.

        Machines that report each job wake at each event, unless an event queue advances them. Others wake only where
        the period has become longer and a finished job is not reported yet: it is reported at once, because the next
        job might finish before the next regular message.
        """
        for machine in self.machines:
            if self.reports_events and not coupled:
                yield machine.next_ms, machine.number, machine
            elif slower and not self.reports_events and machine.finished is not NO_JOB:
                yield now_ms + 1, machine.number, machine

    def _schedule_regular(self, until_ms: int) -> Iterator[DueMessage]:
        for began_ms, first, last in self._ring.pop_until(until_ms):
            for machine, offset_ms in zip(self._ring.machines[first:last], self._ring.offsets[first:last], strict=True):
                time_ms = began_ms + offset_ms
                yield DueMessage(time_ms, machine.number, 0, REGULAR, machine)

    def _regular_messages(self, until_ms: int) -> list[Message]:
        """Return the regular messages of whole and partial laps.

        The body of `_message_at` is written out here: this loop decides the throughput of the plant.
        """
        messages: list[Message] = []
        key, second_ms, until_second, milliseconds = self._class.kind, NEVER, b"", self._timestamp_prefix.milliseconds
        for began_ms, first, last in self._ring.pop_until(until_ms):
            machines, offsets_ms = self._ring.machines[first:last], self._ring.offsets[first:last]
            body = machines[0].runtime.encode_body
            for machine, offset_ms in zip(machines, offsets_ms, strict=True):
                time_ms = began_ms + offset_ms
                while machine.next_ms <= time_ms:
                    machine.step()
                ms = time_ms - second_ms
                if not 0 <= ms < 1000:
                    second, ms = divmod(time_ms, 1000)
                    second_ms, until_second = time_ms - ms, self._timestamp_prefix.second(second)
                payload = until_second + milliseconds[ms] + (machine.body or body(machine, time_ms))
                machine.message_count = count = machine.message_count + 1
                messages.append(_new_tuple(Message, (key, machine.id, machine.station, time_ms, count, payload)))
        return messages

    def _messages_with_wake_ups(self, until_ms: int) -> list[Message]:
        messages = []
        while self._wake_ups and self._wake_ups[0][0] <= until_ms:
            wake_ms, number, machine = heappop(self._wake_ups)
            if self._moved and self._moved.get(number, wake_ms) != wake_ms:
                continue
            messages += self._regular_messages(wake_ms - 1)
            messages += self._extra_messages(machine, wake_ms)
        messages += self._regular_messages(until_ms)
        return sorted(messages, key=_order_key)

    def _extra_messages(self, machine: Machine, time_ms: int) -> list[Message]:
        messages = [self._message_at(machine, time_ms, JobMessage)] if machine.finished is not NO_JOB else []
        while machine.next_ms <= time_ms:
            machine.step()
            if machine.finished is not NO_JOB:
                messages.append(self._message_at(machine, time_ms, JobMessage))
        if machine.runtime.reports_each_job:
            heappush(self._wake_ups, (machine.next_ms, machine.number, machine))
            if machine.number in self._moved:
                self._moved[machine.number] = machine.next_ms
        return messages

    def _message_at(self, machine: Machine, time_ms: int, form: type[Message]) -> Message:
        # Encoded before it is counted: the number in the payload is that of the next message.
        payload = self._timestamp_prefix(time_ms) + (machine.body or machine.runtime.encode_body(machine, time_ms))
        machine.message_count = count = machine.message_count + 1
        return form(self._class.kind, machine.id, machine.station, time_ms, count, payload)


def _order_key(message: Message) -> tuple[int, int, str]:
    """Sort by time, then by machine number: ids are padded to two digits, so longer ones have greater numbers."""
    return message.time_ms, len(message.source), message.source
