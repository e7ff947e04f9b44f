"""Compare messages with a reference: the figures of each machine and, with a ground truth file, every message."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TypeVar

from cli.options.verify import ENERGY_WITHIN, Limits
from cli.verify.class_verification import missing_untimed, verify_classes
from cli.verify.comparison import Calculator, Difference, StateShare, compare, wrong_states
from cli.verify.counts.message_counts import EXACT_MS, MessageCounts
from cli.verify.discrepancies import Discrepancies, DiscrepancyKind
from cli.verify.energy_comparison import EnergyDifference, energy_differences
from cli.verify.forms.message_finder import Named
from cli.verify.forms.message_keys import ClassInfo
from cli.verify.forms.source_statistics import SourceStatistics
from cli.verify.forms.type_history import TypeHistory
from cli.verify.input.ground_truth import FaultLosses, GroundTruth
from cli.verify.input.machine_places import Places
from cli.verify.input.machine_readings import Machine
from cli.verify.input.received_messages import MessageContent, ReceivedMessages
from cli.verify.input.reference import InvalidInput, MachineTotals, Reference, Span
from cli.verify.input.timeline import MachineParameters, Timeline
from cli.verify.machine_checks import MachineChecker
from cli.verify.order_checks import OrderCounts, check_orders
from cli.verify.time_tolerance import time_tolerance_ms

T = TypeVar("T")

_ALL = "*"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to compare: the pattern of machine ids, the bounds, and the function that computes figures from counts.

    energy: by what share of the true energy that from messages may be off.
    """

    machines: str
    bounds: Limits
    calculate: Calculator
    energy: float = ENERGY_WITHIN


@dataclass(slots=True)
class Outcome:
    """The result of a verification.

    span: the time that messages and reference both cover; reference_span: that of the reference alone.
    is_detailed: whether every message was compared, which needs a ground truth file.  counts, differences, states: by
    machine.  unreported_jobs: by machine, finished jobs without a message.  silent: machines without any message.
    missing_alarms: by machine, messages about alarms that are missing; None without any.
    energy: of machines and sites, where the ground truth has it; energy_within: by what share it may be off.
    orders: None if orders were not compared.  losses: what faults and wear have cost, by the ground truth.
    """

    span: Span
    reference_span: Span
    is_detailed: bool
    discrepancies: Discrepancies = field(default_factory=Discrepancies)
    counts: dict[str, MessageCounts] = field(default_factory=dict)
    differences: dict[str, Sequence[Difference]] = field(default_factory=dict)
    states: dict[str, Sequence[StateShare]] = field(default_factory=dict)
    sources: dict[str, MessageCounts] = field(default_factory=dict)
    unreported_jobs: dict[str, int] = field(default_factory=dict)
    unreported_changes: dict[str, int] = field(default_factory=dict)
    untimed: dict[str, int] = field(default_factory=dict)
    missing_alarms: dict[str, int] | None = None
    silent: Sequence[str] = ()
    energy: Sequence[EnergyDifference] = ()
    energy_within: float = ENERGY_WITHIN
    orders: OrderCounts | None = None
    losses: FaultLosses = field(default_factory=FaultLosses)


def verify_messages(messages: ReceivedMessages, reference: Reference, criteria: Criteria) -> Outcome:
    """Compare messages with a reference. Raise InvalidInput if they cannot be compared."""
    timelines = reference.timelines
    places = Places(timelines)
    is_named = partial(_is_named, messages, places)
    found = (Machine.of(machine_id, its, reference.types, is_named) for machine_id, its in timelines.items())
    machines = {each.machine_id: each for each in found if each is not None}
    common = _common_span(messages, reference.span, timelines, machines)
    outcome = Outcome(common, reference.span, isinstance(reference, GroundTruth))
    if isinstance(reference, GroundTruth):
        outcome.losses, outcome.energy_within = reference.losses, criteria.energy
        is_compared = partial(fnmatchcase, pat=criteria.machines)
        outcome.energy = energy_differences(messages, reference, common, machines, is_compared)
    _check_can_be_cut(reference, outcome.span)
    totals = _matching(criteria.machines, reference.machines(*outcome.span))
    received = _matching(criteria.machines, messages.by_machine)
    if not totals.keys() & received:
        raise InvalidInput("messages and ground truth have no machine in common")
    expected = {each for each in totals if (machines.get(each) or timelines[each]).is_expected(*common)}
    outcome.silent = sorted(expected - received.keys())
    for machine_id in sorted(received):
        if machine_id in timelines:
            machine = machines.get(machine_id)
            _verify_machine(machine_id, machine, messages, reference, totals.get(machine_id), criteria, outcome)
        else:
            problem, unknown = "is not in the ground truth", received[machine_id]
            first_ms, count = min(each.first_ms for each in unknown), sum(each.messages for each in unknown)
            outcome.discrepancies.add(DiscrepancyKind.UNKNOWN_MACHINE, machine_id, first_ms, problem, count)
    if any(messages.alarms.counts.values()):
        outcome.missing_alarms = messages.alarms.missing(partial(_alarm_goes_on, timelines, reference.types))
    for false in messages.alarms.falsehoods(partial(_side_of_alarm, places, reference.types)):
        if fnmatchcase(false.machine_id, criteria.machines):
            outcome.discrepancies.add(DiscrepancyKind.ALARM, false.machine_id, false.time_ms, false.problem)
    if isinstance(reference, GroundTruth) and reference.has_orders and criteria.machines == _ALL:
        tolerance_ms = max((each.jitter_ms for each in outcome.counts.values()), default=EXACT_MS)
        outcome.orders = check_orders(messages, reference, outcome.span, tolerance_ms, outcome.discrepancies)
    return outcome


def _is_named(
    messages: ReceivedMessages, places: Places, machine_id: str, info: ClassInfo, parameters: MachineParameters
) -> bool:
    """Return whether messages of a class name a machine: by its id, or by a station at which there is no other."""
    if info.keys.machine_id:
        return True
    statistics = messages.machines.get(info.source(machine_id))
    of_topics = statistics.of_topics if statistics else {}
    if info in of_topics.get(Named.MACHINE, ()):
        return True
    has_station = bool(info.keys.station) or info in of_topics.get(Named.STATION, ())
    return has_station and places.is_alone(machine_id, parameters)


def _side_of_alarm(
    places: Places, types: Mapping[str, TypeHistory], machine_id: str, alarm: str, time_ms: float
) -> str | None:
    history = types.get(places.kind_of(machine_id, time_ms) or "")
    return history.at(time_ms).alarms.get(alarm) if history else None


def _alarm_goes_on(
    timelines: Mapping[str, Timeline],
    types: Mapping[str, TypeHistory],
    machine_id: str,
    alarm: str,
    since_ms: float,
    until_ms: float,
) -> bool:
    """Return whether an alarm goes on between two of its messages, and so is cleared before it is raised again."""
    timeline = timelines.get(machine_id)
    presence = timeline.presence(since_ms) if timeline else None
    if presence is None or presence is not (timeline and timeline.presence(until_ms)):
        return False
    kinds = {each.kind for each in presence.parameters if each.since_ms < until_ms and each.until_ms >= since_ms}
    infos = [each.info for kind in kinds & types.keys() for each in types[kind].between(since_ms - 1, until_ms)]
    return len({info.alarms.get(alarm) for info in infos}) == 1


def _verify_machine(
    machine_id: str,
    machine: Machine | None,
    messages: ReceivedMessages,
    reference: Reference,
    machine_totals: MachineTotals | None,
    criteria: Criteria,
    outcome: Outcome,
) -> None:
    """Compare one machine.  machine: None if its messages are usual."""
    if machine is not None:
        counts = _verify_classes(machine, messages, reference, outcome)
    else:
        counts = _verify_usual(machine_id, messages, reference, outcome)
    if counts is None or not (
        machine is None or machine.reports_states(machine_totals.states if machine_totals else ())
    ):
        return
    outcome.counts[machine_id] = counts
    if machine_totals is not None:
        reports_jobs = machine is None or machine.reports_jobs(*outcome.span)
        outcome.differences[machine_id] = compare(
            counts, machine_totals, criteria.bounds, criteria.calculate, reports_jobs=reports_jobs
        )
    if machine_totals is not None and not (machine and machine.info.constant_status is not None):
        outcome.states[machine_id] = wrong_states(counts, machine_totals, criteria.bounds.availability)


def _verify_classes(
    machine: Machine, messages: ReceivedMessages, reference: Reference, outcome: Outcome
) -> MessageCounts | None:
    """Compare the messages of a machine whose type has several classes; return the counts for its figures."""
    found = verify_classes(machine, messages, reference, outcome.span, outcome.discrepancies)
    outcome.unreported_jobs[machine.machine_id] = found.unreported_jobs
    outcome.unreported_changes[machine.machine_id] = found.unreported_changes
    outcome.untimed |= missing_untimed(machine, messages, outcome.span)
    for source, counts in found.sources.items():
        outcome.sources[source] = counts
        _report_surplus(source, counts, outcome)
    return found.counts


def _verify_usual(machine_id: str, messages: ReceivedMessages, reference: Reference, outcome: Outcome) -> MessageCounts:
    timeline = reference.timelines[machine_id]
    jitter_ms = time_tolerance_ms(machine_id, messages.of_machine(machine_id), timeline, messages.resolution_ms)
    counts = MessageCounts(machine_id, timeline, jitter_ms)
    if isinstance(reference, GroundTruth):
        events = reference.intervals(machine_id), reference.jobs(machine_id)
        checker = MachineChecker(machine_id, timeline, *events, outcome.discrepancies)
        checker.tolerance_ms = jitter_ms
        checker.since_ms, checker.until_ms = outcome.span
        _check_each(messages.of_machine(machine_id), counts, checker)
        outcome.unreported_jobs[machine_id] = checker.unreported_jobs
    else:
        for time_ms, content in messages.of_machine(machine_id):
            counts.add(time_ms, content)
    outcome.sources[machine_id] = counts
    _report_surplus(machine_id, counts, outcome)
    return counts


def _report_surplus(source: str, counts: MessageCounts, outcome: Outcome) -> None:
    if surplus := counts.surplus_messages:
        problem = f"has more than one message per {counts.timeline.last.period_ms / 1000:g} s from here on"
        outcome.discrepancies.add(DiscrepancyKind.SURPLUS_MESSAGE, source, counts.first_ms, problem, surplus)


def _check_each(records: Iterable[tuple[int, MessageContent]], counts: MessageCounts, checker: MachineChecker) -> None:
    for time_ms, content in records:
        if counts.add(time_ms, content):
            checker.check(time_ms, content, regular=not counts.is_additional(content))
    checker.close()


def _check_can_be_cut(reference: Reference, common: Span) -> None:
    span = reference.span
    if common != span and not reference.can_be_cut:
        covered, summed = ((until_ms - since_ms) / 1000 for since_ms, until_ms in (common, span))
        raise InvalidInput(
            f"the messages cover {covered:,.0f} s of the {summed:,.0f} s that /oee sums up, and sums cannot be cut:"
            " use a ground truth file"
        )


def _matching(pattern: str, by_id: Mapping[str, T]) -> dict[str, T]:
    return {machine_id: each for machine_id, each in by_id.items() if fnmatchcase(machine_id, pattern)}


def _common_span(
    messages: ReceivedMessages, span: Span, timelines: Mapping[str, Timeline], machines: Mapping[str, Machine]
) -> Span:
    """Return the span that both cover. Messages that begin or end within a period of the reference cover it there."""
    timed = [each for each in messages.machines.values() if each.has_times]
    if not timed:
        raise InvalidInput("no message has a time")
    first_ms, last_ms = min(each.first_ms for each in timed), max(each.last_ms for each in timed)
    known = (each for each in timed if each.machine_id in timelines)
    periods_ms = (_last_period_ms(each, timelines[each.machine_id], machines) for each in known)
    tolerance_ms = max((each for each in periods_ms if not math.isinf(each)), default=0.0)
    return (
        first_ms if first_ms - span[0] > tolerance_ms else span[0],
        last_ms if span[1] - last_ms > tolerance_ms else span[1],
    )


def _last_period_ms(statistics: SourceStatistics, timeline: Timeline, machines: Mapping[str, Machine]) -> float:
    machine = machines.get(statistics.machine_id)
    if machine is not None:
        timeline = machine.class_timelines.get(statistics.class_name or "", timeline)
    return timeline.last.period_ms
