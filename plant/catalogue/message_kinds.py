"""The types of the catalogue: kinds of message, their fields, and their sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from plant.definition.machine_types.field_sources import FieldSource

_SYNTAX: Final = {ord(character): f"\\{character}" for character in "^$\\.*+?()[]{}|/"}


def literal_pattern(text: str) -> str:
    """Return a regular expression that matches a text; only characters that ECMA 262 allows to escape are escaped."""
    return text.translate(_SYNTAX)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One key of a message.

    json_type: string, number, integer, boolean or array.  unit: such as `s`; None for counts and values without one.
    enum: all possible values, if they are known.  nullable: whether the value may be null.
    minimum, maximum: the inclusive bounds of a number, or of the number of items of an array.
    pattern: an ECMA 262 regular expression, anchored.  format: `date-time`, or None.
    items: the JSON type of an array's items; `parts` are the keys of items that are objects.
    role: what the key reports of a machine, whatever its name; None in messages that are not a machine's.
    """

    name: str
    json_type: str
    description: str
    unit: str | None = None
    enum: tuple[str | float | int, ...] = ()
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    format: str | None = None
    items: str | None = None
    parts: tuple[FieldSpec, ...] = ()
    role: FieldSource | None = None


class MachineRef(NamedTuple):
    """One machine: its id, its station, and its number within its type, counted from 1."""

    machine_id: str
    station: str
    number: int


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message.

    key: its name in the YAML's `message_types`.  title, description: for people.
    topic: template over {prefix} {type} {machine_id} {station_id}.  fields: in the order of the message.
    sources: all sources of such messages.  machines: the same as machines; empty if machines do not emit this kind.
    machine_ids: a regular expression that matches the ids of its machines and no others.
    producing_state: the state in which jobs advance.  ideal_cycle_seconds: the shortest job. None without machines.
    period_seconds: between two regular messages of one source; None if they are emitted at random.
    retained: whether messages are published with the retain flag.
    good: results that count as good, sorted.
    """

    key: str
    title: str
    description: str
    topic: str
    fields: tuple[FieldSpec, ...]
    sources: tuple[str, ...]
    machines: tuple[MachineRef, ...] = ()
    machine_ids: str | None = None
    producing_state: str | None = None
    ideal_cycle_seconds: float | None = None
    period_seconds: float | None = None
    retained: bool = False
    good: tuple[str, ...] = ()
