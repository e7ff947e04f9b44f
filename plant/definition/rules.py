"""Rules for all values of a plant's YAML, checked on plain data, so that other errors cannot hide violations.

Values of a wrong type are skipped here: the models of plant.definition.plant_config report them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from plant.definition.document.errors import Place, Violation, quote
from plant.definition.machine_types.library import library
from plant.definition.machine_types.reading import SECTION
from plant.definition.machine_types.rules import names_of, unknown_names
from plant.definition.machine_types.spellings import Entry

_Data = Mapping[str, Any]


_RANGES = ("_range", "_ranges", "_seconds", "issues", "limits", "uniform", "size")
"""Ends of keys whose lists are ranges, which may have equal ends."""


def broken(data: _Data) -> Iterator[Violation]:
    """Yield the broken rules."""
    for place, value in _all_values(data):
        if value is None:
            yield Violation(place, "has no value: give it one or leave it out")
        if isinstance(value, list) and not _may_repeat(place):
            yield from _repeated(place, value)
    yield from _unknown_products(data)


def _all_values(data: object) -> Iterator[tuple[Place, Any]]:
    """Yield all values with their places, including lists and mappings."""
    unvisited: list[tuple[Place, Any]] = [((), data)]
    while unvisited:
        place, value = unvisited.pop()
        yield place, value
        if isinstance(value, dict | list):
            steps = value.items() if isinstance(value, dict) else enumerate(value)
            unvisited.extend(((*place, step), each) for step, each in steps)


def _may_repeat(place: Place) -> bool:
    return any(isinstance(step, str) and step.endswith(_RANGES) for step in place)


def _repeated(place: Place, values: list[Any]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if isinstance(value, int | str | date) and first.setdefault(str(value), index) != index:
            yield Violation((*place, index), f"is repeated: {quote(str(value))}")


def _unknown_products(data: _Data) -> Iterator[Violation]:
    order = _mapping(_mapping(data, "message_types"), "customer_order")
    wrong = unknown_names(order, "quantity_ranges", names_of(order, "product_types"), "is not in product_types")
    return (each._replace(place=("message_types", "customer_order", *each.place)) for each in wrong)


def wrong_counts(data: Mapping[str, Any], entries: Mapping[str, Entry]) -> Iterator[Violation]:
    """Yield the violations where a name in `machine_counts` is no type's, or a type is counted twice."""
    section = data.get("global")
    given = section.get("machine_counts") if isinstance(section, dict) else None
    counts: Mapping[str, Any] = given if isinstance(given, dict) else {}
    names = {key: known.counted_as or key for key, known in library().items()}
    known = list(dict.fromkeys((*names.values(), *names, *entries)))
    place = ("global", "machine_counts")
    for name in counts:
        if name not in known:
            yield Violation((*place, name), "is an unknown key", known)
        key = next((key for key, other in names.items() if name == other), name)
        if key != name and key in counts:
            yield Violation((*place, name), f"is another name of {key}: give only one of them")
        if "count" in entries.get(key, {}):
            yield Violation((*place, name), f"is the same as {SECTION}.{key}.count: give only one of them")


def _mapping(data: _Data, key: str) -> _Data:
    value = data.get(key)
    return value if isinstance(value, dict) else {}
