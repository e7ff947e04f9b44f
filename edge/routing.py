"""Topics of messages, from the template of the machine type, the prefix and the topic layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from edge.settings.loader import TopicLayout
from plant.telemetry import Message, machine_of

MOST_BYTES = 65_535
"""The most bytes of UTF-8 in a topic name (MQTT 5, 1.5.4)."""

_NUMBERS: Final = re.compile("[0-9]+")

TRIGGER: Final = "trigger"
"""The user property of a message outside its source's regular period: what caused it."""

_MACHINE_FIELDS = ("{machine_id", "{station_id")


class _MachineId(str):
    """The id of a machine in a template: as it is, or by `{machine_id:4:0:02d}` only the number in it.

    In this form are the characters before and after the number, and how it is written.
    """

    __slots__ = ()

    def __format__(self, form: str) -> str:
        if not form:
            return str(self)
        before, after, written = form.split(":")
        number = self[int(before) : len(self) - int(after)]
        return format(int(number if number.isdecimal() else _last_number(self)), written)


def _last_number(machine_id: str) -> str:
    """Return the last number in an id that is not of its type's pattern: one from before a reload, still queued."""
    return next(reversed(_NUMBERS.findall(machine_id)), "0")


class _AnyId(str):
    """The id of any machine in a template, whatever is to be written of it."""

    __slots__ = ()

    def __format__(self, form: str) -> str:
        return str(self)


class TopicError(ValueError):
    """A topic name is invalid; the text names the topic and the rule."""


def check_topic(topic: str) -> str:
    """Return `topic` if it may be published to (MQTT 5, 4.7); raise TopicError otherwise."""
    rules = (
        (not topic or "" in topic.split("/"), "must have no empty level"),
        ("+" in topic or "#" in topic, "must have no wildcard (+ or #)"),
        ("\0" in topic, "must not contain the character NUL"),
        (topic.startswith("$"), "must not start with $ (reserved for the broker)"),
        (len(topic.encode()) > MOST_BYTES, f"must be at most {MOST_BYTES} bytes"),
    )
    for broken, rule in rules:
        if broken:
            raise TopicError(f"topic {topic[:80]!r} {rule}")
    return topic


def check_filter(topics: str) -> str:
    """Return `topics` if it is a topic filter (MQTT 5, 4.7 and 4.8.2); raise TopicError otherwise."""
    shared, _, rest = topics.removeprefix("$share/").partition("/")
    is_shared = topics.startswith("$share/")
    levels = (rest if is_shared else topics).split("/")
    try:
        size = len(topics.encode())
    except UnicodeEncodeError:
        size = 0
    rules = (
        (not topics or levels == [""], "must not be empty"),
        (not size, "must be UTF-8"),
        ("\0" in topics, "must not contain the character NUL"),
        ("#" in "".join(levels if levels[-1] != "#" else levels[:-1]), "must have # only as its last level"),
        (any("+" in level and level != "+" for level in levels), "must have + only as a whole level"),
        (is_shared and (not shared or set("+#") & set(shared)), "must have a name without wildcard after $share"),
        (size > MOST_BYTES, f"must be at most {MOST_BYTES} bytes"),
    )
    for broken, rule in rules:
        if broken:
            raise TopicError(f"topic filter {topics[:80]!r} {rule}")
    return topics


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic matches a topic filter (MQTT 5, 4.7)."""
    levels, found = topic_filter.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels, found = levels[:-1], found[: len(levels) - 1]
    return len(levels) == len(found) and all(level in ("+", its) for level, its in zip(levels, found, strict=True))


def overlap(one: str, other: str) -> bool:
    """Return whether a topic may match two filters, whose only wildcards are `+`."""
    pairs = [*zip(one.split("/"), other.split("/"), strict=False)]
    return one.count("/") == other.count("/") and all(a == b or "+" in (a, b) for a, b in pairs)


def command_filter(template: str, prefix: str) -> str:
    """Return the filter of all topics of commands. template: over {prefix} {publisher} {machine_id}."""
    return template.format(prefix=prefix, publisher="+", machine_id="+")


class PublishedTopics:
    """Which topics are published to, as filters: all that a template may become with any machine and station.

    templates: by kind.  prefix, layout: as for TopicRouter.
    """

    def __init__(self, templates: Mapping[str, str], prefix: str, layout: TopicLayout = TopicLayout.TYPE) -> None:
        self._filters = {kind: _filters(kind, template, prefix, layout) for kind, template in templates.items()}

    def has(self, topic: str) -> bool:
        """Return whether a topic may be published to."""
        return any(matches(each, topic) for filters in self._filters.values() for each in filters)

    def overlapping(self, topic_filter: str) -> list[str]:
        """Return the kinds of which a topic may match a filter, whose only wildcards are `+`."""
        return [kind for kind, filters in self._filters.items() if any(overlap(each, topic_filter) for each in filters)]


def _filters(kind: str, template: str, prefix: str, layout: TopicLayout) -> list[str]:
    filled = template.format(prefix=prefix, type=kind.partition(".")[0], machine_id=_AnyId("+"), station_id="+")
    of_type = "/".join("+" if "+" in level else level for level in filled.split("/"))
    return [of_type] if layout is TopicLayout.TYPE else [of_type, f"{of_type}/+"]


class KindOptions:
    """What kinds of message have for themselves; replaced in place when the configuration changes.

    qos: quality of service by kind, 0 or 1; a kind that is left out has that of the run.
    retained: the kinds that are published with the retain flag.
    """

    def __init__(self) -> None:
        self.qos: dict[str, int] = {}
        self.retained: set[str] = set()

    def replace(self, qos: Mapping[str, int], retained: Iterable[str]) -> None:
        """Replace the options."""
        self.qos.clear()
        self.qos.update(qos)
        self.retained.clear()
        self.retained.update(retained)


def fill_topic(template: str, message: Message, prefix: str) -> str:
    """Return a template with the placeholders {prefix} {type} {machine_id} {station_id} filled in, not a topic yet."""
    return template.format(
        prefix=prefix,
        type=message.kind.partition(".")[0],
        machine_id=_MachineId(machine_of(message)),
        station_id=message.station or "none",
    )


class TopicRouter:
    """Returns the topic of a message; each source's topic is made once and cached.

    template: returns a kind's topic template, with the placeholders {prefix} {type} {machine_id} {station_id}; the id
    may have a form that is explained in _MachineId.
    """

    def __init__(self, template: Callable[[str], str], prefix: str, layout: TopicLayout = TopicLayout.TYPE) -> None:
        self._template = template
        self._prefix = prefix
        self._layout = layout
        self._known: dict[str, str] = {}
        self._common: dict[str, str] = {}

    def topic(self, message: Message) -> str:
        """Return the topic of `message`; raise TopicError where the filled-in template is not a valid topic."""
        try:
            return self._known[message.source]
        except KeyError:
            topic = self._known[message.source] = self._common.get(message.kind) or self._make(message)
            return topic

    def invalidate(self) -> None:
        """Drop the cached topics: the configuration has changed."""
        self._known.clear()
        self._common.clear()

    def _make(self, message: Message) -> str:
        template = self._template(message.kind)
        topic = check_topic(self._fill(template, message))
        if self._layout is TopicLayout.TYPE and not any(name in template for name in _MACHINE_FIELDS):
            self._common[message.kind] = topic
        return topic

    def _fill(self, template: str, message: Message) -> str:
        machine, topic = machine_of(message), fill_topic(template, message, self._prefix)
        if self._layout is TopicLayout.MACHINE and message.station is not None:
            return topic if machine in topic.split("/") else f"{topic}/{machine}"
        return topic
