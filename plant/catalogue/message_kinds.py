"""The types of the catalogue: kinds of message, their fields, and their sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

    json_type: string, number, integer, boolean, array or object.  unit: such as `s`; None for counts and values without
    one.
    enum: all possible values, if they are known.  nullable: whether the value may be null.
    minimum, maximum: the inclusive bounds of a number, or of the number of items of an array.
    pattern: an ECMA 262 regular expression, anchored.  format: `date-time`, or None.
    items: the JSON type of an array's items.  parts: the keys of an object, or of an array's items that are objects.
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


class Leaf(NamedTuple):
    """A value of a message that is no object.  path: its key, after those of the objects around it."""

    path: tuple[str, ...]
    field: FieldSpec

    @property
    def name(self) -> str:
        """The path as one text, such as `data.temperature`; unique in a message."""
        return ".".join(self.path)


def leaves(fields: Iterable[FieldSpec], within: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield every value of a message, in order; an array is one value. within: the keys of the objects around."""
    for field in fields:
        path = (*within, field.name)
        if field.json_type == "object":
            yield from leaves(field.parts, path)
        else:
            yield Leaf(path, field)


class MachineRef(NamedTuple):
    """One machine: its id, its station, and its number within its type, counted from 1."""

    machine_id: str
    station: str
    number: int


@dataclass(frozen=True, slots=True)
class MessageKind:
    """One kind of message.

    key: its name in the YAML's `message_types`; with a dot and the class, where a type has several classes of messages.
    title, description: for people.
    topic: template over {prefix} {type} {machine_id} {station_id}, as edge.routing fills it in.
    fields: in the order of the message.
    sources: all sources of such messages.  machines: the same as machines; empty if machines do not emit this kind.
    machine_ids: a regular expression that matches the ids of its machines and no others.
    producing_state: the state in which jobs advance.  ideal_cycle_seconds: the shortest job. None without machines.
    period_seconds: between two regular messages of one source; None if there are none.
    retained: whether messages are published with the retain flag.
    good: results that count as good, sorted.
    machine_type: the type of its machines.  qos: 0 or 1; None for that of the run.
    timestamp, timestamp_form: the key of the time, and its form; None without one.
    on_change: whether each change of a machine's state is reported at once.  on_command: that by a command.
    own_ideal_seconds: the shortest job of each machine for which it is another one, by id.
    reports_alarms: whether messages are about alarms.  reports_cleared: whether also about those that are cleared.
    ideal_cycles: the shortest cycle of each kind of job in seconds, where kinds have their own.
    ends_early: results of jobs that may end before their time, sorted.
    reports_each_job: whether each finished job has a message of its own, as jobs may be shorter than the period.
    has_faults: whether its machines may have faults.
    has_states: whether its machines have states.  planned_stops: those that are no planned working time, sorted.
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
    machine_type: str | None = None
    qos: int | None = None
    timestamp: str | None = "timestamp"
    timestamp_form: str = "rfc3339"
    on_change: bool = False
    on_command: bool = False
    reports_alarms: bool = False
    reports_cleared: bool = True
    reports_each_job: bool = False
    own_ideal_seconds: tuple[tuple[str, float], ...] = ()
    has_states: bool = True
    has_faults: bool = False
    planned_stops: tuple[str, ...] = ()
    ideal_cycles: tuple[tuple[str, float], ...] = ()
    ends_early: tuple[str, ...] = ()

    @property
    def is_of_several(self) -> bool:
        """Whether it is one of several classes of messages of its machines."""
        return self.machine_type not in (None, self.key)

    @property
    def reports_jobs(self) -> bool:
        """Whether its messages report finished jobs."""
        return any(leaf.field.role and leaf.field.role.name.startswith("FINISHED") for leaf in leaves(self.fields))

    def path_of(self, role: FieldSource) -> tuple[str, ...] | None:
        """Return the path of the first value with a role; None if it has none."""
        return next((leaf.path for leaf in leaves(self.fields) if leaf.field.role is role), None)
