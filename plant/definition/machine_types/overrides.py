"""The overrides of an entry: what is different for single machines of a type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from plant.definition.document.errors import Violation
from plant.definition.machine_types.inheritance import own_place
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.machine_types.spellings import Entry
from plant.definition.states.order import TRANSITIONS

MOST_OVERRIDES: Final = 1_000
_REPLACED: Final = ("base", "noise")
"""Keys whose mappings are replaced as a whole."""

_Resolve = Callable[[Entry], tuple[MachineType, list[Violation]]]


def read_overrides(
    entry: Entry, machine_type: MachineType, resolve: _Resolve
) -> tuple[dict[int, MachineType], list[Violation]]:
    """Return the type as it is for single machines, by number, and the violations.

    resolve: returns the machine type of a complete entry, and its violations.
    """
    declared: Mapping[str, Mapping[str, Any]] = entry.get("overrides", {})
    types: dict[int, MachineType] = {}
    violations: list[Violation] = []
    if len(declared) > MOST_OVERRIDES:
        rule = f"must have at most {MOST_OVERRIDES:,} machines, got {len(declared):,}"
        violations.append(Violation(("overrides",), rule))
    for machine_id, own in declared.items():
        wrong = [*_unknown_names(own, machine_type)]
        number = number_of(machine_id, machine_type)
        if number is None:
            wrong.append(Violation((), f"is no id of a machine of this type, such as {machine_type.id_of(1)}"))
        elif not wrong:
            types[number], broken = resolve(_changed(entry, own))
            places = ((each, own_place(own, each.place)) for each in broken)
            wrong += (each._replace(place=place) for each, place in places if place)
        violations += (each._replace(place=("overrides", machine_id, *each.place)) for each in wrong)
    return types, violations


def number_of(machine_id: str, machine_type: MachineType) -> int | None:
    """Return the number of the machine that has an id, whether there are so many or not; None if none can have it."""
    return machine_type.ids.number_of(machine_id)


def _unknown_names(own: Mapping[str, Any], machine_type: MachineType) -> Iterator[Violation]:
    job = machine_type.job
    known = (
        (("states",), [*machine_type.states], "is not a state of this type"),
        (("signals",), [*machine_type.signals], "is not a signal of this type"),
        (("job", "results"), [*machine_type.results], "is not a result of this type"),
        (("job", "kinds"), [*machine_type.kinds], "is not a kind of job of this type"),
    )
    if "job" in own and job is None:
        yield Violation(("job",), "cannot be changed: the machines make nothing")
        return
    for place, names, rule in known:
        yield from (Violation((*place, name), rule, names) for name in _below(own, place) if name not in names)


def _below(own: Mapping[str, Any], place: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = own
    for step in place:
        found = found.get(step) or {}
    return found if isinstance(found, Mapping) else {}


def _changed(entry: Entry, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry as it is for one machine: mappings are merged, and what ends in a value is replaced."""
    rest = {key: value for key, value in entry.items() if key != "overrides"}
    job, weights = own.get("job", {}), _WEIGHTED.keys() & own.get("job", {}).keys()
    changed = _merged(rest, {**own, **({"job": _without(job, weights)} if job else {})})
    if weights:
        changed["job"] |= {key: _WEIGHTED[key](entry["job"].get(key), job[key]) for key in weights}
    return changed


def _without(job: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key not in keys}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        other = result.get(key)
        if key == TRANSITIONS:  # row by row
            result[key] = {**(other or {}), **value}
        elif isinstance(value, Mapping) and isinstance(other, Mapping) and key not in _REPLACED:
            result[key] = _merged(other, value)
        else:
            result[key] = value
    return result


def _kinds(kinds: Any, weights: Mapping[str, float]) -> dict[str, Any]:
    """Return only the kinds that have a weight; all else of them stays."""
    known = kinds if isinstance(kinds, Mapping) else {}
    others = {name: each if isinstance(each, Mapping) else {} for name, each in known.items()}
    return {name: {**others.get(name, {}), "weight": weight} for name, weight in weights.items()}


def _weights(results: Any, weights: Mapping[str, float]) -> dict[str, Any]:
    """Return results with other weights; all else of them stays."""
    known = results if isinstance(results, Mapping) else {}
    return {
        name: {**(each if isinstance(each, Mapping) else {"weight": each}), "weight": weights.get(name, _weight(each))}
        for name, each in known.items()
    }


def _weight(result: Any) -> float:
    weight: float = result["weight"] if isinstance(result, Mapping) else result
    return weight


_WEIGHTED: Final[Mapping[str, Callable[[Any, Mapping[str, float]], dict[str, Any]]]] = {
    "kinds": _kinds,
    "results": _weights,
}
"""Keys with weights alone, which replace the weights of the type."""
