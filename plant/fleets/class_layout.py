"""How the messages of a class are put together: parts in order, each a text of the machine, a signal, or a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

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


class SignalPart(NamedTuple):
    """A signal, after a constant text."""

    head: bytes
    signal: str


class SequencePart(NamedTuple):
    """The number of the message, after a constant text."""

    head: bytes


class MachineSequencePart(NamedTuple):
    """The number of the message among those of the machine that have one, after a constant text."""

    head: bytes


class TimestampPart(NamedTuple):
    """The timestamp, with the constant text before it."""

    timestamp: TimestampValue


Part = MessageLayout | SignalPart | SequencePart | MachineSequencePart | TimestampPart | bytes


class ClassLayout:
    """The parts of a class's messages after the timestamp.

    machine_parts: those that follow from the machine.  varies: whether they change while nothing happens to it.
    counts_machine: whether its messages have numbers among all those of a machine that have some.
    """

    __slots__ = ("counts_machine", "machine_parts", "parts", "signals", "varies")

    def __init__(self, timestamp: str | None, fields: Sequence[Field]) -> None:
        self.parts: tuple[Part, ...] = (*_parts([*tokens(timestamp, fields)]),)
        self.machine_parts = tuple(part for part in self.parts if isinstance(part, MessageLayout))
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
        yield from (layout_of(before),) if before else ()
        yield _special(head, token)
        open_part = []
    if any(isinstance(token, Field) for token in open_part):
        yield layout_of(open_part)
    else:
        yield b"".join(token for token in open_part if isinstance(token, bytes))


def _special(head: bytes | Field, field: Field) -> Part:
    text = head if isinstance(head, bytes) else b""  # the token before a field is always a text
    if field.source is FieldSource.SIGNAL:
        return SignalPart(text, field.detail)
    if field.source is FieldSource.TIMESTAMP:
        return TimestampPart(TimestampValue(text, field.detail))
    return SequencePart(text) if field.source is FieldSource.SEQUENCE else MachineSequencePart(text)
