"""Reads the machine types of a plant: validates each entry, completes it, and checks the rules between types."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from plant.definition.document.errors import Place, Violation, describe_value, quote, suggestion
from plant.definition.document.validation import Flags, validated
from plant.definition.document.value_types import Spec
from plant.definition.identity.id_pattern import IdPattern, may_share_an_id
from plant.definition.machine_types.entry import MachineEntry, older_keys
from plant.definition.machine_types.inheritance import complete, extension_violations, own_place, root
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.resolution import resolve
from plant.definition.machine_types.rules import broken
from plant.definition.machine_types.spellings import Entry, Spelling, place_in, spelled_twice

SECTION: Final = "message_types"
Site = str | None
"""The name of a site; None for what stands at the top level."""

MOST_TYPES: Final = 200
_KEY: Final = re.compile(r"[^\W\d][\w-]{0,99}")
_NAMED: Final = (
    "states", "transitions", "reasons", "signals", "alarms", "messages", "overrides", "faults", "sensor_faults", "wear",
    "commands",
)  # fmt: skip
"""Keys of an entry with a mapping of names, whose errors do not depend on each other."""

_DECLARING: Final = frozenset(("states", "job", "signals", "extends"))
"""Keys of which an entry has at least one, if it is not of the library."""


class MachineTypes(NamedTuple):
    """The machine types of a plant, in their order, and the entries that they are from, as they were written."""

    types: Mapping[str, MachineType]
    entries: Mapping[str, Entry]


def read(
    raw: Mapping[str, Any], interval: float, plant_signals: Mapping[Site, Mapping[str, Any]], flags: Flags
) -> tuple[MachineTypes, list[Violation]]:
    """Return the machine types, and every violation.

    raw: their entries as plain data.  interval: base_interval.  plant_signals: by site, as plain data.
    """
    violations: list[Violation] = []
    entries: dict[str, Entry] = {}
    for key, data in raw.items():
        entries[key], wrong = _entry(key, data, raw, flags)
        violations += wrong
    violations += (each._replace(place=(SECTION, *each.place)) for each in extension_violations(entries))
    unusable = {each.place[1] for each in violations if each.place[2:3] == ("extends",)}
    types: dict[str, MachineType] = {}
    for number, key in enumerate(sorted((key for key in entries if key not in unusable), key=_order), 1):
        types[key], wrong = _resolved(key, entries, number, interval, plant_signals)
        reported = {_part(each.place) for each in violations}
        violations += (each for each in wrong if _part(each.place) not in reported)
    if len(raw) > MOST_TYPES:
        violations.append(Violation((SECTION,), f"must have at most {MOST_TYPES} machine types, got {len(raw):,}"))
    violations += _same_file_names(types)
    violations += _same_ids(types)
    return MachineTypes(types, entries), violations


def _part(place: Place) -> Place:
    """Return the part of an entry that a place is in: a key, or what has a name below some of them."""
    return place[: 4 if place[2:3] and place[2] in _NAMED else 3]


def _order(key: str) -> tuple[int, str]:
    """Sort types of the library by their order, and all others after them by key."""
    known = library().get(key)
    return (known.order, "") if known and known.order is not None else (len(library()) + 1, key)


def _spellings(key: str, entries: Mapping[str, Any]) -> tuple[Spelling, ...]:
    found = root(key, _mappings(entries))
    return found.spellings if found else ()


def _mappings(entries: Mapping[str, Any]) -> dict[str, Entry]:
    return {name: each for name, each in entries.items() if isinstance(each, Mapping)}


def _entry(key: str, data: Any, raw: Mapping[str, Any], flags: Flags) -> tuple[Entry, list[Violation]]:
    """Return the valid part of an entry, and the violations in it."""
    place = (SECTION, key)
    if not _KEY.fullmatch(key):
        rule = "must begin with a letter, and have only letters, digits, _ and -, at most 100"
        return {}, [Violation(place, f"is no name of a machine type: it {rule}")]
    if undeclared := _undeclared(key, data if isinstance(data, Mapping) else {}):
        return {}, [undeclared] if data is not None else []
    if not isinstance(data, Mapping):
        rule = f"must be a mapping (key: value), got {describe_value(data)}"
        return {}, [Violation(place, rule)] if data is not None else []
    spellings = _spellings(key, raw)
    found, wrong = _validated(data, spellings, flags, place)
    if found is None:
        rest = _without(data, [each.place[2:] for each in wrong])
        found, _ = _validated(rest, spellings, flags, place)
    if found is None:
        bad = {each.place[2] for each in wrong if len(each.place) > 2}
        rest = {name: value for name, value in data.items() if name not in bad}
        found, _ = _validated(rest, spellings, flags, place)
    entry = found or {}
    rules = (*broken(data, root(key, _mappings(raw))), *spelled_twice(entry, spellings))
    return entry, [*wrong, *(each._replace(place=(*place, *each.place)) for each in rules)]


def _without(data: Mapping[str, Any], places: Sequence[Place]) -> dict[str, Any]:
    """Return the data without what is wrong, so that the rest can be checked: the innermost keys around each place."""
    rest = copy.deepcopy(dict(data))
    for place in places:
        around: dict[str, Any] = rest
        for step, below in pairwise((*place, None)):
            value = around.get(step) if isinstance(step, str) else None
            if isinstance(value, dict) and below is not None:
                around = value
            else:
                around.pop(str(step), None)
                break
    return rest


def _validated(
    data: Mapping[str, Any], spellings: tuple[Spelling, ...], flags: Flags, place: Place
) -> tuple[dict[str, Any] | None, list[Violation]]:
    """Return an entry as plain data, or None and every violation: by the model of all types, and that of older keys."""
    older = [each.key for each in spellings]
    ours = {name: value for name, value in data.items() if name not in older}
    theirs = {name: value for name, value in data.items() if name in older}
    entry, wrong = validated(MachineEntry, ours, flags, place)
    rest, others = validated(older_keys(spellings), theirs, flags, place)
    wrong = [each._replace(known=[*each.known, *older]) if _is_unknown_key(each) else each for each in wrong]
    return None if entry is None or rest is None else {**_plain(entry), **_plain(rest)}, [*wrong, *others]


def _is_unknown_key(each: Violation) -> bool:
    """Return whether a violation is about the name of a key of the entry itself."""
    return len(each.place) == 3 and bool(each.known)


def _plain(model: Spec) -> dict[str, Any]:
    return model.model_dump(exclude_unset=True, exclude_none=True)


def _undeclared(key: str, data: Mapping[str, Any]) -> Violation | None:
    """Return the violation for an entry that is not of the library and declares nothing: its key may be misspelled."""
    if key in library() or not _DECLARING.isdisjoint(data):
        return None
    rule = "is no machine type of the library, and declares none of its own: no states, job, signals or extends"
    return Violation((SECTION, key), rule, list(library()))


def written_place(key: str, path: tuple[str, ...], entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the place of a key of the language in an entry as it was written."""
    return place_in(entries.get(key, {}), path, _spellings(key, entries))


def _resolved(
    key: str,
    entries: Mapping[str, Entry],
    number: int,
    interval: float,
    plant_signals: Mapping[Site, Mapping[str, Any]],
) -> tuple[MachineType, list[Violation]]:
    entry, spellings, completed = entries[key], _spellings(key, entries), complete(key, entries)
    site = completed.get("site")
    machine_type, wrong = resolve(key, completed, number, interval, _at_site(site, plant_signals))
    wrong += _unknown_site(site, [name for name in plant_signals if name is not None])
    # What an entry does not have itself is reported where it is from.
    own = "extends" not in entry or entry["extends"] in library()
    written = ((each, place_in(entry, each.place, spellings)) for each in wrong)  # type: ignore[arg-type]
    places = ((each, own_place(entry, place) or (place if own else None)) for each, place in written)
    return machine_type, [each._replace(place=(SECTION, key, *place)) for each, place in places if place is not None]


def _at_site(site: Site, plant_signals: Mapping[Site, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the signals of the plant at a site; at an unknown one those of any site, as it may be meant."""
    if site in plant_signals:
        return plant_signals[site]
    return {name: signal for signals in plant_signals.values() for name, signal in signals.items()}


def _unknown_site(site: Site, known: Sequence[str]) -> Iterator[Violation]:
    if site is not None and site not in known:
        advice = suggestion(site, known) if known else "there are no sites"
        yield Violation(("site",), f"must be the name of a site, got {quote(site)}; {advice}")


def _same_file_names(types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check that no two kinds of message have the same names of files and resources, which have no `_` and no `.`."""
    seen: dict[str, tuple[str, str]] = {}
    for key, name in ((key, each.name) for key, its in types.items() for each in its.all_messages):
        plain = re.sub(r"[._-]+", "-", f"{key}.{name}" if name else key).lower()
        if (other := seen.setdefault(plain, (key, name))) != (key, name):
            rule = f"is {quote(plain)} in names of files and resources, as {quote('.'.join(filter(None, other)))}"
            is_of_alarms = name in {each.name for each in types[key].alarm_messages}
            within = ("alarms",) if is_of_alarms else ("messages", name) if name else ()
            yield Violation((SECTION, key, *within), f"{rule}: choose another name")


def _same_ids(types: Mapping[str, MachineType]) -> Iterator[Violation]:
    """Check that no two types can give two machines, or two jobs, the same id."""
    seen: dict[str, IdPattern] = {}
    for key, each in types.items():
        if other := next((other for other, its in seen.items() if may_share_an_id(each.ids, its)), None):
            rule = f"may give a machine the id of one of {other}: choose another machine_id"
            yield Violation((SECTION, key, "machine_id"), rule)
        seen[key] = each.ids
    yield from _same_job_ids(types)


def _same_job_ids(types: Mapping[str, MachineType]) -> Iterator[Violation]:
    seen: dict[str, list[tuple[str, int | None]]] = {}
    for key, job in ((key, each.job) for key, each in types.items() if each.job):
        clashes = {
            other
            for head in dict.fromkeys(map(job.id_head, job.kinds))
            for other, code in seen.get(head, ())
            if None in (code, job.code) or code == job.code
        }
        for head in dict.fromkeys(map(job.id_head, job.kinds)):
            seen.setdefault(head, []).append((key, job.code))
        if clashes:
            rule = f"may give a job the id of one of {min(clashes)}: choose another id, or a `code` for both"
            yield Violation((SECTION, key, "job", "id"), rule)
