"""The words for what a plant may say: kinds of message, their fields, and who says them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from plant.definition.field_sources import FieldSource

_SYNTAX: Final = {ord(character): f"\\{character}" for character in "^$\\.*+?()[]{}|/"}


def literal_pattern(text: str) -> str:
    """A regular expression of a text; only what ECMA 262 lets be escaped is escaped."""
    return text.translate(_SYNTAX)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One key of a row.

    json_type: string, number, integer, boolean or array.  unit: as `s`, None for what is counted or has none.
    enum: the only values that come, if they are known.  nullable: whether null may stand in their place.
    minimum, maximum: the least and the most, both of which may come; of an array, the number of its items.
    pattern: an ECMA 262 regular expression, anchored.  format: `date-time`, or None.
    items: the JSON type of an array's items; `parts` are the keys of those that are objects.
    role: what it reports of a machine, whatever it is called; None in messages of others.
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
    """One machine: its id, its station, and its number among those of its type, counted from 1."""

    machine_id: str
    station: str
    number: int


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message.

    key: its name in the YAML's `message_types`.  title, description: for people.
    topic: template over {prefix} {type} {machine_id} {station_id}.  fields: in the order of the row.
    sources: all who say it, by the name that messages bear.  machines: the same as machines, if it is a machine's row.
    machine_ids: what the ids of its machines, and no others, match.
    producing_state, ideal_cycle_seconds: where jobs advance, and their shortest; None if it is no machine's row.
    period_seconds: between two regular messages of one source; None if they come at random.
    retained: whether the last message is kept for who comes later.
    good: results after which nothing is left to be done, sorted.
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
