"""From a complete entry to a machine type: every default filled in, and the rules between its keys."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from plant.definition.alarms.alarm_rules import read_alarms
from plant.definition.document.errors import Violation, quote, suggestion
from plant.definition.document.value_types import (
    SHORTEST_JOB_SECONDS,
    SHORTEST_PERIOD_SECONDS,
    YEAR_SECONDS,
    placeholders,
)
from plant.definition.energy.energy_rules import read_energy
from plant.definition.faults.reading import Affected, read_causes
from plant.definition.identity.id_pattern import NUMBER, STATION, IdPattern, repeated_id
from plant.definition.jobs import variation_entries
from plant.definition.jobs.job_entries import read_job
from plant.definition.jobs.job_type import JobType, LossesType
from plant.definition.jobs.variation_entries import read_lots, read_spread, read_start_up
from plant.definition.machine_types.layout import FieldNames
from plant.definition.machine_types.machine_type import NO_STATE, MachineType, MessageClass
from plant.definition.machine_types.message_classes import read_alarm_classes, read_messages
from plant.definition.machine_types.overrides import read_overrides
from plant.definition.machine_types.spellings import Entry, default_dwell
from plant.definition.signals import signal_rules
from plant.definition.signals.references import read_signals
from plant.definition.signals.signal_spec import TEXTS, SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.definition.states.order import BETWEEN_JOBS, TRANSITIONS, Order, order_violations
from plant.definition.states.reasons import REASON_FIELDS, read_reasons, wrong_reasons
from plant.definition.states.state_commands import read_state_commands
from plant.definition.states.state_entries import read_states
from plant.definition.states.state_type import StateType
from plant.models.registry import models

MOST_STOPS_PER_JOB: Final = 1_000
_FOREVER_SECONDS: Final = 1e12
_NOT_MEASURED: Final = frozenset(("integral_of", "counter", "on_share_of", "change_of", "binomial", *TEXTS))
"""Sources of signals that are counted or chosen."""
_LISTS: Final = ("line", "station")
_IN_PROPERTIES: Final = (*_LISTS, "number", "machine_id", "station_id")


class Resolved(NamedTuple):
    """A machine type, and the violations of the rules between its keys, with places in the words of the language."""

    machine_type: MachineType
    violations: list[Violation]


def resolve(
    key: str, entry: Entry, number: int, interval: float, plant_signals: Mapping[str, Any] = MappingProxyType({})
) -> Resolved:
    """Return the type of a complete entry. interval: the plant's base interval.  plant_signals: as plain data."""
    order = Order(entry.get(TRANSITIONS, {}), tuple(entry.get(BETWEEN_JOBS, ())))
    states, wrong_states = _states(entry, order)
    job, wrong_job = read_job(entry, f"{_in_capitals(key)}-")
    has_station = "station_pattern" in entry
    names = FieldNames(
        has_states=bool(entry.get("states")),
        has_station=has_station,
        product=job.product if job else None,
        absent=variation_entries.absent_fields(entry) | {*(() if read_reasons(entry) else REASON_FIELDS)},
        properties=entry.get("properties", {}),
        signals=[name for name, each in entry.get("signals", {}).items() if each.get("shown", True)],
    )
    messages, wrong_messages = read_messages(key, entry, names)
    machine_type = _machine_type(key, entry, number, states, job, messages)
    signals, wrong_signals = _signals(entry, machine_type.vocabulary, plant_signals, names.taken)
    machine_type = replace(
        machine_type, signals=signals, model=entry.get("model"), order=order, reasons=read_reasons(entry)
    )
    causes, wrong_causes = read_causes(entry, _affected(entry, machine_type))
    energy, wrong_energy = read_energy(entry.get("energy"), entry.get("signals", {}), plant_signals)
    commands, wrong_commands = read_state_commands(entry.get("commands", {}), [*entry.get("states", {})])
    machine_type = replace(machine_type, causes=causes, energy=energy, commands=commands)
    overrides, wrong_overrides = read_overrides(
        entry, machine_type, lambda changed: resolve(key, changed, number, interval, plant_signals)
    )
    machine_type, wrong_alarms = _with_alarms(key, entry, names, replace(machine_type, overrides=overrides))
    violations = [
        *wrong_states,
        *_taken_properties(entry, names),
        *wrong_job,
        *variation_entries.broken(entry, job.kinds if job else (), job.results if job else ()),
        *wrong_reasons(entry, job.results if job else ()),
        *wrong_messages,
        *wrong_signals,
        *wrong_causes,
        *wrong_energy,
        *wrong_overrides,
        *wrong_alarms,
        *(each._replace(place=("commands", *each.place)) for each in wrong_commands),
        *_missing_lists(entry),
        *_wrong_ids(entry, machine_type),
        *_unknown_placeholders(entry),
        *_unknown_model(entry),
        *_impossible_period(machine_type, interval),
        *_impossible_job(machine_type, interval),
        *(() if wrong_states else _too_few_jobs(machine_type, interval)),
    ]
    return Resolved(machine_type, violations)


def _machine_type(
    key: str,
    entry: Entry,
    number: int,
    states: Mapping[str, StateType],
    job: JobType | None,
    messages: Sequence[MessageClass],
) -> MachineType:
    losses = LossesType(
        entry.get("micro_stops_per_hour", 0.0),
        entry.get("micro_stop_seconds_range", (5.0, 20.0)),
        entry.get("slow_cycle_share", 0.0),
        entry.get("slow_cycle_factor_range", (1.1, 1.5)),
    )
    return MachineType(
        key=key,
        number=number,
        title=entry.get("title", key.replace("_", " ")),
        ids=_ids(key, entry),
        enabled=entry.get("enabled", True),
        station_pattern=entry.get("station_pattern", "none"),
        lines=tuple(entry.get("lines", ())),
        stations=tuple(entry.get("stations", ())),
        states=states,
        job=job,
        losses=losses,
        messages=messages,
        lots=read_lots(entry),
        start_up=read_start_up(entry),
        spread=read_spread(entry),
        shifts=variation_entries.read_shifts(entry),
        operators=variation_entries.read_operators(entry),
        start_delay_seconds=entry.get("start_delay_seconds"),
        site=entry.get("site"),
        properties=entry.get("properties", {}),
    )


def _ids(key: str, entry: Entry) -> IdPattern:
    pattern = entry.get("machine_id", f"{_in_capitals(key)}-{{number:02d}}")
    return IdPattern(pattern, entry.get("first_number", 1), tuple(entry.get("stations", ())))


def _in_capitals(key: str) -> str:
    return key.upper().replace("_", "-").replace("{", "").replace("}", "")


def _states(entry: Entry, order: Order) -> tuple[dict[str, StateType], list[Violation]]:
    declared: Mapping[str, Mapping[str, Any]] = entry.get("states", {})
    if not declared:
        wrong_order = [Violation((key,), "needs states") for key in (TRANSITIONS, BETWEEN_JOBS) if entry.get(key)]
        return {NO_STATE: StateType(1.0, _FOREVER_SECONDS, produces=True)}, wrong_order
    states, wrong = read_states(declared, default_dwell, ordered=order.is_declared)
    if order.is_declared and not wrong:
        return states, [*order_violations(states, order)]
    return states, [each._replace(place=("states", *each.place)) for each in wrong]


def _signals(
    entry: Entry, vocabulary: Vocabulary, plant_signals: Mapping[str, Any], taken: Collection[str]
) -> tuple[dict[str, SignalSpec], list[Violation]]:
    declared: Mapping[str, Any] = entry.get("signals", {})
    wrong = [
        Violation((name,), "is a key of the messages already: choose another name")
        for name in declared
        if name in taken
    ]
    wrong += signal_rules.broken(
        declared, vocabulary, plant_signals, models().get(entry.get("model", "")) if "model" in entry else None
    )
    signals = {} if wrong else read_signals(declared)
    return signals, [each._replace(place=("signals", *each.place)) for each in wrong]


def _with_alarms(
    key: str, entry: Entry, names: FieldNames, machine_type: MachineType
) -> tuple[MachineType, list[Violation]]:
    variants = [each.signals for each in (machine_type, *machine_type.overrides.values())]
    alarms, wrong = read_alarms(key, entry.get("alarms", {}), entry.get("signals", {}), variants)
    classes, wrong_classes = read_alarm_classes(key, entry, names, alarms, machine_type.messages)
    placed = [each._replace(place=("alarms", *each.place)) for each in wrong]
    return replace(machine_type, alarms=tuple(alarms.alarms), alarm_messages=classes), [*placed, *wrong_classes]


def _affected(entry: Entry, machine_type: MachineType) -> Affected:
    """Return what faults and wear may change and lead to."""
    signals: Mapping[str, Mapping[str, Any]] = entry.get("signals", {})
    others = {name for name, each in signals.items() if not _NOT_MEASURED.isdisjoint(each)}
    return Affected(
        signals={name: "limits" in each for name, each in signals.items() if name not in others},
        other_signals=others,
        states=[*entry.get("states", {})],
        results=[*machine_type.results],
        has_job=machine_type.job is not None,
    )


def _missing_lists(entry: Entry) -> Iterator[Violation]:
    for name in dict.fromkeys(placeholders(entry.get("station_pattern", ""))):
        if f"{name}s" not in entry:
            yield Violation((f"{name}s",), f"is missing: station_pattern has {{{name}}}")


def _wrong_ids(entry: Entry, machine_type: MachineType) -> Iterator[Violation]:
    """Check ids that have stations and no numbers."""
    ids = machine_type.ids
    if ids.is_numbered:
        return
    if not ids.stations:
        yield Violation(("stations",), f"is missing: machine_id has {{{STATION}}}")
    if "first_number" in entry:
        yield Violation(("first_number",), f"needs {{{NUMBER}}} in machine_id")
    if (repeated := repeated_id(ids)) is not None:
        yield Violation(
            ("stations",), f"makes the id {quote(repeated)} twice: machines of a second round have such ids"
        )
    for each in machine_type.all_messages:
        if f"{{{NUMBER}" in each.topic.replace("{{", ""):
            yield Violation(("machine_id",), f"needs {{{NUMBER}}}, which a topic has")
            return


def _taken_properties(entry: Entry, names: FieldNames) -> Iterator[Violation]:
    """Check that no property has the name of another key of the messages."""
    for name in entry.get("properties", {}):
        if name in names.reserved:
            yield Violation(("properties", name), "is a key of the messages already: choose another name")


def _unknown_placeholders(entry: Entry) -> Iterator[Violation]:
    """Check the placeholders in properties."""
    for key, value in entry.get("properties", {}).items():
        try:
            names = [*placeholders(value)] if isinstance(value, str) else []
        except ValueError as error:
            yield Violation(("properties", key), str(error))
            continue
        for name in dict.fromkeys(names):
            if name not in _IN_PROPERTIES:
                known = " ".join(f"{{{each}}}" for each in _IN_PROPERTIES)
                yield Violation(("properties", key), f"may have only {known} in braces, got {{{name}}}")
            elif name in _LISTS and f"{name}s" not in entry:
                yield Violation((f"{name}s",), f"is missing: properties.{key} has {{{name}}}")


def _unknown_model(entry: Entry) -> Iterator[Violation]:
    if "model" in entry and entry["model"] not in models():
        rule = f"must be the name of a model, got {quote(entry['model'])}; {suggestion(entry['model'], [*models()])}"
        yield Violation(("model",), rule)


def _impossible_period(machine_type: MachineType, interval: float) -> Iterator[Violation]:
    for each in machine_type.messages:
        period = each.period_by_weight(interval)
        if not math.isinf(period) and not SHORTEST_PERIOD_SECONDS <= period <= YEAR_SECONDS:
            rule = f"makes a message every {period:g} s (base_interval * 10 / weight): must be 0.001 s to a year"
            yield Violation((*(("messages", each.name) if each.name else ()), "frequency_weight"), rule)


def _impossible_job(machine_type: MachineType, interval: float) -> Iterator[Violation]:
    """Check the length of a job that follows from the period, and limit its micro-stops: each is drawn separately."""
    if machine_type.job is None:
        return
    seconds = machine_type.job.seconds_at(machine_type.main.period_by_weight(interval))
    if machine_type.job.period_share and machine_type.reports and math.isinf(seconds[0]):
        where = f"messages.{machine_type.main.name}" if machine_type.main.name else "the type"
        rule = f"needs a period, and {where} has no regular messages: give cycle_seconds, or report_seconds there"
        yield Violation(("job", "period_share"), rule)
    if (
        machine_type.job.period_share
        and not SHORTEST_JOB_SECONDS <= seconds[0] <= YEAR_SECONDS
        and seconds[0] < math.inf
    ):
        rule = f"makes a {machine_type.job.product} take {seconds[0]:g} s (period / share): must be 0.1 s to a year"
        yield Violation(("job", "period_share"), rule)
    stops = machine_type.losses.micro_stops_per_hour * seconds[1] / 3600
    if MOST_STOPS_PER_JOB < stops < math.inf:
        rule = f"makes {stops:,.0f} micro-stops in a job of {seconds[1]:g} s: must be at most {MOST_STOPS_PER_JOB:,}"
        yield Violation(("micro_stops_per_hour",), rule)


def _too_few_jobs(machine_type: MachineType, interval: float) -> Iterator[Violation]:
    """Check that no more than one stop that is entered only between jobs falls to each job."""
    if not machine_type.order.between_jobs:
        return
    if machine_type.job is None:
        yield Violation((BETWEEN_JOBS,), "needs a job")
        return
    stops = machine_type.stops_a_job(machine_type.main.period_by_weight(interval))
    if 1 < stops < math.inf:
        names, are = (
            " and ".join(machine_type.stops_between_jobs),
            "are" if len(machine_type.stops_between_jobs) > 1 else "is",
        )
        rule = f"makes {stops:.4g} stops a job: {names} {are} entered more often than jobs end; make the stays longer"
        yield Violation((BETWEEN_JOBS,), rule)
