"""The difference between two configurations of a plant in one line, for the log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from plant.definition.plant_config import EVENTS, PlantConfig
from plant.forecast.rate_forecast import forecast

_MOST_NAMED: Final = 12


def describe_changes(before: PlantConfig, after: PlantConfig) -> str:
    """Return what has changed, and the messages per second that the plant now emits in the long run."""
    changes = [*_changes(before, after)]
    more = [f"{len(changes) - _MOST_NAMED} more"] if len(changes) > _MOST_NAMED else []
    what = "; ".join(changes[:_MOST_NAMED] + more) or "nothing"
    return f"{forecast(after).per_second:.4g} messages/s; changed: {what}"


def _changes(before: PlantConfig, after: PlantConfig) -> Iterator[str]:
    counts_before, counts_after = ({key: count for key, _, count in each.declared()} for each in (before, after))
    for key, count in counts_after.items():
        if (before_count := counts_before.get(key, count)) != count:
            yield f"{key}: {before_count:,} to {count:,} machines"
    yield from _keys("global", before.global_, after.global_)
    entries_before, entries_after = before.message_types.entries, after.message_types.entries
    for key in dict.fromkeys((*entries_before, *entries_after)):
        yield from _entry_keys(key, entries_before.get(key), entries_after.get(key))
    for key in EVENTS:
        yield from _keys(key, getattr(before.message_types, key), getattr(after.message_types, key))
    yield from _named("plant_signals", before.plant_signals, after.plant_signals)
    yield from _keys("calendar", before.calendar, after.calendar)
    for site in dict.fromkeys((*before.sites, *after.sites)):
        yield from _keys(f"sites.{site}", before.sites.get(site), after.sites.get(site))
    yield from _keys("flow", before.flow, after.flow)
    yield from _keys("commands", before.commands, after.commands)


def _named(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    names = [each for each in dict.fromkeys((*before, *after)) if before.get(each) != after.get(each)]
    if names:
        yield f"{name}: {', '.join(names)}"


def _entry_keys(key: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield f"{key}: {'new' if before is None else 'gone'}"
        return
    names = [name for name in dict.fromkeys((*before, *after)) if before.get(name) != after.get(name)]
    if named := [name for name in names if name != "count"]:
        yield f"{key}: {', '.join(named)}"


def _keys(name: str, before: BaseModel | None, after: BaseModel | None) -> Iterator[str]:
    if before is None or after is None:
        if before is not after:
            yield f"{name}: {'new' if before is None else 'gone'}"
        return
    keys = [key for key in type(after).model_fields if getattr(before, key) != getattr(after, key)]
    if named := [key for key in keys if key != "machine_counts"]:
        yield f"{name}: {', '.join(named)}"
