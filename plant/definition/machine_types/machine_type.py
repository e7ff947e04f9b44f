"""A machine type, complete: its entry in the YAML laid over what it extends, with every default filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from typing import Final

from plant.definition.alarms.alarm_type import AlarmType
from plant.definition.energy.energy_type import EnergyType
from plant.definition.faults.fault_type import Causes, FaultType, WearType
from plant.definition.identity.id_pattern import IdPattern
from plant.definition.jobs.job_type import JobType, LossesType
from plant.definition.jobs.variation import WAITING, EffectType, LotsType, OperatorsType, SpreadType, StartUpType
from plant.definition.machine_types.field_sources import Field, FieldSource
from plant.definition.signals.references import depending
from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.vocabulary import Vocabulary
from plant.definition.states.order import Order, before_a_job, final_states, next_rows, rates_of, stops_between_jobs
from plant.definition.states.state_commands import StateCommand
from plant.definition.states.state_type import StateType
from plant.definition.states.transitions import Row, Rows
from plant.definition.states.visits import next_weights

PLANNED_STOP: Final = "planned_stop"
"""The state of machines while the calendar stops them."""

NO_STATE: Final = "on"
"""The state of machines whose type has none: they always produce, and their messages have no status."""


@dataclass(frozen=True, slots=True)
class MessageClass:
    """One class of messages of a machine type; most types have only one.

    name: "" where the type declares no classes.  kind: the type's key, or key.name.  topic: template.
    timestamp: the first key of a message; None without it.  form: of the timestamp.  fields: the other keys, in order.
    qos: None for that of the run.  retain: whether messages are published with the retain flag.
    on_change: whether a change of the state is reported at once; the regular messages are then those of
    `report_seconds`, if it is given.  on_command: whether that is so of a state that a command sets.
    together: whether classes of the same period report in the same millisecond.
    reports_alarms: whether messages are about alarms.  reports_cleared: whether also about those that are cleared.
    """

    name: str
    kind: str
    topic: str
    timestamp: str | None
    form: str
    fields: Sequence[Field]
    frequency_weight: float = 1.0
    report_seconds: float | None = None
    qos: int | None = None
    retain: bool = False
    on_change: bool = False
    on_command: bool = False
    together: bool = False
    reports_alarms: bool = False
    reports_cleared: bool = True

    @property
    def phase_name(self) -> str:
        """What the moment in the period is drawn for: classes of the same name have the same moment."""
        return "" if self.together else self.name

    @property
    def time_place(self) -> str | None:
        """The place of the first timestamp in a message, such as `data.time`; None without one."""
        inner = (field.path for field in self.fields if field.source is FieldSource.TIMESTAMP)
        return self.timestamp or next(inner, None)

    @property
    def is_regular(self) -> bool:
        """Whether there are messages at a regular period."""
        return self.report_seconds is not None or (self.frequency_weight > 0 and not self.on_change)

    @property
    def reports_jobs(self) -> bool:
        """Whether it reports finished jobs; one class of a type does."""
        return any(field.source.name.startswith("FINISHED") for field in self.fields)

    def period_by_weight(self, base_interval: float) -> float:
        """Return the configured period in seconds, otherwise ten base intervals by the weight; inf without one."""
        if self.report_seconds is not None:
            return self.report_seconds
        return base_interval * 10 / self.frequency_weight if self.is_regular else math.inf


@dataclass(frozen=True, slots=True)
class MachineType:
    """One machine type.

    key: its name in `message_types`.  number: its place among the types: messages of the same millisecond are sorted by
    it.  title: name of such a machine in texts.  ids: of its machines.
    states: empty where the type has none.  order: of its states, as declared.  job: None where machines make nothing.
    reasons: the weights of the reasons of states and results, by name.
    messages: its classes of messages; the first one reports the jobs.  signals: by name, in order.
    model: the name of its model in Python, if it has one.  causes: its faults and wear.
    alarms: in the order of messages of the same time.  alarm_messages: the classes of their messages.
    lots, start_up, spread: what makes its jobs, and its machines, differ.
    start_delay_seconds: after each planned stop, [shortest, longest].  shifts: what is different in them, by name.
    operators: who works at the machines.  energy: what it is measured by; None where the ground truth has none.
    properties: its constants by name, also those that no message has; texts are over the placeholders of `property_of`.
    overrides: the same type as it is for single machines, by their numbers.
    commands: its own, by name.  site: the name of the site where its machines are, if it is at one.
    waits: whether its machines wait between jobs by the load of their calendar.
    """

    key: str
    number: int
    title: str
    ids: IdPattern
    enabled: bool
    station_pattern: str
    lines: Sequence[str]
    stations: Sequence[str]
    states: Mapping[str, StateType]
    job: JobType | None
    losses: LossesType
    messages: Sequence[MessageClass]
    signals: Mapping[str, SignalSpec] = field(default_factory=dict)
    model: str | None = None
    order: Order = field(default_factory=Order)
    reasons: Rows = field(default_factory=dict)
    alarms: Sequence[AlarmType] = ()
    alarm_messages: Sequence[MessageClass] = ()
    causes: Causes = field(default_factory=Causes)
    lots: LotsType | None = None
    start_up: StartUpType | None = None
    spread: SpreadType | None = None
    start_delay_seconds: tuple[float, float] | None = None
    shifts: Mapping[str, EffectType] = field(default_factory=dict)
    operators: OperatorsType | None = None
    energy: EnergyType | None = None
    properties: Mapping[str, str | float | bool] = field(default_factory=dict)
    overrides: Mapping[int, MachineType] = field(default_factory=dict)
    commands: Mapping[str, StateCommand] = field(default_factory=dict)
    site: str | None = None
    waits: bool = False

    def of(self, number: int) -> MachineType:
        """Return the type as it is for its n-th machine."""
        return self.overrides.get(number, self)

    @property
    def all_faults(self) -> Mapping[str, FaultType]:
        """The faults of all its machines, by name."""
        types = (self, *self.overrides.values())
        return {name: fault for each in types for name, fault in each.causes.faults.items()}

    @property
    def all_wear(self) -> Mapping[str, WearType]:
        """The wear of all its machines, by name."""
        types = (self, *self.overrides.values())
        return {name: worn for each in types for name, worn in each.causes.wear.items()}

    @property
    def labelled_causes(self) -> Sequence[str]:
        """The names of its faults and its wear, whose episodes are labelled."""
        return [*dict.fromkeys((*self.all_faults, *self.all_wear))]

    @property
    def vocabulary(self) -> Vocabulary:
        """The names that its signals may refer to."""
        job = self.job
        own = tuple(name for name in self.states if name != NO_STATE or len(self.states) > 1)
        states = own or (NO_STATE,)
        resting = next((name for name in states if name != self.producing_state), None)
        if job is None:
            return Vocabulary(states, resting_state=resting)
        return Vocabulary(
            states, self.producing_state, tuple(job.phases), tuple(job.kinds), tuple(job.results), resting
        )

    @property
    def is_plain(self) -> bool:
        """Whether it has no signals, no classes of messages by name, reports no changes, and begins with the time."""
        sources = {field.source for field in self.main.fields}
        events = self.main.on_change or self.main.on_command
        return not (self.signals or self.main.name or events) and sources.isdisjoint(
            (FieldSource.TIMESTAMP, FieldSource.MACHINE_SEQUENCE)
        )

    @property
    def all_messages(self) -> Sequence[MessageClass]:
        """Its classes of messages, and those of its alarms."""
        return (*self.messages, *self.alarm_messages)

    @property
    def has_own_cycles(self) -> bool:
        """Whether the shortest cycle of a machine may be longer than the ideal one.

        That is so where kinds, machines, shifts or operators have cycles of their own, and where causes lengthen them.
        """
        spreads = (each.cycle_seconds for each in (self.spread, self.operators) if each is not None)
        by_shift = any(each.cycle != 1 for each in self.shifts.values())
        return self.job is not None and (
            self.job.has_own_cycles or any(spreads) or by_shift or self.causes.lengthen_cycles
        )

    @property
    def main(self) -> MessageClass:
        """The class that reports jobs, or else the first one."""
        return self.messages[0]

    @property
    def advancing(self) -> int:
        """The class, by number, whose rows advance registers and memories: the first regular one that shows any.

        What is computed from a memory shows it; what is computed from a register only where no class shows the
        register. Where none shows any, it is the first regular one.
        """
        registers = {name for name, spec in self.signals.items() if spec.integral_of}
        remembering = depending(self.signals, [name for name, spec in self.signals.items() if spec.goes_on], self.model)
        regular = [number for number, each in enumerate(self.messages) if each.is_regular]
        for shown in (registers | remembering, depending(self.signals, registers, self.model)):
            for number in regular:
                if not shown.isdisjoint(field.detail for field in self.messages[number].fields):
                    return number
        return next(iter(regular), 0)

    @property
    def producing_state(self) -> str:
        """The state in which jobs advance."""
        return next((name for name, state in self.states.items() if state.produces), NO_STATE)

    @property
    def reports(self) -> bool:
        """Whether machines of this type send messages: enabled, and not all with weight 0."""
        return self.enabled and any(each.is_regular or each.on_change for each in self.messages)

    @property
    def shares(self) -> Mapping[str, float]:
        """Long-run share of time in each state; they add up to 1."""
        total = math.fsum(state.weight for state in self.states.values())
        return {name: state.weight / total for name, state in self.states.items()}

    @property
    def changes_per_second(self) -> float:
        """How often a machine changes its state, on average."""
        return math.fsum(self.visits_per_second.values())

    @property
    def visits_per_second(self) -> Mapping[str, float]:
        """How often a machine enters each state from another one, on average; the same again prolongs a visit."""
        rows = self.next_rows
        rates = {name: self.shares[name] / self.states[name].dwell_seconds for name in rows}
        return {name: rate * (1 - rows[name].get(name, 0.0)) for name, rate in rates.items()}

    @property
    def next_rows(self) -> Rows:
        """The chance of each state to follow each, of those with a share."""
        weights, after = self.next_weights, self.next_after
        rows = {name: after.get(name, weights) for name in weights}
        return {name: {to: each / math.fsum(row.values()) for to, each in row.items()} for name, row in rows.items()}

    @property
    def next_weights(self) -> Mapping[str, float]:
        """The weight of each state as the next one, unless it is drawn by what was before."""
        rates = rates_of(self.states)
        return next_weights(rates, final_states(self.states)) or rates

    @property
    def next_after(self) -> Rows:
        """The weights of the next state after each of those after which they are others than `next_weights`."""
        if self.order.is_declared:
            return next_rows(self.states, self.order)
        weights = self.next_weights
        return {
            name: {to: weight for to, weight in weights.items() if to != name} for name in final_states(self.states)
        }

    @property
    def stops_between_jobs(self) -> Row:
        """The chance of each state that is entered only between jobs to follow the producing one."""
        return stops_between_jobs(self.states, self.order)

    @property
    def before_a_job(self) -> Row:
        """The chance, by state, that a visit has come after such a stop, without producing in between."""
        return before_a_job(self.states, self.order)

    def stops_a_job(self, period_seconds: float) -> float:
        """Return how many stops there are for each job that ends, in the long run. It cannot be more than 1."""
        share = math.fsum(self.stops_between_jobs.values())
        if not share or self.job is None:
            return 0.0
        seconds = self.job.mean_seconds_at(period_seconds) * self.losses.lengthening
        return share * seconds / self.states[self.producing_state].dwell_seconds

    @property
    def station_count(self) -> int:
        """How many stations there may be: after so many machines the stations repeat."""
        return len(self.lines or "-") * len(self.stations or "-")

    @property
    def good(self) -> frozenset[str]:
        """The results that count as good."""
        return self.job.good if self.job else frozenset()

    @property
    def planned_stops(self) -> frozenset[str]:
        """The states whose time is no planned working time: planned stops, waiting, and its own so declared."""
        own = (name for name, state in self.states.items() if state.planned)
        return frozenset({PLANNED_STOP, *([WAITING] if self.waits else ()), *own})

    @property
    def results(self) -> Mapping[str, float]:
        """The weight of each result of its jobs."""
        return self.job.results if self.job else {}

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of its jobs."""
        return tuple(self.job.kinds) if self.job else ()

    def station(self, number: int) -> str:
        """Return the station of the type's n-th machine, counted from 1: lines and stations are assigned in turn."""
        names = {"line": self.lines or ("",), "station": self.stations or ("",)}
        return self.station_pattern.format_map({key: each[(number - 1) % len(each)] for key, each in names.items()})

    def property_of(self, text: str, number: int) -> str:
        """Return a property of the n-th machine. text: over {line}, {station}, {number}, {machine_id}, {station_id}."""
        lines, stations = self.lines or ("",), self.stations or ("",)
        return text.format(
            line=lines[(number - 1) % len(lines)],
            station=stations[(number - 1) % len(stations)],
            number=number,
            machine_id=self.id_of(number),
            station_id=self.station(number),
        )

    def id_of(self, number: int) -> str:
        """Return the id of the type's n-th machine, counted from 1."""
        return self.ids.id_of(number)

    def job_seconds(self, period_seconds: float) -> tuple[float, float]:
        """Return the shortest and longest producing time of a job; infinite without jobs."""
        return self.job.seconds_at(period_seconds) if self.job else (math.inf, math.inf)


def pattern_fields(pattern: str) -> list[tuple[str, str]]:
    """Return the placeholders of a pattern, each with its format."""
    return [(name, form or "") for _, name, form, _ in Formatter().parse(pattern) if name is not None]
