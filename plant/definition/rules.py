"""Rules between the values of a plant's YAML, checked on plain data, so that no other mistake can hide theirs.

Whatever has the wrong type is passed over here: the models of plant.structure say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

from plant.definition.errors import Place, Violation, cut
from plant.definition.machine_config import MachineSpec
from plant.definition.value_types import SHORTEST_JOB_SECONDS, SHORTEST_PERIOD_SECONDS, YEAR_SECONDS, placeholders

_Data = Mapping[str, Any]

MOST_STOPS_A_JOB: Final = 1_000


def broken(data: _Data, types: Mapping[str, type[MachineSpec]]) -> Iterator[Violation]:
    """Rules that are broken; `types` has the model of each machine type, by its key."""
    for place, value in _everything(data):
        if value is None:
            yield Violation(place, "has no value: give it one or leave it out")
        if isinstance(value, list) and not _is_range(place):
            yield from _repeated(place, value)
    yield from _broken_by_type(data, types)


def _everything(data: object) -> Iterator[tuple[Place, Any]]:
    """All values with their places, those that hold others included."""
    ahead: list[tuple[Place, Any]] = [((), data)]
    while ahead:
        place, value = ahead.pop()
        yield place, value
        if isinstance(value, dict | list):
            steps = value.items() if isinstance(value, dict) else enumerate(value)
            ahead.extend(((*place, step), each) for step, each in steps)


def _is_range(place: Place) -> bool:
    return any(isinstance(step, str) and step.endswith(("_range", "_ranges")) for step in place)


def _repeated(place: Place, values: list[Any]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if isinstance(value, int | str | date) and first.setdefault(str(value), index) != index:
            yield Violation((*place, index), f"is there already: {cut(str(value))}")


def _broken_by_type(data: _Data, models: Mapping[str, type[MachineSpec]]) -> Iterator[Violation]:
    types = _mapping(data, "message_types")
    interval = _number(_mapping(data, "global").get("base_interval", 1.0))
    for key, model in models.items():
        if isinstance(spec := types.get(key), dict):
            yield from _under(key, _machine_faults(spec, model, interval))
    yield from _under("customer_order", _unordered_products(_mapping(types, "customer_order")))


def _under(key: str, faults: Iterator[Violation]) -> Iterator[Violation]:
    return (fault._replace(place=("message_types", key, *fault.place)) for fault in faults)


def _machine_faults(spec: _Data, model: type[MachineSpec], interval: float | None) -> Iterator[Violation]:
    yield from _unlisted_states(spec)
    yield from _unknown_dwells(spec)
    yield from _unknown_producing_state(spec, model.producing_state)
    yield from _two_rates(spec)
    yield from _missing_lists(spec)
    yield from _impossible_period(spec, interval)
    yield from _print_times(spec, model)
    yield from _impossible_print(spec, interval)
    yield from _stop_upon_stop(spec, model, interval)


def _unlisted_states(spec: _Data) -> Iterator[Violation]:
    return _strangers(spec, "status_distribution", _names(spec, "statuses"), "is not in statuses")


def _unknown_dwells(spec: _Data) -> Iterator[Violation]:
    states = dict.fromkeys(_names(spec, "statuses") + _names(spec, "status_distribution"))
    return _strangers(spec, "dwell_seconds", list(states), "is no state of this type")


def _unordered_products(order: _Data) -> Iterator[Violation]:
    return _strangers(order, "quantity_ranges", _names(order, "product_types"), "is not in product_types")


def _strangers(data: _Data, key: str, known: list[str], rule: str) -> Iterator[Violation]:
    """Names under a key that are none of the known; nothing where no name is known."""
    familiar = set(known)
    return (Violation((key, name), rule, known) for name in _names(data, key) if known and name not in familiar)


def _unknown_producing_state(spec: _Data, producing: str) -> Iterator[Violation]:
    key = "statuses" if _names(spec, "statuses") else "status_distribution"
    if (known := _names(spec, key)) and producing not in known:
        yield Violation((key,), f"must have the state {producing}: jobs advance in it")


def _two_rates(spec: _Data) -> Iterator[Violation]:
    if "frequency_weight" in spec and "report_seconds" in spec:
        yield Violation(("report_seconds",), "replaces frequency_weight: give one of the two")


def _missing_lists(spec: _Data) -> Iterator[Violation]:
    for name in _pattern_names(spec.get("station_pattern")):
        if name in {"line", "station"} and f"{name}s" not in spec:
            yield Violation((f"{name}s",), f"is missing: station_pattern has {{{name}}}")


def _impossible_period(spec: _Data, interval: float | None) -> Iterator[Violation]:
    period = _period(spec, interval)
    if period and "report_seconds" not in spec and not SHORTEST_PERIOD_SECONDS <= period <= YEAR_SECONDS:
        rule = f"makes a row every {period:g} s (base_interval * 10 / weight): must be 0.001 s to a year"
        yield Violation(("frequency_weight",), rule)


def _print_times(spec: _Data, model: type[MachineSpec]) -> Iterator[Violation]:
    """A job's time is said outright, or by what is done of it in a period."""
    seconds, increment = model.seconds_key, model.increment_key
    if increment and seconds in spec and increment in spec:
        yield Violation((seconds,), f"replaces {increment}: give one of the two")
    if increment and seconds not in spec and increment not in spec:
        yield Violation((seconds,), "is missing")


def _impossible_print(spec: _Data, interval: float | None) -> Iterator[Violation]:
    period, increment = _period(spec, interval), _number(spec.get("progress_increment"))
    if period and increment and not SHORTEST_JOB_SECONDS <= period / increment <= YEAR_SECONDS:
        rule = (
            f"makes a print of {period / increment:g} s (row period / increment): must be 0.1 s to a year;"
            " print_seconds says it outright"
        )
        yield Violation(("progress_increment",), rule)


def _stop_upon_stop(spec: _Data, model: type[MachineSpec], interval: float | None) -> Iterator[Violation]:
    """Each micro-stop of a job is drawn by itself."""
    per_hour, longest = _number(spec.get("micro_stops_per_hour")), _longest_job(spec, model, interval)
    if per_hour and longest and (stops := per_hour * longest / 3600) > MOST_STOPS_A_JOB:
        rule = f"makes {stops:,.0f} micro-stops in a job of {longest:g} s: must be at most {MOST_STOPS_A_JOB:,}"
        yield Violation(("micro_stops_per_hour",), rule)


def _longest_job(spec: _Data, model: type[MachineSpec], interval: float | None) -> float | None:
    """Without losses; nothing where it is the default, which is short."""
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
    """The texts of a list, or the keys of a mapping."""
    value = data.get(key)
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | dict) else []


def _number(value: object) -> float | None:
    """A positive number that can be reckoned with; the models refuse the others."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 1e-12 <= value <= 1e12
    return float(value) if usable else None  # type: ignore[arg-type]
