"""How to read the messages of a machine type: its key of each role by class."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from string import Formatter
from typing import Any, Final, NamedTuple, Self

USUAL_GOOD: Final = frozenset({"good", "pass"})
USUAL_PLANNED_STOPS: Final = frozenset({"planned_stop"})
"""The states outside planned time, by their names in messages and ground truth (docs/messages.md)."""

CONSUMED: Final = "consumed_ids"
"""The key that messages may have in addition, where pieces flow."""

_USUAL_TIME: Final = "timestamp"
_ANY_TOPIC: Final = re.compile(".*")
_EPOCH_MS: Final = {"epoch_ms": 1, "epoch_s": 1000}
_WHOLE_SECONDS: Final = {"rfc3339_s": 1000}


METER, GROWTH, POWER = "meter", "growth", "power"
_ENERGY_ROLES: Final = (METER, GROWTH, POWER)
"""What a value may be for the energy of its machine, the best one first."""


class EnergyKey(NamedTuple):
    """Where messages report the energy of their machine, and what it is: meter, growth or power.

    meter: what a meter shows, in kWh.  growth: what it has grown by since the regular message before.
    power: in kW, over the period of the message.
    """

    place: str
    role: str

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Self | None:
        """Return the best one in an entry of the ground truth; None if messages do not report energy."""
        found = {role: place for place, role in entry.get("energy", {}).items()}
        return next((cls(found[role], role) for role in _ENERGY_ROLES if role in found), None)


class KeyNames(NamedTuple):
    """The keys of a machine type's messages by role; empty if they have none for it."""

    machine_id: str = ""
    station: str = ""
    status: str = ""
    job_kind: str = ""
    lot: str = ""
    order: str = ""
    finished_id: str = ""
    finished_cycle: str = ""
    finished_result: str = ""
    finished_issues: str = ""
    finished_consumed: str = ""
    current_id: str = ""
    progress: str = ""
    sequence: str = ""
    state_reason: str = ""
    state_reason_code: str = ""
    finished_reason: str = ""
    finished_reason_code: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Return the keys from a mapping of keys to roles, as in the ground truth; unknown roles are ignored."""
        return cls(**{role: name for name, role in fields.items() if role in cls._fields})

    @property
    def without_jobs(self) -> Self:
        """The keys without those of jobs, which mean nothing where a job's id or result is not in the messages."""
        return type(self)(
            self.machine_id,
            self.station,
            self.status,
            sequence=self.sequence,
            state_reason=self.state_reason,
            state_reason_code=self.state_reason_code,
        )


class AlarmKeys(NamedTuple):
    """The places of what messages about alarms report, by role; empty if they do not.

    Messages without the event are all about alarms that are raised.
    """

    alarm: str = ""
    alarm_signal: str = ""
    alarm_side: str = ""
    alarm_event: str = ""
    alarm_value: str = ""
    alarm_limit: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Self:
        """Return the places from a mapping of places to roles, as in the ground truth."""
        return cls(**{role: place for place, role in fields.items() if role in cls._fields})

    @property
    def can_be_judged(self) -> bool:
        """Whether messages report which alarm it is, and what has raised it."""
        is_named = bool(self.alarm or (self.alarm_signal and self.alarm_side))
        return is_named and bool(self.alarm_value and self.alarm_limit)

    def name(self, message: Mapping[str, Any]) -> object:
        """Return the name of the alarm, which where it has none of its own is that of its signal and its side."""
        return message[self.alarm] if self.alarm else f"{message[self.alarm_signal]}.{message[self.alarm_side]}"


NO_ALARM: Final = AlarmKeys()


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """How to read one class of messages. A value in an object has the place of its key, such as `data.power`.

    name: "" if it is the only one.  places: of all values, and `constants` those that never change.
    topic: matches its topics.  timestamp: the key of the time, "" without one; ms_per_unit: of a number there, 0 for
    text; resolution_ms: of the time.
    period_ms: between two regular messages; infinite without, 0 for that of the machine.
    on_change: whether changes of the state are reported.  energy: where energy is reported, if it is.
    alarms: where alarms are reported.
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
    energy: EnergyKey | None = None
    alarms: AlarmKeys = NO_ALARM

    @classmethod
    def of(cls, entry: Mapping[str, Any], kind: str) -> Self:
        """Return it from an entry of the ground truth."""
        fields, timestamp = entry["fields"], entry["timestamp"] or ""
        keys = KeyNames.of({CONSUMED: "finished_consumed", **fields})
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
            EnergyKey.of(entry),
            AlarmKeys.of(fields),
        )

    @property
    def reports_jobs(self) -> bool:
        """Whether its messages report finished jobs."""
        return bool(self.keys.finished_id)

    def has_constants(self, message: Mapping[str, Any]) -> bool:
        """Return whether a flat message, which has the places of this class, has its constants too."""
        return all(message[place] == value for place, value in self.constants.items())

    def source(self, machine_id: str) -> str:
        """Return the source of a machine's messages of this class."""
        return f"{machine_id}/{self.name}" if self.name else machine_id


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """How to read a machine type's messages.

    keys: by role.  good: the results that count as good.  planned_stops: states outside planned time.
    classes: of messages; empty where there is one, with time, machine and status by their usual keys.
    places: of all values in the messages of that one.  energy: where it reports energy, if it does.
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
    places: frozenset[str] = frozenset()
    energy: EnergyKey | None = None

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
            frozenset(entry["fields"]),
            EnergyKey.of(entry),
        )

    def in_classes(self) -> Self:
        """Return the same with the usual messages as a class, unless it has classes already."""
        if self.classes:
            return self
        keys = self.keys if self.keys.finished_id and self.keys.finished_result else self.keys.without_jobs
        places = self.places | {_USUAL_TIME}
        usual = ClassInfo("", keys, places, {}, _ANY_TOPIC, _USUAL_TIME, 0, 1, period_ms=0.0, on_change=False)
        return replace(self, classes=(replace(usual, energy=self.energy),))

    @property
    def reports_jobs(self) -> bool:
        """Whether messages report finished jobs, and their time."""
        if not self.classes:
            return bool(self.keys.finished_id)
        return self.classes[0].reports_jobs and bool(self.classes[0].timestamp)

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
