"""How the messages of a class are put together: parts in order, each a text of the machine, a signal, or a number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final, NamedTuple, Protocol

from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.machines.machine import Machine
from plant.machines.message_layout import MessageLayout, layout_of, tokens
from plant.machines.timestamp_prefix import TimestampValue

_SPECIAL: Final = (
    FieldSource.SIGNAL,
    FieldSource.SEQUENCE,
    FieldSource.MACHINE_SEQUENCE,
    FieldSource.TIMESTAMP,
)


class RowTexts(NamedTuple):
    """What the parts of one message are made of. machine, signals: the texts for parts of these kinds, in order.

    number, machine_number: of the message in its class, and among all those of the machine that have one.
    """

    time_ms: int
    number: int
    machine_number: int
    machine: Iterator[bytes]
    signals: Iterator[bytes]


class ColumnTexts(NamedTuple):
    """The same of many messages: a number or a text for each. A signal is one column or two."""

    times_ms: Sequence[int]
    numbers: Sequence[int]
    machine_numbers: Sequence[int]
    machine: Iterator[Iterable[bytes]]
    signals: Iterator[Iterable[Iterable[bytes]]]


class Part(Protocol):
    """A part of the messages of a class."""

    def row(self, texts: RowTexts) -> bytes:
        """Return the text of the part in one message."""

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the texts of the part in many messages, in one column or more to be joined row by row."""


class MachinePart(NamedTuple):
    """What follows from the machine."""

    layout: MessageLayout

    def row(self, texts: RowTexts) -> bytes:
        """Return the machine's text."""
        return next(texts.machine)

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the machines' texts."""
        return (next(texts.machine),)


class SignalPart(NamedTuple):
    """A signal, after a constant text."""

    head: bytes
    signal: str

    def row(self, texts: RowTexts) -> bytes:
        """Return the text and the signal."""
        return self.head + next(texts.signals)

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the signal, whose first column has the text before it."""
        return next(texts.signals)


class SequencePart(NamedTuple):
    """The number of the message, after a constant text."""

    head: bytes

    def row(self, texts: RowTexts) -> bytes:
        """Return the text and the number."""
        return b"%b%d" % (self.head, texts.number)

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the text and the numbers."""
        return ([b"%b%d" % (self.head, number) for number in texts.numbers],)


class MachineSequencePart(NamedTuple):
    """The number of the message among those of the machine that have one, after a constant text."""

    head: bytes

    def row(self, texts: RowTexts) -> bytes:
        """Return the text and the number."""
        return b"%b%d" % (self.head, texts.machine_number)

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the text and the numbers."""
        return ([b"%b%d" % (self.head, number) for number in texts.machine_numbers],)


class TimestampPart(NamedTuple):
    """The timestamp, with the constant text before it."""

    timestamp: TimestampValue

    def row(self, texts: RowTexts) -> bytes:
        """Return the timestamp."""
        return self.timestamp(texts.time_ms)

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the timestamps."""
        return self.timestamp.columns(texts.times_ms)


class ConstantPart(NamedTuple):
    """A constant text."""

    text: bytes

    def row(self, _texts: RowTexts) -> bytes:
        """Return the text."""
        return self.text

    def columns(self, texts: ColumnTexts) -> Iterable[Iterable[bytes]]:
        """Return the text as often as there are messages."""
        return (repeat(self.text, len(texts.numbers)),)


class ClassLayout:
    """The parts of a class's messages after the timestamp.

    machine_parts: those that follow from the machine.  varies: whether they change while nothing happens to it.
    counts_machine: whether its messages have numbers among all those of a machine that have some.
    """

    __slots__ = ("counts_machine", "machine_parts", "parts", "signals", "varies")

    def __init__(self, timestamp: str | None, fields: Sequence[Field]) -> None:
        self.parts: tuple[Part, ...] = (*_parts([*tokens(timestamp, fields)]),)
        self.machine_parts = tuple(part.layout for part in self.parts if isinstance(part, MachinePart))
        self.signals = tuple(part.signal for part in self.parts if isinstance(part, SignalPart))
        self.counts_machine = any(isinstance(part, MachineSequencePart) for part in self.parts)
        self.varies = any(field.source is FieldSource.PROGRESS for field in fields)

    def machine_texts(self, machine: Machine, time_ms: int) -> tuple[bytes, ...]:
        """Return the texts of the machine's parts at a time."""
        machine.message_ms = time_ms
        return tuple(part.text(machine) for part in self.machine_parts)


def _parts(found: Sequence[bytes | Field]) -> Iterator[Part]:
    """Join constant texts and values of the machine, up to each signal or number."""
    open_part: list[bytes | Field] = []
    for token in found:
        if isinstance(token, bytes) or token.source not in _SPECIAL:
            open_part.append(token)
            continue
        *before, head = open_part
        yield from (MachinePart(layout_of(before)),) if before else ()
        yield _special(head, token)
        open_part = []
    if any(isinstance(token, Field) for token in open_part):
        yield MachinePart(layout_of(open_part))
    else:
        yield ConstantPart(b"".join(token for token in open_part if isinstance(token, bytes)))


def _special(head: bytes | Field, field: Field) -> Part:
    text = head if isinstance(head, bytes) else b""  # the token before a field is always a text
    if field.source is FieldSource.SIGNAL:
        return SignalPart(text, field.detail)
    if field.source is FieldSource.TIMESTAMP:
        return TimestampPart(TimestampValue(text, field.detail))
    return SequencePart(text) if field.source is FieldSource.SEQUENCE else MachineSequencePart(text)
