"""One class of messages of a fleet: when its machines report, and what their messages have besides values."""

from __future__ import annotations

import copy
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.definition.plant_config import PlantConfig
from plant.fleets.class_layout import ClassLayout, RowTexts
from plant.fleets.phase_ring import PhaseRing
from plant.fleets.reporting import FOR_CHANGE, REGULAR, DueMessage
from plant.jobs.jobs import milliseconds
from plant.machines.machine import Machine, phase
from plant.machines.message_layout import traced_fields
from plant.machines.timestamp_prefix import TimestampPrefix
from plant.telemetry import Message, class_source

_FIRST_REPORTS_MS: Final = 1000
"""The time within which new machines report their state, where changes are reported."""


class ClassEmitter:
    """One class of messages of some machines.

    number: its place among the classes of its type.  period_ms: of the regular messages; infinite without them.
    ring: of the regular messages, if there are any.
    sources, stations: of each machine's messages, by slot.
    counts: messages so far, by slot.  machine_counts: the same over several classes together.
    ring_slots: of the machines in the ring.  steady_texts: by slot, the texts of machines to which nothing happens.
    signals: the place of each of its signals among all that are shown, in the order of the message.
    new_from, began_ms: the slot of the first machine whose state is still to be reported for the first time, and since
    when they exist; only where changes are reported.
    """

    __slots__ = (
        "began_ms", "counts", "kind", "layout", "machine_counts", "message_class", "new_from", "number", "period_ms",
        "prefix", "ring", "ring_slots", "signals", "sources", "stations", "steady_texts",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        message_class: MessageClass,
        layout: ClassLayout,
        period_ms: float,
        shown_signals: Sequence[str],
        machines: Sequence[Machine],
        machine_counts: array[int],
    ) -> None:
        self.number, self.message_class, self.layout = number, message_class, layout
        self.kind, self.period_ms = message_class.kind, period_ms
        self.prefix = TimestampPrefix(message_class.timestamp, message_class.form)
        self.signals = tuple(map(shown_signals.index, layout.signals))
        self.sources = [class_source(machine.id, message_class.name) for machine in machines]
        self.stations = [machine.station for machine in machines]
        self.counts = array("q", bytes(8 * len(machines)))
        self.machine_counts = machine_counts
        self.ring: PhaseRing | None = None
        self.ring_slots = array("q")
        self.new_from = self.began_ms = 0
        self.steady_texts: list[tuple[bytes, ...]] = [()] * len(machines)

    def keep_counts(self, counts: Sequence[int]) -> None:
        """Continue the counts of the first machines in the same class from before a reload."""
        self.counts[: len(counts)] = array("q", counts)

    def first_reports(self, machines: Sequence[Machine], new_from: int, now_ms: int) -> Iterator[DueMessage]:
        """Yield a message for each new machine, soon after now, from a class that reports changes of the state.

        new_from: the slot of the first one.
        """
        self.new_from, self.began_ms = new_from, now_ms
        for machine in machines[new_from:]:
            offset_ms = 1 + int(phase(machine.stream) * _FIRST_REPORTS_MS)
            yield DueMessage(now_ms + offset_ms, machine.number, self.number, FOR_CHANGE, machine)

    def reports_change(self, slot: int, now_ms: int) -> bool:
        """Return whether a change of the state is reported: not at the beginning, before the first message."""
        return self.message_class.on_change and not (now_ms == self.began_ms and slot >= self.new_from)

    def reports_command(self, *, confirms: bool) -> bool:
        """Return whether a state that a command sets is reported, unless as a change. confirms: there is no change."""
        return confirms if self.message_class.on_change else self.message_class.on_command

    def due_places(self, until_ms: int) -> Iterator[DuePlaces]:
        """Remove and yield what is due up to a time."""
        for began_ms, first, last in self.ring.pop_until(until_ms) if self.ring else ():
            yield DuePlaces(self, began_ms, first, last)

    def use_ring(self, ring: PhaseRing, slot_of: Callable[[Machine], int]) -> None:
        """Report the machines of a ring at its moments."""
        self.ring, self.ring_slots = ring, array("q", map(slot_of, ring.machines))

    def subset(self, machines: Sequence[Machine], now_ms: int, slot_of: Callable[[Machine], int]) -> ClassEmitter:
        """Return the emitter of some of the machines, which shares everything else."""
        subset = copy.copy(self)
        if self.ring:
            subset.use_ring(self.ring.with_machines(machines, now_ms), slot_of)
        return subset

    def message(
        self,
        slot: int,
        time_ms: int,
        form: type[Message],
        machine_texts: Sequence[bytes],
        signal_texts: Sequence[bytes],
    ) -> Message:
        """Return the next message of a machine. signal_texts: of all signals that are shown."""
        self.counts[slot] = count = self.counts[slot] + 1
        if self.layout.counts_machine:
            self.machine_counts[slot] += 1
        signals = (signal_texts[number] for number in self.signals)
        texts = RowTexts(time_ms, count, self.machine_counts[slot], iter(machine_texts), signals)
        payload = self.prefix(time_ms) + b"".join([part.row(texts) for part in self.layout.parts])
        return form(self.kind, self.sources[slot], self.stations[slot], time_ms, count, payload)


class DuePlaces(NamedTuple):
    """Machines of a class that are due in one lap: places in its ring, and when the lap began."""

    emitter: ClassEmitter
    began_ms: int
    first: int
    last: int

    def messages(self) -> Iterator[DueMessage]:
        """Yield what is due, in the order of the ring."""
        ring, number = self.emitter.ring, self.emitter.number
        if ring is None:
            return
        for place in range(self.first, self.last):
            machine = ring.machines[place]
            yield DueMessage(self.began_ms + ring.offsets[place], machine.number, number, REGULAR, machine)


def emitters_of(
    machine_type: MachineType, config: PlantConfig, machines: Sequence[Machine], machine_counts: array[int]
) -> Iterator[ClassEmitter]:
    """Yield an emitter for each class of messages of a type."""
    shown = [name for name, spec in machine_type.signals.items() if spec.shown]
    for number, each in enumerate(machine_type.messages):
        traced = traced_fields(config, machine_type) if number == 0 else ()
        layout = ClassLayout(each.timestamp, (*each.fields, *traced))
        period_ms = milliseconds(config.class_period_seconds(each))
        yield ClassEmitter(number, each, layout, period_ms, shown, machines, machine_counts)
