"""Read from a machine type's entry what makes its jobs differ from each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from plant.definition.document.errors import Violation
from plant.definition.jobs.variation import (
    CHANGEOVER,
    DEFAULT,
    LATE_START,
    KindType,
    LotsType,
    SpreadType,
    StartUpType,
)

Entry = Mapping[str, Any]


def kind_weights(kinds: Mapping[str, Any] | Sequence[str]) -> dict[str, float]:
    """Return the weight of each kind. kinds: names, or by name a weight or a mapping with `weight`."""
    if not isinstance(kinds, Mapping):
        return dict.fromkeys(kinds, 1.0)
    return {name: each.get("weight", 1.0) if isinstance(each, Mapping) else each for name, each in kinds.items()}


def kind_types(kinds: Mapping[str, Any] | Sequence[str]) -> dict[str, KindType]:
    """Return what is different for the jobs of some kinds, by name."""
    if not isinstance(kinds, Mapping):
        return {}
    entries = ((name, each) for name, each in kinds.items() if isinstance(each, Mapping))
    found = ((name, KindType(each.get("cycle_seconds"), _factors(each))) for name, each in entries)
    return {name: kind for name, kind in found if kind != KindType()}


def read_lots(entry: Entry) -> LotsType | None:
    """Return the lots of an entry; None without any."""
    lots = entry.get("lots")
    if not isinstance(lots, Mapping) or "job" not in entry:
        return None
    return LotsType(tuple(lots.get("size", (1, 1))), lots.get("changeover_seconds", {}))


def read_start_up(entry: Entry) -> StartUpType | None:
    """Return what is different after a stop; None if nothing is."""
    start_up = entry.get("start_up")
    if not isinstance(start_up, Mapping) or "job" not in entry:
        return None
    cycle = start_up.get("cycle_seconds", {}).get("times", 1.0)
    after_seconds, jobs = start_up.get("after_stop_seconds", 600.0), start_up.get("jobs", 1)
    return StartUpType(after_seconds, jobs, cycle, _factors(start_up))


def read_spread(entry: Entry) -> SpreadType | None:
    """Return how the machines differ; None if they do not."""
    spread = entry.get("spread")
    if not isinstance(spread, Mapping) or not any(spread.values()):
        return None
    return SpreadType(**{name: float(each) for name, each in spread.items()})


def broken(entry: Entry, kinds: Collection[str], results: Collection[str]) -> Iterator[Violation]:
    """Yield the broken rules of these keys. kinds, results: those of the jobs."""
    yield from _taken_states(entry)
    yield from _without_jobs(entry)
    if "job" not in entry:
        return
    yield from _unknown_results(entry, results)
    lots = entry.get("lots") or {}
    pairs = [DEFAULT, *(f"{before}>{after}" for before in kinds for after in kinds if before != after)]
    for pair in lots.get("changeover_seconds", ()):
        if pair not in pairs:
            yield Violation(("lots", "changeover_seconds", pair), "is no pair of kinds, such as `a>b`", pairs)


def _taken_states(entry: Entry) -> Iterator[Violation]:
    """Check that no state has the name of one that another key brings."""
    brought = (
        (CHANGEOVER, "lots.changeover_seconds", (entry.get("lots") or {}).get("changeover_seconds")),
        (LATE_START, "start_delay_seconds", entry.get("start_delay_seconds")),
    )
    for state, key, value in brought:
        if value and state in entry.get("states", {}):
            yield Violation(("states", state), f"is the name of the state that {key} brings: choose another name")


def _without_jobs(entry: Entry) -> Iterator[Violation]:
    for key in ("lots", "start_up"):
        if entry.get(key) and "job" not in entry:
            yield Violation((key,), "needs a job: the machines make nothing")
    for key in ("cycle_seconds", "results"):
        if (entry.get("spread") or {}).get(key) and "job" not in entry:
            yield Violation(("spread", key), "needs a job: the machines make nothing")


def _unknown_results(entry: Entry, results: Collection[str]) -> Iterator[Violation]:
    kinds = entry["job"].get("kinds", {})
    named = [(("job", "kinds", name), each) for name, each in kinds.items()] if isinstance(kinds, Mapping) else []
    for place, each in [*named, (("start_up",), entry.get("start_up") or {})]:
        for name in each.get("results", ()) if isinstance(each, Mapping) else ():
            if name not in results:
                yield Violation((*place, "results", name), "is not a result of this type", [*results])


def _factors(entry: Entry) -> dict[str, float]:
    return {name: each["times"] for name, each in entry.get("results", {}).items()}
