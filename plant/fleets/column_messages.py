"""Makes the messages of many rows at once: their signals as columns, and texts that are joined row by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Final

import numpy as np
import numpy.typing as npt

from plant.fleets.class_emitter import ClassEmitter
from plant.fleets.class_layout import MachineSequencePart, SequencePart, SignalPart, TimestampPart
from plant.fleets.pending_rows import PendingRows
from plant.fleets.reporting import FORMS
from plant.machines.machine import Machine
from plant.machines.message_layout import MessageLayout
from plant.signals.columns.blocks import SignalBlock
from plant.signals.columns.text_columns import TextColumns
from plant.signals.fleet_signals import FleetSignals
from plant.telemetry import Message

_NO_MESSAGE: Final = Message("", "", None, 0, 0, b"")

_new_message: Final = partial(tuple.__new__, Message)  # takes a third of the time of Message(...)

Integers = npt.NDArray[np.int64]


class ColumnWriter:
    """Writes the messages of a fleet. machines: by slot."""

    __slots__ = ("_emitters", "_machine_numbers", "_machines", "_signals", "_texts")

    def __init__(self, emitters: Sequence[ClassEmitter], signals: FleetSignals, machines: Sequence[Machine]) -> None:
        self._emitters, self._signals, self._machines = emitters, signals, machines
        self._machine_numbers: Integers = np.zeros(0, dtype=np.int64)
        self._texts: Mapping[tuple[int, str], TextColumns] = {
            (emitter.number, part.signal): signals.text_columns(part.signal, part.head)
            for emitter in emitters
            for part in emitter.layout.parts
            if isinstance(part, SignalPart)
        }

    def messages(self, rows: PendingRows) -> tuple[list[int], list[Message]]:
        """Return slots and messages of all rows, in order of time, machine and class."""
        block = self._signals.block()
        times, slots, classes = np.array(rows.times), np.array(rows.slots), np.array(rows.classes)
        order: Integers = np.lexsort((classes, slots, times))
        self._count_machines(order, slots, classes)
        if len(self._emitters) == 1:
            return slots[order].tolist(), self._class_messages(self._emitters[0], order, rows, block)
        messages = [_NO_MESSAGE] * len(order)
        in_order = classes[order]
        for emitter in self._emitters:
            places = np.flatnonzero(in_order == emitter.number)
            if not len(places):
                continue
            made = self._class_messages(emitter, order[places], rows, block)
            for place, message in zip(places.tolist(), made, strict=True):
                messages[place] = message
        return slots[order].tolist(), messages

    def _count_machines(self, order: Integers, slots: Integers, classes: Integers) -> None:
        """Number the messages that have a number among all those of a machine."""
        counting = [emitter.number for emitter in self._emitters if emitter.layout.counts_machine]
        if counting:
            rows = order[np.isin(classes[order], counting)]
            self._machine_numbers = np.zeros(len(order), dtype=np.int64)
            self._machine_numbers[rows] = _next_counts(self._emitters[0].machine_counts, slots[rows])

    def _class_messages(
        self, emitter: ClassEmitter, order: Integers, rows: PendingRows, block: SignalBlock
    ) -> list[Message]:
        """Return the messages of some rows of one class, in that order."""
        places = order.tolist()
        slots, times, forms = ([*map(values.__getitem__, places)] for values in (rows.slots, rows.times, rows.forms))
        counts = _next_counts(emitter.counts, np.array(slots)).tolist()
        measured = np.array(rows.measured)[order]
        texts = [*map(rows.texts.__getitem__, places)]
        numbers = self._machine_numbers[order] if emitter.layout.counts_machine else order
        varying = times, counts, numbers.tolist()
        columns = [*emitter.prefix.columns(times), *self._columns(emitter, texts, varying, measured, block)]
        payloads = map(b"".join, zip(*columns, strict=True))
        sources, stations = map(emitter.sources.__getitem__, slots), map(emitter.stations.__getitem__, slots)
        fields = zip(repeat(emitter.kind), sources, stations, times, counts, payloads)
        if not any(forms):
            return [*map(_new_message, fields)]
        return [FORMS[form](*each) for form, each in zip(forms, fields, strict=True)]

    def _columns(
        self,
        emitter: ClassEmitter,
        texts: Sequence[tuple[bytes, ...]],
        varying: tuple[Sequence[int], Sequence[int], Sequence[int]],
        measured: Integers,
        block: SignalBlock,
    ) -> Iterator[Iterable[bytes]]:
        """Yield the texts of each part of the messages, row by row. varying: times, and both numbers of messages."""
        times, counts, numbers = varying
        machine_texts = iter(zip(*texts, strict=True))
        names = self._signals.program.names
        for part in emitter.layout.parts:
            if isinstance(part, MessageLayout):
                yield next(machine_texts)
            elif isinstance(part, SignalPart):
                digits = block.digits[names.index(part.signal)][measured]
                yield from self._texts[emitter.number, part.signal].of(digits)
            elif isinstance(part, SequencePart):
                yield [b"%b%d" % (part.head, count) for count in counts]
            elif isinstance(part, MachineSequencePart):
                yield [b"%b%d" % (part.head, number) for number in numbers]
            elif isinstance(part, TimestampPart):
                yield from part.timestamp.columns(times)
            else:
                yield [part] * len(counts)


def _next_counts(counted: array[int], slots: Integers) -> Integers:
    """Count messages of machines, and return the number of each. slots: in the order of messages."""
    counts = np.asarray(counted)
    order = np.argsort(slots, kind="stable")
    in_order = slots[order]
    begins = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    repeats = np.diff(np.append(begins, len(slots)))
    numbers = np.empty(len(slots), dtype=np.int64)
    numbers[order] = counts[in_order] + 1 + np.arange(len(slots)) - np.repeat(begins, repeats)
    counts[in_order[begins]] += repeats
    return numbers
