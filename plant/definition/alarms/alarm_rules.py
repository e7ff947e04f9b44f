"""The alarms of an entry: read from plain data, with every default filled in, and the rules between their keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from plant.definition.alarms.alarm_type import AlarmType, Side
from plant.definition.document.errors import Place, Violation
from plant.definition.document.validation import validated
from plant.definition.keys.alarms import AlarmEntry, SignalAlarms
from plant.definition.signals.bounds import signal_bounds, widest_bounds
from plant.definition.signals.signal_spec import TEXTS, SignalSpec

MOST_ALARMS: Final = 64
"""The most alarms of a machine type."""

CLASS_NAME: Final = "alarms"
"""The class of messages of alarms, which ends their usual topic; classes with other topics begin with it."""

HYSTERESIS: Final = 0.02
"""Usual distance between the limit of an alarm and where it is cleared, as a share of the signal's range.

Deadbands that are recommended to begin with are 1 % of the range for temperatures, 2 % for pressures and levels, and
5 % for flows (EEMUA 191).
"""

_USUAL_QOS: Final = 1
_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_LIMITS: Final = ((Side.HIGH, "clear_below"), (Side.LOW, "clear_above"))
_SHARED: Final = ("severity", "delay_seconds")
"""Keys beside alarms by name that are for all of them, unless they have their own."""

_Data = Mapping[str, Any]


class Delivery(NamedTuple):
    """What messages of alarms are, and how they are published. topic: a template; None for the usual one.

    fields: as declared; None for all.  reports_cleared: whether there are messages of alarms that are cleared.
    """

    topic: str | None
    qos: int
    retain: bool
    fields: Sequence[Any] | None
    reports_cleared: bool


@dataclass(frozen=True, slots=True)
class Alarms:
    """The alarms of a type, and the names of the classes of their messages, each with its delivery.

    places: of the signals whose delivery each is, in the entry.
    """

    alarms: Sequence[AlarmType]
    classes: Mapping[str, Delivery]
    places: Mapping[str, str]


def read_alarms(
    key: str, declared: _Data, signals: _Data, variants: Sequence[Mapping[str, SignalSpec]]
) -> tuple[Alarms, list[Violation]]:
    """Return the alarms of a type, and the violations, whose places begin in `alarms`.

    signals: as plain data, some of which may be wrong.
    variants: the signals of the type, and of single machines; empty ones where any is wrong.
    """
    violations = [*_unknown_signals(declared, signals)]
    classes: dict[str, Delivery] = {}
    places: dict[str, str] = {}
    alarms: list[AlarmType] = []
    for signal, data in declared.items():
        entries, wrong = _entries(data)
        violations += (each._replace(place=(signal, *each.place)) for each in wrong)
        delivery = _delivery(data)
        alike = (name for name, each in classes.items() if each == delivery)
        class_name = next(alike, CLASS_NAME if delivery == _delivery({}) else f"{CLASS_NAME}-{signal}")
        classes[class_name] = delivery
        places.setdefault(class_name, signal)
        if signal in variants[0] and not variants[0][signal].is_text and not wrong:
            specs = [each[signal] for each in variants if signal in each]
            alarms += _alarms_of(f"{key}.{class_name}", signal, entries, specs)
    if len(alarms) > MOST_ALARMS:
        violations.append(Violation((), f"must have at most {MOST_ALARMS} alarms, got {len(alarms)}"))
    return Alarms(alarms, classes, places), violations


def _unknown_signals(declared: _Data, signals: _Data) -> Iterator[Violation]:
    for name in declared:
        if name not in signals:
            yield Violation((name,), "is not a signal of this type", [*signals])
        elif not signals[name].keys().isdisjoint(TEXTS):
            yield Violation((name,), "cannot have alarms: the signal is text")


def _delivery(data: _Data) -> Delivery:
    qos, retain, is_whole = data.get("qos", _USUAL_QOS), data.get("retain", False), data.get("report_cleared", True)
    return Delivery(data.get("topic"), qos, retain, data.get("fields"), is_whole)


def _entries(data: _Data) -> tuple[dict[str, _Data], list[Violation]]:
    """Return the alarms of a signal as declared, by name; "" without names. Wrong ones are left out."""
    others = {name: each for name, each in data.items() if name not in SignalAlarms.model_fields}
    named = {name: each for name, each in others.items() if isinstance(each, Mapping)}
    own = {name: each for name, each in data.items() if name in AlarmEntry.model_fields}
    limits = [name for name in own if name not in _SHARED]
    unknown = [
        Violation((name,), "is an unknown key", [*SignalAlarms.model_fields]) for name in others if name not in named
    ]
    if not named:
        return {"": own}, unknown or [*_wrong_limits(own, of_one=False)]
    wrong = unknown + [
        Violation((name,), "cannot be used beside alarms by name: give each alarm its own limits") for name in limits
    ]
    entries: dict[str, _Data] = {}
    for name, each in named.items():
        found, violations = _named(name, each)
        wrong += violations
        if found is not None:
            entries[name] = {**{key: own[key] for key in _SHARED if key in own}, **found}
    return entries, wrong


def _named(name: str, data: _Data) -> tuple[_Data | None, list[Violation]]:
    place: Place = (name,)
    if not _NAME.fullmatch(name):
        return None, [Violation(place, "must have only letters, digits, _ and -, at most 64")]
    entry, wrong = validated(AlarmEntry, data, {}, place)
    if entry is None:
        return None, wrong
    own = entry.model_dump(exclude_none=True)
    return own, [each._replace(place=(*place, *each.place)) for each in _wrong_limits(own, of_one=True)]


def _wrong_limits(own: _Data, *, of_one: bool) -> Iterator[Violation]:
    """Check the limits of an alarm. of_one: whether it has a name, so that it can have only one of them."""
    if not {"high", "low"} & own.keys():
        yield Violation((), "needs high or low" + ("" if of_one else ", or alarms by name"))
    for side, clear in _LIMITS:
        if clear in own and side.yaml_name not in own:
            yield Violation((clear,), f"needs {side.yaml_name}")
        elif clear in own and side.sign * own[clear] > side.sign * own[side.yaml_name]:
            bound = "at most high" if side is Side.HIGH else "at least low"
            yield Violation((clear,), f"must be {bound}, which is {own[side.yaml_name]:g}, got {own[clear]:g}")
    if {"high", "low"} <= own.keys():
        if of_one:
            yield Violation(("low",), "needs an alarm of its own: one with a name has one limit")
        elif own["low"] >= own["high"]:
            yield Violation(("low",), f"must be less than high, which is {own['high']:g}, got {own['low']:g}")


def _alarms_of(
    kind: str, signal: str, entries: Mapping[str, _Data], specs: Sequence[SignalSpec]
) -> Iterator[AlarmType]:
    for name, own in entries.items():
        for side, clear in _LIMITS:
            if side.yaml_name in own:
                limit = float(own[side.yaml_name])
                usual = limit - side.sign * usual_hysteresis(specs)
                yield AlarmType(
                    name=f"{signal}.{name or side.yaml_name}",
                    kind=kind,
                    signal=signal,
                    side=side,
                    limit=limit,
                    clear=float(own.get(clear, usual)),
                    severity=own.get("severity", "warning"),
                    delay_ms=round(own.get("delay_seconds", 0) * 1000),
                )


def usual_hysteresis(specs: Sequence[SignalSpec]) -> float:
    """Return 2 % of the range of a signal, in whole last decimals, and at least one; one of what only grows."""
    spec = specs[0]
    unit: int = 10**spec.places
    if any(each is not None for each in (spec.counter, spec.integral_of, spec.change_of)):
        return 1 / unit
    low, high = widest_bounds(specs)
    return max(1, round((high - low) * HYSTERESIS * unit)) / unit


def is_reachable(alarm: AlarmType, specs: Sequence[SignalSpec]) -> bool:
    """Return whether a signal can have a value at which an alarm is raised."""
    bounds = [signal_bounds(spec) for spec in specs]
    unit: int = 10 ** specs[0].places
    furthest = max((each.high for each in bounds) if alarm.side is Side.HIGH else (-each.low for each in bounds))
    return furthest * unit >= alarm.raised_from(unit) - 1e-6
