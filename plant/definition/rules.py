"""Rules between the values of a plant's YAML, checked on plain data, so that other errors cannot hide violations.

Values of a wrong type are skipped here: the models of plant.definition.plant_config report them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from plant.definition.errors import Place, Violation, quote
from plant.definition.machine_config import MachineSpec
from plant.definition.value_types import SHORTEST_JOB_SECONDS, SHORTEST_PERIOD_SECONDS, YEAR_SECONDS, placeholders

_Data = Mapping[str, Any]

MOST_STOPS_PER_JOB: Final = 1_000


def broken(data: _Data, types: Mapping[str, type[MachineSpec]]) -> Iterator[Violation]:
    """Yield the broken rules. types: the model of each machine type, by key."""
    for place, value in _all_values(data):
        if value is None:
            yield Violation(place, "has no value: give it one or leave it out")
        if isinstance(value, list) and not _is_range(place):
            yield from _repeated(place, value)
    yield from _broken_by_type(data, types)


def _all_values(data: object) -> Iterator[tuple[Place, Any]]:
    """Yield all values with their places, including lists and mappings."""
    unvisited: list[tuple[Place, Any]] = [((), data)]
    while unvisited:
        place, value = unvisited.pop()
        yield place, value
        if isinstance(value, dict | list):
            steps = value.items() if isinstance(value, dict) else enumerate(value)
            unvisited.extend(((*place, step), each) for step, each in steps)


def _is_range(place: Place) -> bool:
    return any(isinstance(step, str) and step.endswith(("_range", "_ranges")) for step in place)


def _repeated(place: Place, values: list[Any]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if isinstance(value, int | str | date) and first.setdefault(str(value), index) != index:
            yield Violation((*place, index), f"is repeated: {quote(str(value))}")


def _broken_by_type(data: _Data, models: Mapping[str, type[MachineSpec]]) -> Iterator[Violation]:
    types = _mapping(data, "message_types")
    interval = _number(_mapping(data, "global").get("base_interval", 1.0))
    for key, model in models.items():
        if isinstance(spec := types.get(key), dict):
            yield from _placed_under(key, _machine_violations(spec, model, interval))
    yield from _placed_under("customer_order", _unknown_products(_mapping(types, "customer_order")))


def _placed_under(key: str, violations: Iterator[Violation]) -> Iterator[Violation]:
    return (violation._replace(place=("message_types", key, *violation.place)) for violation in violations)


def _machine_violations(spec: _Data, model: type[MachineSpec], interval: float | None) -> Iterator[Violation]:
    yield from _unlisted_states(spec)
    yield from _unknown_dwells(spec)
    yield from _unknown_producing_state(spec, model.producing_state)
    yield from _weight_and_period(spec)
    yield from _missing_lists(spec)
    yield from _impossible_period(spec, interval)
    yield from _missing_or_double_job_time(spec, model)
    yield from _impossible_print(spec, interval)
    yield from _too_many_micro_stops(spec, model, interval)


def _unlisted_states(spec: _Data) -> Iterator[Violation]:
    return _unknown_names(spec, "status_distribution", _names(spec, "statuses"), "is not in statuses")


def _unknown_dwells(spec: _Data) -> Iterator[Violation]:
    states = dict.fromkeys(_names(spec, "statuses") + _names(spec, "status_distribution"))
    return _unknown_names(spec, "dwell_seconds", list(states), "is not a state of this type")


def _unknown_products(order: _Data) -> Iterator[Violation]:
    return _unknown_names(order, "quantity_ranges", _names(order, "product_types"), "is not in product_types")


def _unknown_names(data: _Data, key: str, known: list[str], rule: str) -> Iterator[Violation]:
    """Yield a violation for each name under a key that is not known; none if no name is known."""
    known_names = set(known)
    return (Violation((key, name), rule, known) for name in _names(data, key) if known and name not in known_names)


def _unknown_producing_state(spec: _Data, producing: str) -> Iterator[Violation]:
    key = "statuses" if _names(spec, "statuses") else "status_distribution"
    if (known := _names(spec, key)) and producing not in known:
        yield Violation((key,), f"must have the state {producing}: jobs advance in it")


def _weight_and_period(spec: _Data) -> Iterator[Violation]:
    if "frequency_weight" in spec and "report_seconds" in spec:
        yield Violation(("report_seconds",), "replaces frequency_weight: give only one of them")


def _missing_lists(spec: _Data) -> Iterator[Violation]:
    for name in _pattern_names(spec.get("station_pattern")):
        if name in {"line", "station"} and f"{name}s" not in spec:
            yield Violation((f"{name}s",), f"is missing: station_pattern has {{{name}}}")


def _impossible_period(spec: _Data, interval: float | None) -> Iterator[Violation]:
    period = _period(spec, interval)
    if period and "report_seconds" not in spec and not SHORTEST_PERIOD_SECONDS <= period <= YEAR_SECONDS:
        rule = f"makes a message every {period:g} s (base_interval * 10 / weight): must be 0.001 s to a year"
        yield Violation(("frequency_weight",), rule)


def _missing_or_double_job_time(spec: _Data, model: type[MachineSpec]) -> Iterator[Violation]:
    """Check that the length of a job is given once: in seconds, or as the share done in a period."""
    seconds, increment = model.seconds_key, model.increment_key
    if increment and seconds in spec and increment in spec:
        yield Violation((seconds,), f"replaces {increment}: give only one of them")
    if increment and seconds not in spec and increment not in spec:
        yield Violation((seconds,), "is missing")


def _impossible_print(spec: _Data, interval: float | None) -> Iterator[Violation]:
    period, increment = _period(spec, interval), _number(spec.get("progress_increment"))
    if period and increment and not SHORTEST_JOB_SECONDS <= period / increment <= YEAR_SECONDS:
        rule = (
            f"makes a print take {period / increment:g} s (period / increment): must be 0.1 s to a year;"
            " print_seconds sets it directly"
        )
        yield Violation(("progress_increment",), rule)


def _too_many_micro_stops(spec: _Data, model: type[MachineSpec], interval: float | None) -> Iterator[Violation]:
    """Limit the micro-stops of a job, as each is drawn separately."""
    per_hour, longest = _number(spec.get("micro_stops_per_hour")), _longest_job(spec, model, interval)
    if per_hour and longest and (stops := per_hour * longest / 3600) > MOST_STOPS_PER_JOB:
        rule = f"makes {stops:,.0f} micro-stops in a job of {longest:g} s: must be at most {MOST_STOPS_PER_JOB:,}"
        yield Violation(("micro_stops_per_hour",), rule)


def _longest_job(spec: _Data, model: type[MachineSpec], interval: float | None) -> float | None:
    """Return the longest job without losses, in seconds; None if it is the default, which is short."""
    if model.seconds_key in spec:
        seconds = spec[model.seconds_key]
        return _number(seconds[-1] if isinstance(seconds, list) and seconds else seconds)
    period, increment = _period(spec, interval), _number(spec.get("progress_increment"))
    return period / increment if period and increment else None


def _period(spec: _Data, interval: float | None) -> float | None:
    if "report_seconds" in spec:
        return _number(spec["report_seconds"])
    weight = _number(spec.get("frequency_weight", 1.0))
    return interval * 10 / weight if interval and weight else None


def _pattern_names(pattern: object) -> list[str]:
    try:
        return list(dict.fromkeys(placeholders(pattern))) if isinstance(pattern, str) else []
    except ValueError:
        return []


def _mapping(data: _Data, key: str) -> _Data:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _names(data: _Data, key: str) -> list[str]:
    """Return the texts of a list, or the keys of a mapping."""
    value = data.get(key)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | dict) else []


def _number(value: object) -> float | None:
    """Return a positive number of a usable size, otherwise None; the models reject other values."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 1e-12 <= value <= 1e12
    return float(value) if usable else None  # type: ignore[arg-type]
