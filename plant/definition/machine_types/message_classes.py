"""The classes of messages of an entry: one, or those that `messages` declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.machine_types.field_sources import FieldSource
from plant.definition.machine_types.layout import FieldNames, read_fields
from plant.definition.machine_types.machine_type import MessageClass
from plant.definition.machine_types.spellings import Entry

MOST_CLASSES: Final = 16
_TYPE_TOPIC: Final = "{prefix}/{type}"


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
    )
    return message_class, wrong


def _inherited(entry: Entry, own: Entry) -> dict[str, Any]:
    """Return what a class takes over from the entry: not the period of regular messages, if it reports changes."""
    period = () if own.get("on_change") else ("report_seconds", "frequency_weight")
    given = {"report_seconds", "frequency_weight"} & own.keys()
    names = ("qos", "retain", "timestamp", *(() if given else period))
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
        if own.get("on_change") and not entry.get("states"):
            yield Violation(("messages", name, "on_change"), "needs states, whose changes it reports")


def _same_topics(key: str, classes: list[MessageClass]) -> Iterator[Violation]:
    """Check that no two classes have the same topic: it is what tells their messages apart."""
    seen: dict[str, str] = {}
    for each in classes:
        if (other := seen.setdefault(each.topic.replace("{type}", key), each.name)) != each.name:
            yield Violation(("messages", each.name, "topic"), f"is also the topic of {other}")
