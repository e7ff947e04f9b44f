"""Read from a machine type's entry what makes its jobs differ from each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.jobs.variation import (
    CHANGEOVER,
    DEFAULT,
    LATE_START,
    EffectType,
    KindType,
    LotsType,
    OperatorsType,
    SpreadType,
    StartUpType,
)

Entry = Mapping[str, Any]

_FIELDS: Final = {"lots": ("job.order", "job.lot", "job.lot_size", "job.lot_position"), "operators": ("operator",)}
"""What messages can report, by the key that brings it."""


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
    once = (1, 1)
    return LotsType(
        tuple(lots.get("size", once)), lots.get("changeover_seconds", {}), tuple(lots.get("per_order", once))
    )


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


def read_shifts(entry: Entry) -> dict[str, EffectType]:
    """Return what is different in shifts, by their names."""
    shifts: Mapping[str, Entry] = entry.get("shifts") or {}
    if "job" not in entry:
        return {}
    cycles = ((name, each, each.get("cycle_seconds", {}).get("times", 1.0)) for name, each in shifts.items())
    return {name: EffectType(cycle, _factors(each)) for name, each, cycle in cycles}


def read_operators(entry: Entry) -> OperatorsType | None:
    """Return who works at the machines; None if that makes no difference."""
    operators = entry.get("operators")
    if not isinstance(operators, Mapping) or "job" not in entry:
        return None
    return OperatorsType(tuple(operators.get("names", ("",))), **operators.get("spread", {}))


def absent_fields(entry: Entry) -> frozenset[str]:
    """Return the names that `fields` of an entry may not have, by the keys that bring them."""
    return frozenset(name for key, names in _FIELDS.items() if not entry.get(key) for name in names)


def broken(entry: Entry, kinds: Collection[str], results: Collection[str]) -> Iterator[Violation]:
    """Yield the broken rules of these keys. kinds, results: those of the jobs."""
    yield from _taken_states(entry)
    yield from _without_jobs(entry)
    if "job" not in entry:
        return
    yield from _unknown_results(entry, results)
    start_up = entry.get("start_up")
    if start_up and not {"cycle_seconds", "results"} & {*start_up}:
        yield Violation(("start_up",), "needs cycle_seconds or results: without them no job differs")
    if entry.get("operators") and "names" not in entry["operators"]:
        yield Violation(("operators", "names"), "is missing")
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
    for key in ("lots", "start_up", "shifts", "operators"):
        if entry.get(key) and "job" not in entry:
            yield Violation((key,), "needs a job: the machines make nothing")
    for key in ("cycle_seconds", "results"):
        if (entry.get("spread") or {}).get(key) and "job" not in entry:
            yield Violation(("spread", key), "needs a job: the machines make nothing")


def _unknown_results(entry: Entry, results: Collection[str]) -> Iterator[Violation]:
    kinds = entry["job"].get("kinds", {})
    named: list[tuple[tuple[str, ...], Any]] = []
    if isinstance(kinds, Mapping):
        named += [(("job", "kinds", name), each) for name, each in kinds.items()]
    named += [(("shifts", name), each) for name, each in (entry.get("shifts") or {}).items()]
    for place, each in [*named, (("start_up",), entry.get("start_up") or {})]:
        for name in each.get("results", ()) if isinstance(each, Mapping) else ():
            if name not in results:
                yield Violation((*place, "results", name), "is not a result of this type", [*results])


def _factors(entry: Entry) -> dict[str, float]:
    return {name: each["times"] for name, each in entry.get("results", {}).items()}
