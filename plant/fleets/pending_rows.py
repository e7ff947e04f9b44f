"""Rows that are due and not yet made into messages."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from plant.alarms.alarm_reporter import AlarmReporter
from plant.alarms.alarm_states import AlarmEvent
from plant.fleets.class_emitter import ClassEmitter
from plant.fleets.reporting import FORMS, REGULAR
from plant.telemetry import Message

if TYPE_CHECKING:
    from plant.fleets.fleet_measurements import FleetMeasurements

NOT_MEASURED: Final = -1


class RowObserver(Protocol):
    """Is shown rows as they are made into messages."""

    def see(self, rows: PendingRows, digits: Callable[[int], Sequence[int]]) -> None:
        """Look at rows. digits: returns a signal, by number, in all measured rows, as whole last decimals."""


class PendingRows:
    """Rows side by side: each array has an entry a row.

    slots: of the machines.  classes: of messages, by number.  forms: why they are sent, as a place in FORMS.
    texts: what the machine's parts of the message are.
    measured: the place of the row among the pending rows of the signals; NOT_MEASURED if it needs none.
    """

    __slots__ = ("classes", "forms", "measured", "slots", "texts", "times")

    def __init__(self) -> None:
        self.times, self.slots, self.measured = array("q"), array("q"), array("q")
        self.classes, self.forms = array("h"), array("b")
        self.texts: list[tuple[bytes, ...]] = []

    def __len__(self) -> int:
        return len(self.times)

    def append(self, time_ms: int, slot: int, number: int, form: int, texts: tuple[bytes, ...], measured: int) -> None:
        """Append a row. number: of the class."""
        self.times.append(time_ms)
        self.slots.append(slot)
        self.classes.append(number)
        self.forms.append(form)
        self.texts.append(texts)
        self.measured.append(measured)

    def extend(
        self,
        times: array[int],
        slots: array[int],
        number: int,
        texts: Sequence[tuple[bytes, ...]],
        measured: array[int] | None,
    ) -> None:
        """Append rows of regular messages of one class. measured: their places; None if they need no signals."""
        count = len(times)
        self.times += times
        self.slots += slots
        self.classes += array("h", [number]) * count
        self.forms += array("b", [REGULAR]) * count
        self.texts += texts
        self.measured += array("q", [NOT_MEASURED]) * count if measured is None else measured

    def messages(
        self, emitters: Sequence[ClassEmitter], measurements: FleetMeasurements | None, alarms: AlarmReporter | None
    ) -> tuple[list[int], list[Message]]:
        """Return slots and messages of all rows, in order of time, machine and class, and those of alarms among them.

        The rows are made one at a time.  measurements: the signals of the machines, if they have any.
        """
        digits, order = measurements.signals.row_digits() if measurements else [], self.in_order()
        texts = [*map(measurements.signals.texts, digits), []] if measurements else [[]]
        if measurements and measurements.observer is not None:
            measurements.observer.see(self, lambda number: [each[number] for each in digits])
        slots = [self.slots[row] for row in order]
        messages = [self.message(row, emitters, texts) for row in order]
        if alarms is None:
            return slots, messages
        return alarms.with_messages(slots, messages, [*self._alarm_events(order, digits, alarms)])

    def _alarm_events(
        self, order: Sequence[int], digits: Sequence[Sequence[int]], alarms: AlarmReporter
    ) -> Iterator[tuple[int, AlarmEvent]]:
        for place, row in enumerate(order):
            if self.classes[row] == alarms.advancing and self.forms[row] == REGULAR:
                events = alarms.states.row(self.slots[row], self.times[row], digits[self.measured[row]])
                yield from ((place, event) for event in events)

    def in_order(self) -> list[int]:
        """Return the places of all rows in the order of messages: by time, machine, class, and order of appending."""
        times, slots, classes = self.times, self.slots, self.classes
        return sorted(range(len(times)), key=lambda row: (times[row], slots[row], classes[row]))

    def message(self, row: int, emitters: Sequence[ClassEmitter], signal_texts: Sequence[Sequence[bytes]]) -> Message:
        """Return the message of a row. signal_texts: of all measured rows, and an empty list for the others."""
        emitter, texts = emitters[self.classes[row]], (self.texts[row], signal_texts[self.measured[row]])
        return emitter.message(self.slots[row], self.times[row], FORMS[self.forms[row]], *texts)
