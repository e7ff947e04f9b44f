"""Find which machine a message is of, and which class of its messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from cli.verify.forms.message_keys import CONSUMED, ClassInfo, KeyNames, flattened
from cli.verify.forms.message_values import time_of
from cli.verify.forms.type_history import Form

_COARSE_MS: Final = 1000
"""How far the time of a message may be off that was rounded."""

MachineAt = Callable[[tuple[str, str | None], float], str | None]
"""Returns the only machine of a type at a station, at a moment; None if there is no such machine."""


class Named(Enum):
    """What a topic names."""

    NEITHER = auto()
    MACHINE = auto()
    STATION = auto()


class Found(NamedTuple):
    """The machine and class of a message, its values by their places, and its time; None where it has none.

    since_ms: from when on messages of that class are so; is_lasting: whether they always are.
    topic_names: whether the topic names the machine, its station, or neither, where the message does not.
    """

    machine_id: str
    info: ClassInfo
    values: Mapping[str, Any]
    time_ms: int | None
    since_ms: float
    is_lasting: bool
    topic_names: Named


class MessageFinder:
    """Finds machine and class by the places of the values, by constants among them, by time, and by topic if known.

    kind_of: returns the type of a machine at a moment, None if there is no such machine.
    """

    def __init__(
        self, forms: Iterable[Form], kind_of: Callable[[str, float], str | None], machine_at: MachineAt
    ) -> None:
        self._forms: defaultdict[frozenset[str], list[Form]] = defaultdict(list)
        for each in forms:
            self._forms[each.info.places - {CONSUMED}].append(each)
        self._kind_of, self._machine_at = kind_of, machine_at

    def find(self, message: Mapping[str, Any], topic: str | None) -> Found | None:
        """Return what a message is of; None if it is of none of the classes, or of which machine is unknown.

        Of several classes it is the one whose messages are so at its time. Raise ValueError if its time is none.
        """
        if not self._forms:
            return None
        values = flattened(message)
        alike = self._forms.get(frozenset(values) - {CONSUMED}, ())
        fitting = [each for each in alike if each.info.has_constants(values)]
        if topic is not None and len(fitting) > 1:
            fitting = _by_topic(fitting, topic) or fitting
        first, errors = None, list[ValueError]()
        for form in fitting:
            try:
                found = self._found(form, values, topic or "")
            except ValueError as wrong_time:
                errors.append(wrong_time)
                continue
            if found is not None and form.holds_at(found.time_ms):
                return found
            if found is not None and form.holds_at(found.time_ms, _COARSE_MS):
                first = first or found
        if errors and len(errors) == len(fitting):
            raise errors[0]
        return first

    def _found(self, form: Form, values: Mapping[str, Any], topic: str) -> Found | None:
        match = form.info.topic.fullmatch(topic)
        time_ms = time_of(values, form.info) if form.info.timestamp else None
        at_ms = form.until_ms if time_ms is None else time_ms
        groups = match.groupdict() if match else {}
        machine_id = self._machine(form, values, groups, at_ms)
        if machine_id is None or self._kind_of(machine_id, at_ms) not in (form.kind, None):
            return None
        return Found(
            machine_id, form.info, values, time_ms, form.since_ms, form.is_lasting, _named(form.info.keys, groups)
        )

    def _machine(
        self, form: Form, values: Mapping[str, Any], groups: Mapping[str, str | None], at_ms: float
    ) -> str | None:
        keys = form.info.keys
        if keys.machine_id:
            return _text(values.get(keys.machine_id))
        if (machine_id := groups.get("machine_id")) is not None:
            return machine_id
        station = _text(values.get(keys.station)) if keys.station else groups.get("station_id")
        return self._machine_at((form.kind, station), at_ms) if station is not None else None


def _named(keys: KeyNames, groups: Mapping[str, str | None]) -> Named:
    if keys.machine_id:
        return Named.NEITHER
    if groups.get("machine_id") is not None:
        return Named.MACHINE
    return Named.NEITHER if keys.station else Named.STATION


def _by_topic(forms: Sequence[Form], topic: str) -> list[Form]:
    """Return the forms whose topics match, those first that take the least for the prefix, which is one for all."""
    matches = [(match, form) for form in forms if (match := form.info.topic.fullmatch(topic))]
    return [form for _, form in sorted(matches, key=lambda each: len(each[0].groupdict().get("prefix") or ""))]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
