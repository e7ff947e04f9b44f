"""The `fields` of an entry: which keys a message has, in which order, nested in which objects, from which source."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from plant.definition.document.errors import Violation, describe_value, quote
from plant.definition.document.value_types import constant_rule, key_rule
from plant.definition.machine_types.field_sources import Field, FieldSource

_SOURCES: Final = {source.yaml_name: source for source in FieldSource if source.path}
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode

_OF_JOBS: Final = ("job.", "finished.")
TIMESTAMP: Final = "timestamp"
CONSTANT: Final = "constant"
MOST_FIELDS: Final = 200
_REPEATED: Final = "the object has already"
DEEPEST: Final = 4


class Names(Protocol):
    """The names that `fields` may have."""

    @property
    def usual(self) -> Mapping[str, Field]:
        """The keys of messages without `fields`, by name."""

    @property
    def known(self) -> list[str]:
        """All names, the usual ones first."""

    def field(self, key: str, name: str, within: tuple[str, ...]) -> Field | None:
        """Return the field `key` with the value of a name; None if there is no such name."""


class FieldNames:
    """The names that `fields` of one type may have: sources, properties, and signals. product: what a job makes.

    absent: names of sources that the type does not have.
    usual: the keys of messages without `fields`, by name.  of_every_message: of the machine, and constants.
    taken, reserved: names that no signal, or no property, has.
    """

    def __init__(
        self,
        *,
        has_states: bool,
        has_station: bool,
        product: str | None,
        absent: Collection[str] = (),
        properties: Mapping[str, Any],
        signals: Sequence[str],
    ) -> None:
        usual: dict[str, Field] = {"machine_id": Field("machine_id", FieldSource.MACHINE_ID)}
        if has_station:
            usual["station_id"] = Field("station_id", FieldSource.STATION)
        if has_states:
            usual["status"] = Field("status", FieldSource.STATUS)
        of_jobs = {field.name: field for field in _job_fields(product)} if product else {}
        self.reserved = {TIMESTAMP, *usual, *of_jobs}
        own = {name: _property(name, value) for name, value in properties.items()}
        self.of_every_message = [*(usual[name] for name in usual if name != "status"), *own.values()]
        usual |= own
        usual |= of_jobs
        self.taken = {TIMESTAMP, *usual}
        usual |= {name: Field(name, FieldSource.SIGNAL, detail=name) for name in signals}
        self.usual: Mapping[str, Field] = usual
        missing = set() if product else {name for name in _SOURCES if name.startswith(_OF_JOBS)}
        missing |= {*absent}
        missing |= set() if has_states else {"status"}
        missing |= set() if has_station else {"station_id"}
        self._sources = {name: source for name, source in _SOURCES.items() if name not in missing}

    @property
    def known(self) -> list[str]:
        """All names, the usual ones first."""
        return list(dict.fromkeys((TIMESTAMP, *self.usual, *self._sources, FieldSource.MACHINE_SEQUENCE.yaml_name)))

    def field(self, key: str, name: str, within: tuple[str, ...]) -> Field | None:
        """Return the field `key` with the value of a name; None if there is no such name."""
        if name == FieldSource.MACHINE_SEQUENCE.yaml_name:
            return Field(key, FieldSource.MACHINE_SEQUENCE, within)
        if name in self.usual:
            usual = self.usual[name]
            return Field(key, usual.source, within, usual.detail)
        return Field(key, self._sources[name], within) if name in self._sources else None


def constant(key: str, value: Any, within: tuple[str, ...] = ()) -> Field:
    """Return a field with a constant."""
    return Field(key, FieldSource.CONSTANT, within, _encode(value))


def _property(key: str, value: Any) -> Field:
    """Return a field with a constant, or with a text that has placeholders for each machine."""
    if isinstance(value, str) and "{" in value:
        return Field(key, FieldSource.PROPERTY, detail=value)
    return constant(key, value)


def _job_fields(product: str) -> Iterator[Field]:
    yield Field(f"{product}_type", FieldSource.JOB_KIND)
    yield Field(f"{product}_id", FieldSource.FINISHED_ID)
    yield Field("cycle_time", FieldSource.FINISHED_CYCLE)
    yield Field("quality", FieldSource.FINISHED_RESULT)
    yield Field(f"current_{product}_id", FieldSource.CURRENT_ID)


class Layout(NamedTuple):
    """What a message has. timestamp: the key of the timestamp, which comes first; None without one."""

    timestamp: str | None
    fields: Sequence[Field]


def read_fields(entries: Sequence[Any] | None, names: Names) -> tuple[Layout, list[Violation]]:
    """Return the layout of a message, and the violations, whose places begin at the list."""
    if entries is None:
        return Layout(TIMESTAMP, list(names.usual.values())), []
    timestamp, rest = _split_timestamp(entries)
    found = [*_read(entries, names, (), ())][1 if timestamp else 0 :]
    fields = [each for each in found if isinstance(each, Field)]
    wrong = [each for each in found if isinstance(each, Violation)]
    paths = [*([timestamp] if timestamp else []), *(field.path for field in fields)]
    repeated = dict.fromkeys(path for path in paths if paths.count(path) > 1)
    if not any(each.rule.endswith(_REPEATED) for each in wrong):
        wrong += [Violation((), f"has {path} twice") for path in repeated]
    if not rest:
        wrong.append(Violation((), "needs at least one key beside the timestamp"))
    if len(fields) > MOST_FIELDS:
        wrong.append(Violation((), f"must have at most {MOST_FIELDS} keys"))
    return Layout(timestamp, fields), wrong


def _split_timestamp(entries: Sequence[Any]) -> tuple[str | None, Sequence[Any]]:
    """Return the key of the timestamp, if the list begins with it, and the other entries."""
    first = entries[0] if entries else None
    if first == TIMESTAMP:
        return TIMESTAMP, entries[1:]
    if isinstance(first, Mapping) and [*first.values()] == [TIMESTAMP]:
        return str(next(iter(first))), entries[1:]
    return None, entries


def _read(
    entries: Sequence[Any], names: Names, within: tuple[str, ...], at: tuple[str | int, ...]
) -> Iterator[Field | Violation]:
    seen = set[str]()
    for index, entry in enumerate(entries):
        place = (*at, index)
        if rule := _broken_rule(entry, seen):
            yield Violation(place, rule)
        elif isinstance(entry, str):
            yield _named(entry, entry, names, within, place)
        else:
            [(key, value)] = entry.items()
            yield from _keyed(str(key), value, names, within, (*place, str(key)))


def _broken_rule(entry: Any, seen: set[str]) -> str | None:
    """Return the rule that an entry breaks. seen: the keys of the object before it, to which its own is added."""
    if not (isinstance(entry, str) or (isinstance(entry, Mapping) and len(entry) == 1)):
        return f"must be a name, or one key with a name, got {describe_value(entry)}"
    key = entry if isinstance(entry, str) else str(next(iter(entry)))
    if rule := key_rule(key):
        return f"a key {rule}"
    if key in seen:
        return f"has the key {quote(key)}, which {_REPEATED}"
    seen.add(key)
    return None


def _keyed(
    key: str, value: Any, names: Names, within: tuple[str, ...], place: tuple[str | int, ...]
) -> Iterable[Field | Violation]:
    """Return `key: name`, `key: {constant: 5}`, or the fields of an object, which is a mapping or a list."""
    if isinstance(value, str):
        return [_named(key, value, names, within, place)]
    if key == FieldSource.SEQUENCE.yaml_name and value is True:
        return [Field(key, FieldSource.SEQUENCE, within)]
    if isinstance(value, Mapping) and set(value) == {CONSTANT}:
        return [_constant(key, value[CONSTANT], within, place)]
    if isinstance(value, Mapping | list | tuple) and value and len(within) < DEEPEST:
        return _object(value, names, (*within, key), place)
    return [Violation(place, f"must be a name, {{constant: ...}}, or keys at most {DEEPEST} objects deep")]


def _constant(key: str, value: Any, within: tuple[str, ...], place: tuple[str | int, ...]) -> Field | Violation:
    rule = None if value is None else constant_rule(value)  # null is refused everywhere
    return Violation((*place, CONSTANT), rule) if rule else constant(key, value, within)


def _object(
    value: Mapping[Any, Any] | Sequence[Any],
    names: Names,
    within: tuple[str, ...],
    place: tuple[str | int, ...],
) -> Iterator[Field | Violation]:
    """Yield the fields of an object. within: its own key, and those of the objects around it."""
    if not isinstance(value, Mapping):
        yield from _read(value, names, within, place)
        return
    for name, each in value.items():
        yield from _keyed(str(name), each, names, within, (*place, str(name)))


def _named(
    key: str, name: str, names: Names, within: tuple[str, ...], place: tuple[str | int, ...]
) -> Field | Violation:
    if name == TIMESTAMP:
        return Field(key, FieldSource.TIMESTAMP, within)
    return names.field(key, name, within) or Violation((*place, name), "is no source of a field", names.known)
