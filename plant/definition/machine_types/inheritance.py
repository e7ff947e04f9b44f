"""What an entry extends: the library's entry of the same key, or another type, down to the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Place, Violation
from plant.definition.machine_types.library import LibraryType, library
from plant.definition.machine_types.spellings import Entry, translated
from plant.definition.signals.references import used
from plant.definition.signals.signal_spec import SOURCES
from plant.definition.states.order import BETWEEN_JOBS, TRANSITIONS

_MERGED_DEPTH: Final = {
    "states": 2, "transitions": 1, "reasons": 1, "job": 1, "properties": 1, "signals": 2, "alarms": 1, "overrides": 1,
    "faults": 1, "sensor_faults": 2, "wear": 1, "energy": 1, "commands": 1,
}  # fmt: skip
"""Keys whose mappings are merged and not replaced: how deep."""

_EXCLUSIVE: Final = (("report_seconds", "frequency_weight"), ("fields", "messages"))
_EXCLUSIVE_IN_JOB: Final = (("cycle_seconds", "period_share"),)
"""Keys of which one replaces the other."""

_OF_SOURCES: Final = (
    "follows_seconds", "slews_per_second", "starts", "starts_on", "per_seconds", "every_seconds",
)  # fmt: skip
"""Keys of a signal that say something about its source."""

_OF_ONE_TYPE: Final = ("extends", "count", "enabled", "title", "machine_id", "first_number", "topic", "overrides")
_OF_ONE_TYPES_JOBS: Final = ("id", "code")
"""Keys that `extends` does not take over: names, which two types must not share, and the number of machines."""


def root(key: str, entries: Mapping[str, Entry]) -> LibraryType | None:
    """Return the type of the library that a type goes back to, if any."""
    seen: set[str] = set()
    while key not in library():
        parent = entries.get(key, {}).get("extends")
        if not isinstance(parent, str) or parent in seen:
            return None
        seen.add(key)
        key = parent
    return library()[key]


def complete(key: str, entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Return the entry of a type laid over what it extends, in the words of the language. There is no circle."""
    entry, own = entries.get(key), library().get(key)
    base = dict(own.entry) if own else {}
    if entry is None:
        return base
    if "extends" in entry:
        base = overlaid(base, _inheritable(complete(entry["extends"], entries)))
    spellings = found.spellings if (found := root(key, entries)) else ()
    return overlaid(
        base, translated(entry, base, spellings), replaced="states" if "status_distribution" in entry else ""
    )


def overlaid(base: Entry, top: Entry, *, replaced: str = "") -> dict[str, Any]:
    """Return an entry laid over another one. replaced: a key that is replaced, although its mappings are merged."""
    result = dict(base)
    for pair in _EXCLUSIVE:
        _drop_replaced(result, top, pair)
    for key, value in top.items():
        depth = 0 if key == replaced else _MERGED_DEPTH.get(key, 0)
        result[key] = _merged(result.get(key), value, depth)
    if "job" in top and "job" in base:
        for pair in _EXCLUSIVE_IN_JOB:
            _drop_replaced(result["job"], top["job"], pair)
    for name, signal in top.get("signals", {}).items():
        _drop_replaced_sources(result["signals"][name], signal)
    if "signals" in top and "signals" in base:
        result["signals"] = in_order_of_use(result["signals"])
    return result


def own_place(entry: Entry, place: Place) -> Place | None:
    """Return the place in an entry of what is wrong in the complete one; None if that is not from the entry.

    An order of states that they cannot have is wrong where the states are.
    """
    if place and place[0] in entry:
        return place
    if place and place[0] in (TRANSITIONS, BETWEEN_JOBS):
        return next(((key,) for key in (TRANSITIONS, "states", "job") if key in entry), None)
    return None


def extension_violations(entries: Mapping[str, Entry]) -> Iterator[Violation]:
    """Yield a violation for each `extends` that names no type, or leads back to its own."""
    known = [*entries, *library()]
    for key, entry in entries.items():
        parent = entry.get("extends")
        if isinstance(parent, str) and parent not in known:
            yield Violation((key, "extends", parent), "is no machine type", known)
        elif isinstance(parent, str) and _leads_back(key, entries):
            yield Violation((key, "extends"), "leads back to the type itself")


def in_order_of_use(signals: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return signals with those first that others use, otherwise in their order; a circle stays as it is."""
    ordered: dict[str, Mapping[str, Any]] = {}

    def append(name: str, users: tuple[str, ...]) -> None:
        if name in ordered or name in users:
            return
        for each in used(signals[name]):
            if each in signals:
                append(each, (*users, name))
        ordered[name] = signals[name]

    for name in signals:
        append(name, ())
    return ordered


def _inheritable(entry: Entry) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in _OF_ONE_TYPE}
    if "job" in kept:
        kept["job"] = {name: value for name, value in kept["job"].items() if name not in _OF_ONE_TYPES_JOBS}
    return kept


def _leads_back(key: str, entries: Mapping[str, Entry]) -> bool:
    seen, parent = set[str](), entries.get(key, {}).get("extends")
    while isinstance(parent, str) and parent not in seen and parent != key:
        seen.add(parent)
        parent = entries.get(parent, {}).get("extends")
    return parent == key or (isinstance(parent, str) and parent in seen)


def _merged(below: Any, above: Any, depth: int) -> Any:
    if not depth or not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: _merged(below.get(key), value, depth - 1) for key, value in above.items()}}


def _drop_replaced_sources(result: dict[str, Any], top: Mapping[str, Any]) -> None:
    """Drop the source of a signal, and what belongs to it, where the signal gets another source."""
    if given := [key for key in SOURCES if key in top]:
        replaced = [key for key in SOURCES if key in result and key not in given]
        for key in (*replaced, *(_OF_SOURCES if replaced else ())):
            if key not in top:
                result.pop(key, None)


def _drop_replaced(result: dict[str, Any], top: Entry, pair: tuple[str, str]) -> None:
    for given, other in (pair, pair[::-1]):
        if given in top and other not in top:
            result.pop(other, None)
