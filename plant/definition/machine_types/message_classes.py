"""The classes of messages of an entry: one, or those that `messages` declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from plant.definition.alarms.alarm_rules import CLASS_NAME, Alarms, Delivery
from plant.definition.document.errors import Violation
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.machine_types.layout import TIMESTAMP, FieldNames, constant, read_fields
from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.definition.machine_types.spellings import Entry

MOST_CLASSES: Final = 16
_TYPE_TOPIC: Final = "{prefix}/{type}"
ALARM_FIELDS: Final = (
    Field("alarm", FieldSource.ALARM),
    Field("signal", FieldSource.ALARM_SIGNAL),
    Field("event", FieldSource.ALARM_EVENT),
    Field("severity", FieldSource.ALARM_SEVERITY),
    Field("value", FieldSource.ALARM_VALUE),
    Field("limit", FieldSource.ALARM_LIMIT),
    Field("unit", FieldSource.ALARM_UNIT),
)
"""The keys of a message about an alarm after those of the machine."""

_MORE_OF_ALARMS: Final = (FieldSource.ALARM_SIDE, FieldSource.SEQUENCE)
_RAISED: Final = "raised"


class _AlarmNames:
    """The names that `fields` of alarms may have: of what never changes in a machine, and of the alarm."""

    def __init__(self, names: FieldNames) -> None:
        self.usual: Mapping[str, Field] = {each.name: each for each in (*names.of_every_message, *ALARM_FIELDS)}
        sources = (*(each.source for each in ALARM_FIELDS), *_MORE_OF_ALARMS)
        self._sources = {each.yaml_name: each for each in sources}

    @property
    def known(self) -> list[str]:
        """All names, the usual ones first."""
        return list(dict.fromkeys((TIMESTAMP, *self.usual, *self._sources)))

    def field(self, key: str, name: str, within: tuple[str, ...]) -> Field | None:
        """Return the field `key` with the value of a name; None if there is no such name."""
        if name in self.usual:
            return replace(self.usual[name], name=key, within=within)
        return Field(key, self._sources[name], within) if name in self._sources else None


def read_messages(key: str, entry: Entry, names: FieldNames) -> tuple[tuple[MessageClass, ...], list[Violation]]:
    """Return the classes, with the one that reports finished jobs first, and the violations."""
    declared: Mapping[str, Mapping[str, Any]] = entry.get("messages", {})
    if not declared:
        only, wrong = _message_class("", key, entry, entry.get("topic", _TYPE_TOPIC), names)
        return (only,), [each._replace(place=("fields", *each.place)) for each in wrong]
    violations = [*_rules(entry, declared)]
    classes = []
    for name, own in declared.items():
        topic = own.get("topic", f"{entry.get('topic', _TYPE_TOPIC)}/{name}").replace("{class}", name)
        found, wrong = _message_class(name, f"{key}.{name}", {**_inherited(entry, own), **own}, topic, names)
        classes.append(found)
        violations += (each._replace(place=("messages", name, "fields", *each.place)) for each in wrong)
    violations += _same_topics(key, classes)
    reporting = [each.name for each in classes if each.reports_jobs]
    if len(reporting) > 1:
        rule = f"reports finished jobs, as {reporting[0]} does: only one class of messages can"
        violations.append(Violation(("messages", reporting[1], "fields"), rule))
    return tuple(sorted(classes, key=lambda each: not each.reports_jobs)), violations


def _message_class(
    name: str, kind: str, entry: Entry, topic: str, names: FieldNames
) -> tuple[MessageClass, list[Violation]]:
    layout, wrong = read_fields(entry.get("fields"), names)
    form = entry.get("timestamp", "rfc3339")
    message_class = MessageClass(
        name=name,
        kind=kind,
        topic=topic,
        timestamp=layout.timestamp,
        form=form,
        fields=tuple(
            replace(field, detail=form) if field.source is FieldSource.TIMESTAMP else field for field in layout.fields
        ),
        frequency_weight=entry.get("frequency_weight", 1.0),
        report_seconds=entry.get("report_seconds"),
        qos=entry.get("qos"),
        retain=entry.get("retain", False),
        on_change=entry.get("on_change", False),
        on_command=entry.get("on_command", False),
        together=entry.get("together", False),
    )
    return message_class, wrong


def read_alarm_classes(
    key: str, entry: Entry, names: FieldNames, alarms: Alarms, classes: Sequence[MessageClass]
) -> tuple[tuple[MessageClass, ...], list[Violation]]:
    """Return the classes of messages of the alarms, and the violations. classes: the other ones of the type."""
    found: list[MessageClass] = []
    violations: list[Violation] = []
    for name, delivery in alarms.classes.items():
        each, wrong = _alarm_class(name, key, entry, _AlarmNames(names), delivery)
        found.append(each)
        place = "alarms", alarms.places[name], "fields"
        violations += (broken._replace(place=(*place, *broken.place)) for broken in wrong)
    if found:
        violations += _wrong_alarm_classes(key, entry, found, alarms, classes)
    return tuple(found), violations


def _alarm_class(
    name: str, key: str, entry: Entry, names: _AlarmNames, delivery: Delivery
) -> tuple[MessageClass, list[Violation]]:
    layout, wrong = read_fields(delivery.fields, names)
    form = entry.get("timestamp", "rfc3339")
    if delivery.fields is not None and not wrong and delivery.reports_cleared:
        wrong = [*_undistinguished(layout.fields)]
    message_class = MessageClass(
        name=name,
        kind=f"{key}.{name}",
        topic=delivery.topic or f"{entry.get('topic', _TYPE_TOPIC)}/{CLASS_NAME}",
        timestamp=layout.timestamp,
        form=form,
        fields=tuple(_completed(field, form, reports_cleared=delivery.reports_cleared) for field in layout.fields),
        frequency_weight=0.0,
        qos=delivery.qos,
        retain=delivery.retain,
        reports_alarms=True,
        reports_cleared=delivery.reports_cleared,
    )
    return message_class, wrong


def _completed(field: Field, form: str, *, reports_cleared: bool) -> Field:
    """Return a field of messages of alarms with the form of its time; the event, where there is only one, as such."""
    if field.source is FieldSource.ALARM_EVENT and not reports_cleared:
        return constant(field.name, _RAISED, field.within)
    return replace(field, detail=form) if field.source is FieldSource.TIMESTAMP else field


def _undistinguished(fields: Sequence[Field]) -> Iterator[Violation]:
    if all(field.source is not FieldSource.ALARM_EVENT for field in fields):
        yield Violation((), "need the event, raised or cleared; or give report_cleared: false")


def _wrong_alarm_classes(
    key: str, entry: Entry, found: Sequence[MessageClass], alarms: Alarms, classes: Sequence[MessageClass]
) -> Iterator[Violation]:
    for field in ALARM_FIELDS:
        if field.name in entry.get("properties", {}):
            yield Violation(("properties", field.name), "is a key of the messages of alarms: choose another name")
    for each in classes:
        if each.name in alarms.classes:
            yield Violation(("messages", each.name), "is the class of messages of alarms: choose another name")
    if not any(each.is_regular for each in classes) and any(each.on_change for each in classes):
        yield Violation(("alarms",), "need regular messages, at whose times alarms are raised and cleared")
    seen = {each.topic.replace("{type}", key): each.name or "the type" for each in classes}
    for each in found:
        other = seen.setdefault(each.topic.replace("{type}", key), each.name)
        if other != each.name:
            yield Violation(("alarms", alarms.places[each.name], "topic"), f"is also the topic of {other}")


def _inherited(entry: Entry, own: Entry) -> dict[str, Any]:
    """Return what a class takes over from the entry: not the period of regular messages, if it reports changes."""
    period = () if own.get("on_change") else ("report_seconds", "frequency_weight")
    given = {"report_seconds", "frequency_weight"} & own.keys()
    names = ("qos", "retain", "timestamp", "together", *(() if given else period))
    return {name: entry[name] for name in names if name in entry}


def _rules(entry: Entry, declared: Mapping[str, Mapping[str, Any]]) -> Iterator[Violation]:
    if "fields" in entry:
        yield Violation(("fields",), "is replaced by messages: give only one of them")
    if len(declared) > MOST_CLASSES:
        yield Violation(("messages",), f"must have at most {MOST_CLASSES} classes, got {len(declared)}")
    for name, own in declared.items():
        if "frequency_weight" in own and "report_seconds" in own:
            rule = "replaces frequency_weight: give only one of them"
            yield Violation(("messages", name, "report_seconds"), rule)
        for key in ("on_change", "on_command"):
            if own.get(key) and not entry.get("states"):
                yield Violation(("messages", name, key), "needs states, whose changes it reports")


def _same_topics(key: str, classes: list[MessageClass]) -> Iterator[Violation]:
    """Check that no two classes have the same topic: it is what tells their messages apart."""
    seen: dict[str, str] = {}
    for each in classes:
        if (other := seen.setdefault(each.topic.replace("{type}", key), each.name)) != each.name:
            yield Violation(("messages", each.name, "topic"), f"is also the topic of {other}")


def readings_of(machine_type: MachineType) -> MessageClass | None:
    """Return the class that a machine sends once in each of its periods: the first with only regular messages.

    Where each has others, too, for changes or jobs, it is the first with regular ones; None without any.
    """
    regular = [each for each in machine_type.messages if each.is_regular]
    steady = (each for each in regular if not (each.on_change or each.reports_jobs))
    return next(steady, next(iter(regular), None))
