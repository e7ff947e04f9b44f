"""How to read the messages of a machine type: its key of each role by class, and which class a message is of."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from string import Formatter
from typing import Any, Final, NamedTuple, Self

USUAL_GOOD: Final = frozenset({"good", "pass"})
USUAL_PLANNED_STOPS: Final = frozenset({"planned_stop"})
"""The states outside planned time, by their names in messages and ground truth (docs/messages.md)."""

_CONSUMED: Final = "consumed_ids"
"""The key that messages may have in addition, where pieces flow."""

_EPOCH_MS: Final = {"epoch_ms": 1, "epoch_s": 1000}
_WHOLE_SECONDS: Final = {"rfc3339_s": 1000}


class KeyNames(NamedTuple):
    """The keys of a machine type's messages by role; empty if they have none for it."""

    machine_id: str = ""
    station: str = ""
    status: str = ""
    job_kind: str = ""
    finished_id: str = ""
    finished_cycle: str = ""
    finished_result: str = ""
    finished_issues: str = ""
    finished_consumed: str = ""
    current_id: str = ""
    progress: str = ""
    sequence: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Return the keys from a mapping of keys to roles, as in the ground truth; unknown roles are ignored."""
        return cls(**{role: name for name, role in fields.items() if role in cls._fields})

    @property
    def without_jobs(self) -> Self:
        """The keys without those of jobs, which mean nothing where a job's id or result is not in the messages."""
        return type(self)(self.machine_id, self.station, self.status, sequence=self.sequence)


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """How to read one class of messages. A value in an object has the place of its key, such as `data.power`.

    name: "" if it is the only one.  places: of all values, and `constants` those that never change.
    topic: matches its topics.  timestamp: the key of the time, "" without one; ms_per_unit: of a number there, 0 for
    text; resolution_ms: of the time.
    period_ms: between two regular messages; infinite without.  on_change: whether changes of the state are reported.
    """

    name: str
    keys: KeyNames
    places: frozenset[str]
    constants: Mapping[str, object]
    topic: re.Pattern[str]
    timestamp: str
    ms_per_unit: int
    resolution_ms: int
    period_ms: float
    on_change: bool

    @classmethod
    def of(cls, entry: Mapping[str, Any], kind: str) -> Self:
        """Return it from an entry of the ground truth."""
        fields, timestamp = entry["fields"], entry["timestamp"] or ""
        keys = KeyNames.of({_CONSUMED: "finished_consumed", **fields})
        return cls(
            entry["name"],
            keys if keys.finished_id and keys.finished_result else keys.without_jobs,
            frozenset(fields) | ({timestamp} if timestamp else set()),
            entry["constants"],
            topic_pattern(entry["topic"], kind),
            timestamp,
            _EPOCH_MS.get(entry["form"], 0),
            _WHOLE_SECONDS.get(entry["form"], 1),
            math.inf if entry["period_seconds"] is None else 1000 * float(entry["period_seconds"]),
            bool(entry["on_change"]),
        )

    @property
    def reports_jobs(self) -> bool:
        """Whether its messages report finished jobs."""
        return bool(self.keys.finished_id)

    def fits(self, message: Mapping[str, Any]) -> bool:
        """Return whether a flat message has the places and constants of this class."""
        same_places = message.keys() - {_CONSUMED} == self.places - {_CONSUMED}
        return same_places and all(message[place] == value for place, value in self.constants.items())

    def source(self, machine_id: str) -> str:
        """Return the source of a machine's messages of this class."""
        return f"{machine_id}/{self.name}" if self.name else machine_id


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """How to read a machine type's messages.

    keys: by role.  good: the results that count as good.  planned_stops: states outside planned time.
    classes: of messages; empty where there is one, with time, machine and status by their usual keys.
    constant_status: the state of machines that have no states.
    alarm_classes: of messages about alarms.  alarms: by name, `high` or `low`, where each is raised.
    ends_early: results of jobs that may end before their time.  restarts: whether a job may start again.
    """

    keys: KeyNames
    good: frozenset[str]
    planned_stops: frozenset[str] = USUAL_PLANNED_STOPS
    classes: tuple[ClassInfo, ...] = ()
    constant_status: str | None = None
    alarm_classes: tuple[ClassInfo, ...] = ()
    alarms: Mapping[str, str] = field(default_factory=dict)
    ends_early: frozenset[str] = frozenset()
    restarts: bool = False

    @classmethod
    def of(cls, entry: Mapping[str, Any], kind: str) -> Self:
        """Return it from an entry of the ground truth."""
        return cls(
            KeyNames.of(entry["fields"]),
            frozenset(map(str, entry["good"])),
            frozenset(entry.get("planned_stops", USUAL_PLANNED_STOPS)),
            tuple(ClassInfo.of(each, kind) for each in entry.get("messages", ())),
            entry.get("constant_status"),
            tuple(ClassInfo.of(each, kind) for each in entry.get("alarm_messages", ())),
            entry.get("alarms", {}),
            frozenset(map(str, entry.get("ends_early", ()))),
            bool(entry.get("restarts", False)),
        )

    @property
    def time_class(self) -> ClassInfo | None:
        """The class that reports states: at the shortest period, otherwise at their changes. None if none does."""
        timed = (each for each in self.classes if each.timestamp)
        found = [each for each in timed if each.keys.status or self.constant_status is not None]
        regular = [each for each in found if not each.on_change and not math.isinf(each.period_ms)]
        return min(regular or found, key=lambda each: each.period_ms, default=None)


def topic_pattern(template: str, kind: str) -> re.Pattern[str]:
    """Return what matches the topics of a template, with the groups machine_id, station_id and prefix.

    A topic by machine has the machine's id at its end.
    """
    seen: set[str] = set()
    parts = (re.escape(text) + _group(name, kind, seen) for text, name, _, _ in Formatter().parse(template))
    pattern = "".join(parts)
    at_end = "" if "machine_id" in seen else "(?:/(?P<machine_id>[^/]+))?"
    return re.compile(pattern + at_end)


def _group(name: str | None, kind: str, seen: set[str]) -> str:
    if name is None:
        return ""
    pattern = {"type": re.escape(kind), "prefix": ".+"}.get(name, "[^/]+")
    if name in ("machine_id", "station_id", "prefix") and name not in seen:
        seen.add(name)
        return f"(?P<{name}>{pattern})"
    return pattern


def flattened(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a message by their places; a list is one value."""
    return dict(_places(message, ""))


def _places(message: Mapping[str, Any], within: str) -> Iterator[tuple[str, Any]]:
    for key, value in message.items():
        if isinstance(value, dict):
            yield from _places(value, f"{within}{key}.")
        else:
            yield within + key, value


MachineAt = Callable[[tuple[str, str | None]], str | None]
"""Returns the only machine of a type at a station; None if there is no such machine."""


class Found(NamedTuple):
    """The machine and class of a message, and its values by their places."""

    machine_id: str
    info: ClassInfo
    values: Mapping[str, Any]


class MessageFinder:
    """Finds machine and class by the places of the values, by constants among them, and by the topic if it is known.

    kind_of: returns the type of a machine, None if there is no such machine.  classes_of: those of a type to look for.
    """

    def __init__(
        self,
        types: Mapping[str, TypeInfo],
        kind_of: Callable[[str], str | None],
        machine_at: MachineAt,
        classes_of: Callable[[TypeInfo], Sequence[ClassInfo]] = attrgetter("classes"),
    ) -> None:
        self._classes = [(kind, each) for kind, info in types.items() for each in classes_of(info)]
        self._kind_of, self._machine_at = kind_of, machine_at

    def find(self, message: Mapping[str, Any], topic: str | None) -> Found | None:
        """Return what a message is of; None if it is of none of the classes, or of which machine is unknown."""
        if not self._classes:
            return None
        values = flattened(message)
        fitting = [(kind, each) for kind, each in self._classes if each.fits(values)]
        if topic is not None and len(fitting) > 1:
            fitting = _by_topic(fitting, topic) or fitting
        return next(self._of_known_machines(fitting, values, topic or ""), None)

    def _of_known_machines(
        self, fitting: Sequence[tuple[str, ClassInfo]], values: Mapping[str, Any], topic: str
    ) -> Iterator[Found]:
        for kind, info in fitting:
            match = info.topic.fullmatch(topic)
            machine_id = self._machine(kind, info, values, match.groupdict() if match else {})
            if machine_id is not None and self._kind_of(machine_id) in (kind, None):
                yield Found(machine_id, info, values)

    def _machine(
        self, kind: str, info: ClassInfo, values: Mapping[str, Any], groups: Mapping[str, str | None]
    ) -> str | None:
        if info.keys.machine_id:
            return _text(values.get(info.keys.machine_id))
        if (machine_id := groups.get("machine_id")) is not None:
            return machine_id
        station = _text(values.get(info.keys.station)) if info.keys.station else groups.get("station_id")
        return self._machine_at((kind, station)) if station is not None else None


def _by_topic(classes: Sequence[tuple[str, ClassInfo]], topic: str) -> list[tuple[str, ClassInfo]]:
    """Return the classes whose topics match, those first that take the least for the prefix, which is one for all."""
    matches = [(match, found) for found in classes if (match := found[1].topic.fullmatch(topic))]
    return [found for _, found in sorted(matches, key=lambda each: len(each[0].groupdict().get("prefix") or ""))]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
