"""Older spellings: keys of older files that fill a key of the language, for the types of the library that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from plant.definition.document.errors import Violation
from plant.definition.document.library_files import sections
from plant.definition.document.value_types import (
    CountRange,
    Increment,
    JobSeconds,
    JobSecondsOrRange,
    JobSecondsRange,
    Name,
    Names,
    Weights,
)

OTHER_DWELL_SECONDS: Final = 120.0
"""Mean length of a stay in a state, if neither the YAML nor the library has one for its name."""

Entry = Mapping[str, Any]
"""An entry as plain data: what is given, and nothing else."""


class Spelling(NamedTuple):
    """An older key. form: what it fills, see FORMS.  text: its description."""

    key: str
    form: str
    text: str


class Form(NamedTuple):
    """A form of older keys.

    annotation: the type of their values.  fills: the key of the language, as a path.  text: the usual description.
    translate: returns what stands at that path, for a value, in an entry that is laid over another one.
    """

    annotation: Any
    fills: tuple[str, ...]
    text: str
    translate: Callable[[Any, Entry, Entry], Any]


def _same(value: Any, _entry: Entry, _base: Entry) -> Any:
    return value


def _shares(weights: Mapping[str, float], entry: Entry, base: Entry) -> Any:
    """Return states with these weights; the usual dwell times do not come from the library, but from their names."""
    dwells, before = entry.get("dwell_seconds", {}), base.get("states", {})
    return {
        name: {
            "share": weight,
            "dwell_seconds": dwells.get(name, default_dwell(name)),
            "produces": bool(before.get(name, {}).get("produces")),
        }
        for name, weight in weights.items()
    }


def _dwells(dwells: Mapping[str, float], entry: Entry, base: Entry) -> Any:
    """Return the states with these dwell times."""
    distribution = entry.get("status_distribution")
    states = base["states"] if distribution is None else _shares(distribution, entry, base)
    return {
        name: {**state, "dwell_seconds": dwells.get(name, state["dwell_seconds"])} for name, state in states.items()
    }


def _issues(fewest_most: Any, _entry: Entry, base: Entry) -> Any:
    """Return them for each result that has issues."""
    return dict.fromkeys(base["job"].get("issues", {}), fewest_most)


FORMS: Final[Mapping[str, Form]] = {
    "names": Form(Names, (), "The states, to have them checked: no other may be in the distribution then.", _same),
    "shares": Form(
        Weights,
        ("states",),
        "Weight of each state: its share of time in the long run. Weights need not add up to 1.",
        _shares,
    ),
    "dwells": Form(
        dict[Name, JobSeconds],
        ("states",),
        "Mean length of a stay in each state, in seconds; a default by state where it is left out.",
        _dwells,
    ),
    "cycle_range": Form(
        JobSecondsRange,
        ("job", "cycle_seconds"),
        "Seconds of producing that a job takes: [shortest, longest]; other states make it wait.",
        _same,
    ),
    "cycle": Form(JobSecondsOrRange, ("job", "cycle_seconds"), "Seconds of producing that a job takes.", _same),
    "period_share": Form(Increment, ("job", "period_share"), "Share of a job done between two messages.", _same),
    "results": Form(
        Weights,
        ("job", "results"),
        "Weight of each result of a job: good, scrap, rework, or other words. Weights need not add up to 1.",
        lambda weights, _entry, _base: {name: {"weight": weight} for name, weight in weights.items()},
    ),
    "kinds": Form(Names, ("job", "kinds"), "Kinds of jobs, each as likely as the others.", _same),
    "issues": Form(CountRange, ("job", "issues"), "Issues that a failed job has: [fewest, most].", _issues),
}

STANDARD: Final = (
    Spelling("statuses", "names", FORMS["names"].text),
    Spelling("status_distribution", "shares", FORMS["shares"].text),
    Spelling("dwell_seconds", "dwells", FORMS["dwells"].text),
)
"""The older keys that every type with older keys has."""


def default_dwell(state: str) -> float:
    """Return the mean length of a stay in a state of that name, in seconds."""
    return usual_dwells().get(state, OTHER_DWELL_SECONDS)


@cache
def usual_dwells() -> Mapping[str, float]:
    """Return the mean length of a stay, in seconds, by the names of states that the library knows."""
    return {name: float(seconds) for dwells in sections("dwell_seconds") for name, seconds in dwells.items()}


def read_spellings(declared: Mapping[str, Any]) -> tuple[Spelling, ...]:
    """Return the spellings that a type of the library declares: by key, the form, or a mapping with form and text."""
    if not declared:
        return ()
    own = ((key, each if isinstance(each, dict) else {"form": each}) for key, each in declared.items())
    return (*STANDARD, *(Spelling(key, each["form"], each.get("text", FORMS[each["form"]].text)) for key, each in own))


def translated(entry: Entry, base: Entry, spellings: tuple[Spelling, ...]) -> dict[str, Any]:
    """Return the entry in the words of the language alone. base: what it is laid over."""
    older = {each.key: FORMS[each.form] for each in spellings if each.key in entry}
    result = {key: value for key, value in entry.items() if key not in older}
    for key, form in older.items():
        if form.fills:
            section, *rest = form.fills
            value = form.translate(entry[key], entry, base)
            result[section] = {**result.get(section, {}), rest[0]: value} if rest else value
    return result


def spelled_twice(entry: Entry, spellings: tuple[Spelling, ...]) -> Iterator[Violation]:
    """Yield a violation for each older key beside the key of the language that it fills."""
    for each in spellings:
        fills = FORMS[each.form].fills
        if each.key in entry and fills and _has(entry, fills):
            yield Violation((each.key,), f"is another spelling of {'.'.join(fills)}: give only one of them")


def place_in(entry: Entry, path: tuple[str, ...], spellings: tuple[Spelling, ...]) -> tuple[str, ...]:
    """Return the place of a key of the language in the entry as it was written."""
    for each in spellings:
        fills = FORMS[each.form].fills
        if each.key in entry and fills and path[: len(fills)] == fills:
            return (each.key, *path[len(fills) :])
    return path


def _has(entry: Entry, path: tuple[str, ...]) -> bool:
    value: Any = entry
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return False
        value = value[step]
    return True
