"""The alarms of a machine type in words, for `check`: their limits, and when a signal comes to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import fsum
from typing import Final

from plant.definition.alarms.alarm_rules import is_reachable
from plant.definition.alarms.alarm_type import AlarmType, Side
from plant.definition.faults.fault_type import Effect
from plant.definition.machine_types.machine_type import MachineType
from plant.definition.plant_config import PlantConfig
from plant.definition.signals.bounds import Bounds, usual_bounds
from plant.definition.signals.signal_spec import OTHERWISE
from plant.forecast.cause_rates import labels_per_hour
from plant.forecast.rate_forecast import duration

_CERTAIN: Final = frozenset({"base", "limits", "decimals", "unit", "description"})
"""The keys of a signal that has the level of its state, and nothing else."""

_WORN: Final = 1.0
"""The wear up to which the effects of what wears are looked at."""


def alarm_lines(config: PlantConfig, machine_type: MachineType, kind: str) -> list[tuple[str, str, str, str]]:
    """Return the cells of a line for each alarm of a class of messages: name, severity, limits, and when it comes."""
    rates = labels_per_hour(config, machine_type)
    alarms = (each for each in machine_type.alarms if each.kind == kind)
    return [("alarm " + each.name, each.severity, _limits(each), when(each, machine_type, rates)) for each in alarms]


def when(alarm: AlarmType, machine_type: MachineType, rates: Mapping[str, float]) -> str:
    """Return when an alarm may be raised, as far as it follows from the declaration; empty where it does not.

    rates: labels an hour of a machine, by cause.
    """
    specs = [each.signals[alarm.signal] for each in (machine_type, *machine_type.overrides.values())]
    if not is_reachable(alarm, specs):
        return "never"
    spec = machine_type.signals[alarm.signal]
    if (spec.base is None and spec.set_point is None) or spec.ramp or len(specs) > 1:
        return ""
    levels = {OTHERWISE: spec.set_point} if spec.set_point is not None else spec.base or {}
    if reached := [name for name, level in levels.items() if level is not None and _reaches(alarm, level)]:
        return _at_levels(alarm, machine_type, reached, len(levels))
    usual = usual_bounds(spec)
    if _reaches(alarm, usual.high if alarm.side is Side.HIGH else usual.low):
        return "by its variation"
    causes = [*_causes(alarm, machine_type, usual)]
    if not causes:
        return "only under several causes at once, if at all"
    most = 24 * fsum(rates.get(name, 0.0) for name in causes)
    return f"under {' or '.join(causes)}" + (f", at most {most:.3g} times a day and machine" if most else "")


def _at_levels(alarm: AlarmType, machine_type: MachineType, reached: Sequence[str], count: int) -> str:
    """Return in which states the level of a signal raises an alarm, and how often that is, if it is sure."""
    if len(reached) == count:
        return "at its level"
    text = f"in {' or '.join('all other states' if name == OTHERWISE else name for name in reached)}"
    signal, rows = machine_type.signals[alarm.signal], machine_type.next_rows
    is_plain = not signal.model_fields_set - _CERTAIN and {*rows} >= {*(signal.base or {})} - {OTHERWISE}
    # Changeovers take time from the states, and causes add stays: then the states are not entered as declared.
    if alarm.delay_ms or not is_plain or machine_type.lots or machine_type.causes.states:
        return text
    others = [name for name in rows if name not in (signal.base or {})] if OTHERWISE in reached else []
    states = {*reached, *others} & rows.keys()
    visits = machine_type.visits_per_second
    entered = fsum(visits[name] * _leading(rows[name], name, states) for name in rows if name not in states)
    return f"{text}, {86_400 * entered:.3g} times a day and machine"


def _leading(row: Mapping[str, float], name: str, states: Collection[str]) -> float:
    """Return the chance that a visit of a state is followed by one of some others."""
    left = 1 - row.get(name, 0.0)
    return fsum(row.get(to, 0.0) for to in states) / left if left else 0.0


def _limits(alarm: AlarmType) -> str:
    side, back = ("or more", "below") if alarm.side is Side.HIGH else ("or less", "above")
    delay = f" for {duration(alarm.delay_ms / 1000)}" if alarm.delay_ms else ""
    return f"at {alarm.limit:g} {side}{delay}, until {back} {alarm.clear:g}"


def _reaches(alarm: AlarmType, value: float) -> bool:
    return alarm.side.sign * value >= alarm.side.sign * alarm.limit


def _causes(alarm: AlarmType, machine_type: MachineType, usual: Bounds) -> Iterator[str]:
    """Yield the causes under each of which alone a signal comes to the limit."""
    causes = machine_type.causes
    for name, fault in causes.faults.items():
        sensor, effect = fault.sensor, fault.effects.signals.get(alarm.signal)
        lies = sensor is not None and sensor.signal == alarm.signal and bool(sensor.per_hour or sensor.amplitude)
        if lies or (effect is not None and _moves(alarm, effect, fault.severity[1], usual)):
            yield name
    for name, worn in causes.wear.items():
        effect = worn.effects.signals.get(alarm.signal)
        if effect is not None and _moves(alarm, effect, _WORN, usual):
            yield name


def _moves(alarm: AlarmType, effect: Effect, level: float, usual: Sequence[float]) -> bool:
    """Return whether an effect takes the value to the limit."""
    return any(_reaches(alarm, value * max(0.0, 1 + effect.more * level) + effect.plus * level) for value in usual)
