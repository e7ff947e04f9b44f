"""Reports the machines of a type that has signals, or several classes of messages.

Due rows are collected first, each with all that its values depend on, and made into messages together: many rows are
computed as columns in a fraction of the time.
"""

from __future__ import annotations

import copy
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Final

from plant.definition.plant_config import PlantConfig
from plant.faults.levels import Level
from plant.fleets.class_emitter import ClassEmitter, DuePlaces, emitters_of
from plant.fleets.fleet_measurements import FleetMeasurements, alarms_of, measurements_of
from plant.fleets.pending_rows import NOT_MEASURED, PendingRows
from plant.fleets.phase_ring import PhaseRing, WakeUps, renewed_ring
from plant.fleets.reporting import FOR_CHANGE, FOR_JOB, Collected, DueMessage, Reporting, Steadiness, restoring
from plant.jobs.jobs import NO_JOB, Job
from plant.machines.machine import Machine
from plant.machines.machine_type_runtime import MachineTypeRuntime
from plant.machines.states import NEVER
from plant.signals.fleet_signals import FleetSignals
from plant.telemetry import Message

if TYPE_CHECKING:
    from plant.fleets.column_messages import ColumnWriter

_ROWS_OF_A_BLOCK: Final = 4096
_FEW_ROWS: Final = 10
"""Fewer rows are made one at a time, which then takes less time than columns."""

_LONGEST_WINDOW_MS: Final = 3_600_000
_TIME: Final = attrgetter("time_ms")
_IN_ORDER: Final = itemgetter(0, 1, 2)
"""Sorts what is due by time, number of the machine, and class."""


class Reporter:
    """The messages of the machines of one type, and what is to be recorded at their events.

    machines: by slot, which is the place of a machine in its fleet.  numbers: theirs.
    measurements: their signals, if they have any.  plant: the signals of the plant, if it has any.
    alarms: theirs, if they have any.  alarm_counts: how often each was raised and cleared, to be continued.
    """

    __slots__ = (
        "_counts", "_extra", "_machines", "_numbers", "_reports_each_job", "_rows", "_steadiness", "_wake_ups",
        "_window_ms", "_writer", "alarms", "emitters", "machine_counts", "measurements", "periods_ms", "reports_events",
    )  # fmt: skip

    def __init__(
        self,
        runtime: MachineTypeRuntime,
        config: PlantConfig,
        machines: Sequence[Machine],
        numbers: range,
        plant: FleetSignals | None,
        alarm_counts: Counter[tuple[str, str]],
    ) -> None:
        machine_type = runtime.machine_type
        self._machines, self._numbers = machines, numbers
        self.measurements: Final = measurements_of(machine_type, config, plant)
        self.machine_counts = array("q", bytes(8 * len(machines)))
        self.emitters = [*emitters_of(machine_type, config, machines, self.machine_counts)]
        self.alarms = alarms_of(machine_type, self.measurements, machines, alarm_counts)
        self._counts = {each.message_class.name: each.counts for each in self.emitters}
        self._counts |= self.alarms.class_counts if self.alarms else {}
        self.periods_ms: Final = [each.period_ms for each in self.emitters if each.period_ms < NEVER]
        self._reports_each_job = runtime.reports_each_job
        self.reports_events: Final = self._reports_each_job or any(each.on_change for each in machine_type.messages)
        self._window_ms = max(1, int(min((*self.periods_ms, _LONGEST_WINDOW_MS))))
        self._rows = PendingRows()
        self._extra: list[DueMessage] = []
        self._wake_ups = WakeUps()
        self._steadiness = Steadiness(len(machines))
        self._writer: ColumnWriter | None = None

    def start(
        self,
        earlier: Reporting | None,
        kept: int,
        changed: Sequence[int],
        now_ms: int,
        *,
        slower: bool,
        coupled: bool,
    ) -> None:
        """Schedule all messages after now.

        earlier: what reported machines of the type before a reload.  kept: so many of them are still there.
        changed: the slots of those whose state has changed with it.
        slower: the period has become longer.  coupled: an event queue advances the machines.
        """
        for emitter in self.emitters:
            self._start_class(emitter, earlier, kept, now_ms)
        if isinstance(earlier, Reporter):
            self.machine_counts[: len(earlier.machine_counts)] = earlier.machine_counts
            self._extra += self._continued(earlier)
        if slower and not self._reports_each_job:
            late = (machine for machine in self._machines[:kept] if machine.finished is not NO_JOB)
            self._extra += (DueMessage(now_ms + 1, machine.number, 0, FOR_JOB, machine) for machine in late)
        self._extra.sort(key=_IN_ORDER)
        if self.measurements:
            before = earlier.measurements if isinstance(earlier, Reporter) else None
            self.measurements.start(before, self._machines, kept, now_ms)
        if self.alarms and earlier and earlier.alarms:
            self.alarms.continue_from(earlier.alarms, kept)
        if earlier:
            self._report_changed(earlier, {*changed, *earlier.changing_slots}, kept, now_ms)
        if self.reports_events and not coupled:
            self._wake_ups.start(enumerate(self._machines))

    @property
    def next_ms(self) -> int:
        """The next time at which a message may be due; NEVER without machines."""
        return min(self._rows.times[:1], default=self._next_due_ms)

    @property
    def _next_due_ms(self) -> int:
        """The same without what has been collected, which are changes that another configuration has made."""
        regular_ms = min((each.ring.next_ms for each in self.emitters if each.ring), default=NEVER)
        return min(regular_ms, self._wake_ups.next_ms, self._extra[0].time_ms if self._extra else NEVER)

    def messages_until(self, until_ms: int) -> list[Message]:
        """Return every message due up to a time, in order of time, machine and class."""
        messages: list[Message] = []
        while (begins_ms := self._next_due_ms) <= until_ms:
            self._collect_until(min(until_ms, self._window_end(begins_ms)))
            if len(self._rows) >= _ROWS_OF_A_BLOCK:
                messages += self._take_messages()[1]
        messages += self._take_messages()[1]
        return messages

    def _window_end(self, begins_ms: int) -> int:
        """Return the end of what is collected at once: a period, or many of few machines to which nothing happens."""
        if self.measurements is None or len(self._machines) > _FEW_ROWS:
            return begins_ms + self._window_ms
        from plant.fleets.steady_rows import quiet_window  # noqa: PLC0415  needs numpy

        machines, steadiness = self._machines, self._steadiness
        return quiet_window(begins_ms, self._window_ms, machines, self.measurements, self.emitters, steadiness)

    def schedule(self, until_ms: int) -> Iterator[DueMessage]:
        """Remove and yield what is due up to a time, in order of time, machine and class."""
        due = chain.from_iterable(map(DuePlaces.messages, self._due_places(until_ms)))
        yield from sorted((*self._pop_extra(until_ms), *due), key=_IN_ORDER)

    def collect(self, due: DueMessage) -> None:
        """Collect a message that is due, of a machine that has advanced to its time."""
        if due.form != FOR_JOB or due.machine.finished is not NO_JOB:
            self._append(due.machine, self.emitters[due.class_number], due.time_ms, due.form)

    def reschedule(self, machine: Machine) -> None:
        """Note that the next event of a machine is at another time now, where no event queue advances it."""
        slot = self._touched(machine)
        if self.reports_events:
            self._wake_ups.add(slot, machine)

    def take_collected(self) -> list[Collected]:
        """Return the messages of all rows that were collected, in order of time, machine and class."""
        slots, messages = self._take_messages()
        numbers = (self._numbers[slot] for slot in slots)
        return [Collected(each.time_ms, number, each) for number, each in zip(numbers, messages, strict=True)]

    accumulates: Final = True

    def skip_to(self, until_ms: int) -> None:
        """Do nothing: dropped messages are computed before, as what they report may accumulate."""

    def restore_counts(self) -> Callable[[], None]:
        """Return what sets the numbers of messages back to those of now."""
        of_alarms = self.alarms.states.arrays if self.alarms else ()
        return restoring([*self._counts.values(), self.machine_counts, *of_alarms])

    def subset(self, machines: Sequence[Machine], now_ms: int) -> Reporter:
        """Return the same for some of the machines; it shares everything else."""
        subset, chosen = copy.copy(self), set(machines)
        subset.emitters = [each.subset(machines, now_ms, self._slot) for each in self.emitters]
        subset._wake_ups = self._wake_ups.subset({*map(self._slot, machines)})  # noqa: SLF001 - of the same class
        subset._extra = [each for each in self._extra if each.machine in chosen]  # noqa: SLF001 - of the same class
        return subset

    def ring_of(self, name: str) -> PhaseRing | None:
        """Return the ring of a class of messages by its name; None if it has no regular messages."""
        return next((each.ring for each in self.emitters if each.message_class.name == name), None)

    def counts_of(self, name: str) -> Sequence[int]:
        """Return the number of messages so far of each machine in a class, by its name."""
        return self._counts.get(name, ())

    @property
    def class_names(self) -> Sequence[str]:
        """The names of its classes of messages."""
        return [*self._counts]

    def set_count(self, name: str, slot: int, count: int) -> None:
        """Continue the messages of a machine in a class from so many. slot: the place of the machine in its fleet."""
        self._counts[name][slot] = count

    def state_changed(self, machine: Machine, now_ms: int) -> None:
        """Record another state, and report it."""
        slot = self._touched(machine)
        if self.measurements:
            self.measurements.state_changed(slot, machine, now_ms)
        for emitter in self.emitters:
            if emitter.reports_change(slot, now_ms):
                self._append(machine, emitter, now_ms, FOR_CHANGE)

    def state_commanded(self, machine: Machine, now_ms: int, *, confirms: bool) -> None:
        """Report a state that a command sets, where that is not reported as a change already."""
        for emitter in self.emitters:
            if emitter.reports_command(confirms=confirms):
                self._append(machine, emitter, now_ms, FOR_CHANGE)

    def level_changed(self, machine: Machine, cause: str, level: Level, now_ms: int) -> None:
        """Record another level of a fault or of wear."""
        slot = self._touched(machine)
        if self.measurements:
            self.measurements.level_changed(slot, cause, level, now_ms)

    def set_point(self, machine: Machine, signal: str, value: float, now_ms: int) -> None:
        """Set a set point of a signal."""
        if self.measurements:
            self.measurements.set_point(self._touched(machine), signal, value, now_ms)

    def job_started(self, machine: Machine, now_ms: int) -> None:
        """Record another job."""
        slot = self._touched(machine)
        if self.measurements:
            self.measurements.job_started(slot, machine, now_ms)

    def job_finished(self, machine: Machine, job: Job, now_ms: int) -> None:
        """Count a job, and report it if each job is reported, unless it is reported already."""
        slot = self._touched(machine)
        if self.measurements:
            self.measurements.job_finished(slot, job)
        if self._reports_each_job and machine.finished is not NO_JOB:
            self._append(machine, self.emitters[0], now_ms, FOR_JOB)

    def _start_class(self, emitter: ClassEmitter, earlier: Reporting | None, kept: int, now_ms: int) -> None:
        name = emitter.message_class.name
        counts = earlier.counts_of(name) if earlier else ()
        emitter.keep_counts(counts[:kept])
        if emitter.period_ms < NEVER:
            ring = earlier.ring_of(name) if earlier else None
            phase_name = emitter.message_class.phase_name
            ring = renewed_ring(ring, self._machines, emitter.period_ms, now_ms, phase_name)
            emitter.use_ring(ring, self._slot)
        if emitter.message_class.on_change or emitter.message_class.on_command:
            self._extra += emitter.first_reports(self._machines, kept if counts else 0, now_ms)

    def _continued(self, earlier: Reporter) -> Iterator[DueMessage]:
        """Yield what was scheduled before beside the periods, of machines and classes that are still there."""
        numbers = {each.message_class.name: each.number for each in self.emitters}
        for due in earlier._extra:
            number = numbers.get(earlier.emitters[due.class_number].message_class.name)
            if number is not None and due.machine.number in self._numbers:
                yield due._replace(class_number=number)

    @property
    def changing_slots(self) -> Iterable[int]:
        """The slots of machines whose state has changed, and whose message for that is not taken yet."""
        return (slot for slot, form in zip(self._rows.slots, self._rows.forms, strict=True) if form == FOR_CHANGE)

    def _report_changed(self, earlier: Reporting, slots: Collection[int], kept: int, now_ms: int) -> None:
        """Report machines that another configuration has put into another state, in the classes that were there."""
        for emitter in self.emitters:
            if emitter.message_class.on_change and emitter.message_class.name in earlier.class_names:
                for slot in sorted(slot for slot in slots if slot < kept):
                    self._append(self._machines[slot], emitter, now_ms, FOR_CHANGE)

    def _touched(self, machine: Machine) -> int:
        """Return the slot of a machine to which something has happened."""
        slot = self._slot(machine)
        self._steadiness.changed[slot] = 1
        return slot

    def _slot(self, machine: Machine) -> int:
        return (machine.number - self._numbers.start) // self._numbers.step

    def _collect_until(self, until_ms: int) -> None:
        extra, due = self._pop_extra(until_ms), [*self._due_places(until_ms)]
        count = sum(last - first for _, _, first, last in due)
        if count < _FEW_ROWS or self.measurements is None:
            self._collect_each((*extra, *chain.from_iterable(map(DuePlaces.messages, due))))
            self._wake_ups.advance(self._machines, until_ms)
        else:
            self._collect_many(extra, due, until_ms, self.measurements)

    def _collect_each(self, due: Iterable[DueMessage]) -> list[DueMessage]:
        """Advance the machines that are due, and collect their rows in order of time."""
        in_order = sorted(due, key=_IN_ORDER)
        for each in in_order:
            each.machine.advance_to(each.time_ms)
            self.collect(each)
        return in_order

    def _collect_many(
        self, extra: Sequence[DueMessage], due: Sequence[DuePlaces], until_ms: int, measurements: FleetMeasurements
    ) -> None:
        """Do the same where most machines are due and nothing happens to them."""
        from plant.fleets.steady_rows import collect_steady, refresh  # noqa: PLC0415  needs numpy

        for each in extra:  # the rows of a machine are collected in order of time
            self._steadiness.changed[self._slot(each.machine)] = 1
        unsteady = collect_steady(due, self._steadiness, measurements, self._rows, self._machines)
        collected = self._collect_each((*extra, *unsteady))
        touched = {self._slot(each.machine) for each in collected}
        touched.update(self._wake_ups.advance(self._machines, until_ms))
        for slot in touched:
            refresh(slot, self._machines[slot], self.emitters, self._steadiness)

    def _due_places(self, until_ms: int) -> Iterator[DuePlaces]:
        """Remove and yield the places in the rings that are due up to a time."""
        return chain.from_iterable(emitter.due_places(until_ms) for emitter in self.emitters)

    def _pop_extra(self, until_ms: int) -> list[DueMessage]:
        passed = bisect_right(self._extra, until_ms, key=_TIME)
        extra, self._extra = self._extra[:passed], self._extra[passed:]
        return extra

    def _take_messages(self) -> tuple[list[int], list[Message]]:
        """Return the slots and the messages of all rows that were collected, in order."""
        rows, self._rows = self._rows, PendingRows()
        if self.measurements and len(rows) >= _FEW_ROWS:
            return self._column_writer(self.measurements).messages(rows)
        return rows.messages(self.emitters, self.measurements, self.alarms)

    def _column_writer(self, measurements: FleetMeasurements) -> ColumnWriter:
        if self._writer is None:
            from plant.fleets.column_messages import ColumnWriter  # noqa: PLC0415  needs numpy

            self._writer = ColumnWriter(self.emitters, measurements, len(self._machines), self.alarms)
        return self._writer

    def _append(self, machine: Machine, emitter: ClassEmitter, time_ms: int, form: int) -> None:
        """Collect a row; a finished job that it reports is counted here."""
        slot, texts = self._slot(machine), emitter.layout.machine_texts(machine, time_ms)
        measured = self.measurements.add_row(slot, time_ms, emitter, form) if self.measurements else NOT_MEASURED
        self._rows.append(time_ms, slot, emitter.number, form, texts, measured)
        if emitter.number == 0 and machine.finished is not NO_JOB:
            machine.runtime.results[machine.finished.result.name] += 1
            machine.reported_job, machine.finished = machine.job, NO_JOB
