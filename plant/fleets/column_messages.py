"""Makes the messages of many rows at once: their signals as columns, and texts that are joined row by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.alarms.alarm_reporter import AlarmReporter
from plant.alarms.alarm_states import AlarmEvent, Limit
from plant.alarms.block_events import block_events, limits_in_reach
from plant.fleets.class_emitter import ClassEmitter
from plant.fleets.class_layout import ColumnTexts, SignalPart
from plant.fleets.fleet_measurements import FleetMeasurements
from plant.fleets.pending_rows import PendingRows
from plant.fleets.reporting import FORMS, REGULAR
from plant.signals.columns.blocks import SignalBlock
from plant.signals.columns.text_columns import TextColumns
from plant.signals.fleet_signals import FleetSignals
from plant.telemetry import Message

_NO_MESSAGE: Final = Message("", "", None, 0, 0, b"")

_MOST: Final = 1 << 62
"""No product of numbers that are sorted may be greater."""

_new_tuple: Final = tuple.__new__  # takes a third of the time of Message(...)

Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


class ColumnWriter:
    """Writes the messages of a fleet."""

    __slots__ = ("_alarms", "_classes", "_machines", "_measurements")

    def __init__(
        self,
        emitters: Sequence[ClassEmitter],
        measurements: FleetMeasurements,
        machines: int,
        alarms: AlarmReporter | None,
    ) -> None:
        self._measurements, self._machines, self._alarms = measurements, machines, alarms
        self._classes = [_ClassWriter(emitter, measurements.signals) for emitter in emitters]

    def messages(self, rows: PendingRows) -> tuple[list[int], list[Message]]:
        """Return slots and messages of all rows, and of alarms, in order of time, machine and class."""
        block = self._measurements.signals.block()
        if self._measurements.observer is not None:
            self._measurements.observer.see(rows, lambda number: block.digits[number].tolist())
        slots, classes = np.asarray(rows.slots), np.asarray(rows.classes)
        order = row_order(np.asarray(rows.times), slots, classes, self._machines * len(self._classes))
        messages = self._messages(order, slots, classes, rows, block)
        if self._alarms is None or not (limits := limits_in_reach(self._alarms.states, block.digits)):
            return slots[order].tolist(), messages
        events = _alarm_events(self._alarms, limits, order, rows, block)
        return self._alarms.with_messages(slots[order].tolist(), messages, events)

    def _messages(
        self, order: Integers, slots: Integers, classes: npt.NDArray[np.int16], rows: PendingRows, block: SignalBlock
    ) -> list[Message]:
        numbers = self._machine_numbers(order, slots, classes)
        if len(self._classes) == 1:
            return self._classes[0].messages(order, numbers, rows, block)
        messages = [_NO_MESSAGE] * len(order)
        in_order = classes[order]
        for number, writer in enumerate(self._classes):
            places = np.flatnonzero(in_order == number)
            if not len(places):
                continue
            made = writer.messages(order[places], numbers, rows, block)
            for place, message in zip(places.tolist(), made, strict=True):
                messages[place] = message
        return messages

    def _machine_numbers(self, order: Integers, slots: Integers, classes: npt.NDArray[np.int16]) -> Integers | None:
        """Return the number of each row among all those of its machine that have one, by row; None if none has."""
        counting = [number for number, writer in enumerate(self._classes) if writer.emitter.layout.counts_machine]
        if not counting:
            return None
        counted = order[np.isin(classes[order], counting)]
        numbers = np.zeros(len(order), dtype=np.int64)
        numbers[counted] = _next_counts(self._classes[0].emitter.machine_counts, slots[counted])
        return numbers


class _ClassWriter:
    """Writes the messages of one class."""

    __slots__ = ("_milliseconds", "_signals", "_sources", "_stations", "emitter")

    def __init__(self, emitter: ClassEmitter, signals: FleetSignals) -> None:
        self.emitter: Final = emitter
        self._sources, self._stations = _table(emitter.sources), _table(emitter.stations)
        self._milliseconds = _table(emitter.prefix.milliseconds)
        names = signals.program.names
        self._signals: Sequence[tuple[int, TextColumns]] = [
            (names.index(part.signal), signals.text_columns(part.signal, part.head))
            for part in emitter.layout.parts
            if isinstance(part, SignalPart)
        ]

    def messages(
        self, order: Integers, machine_numbers: Integers | None, rows: PendingRows, block: SignalBlock
    ) -> list[Message]:
        """Return the messages of some rows of the class, in that order. machine_numbers: see MachineSequencePart."""
        slots, times, forms = (np.asarray(each)[order] for each in (rows.slots, rows.times, rows.forms))
        counts = _next_counts(self.emitter.counts, slots).tolist()
        numbers = [] if machine_numbers is None else machine_numbers[order].tolist()
        measured = np.asarray(rows.measured)[order]
        machine_texts = [*map(rows.texts.__getitem__, order.tolist())]
        of_machines = (map(itemgetter(place), machine_texts) for place in range(len(self.emitter.layout.machine_parts)))
        signals = (columns.of(block.digits[number][measured]) for number, columns in self._signals)
        texts = ColumnTexts(times.tolist(), counts, numbers, of_machines, signals)
        columns = (
            *self._timestamps(times),
            *chain.from_iterable(part.columns(texts) for part in self.emitter.layout.parts),
        )
        payloads = map(b"".join, zip(*columns, strict=True))
        sources, stations = self._sources.take(slots).tolist(), self._stations.take(slots).tolist()
        fields = zip(repeat(self.emitter.kind), sources, stations, times.tolist(), counts, payloads)
        each_form = map(FORMS.__getitem__, forms.tolist()) if forms.any() else repeat(Message)
        return [*map(_new_tuple, each_form, fields)]

    def _timestamps(self, times_ms: Integers) -> Iterator[list[bytes]]:
        """Yield the beginnings of messages in two parts: up to the second, and the rest. times_ms: in order."""
        seconds, milliseconds = np.divmod(times_ms, 1000)
        begins, counts = _runs(seconds)
        yield np.repeat(_table([*map(self.emitter.prefix.second, seconds[begins].tolist())]), counts).tolist()
        yield self._milliseconds.take(milliseconds).tolist()


def _alarm_events(
    alarms: AlarmReporter, limits: Sequence[Limit], order: Integers, rows: PendingRows, block: SignalBlock
) -> list[tuple[int, AlarmEvent]]:
    """Return the events of alarms, each with its place in the order of messages."""
    is_watched = (np.asarray(rows.classes) == alarms.advancing) & (np.asarray(rows.forms) == REGULAR)
    places = np.flatnonzero(is_watched[order])
    watched = order[places]
    slots, times, measured = (np.asarray(each)[watched] for each in (rows.slots, rows.times, rows.measured))
    found = block_events(alarms.states, limits, slots, times, block.digits, measured)
    return [(int(places[place]), event) for place, event in found]


def row_order(times: Integers, slots: Integers, classes: npt.NDArray[np.int16], places: int) -> Integers:
    """Return the order of rows by time, machine and class; equal ones stay in their order.

    places: machines times classes.  One key is sorted faster than three, above all if rows are nearly in order.
    """
    begin_ms, classes_each = int(times.min()), int(classes.max()) + 1
    if (int(times.max()) - begin_ms + 1) * places >= _MOST:
        return np.lexsort((classes, slots, times))
    return np.argsort((times - begin_ms) * places + slots * classes_each + classes, kind="stable")


def _next_counts(counted: array[int], slots: Integers) -> Integers:
    """Count messages of machines, and return the number of each. slots: in the order of messages."""
    counts = np.asarray(counted)
    order = np.argsort(slots, kind="stable")
    in_order = slots[order]
    begins, repeats = _runs(in_order)
    numbers = np.empty(len(slots), dtype=np.int64)
    numbers[order] = counts[in_order] + 1 + np.arange(len(slots)) - np.repeat(begins, repeats)
    counts[in_order[begins]] += repeats
    return numbers


def _runs(numbers: Integers) -> tuple[Integers, Integers]:
    """Return where runs of equal numbers begin, and their lengths."""
    begins = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
    return begins, np.diff(np.append(begins, len(numbers)))


def _table(texts: Sequence[object]) -> Objects:
    table = np.empty(len(texts), dtype=np.object_)
    table[:] = texts
    return table
