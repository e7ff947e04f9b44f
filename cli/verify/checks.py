"""Rows held against a truth, machine after machine: figures, and where it knows of each moment, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final, TypeVar

from cli.verify.comparison import Calculator, Difference, Limits, StateShare, compare, wrong_states
from cli.verify.findings import Findings, Kind
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.reference import Reference, Span, Truth, Unreadable
from cli.verify.input.rows import Facts, Rows
from cli.verify.input.timeline import Timeline
from cli.verify.machine_checks import MachineChecker
from cli.verify.order_checks import Ordered, check_orders
from cli.verify.row_counts import MachineRows, steadiness

T = TypeVar("T")

COARSE_MS: Final = 1000
"""Times that are all multiples of it are taken to be rounded."""

_ALL = "*"
_FIRST_ROWS = 500
_STEADY_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out: the machines whose ids are of a pattern, bounds, and how figures are made from rows."""

    machines: str
    bounds: Limits
    calculate: Calculator


@dataclass(slots=True)
class Outcome:
    """What came of it.

    span: the time that rows and truth both cover; `known` that of the truth.  counts, differences, states: by machine.
    silent: machines of the truth without a row.  lost: finished jobs by machine whose rows are not there.
    ordered: what came of orders and dispatches; None where they were not asked for, or nothing is known of them.
    is_whole: whether the truth is known of each moment, and rows were looked at one by one.
    """

    span: Span
    known: Span
    is_whole: bool
    findings: Findings = field(default_factory=Findings)
    counts: dict[str, MachineRows] = field(default_factory=dict)
    differences: dict[str, Sequence[Difference]] = field(default_factory=dict)
    states: dict[str, Sequence[StateShare]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    silent: Sequence[str] = ()
    ordered: Ordered | None = None


def hold(rows: Rows, reference: Reference, question: Question) -> Outcome:
    """Hold rows against the truth; Unreadable where that cannot be done."""
    timelines = reference.timelines
    common = _common(rows, reference.span, timelines)
    outcome = Outcome(common, reference.span, isinstance(reference, GroundTruth))
    _check_cut(reference, outcome.span)
    truths = _matching(question.machines, reference.machines(*outcome.span))
    told = _matching(question.machines, rows.machines)
    if not truths.keys() & told:
        raise Unreadable("rows and truth have no machine in common")
    due = {each for each, truth in truths.items() if truth.elapsed_ms > 1000 * truth.period_seconds}
    outcome.silent = sorted(due - told.keys())
    for machine_id in sorted(told):
        if machine_id in timelines:
            _hold(machine_id, rows, reference, truths.get(machine_id), question, outcome)
        else:
            its, what = told[machine_id], "has rows, and the truth knows of no such machine"
            outcome.findings.note(Kind.STRANGER, machine_id, its.first_ms, what, its.rows)
    if isinstance(reference, GroundTruth) and reference.knows_orders and question.machines == _ALL:
        slack_ms = max(each.steady_ms for each in outcome.counts.values())
        outcome.ordered = check_orders(rows, reference, outcome.span, slack_ms, outcome.findings)
    return outcome


def _hold(
    machine_id: str, rows: Rows, reference: Reference, truth: Truth | None, question: Question, outcome: Outcome
) -> None:
    timeline = reference.timelines[machine_id]
    steady_ms = _steady_ms(machine_id, rows, timeline)
    counts = MachineRows(machine_id, timeline, steady_ms)
    if isinstance(reference, GroundTruth):
        its = reference.stays(machine_id), reference.jobs(machine_id)
        witness = MachineChecker(machine_id, timeline, *its, outcome.findings)
        witness.slack_ms = steady_ms
        witness.since_ms, witness.until_ms = outcome.span
        _watch(rows.of(machine_id), counts, witness)
        outcome.lost[machine_id] = witness.lost
    else:
        for time_ms, facts in rows.of(machine_id):
            counts.add(time_ms, facts)
    outcome.counts[machine_id] = counts
    if surplus := counts.surplus_rows:
        what = f"and later has more than one row each {timeline.last.period_ms / 1000:g} s"
        outcome.findings.note(Kind.SURPLUS, machine_id, counts.first_ms, what, surplus)
    if truth is not None:
        outcome.differences[machine_id] = compare(counts, truth, question.bounds, question.calculate)
        outcome.states[machine_id] = wrong_states(counts, truth, question.bounds.availability)


def _watch(records: Iterable[tuple[int, Facts]], counts: MachineRows, witness: MachineChecker) -> None:
    for time_ms, facts in records:
        if counts.add(time_ms, facts):
            witness.row(time_ms, facts, regular=not counts.is_extra(facts))
    witness.close()


def _steady_ms(machine_id: str, rows: Rows, timeline: Timeline) -> float:
    """How far the times of a machine's rows may be off; Unreadable where that is too far to tell rows apart."""
    first = [*islice(rows.of(machine_id), _FIRST_ROWS)]
    steady_ms = steadiness((time_ms for time_ms, facts in first if _is_regular(time_ms, facts, timeline)), timeline)
    coarse_ms = rows.resolution_ms if rows.resolution_ms >= COARSE_MS else 0
    period_ms = timeline.shortest_period_ms
    if coarse_ms > period_ms / 2 or steady_ms > _STEADY_SHARE * period_ms:
        how = f"come in steps of {coarse_ms / 1000:g} s" if coarse_ms > period_ms / 2 else "are in no order"
        what = f"while a row comes each {period_ms / 1000:g} s: too coarse to tell one row from the next"
        raise Unreadable(f"the times of {machine_id} {how}, {what}")
    return steady_ms + coarse_ms


def _is_regular(time_ms: int, facts: Facts, timeline: Timeline) -> bool:
    terms = timeline.at(time_ms)
    return terms is not None and not terms.is_extra(facts)


def _check_cut(reference: Reference, common: Span) -> None:
    span = reference.span
    if common != span and not reference.can_be_cut:
        covered, summed = ((until_ms - since_ms) / 1000 for since_ms, until_ms in (common, span))
        raise Unreadable(
            f"the rows cover {covered:,.0f} s of the {summed:,.0f} s that /oee sums up, and sums cannot be cut:"
            " take a truth file"
        )


def _matching(pattern: str, by_id: Mapping[str, T]) -> dict[str, T]:
    return {machine_id: each for machine_id, each in by_id.items() if fnmatchcase(machine_id, pattern)}


def _common(rows: Rows, span: Span, timelines: Mapping[str, Timeline]) -> Span:
    """The time that both cover. Rows that begin or end within a period of the truth cover all of it there."""
    machines = rows.machines.values()
    first_ms, last_ms = min(each.first_ms for each in machines), max(each.last_ms for each in machines)
    slack_ms = max((timelines[each].last.period_ms for each in rows.machines if each in timelines), default=0.0)
    return (
        first_ms if first_ms - span[0] > slack_ms else span[0],
        last_ms if span[1] - last_ms > slack_ms else span[1],
    )
