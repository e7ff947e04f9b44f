"""Compare messages with a reference: the figures of each machine and, with a ground truth file, every message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final, TypeVar

from cli.verify.comparison import Calculator, Difference, Limits, StateShare, compare, wrong_states
from cli.verify.discrepancies import Discrepancies, DiscrepancyKind
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.received_messages import MessageContent, ReceivedMessages
from cli.verify.input.reference import InvalidInput, MachineTotals, Reference, Span
from cli.verify.input.timeline import Timeline
from cli.verify.machine_checks import MachineChecker
from cli.verify.message_counts import MessageCounts, jitter
from cli.verify.order_checks import OrderCounts, check_orders

T = TypeVar("T")

COARSE_MS: Final = 1000
"""If all times are multiples of this, they are taken to be rounded to it."""

_ALL = "*"
_FIRST_MESSAGES = 500
_JITTER_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to compare: the pattern of machine ids, the bounds, and the function that computes figures from counts."""

    machines: str
    bounds: Limits
    calculate: Calculator


@dataclass(slots=True)
class Outcome:
    """The result of a verification.

    span: the time that messages and reference both cover; reference_span: that of the reference alone.
    is_detailed: whether every message was compared, which needs a ground truth file.  counts, differences, states: by
    machine.  unreported_jobs: by machine, finished jobs without a message.  silent: machines without any message.
    orders: None if orders were not compared.
    """

    span: Span
    reference_span: Span
    is_detailed: bool
    discrepancies: Discrepancies = field(default_factory=Discrepancies)
    counts: dict[str, MessageCounts] = field(default_factory=dict)
    differences: dict[str, Sequence[Difference]] = field(default_factory=dict)
    states: dict[str, Sequence[StateShare]] = field(default_factory=dict)
    unreported_jobs: dict[str, int] = field(default_factory=dict)
    silent: Sequence[str] = ()
    orders: OrderCounts | None = None


def verify_messages(messages: ReceivedMessages, reference: Reference, criteria: Criteria) -> Outcome:
    """Compare messages with a reference. Raise InvalidInput if they cannot be compared."""
    timelines = reference.timelines
    common = _common_span(messages, reference.span, timelines)
    outcome = Outcome(common, reference.span, isinstance(reference, GroundTruth))
    _check_can_be_cut(reference, outcome.span)
    totals = _matching(criteria.machines, reference.machines(*outcome.span))
    received = _matching(criteria.machines, messages.machines)
    if not totals.keys() & received:
        raise InvalidInput("messages and ground truth have no machine in common")
    expected = {each.machine_id for each in totals.values() if each.elapsed_ms > 1000 * each.period_seconds}
    outcome.silent = sorted(expected - received.keys())
    for machine_id in sorted(received):
        if machine_id in timelines:
            _verify_machine(machine_id, messages, reference, totals.get(machine_id), criteria, outcome)
        else:
            unknown, problem = received[machine_id], "is not in the ground truth"
            outcome.discrepancies.add(
                DiscrepancyKind.UNKNOWN_MACHINE, machine_id, unknown.first_ms, problem, unknown.messages
            )
    if isinstance(reference, GroundTruth) and reference.has_orders and criteria.machines == _ALL:
        tolerance_ms = max(each.jitter_ms for each in outcome.counts.values())
        outcome.orders = check_orders(messages, reference, outcome.span, tolerance_ms, outcome.discrepancies)
    return outcome


def _verify_machine(
    machine_id: str,
    messages: ReceivedMessages,
    reference: Reference,
    machine_totals: MachineTotals | None,
    criteria: Criteria,
    outcome: Outcome,
) -> None:
    timeline = reference.timelines[machine_id]
    jitter_ms = _time_tolerance_ms(machine_id, messages, timeline)
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
    outcome.counts[machine_id] = counts
    if surplus := counts.surplus_messages:
        problem = f"has more than one message per {timeline.last.period_ms / 1000:g} s from here on"
        outcome.discrepancies.add(DiscrepancyKind.SURPLUS_MESSAGE, machine_id, counts.first_ms, problem, surplus)
    if machine_totals is not None:
        outcome.differences[machine_id] = compare(counts, machine_totals, criteria.bounds, criteria.calculate)
        outcome.states[machine_id] = wrong_states(counts, machine_totals, criteria.bounds.availability)


def _check_each(records: Iterable[tuple[int, MessageContent]], counts: MessageCounts, checker: MachineChecker) -> None:
    for time_ms, content in records:
        if counts.add(time_ms, content):
            checker.check(time_ms, content, regular=not counts.is_additional(content))
    checker.close()


def _time_tolerance_ms(machine_id: str, messages: ReceivedMessages, timeline: Timeline) -> float:
    """Return how far the times of a machine's messages may be off. Raise InvalidInput if that is too far."""
    first = [*islice(messages.of_machine(machine_id), _FIRST_MESSAGES)]
    jitter_ms = jitter((time_ms for time_ms, content in first if _is_regular(time_ms, content, timeline)), timeline)
    coarse_ms = messages.resolution_ms if messages.resolution_ms >= COARSE_MS else 0
    period_ms = timeline.shortest_period_ms
    if coarse_ms > period_ms / 2 or jitter_ms > _JITTER_SHARE * period_ms:
        problem_ = f"have a resolution of {coarse_ms / 1000:g} s" if coarse_ms > period_ms / 2 else "are irregular"
        problem = f"too coarse for a message period of {period_ms / 1000:g} s"
        raise InvalidInput(f"the times of {machine_id} {problem_}, {problem}")
    return jitter_ms + coarse_ms


def _is_regular(time_ms: int, content: MessageContent, timeline: Timeline) -> bool:
    parameters = timeline.at(time_ms)
    return parameters is not None and not parameters.is_additional(content)


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


def _common_span(messages: ReceivedMessages, span: Span, timelines: Mapping[str, Timeline]) -> Span:
    """Return the span that both cover. Messages that begin or end within a period of the reference cover it there."""
    machines = messages.machines.values()
    first_ms, last_ms = min(each.first_ms for each in machines), max(each.last_ms for each in machines)
    tolerance_ms = max((timelines[each].last.period_ms for each in messages.machines if each in timelines), default=0.0)
    return (
        first_ms if first_ms - span[0] > tolerance_ms else span[0],
        last_ms if span[1] - last_ms > tolerance_ms else span[1],
    )
