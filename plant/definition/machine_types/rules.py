"""Rules between the keys of an entry, checked on plain data, so that other errors cannot hide violations.

Values of a wrong type are skipped here: the models report them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plant.definition.document.errors import Violation
from plant.definition.machine_types.library import LibraryType

_Data = Mapping[str, Any]

_CYCLE_FORMS = ("cycle", "cycle_range")


def broken(entry: _Data, library_type: LibraryType | None) -> Iterator[Violation]:
    """Yield the broken rules of an entry. library_type: the type of the library that it goes back to."""
    yield from _weight_and_period(entry)
    if library_type and library_type.spellings:
        yield from _unlisted_states(entry)
        yield from _unknown_dwells(entry, library_type)
        yield from _unknown_producing_state(entry, library_type)
        yield from _double_job_time(entry, library_type)


def _weight_and_period(entry: _Data) -> Iterator[Violation]:
    if "frequency_weight" in entry and "report_seconds" in entry:
        yield Violation(("report_seconds",), "replaces frequency_weight: give only one of them")


def _unlisted_states(entry: _Data) -> Iterator[Violation]:
    return unknown_names(entry, "status_distribution", names_of(entry, "statuses"), "is not in statuses")


def _unknown_dwells(entry: _Data, library_type: LibraryType) -> Iterator[Violation]:
    states = dict.fromkeys(names_of(entry, "statuses") + names_of(entry, "status_distribution"))
    known = list(states) or names_of(library_type.entry, "states")
    return unknown_names(entry, "dwell_seconds", known, "is not a state of this type")


def _unknown_producing_state(entry: _Data, library_type: LibraryType) -> Iterator[Violation]:
    producing = next(name for name, state in library_type.entry["states"].items() if state.get("produces"))
    key = "statuses" if names_of(entry, "statuses") else "status_distribution"
    if (known := names_of(entry, key)) and producing not in known:
        yield Violation((key,), f"must have the state {producing}: jobs advance in it")


def _double_job_time(entry: _Data, library_type: LibraryType) -> Iterator[Violation]:
    """Check that the length of a job is given once: in seconds, or as the share done in a period."""
    given = {each.form: each.key for each in library_type.spellings if each.key in entry}
    seconds = next((given[form] for form in _CYCLE_FORMS if form in given), None)
    if seconds and "period_share" in given:
        yield Violation((seconds,), f"replaces {given['period_share']}: give only one of them")


def unknown_names(data: _Data, key: str, known: list[str], rule: str) -> Iterator[Violation]:
    """Yield a violation for each name under a key that is not known; none if no name is known."""
    known_names = set(known)
    return (Violation((key, name), rule, known) for name in names_of(data, key) if known and name not in known_names)


def names_of(data: _Data, key: str) -> list[str]:
    """Return the texts of a list, or the keys of a mapping."""
    value = data.get(key)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | dict) else []
