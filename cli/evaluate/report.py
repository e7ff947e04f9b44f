"""The report of `evaluate`: tables for people, and notes on what the figures do not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cli.evaluate.curve import Point
from cli.evaluate.evaluation import Evaluation
from cli.evaluate.random_detector import REPEATS
from cli.evaluate.scoring import GROUPINGS, Delays, Figures, Outcome, group_figures, members
from cli.evaluate.zscore_detector import MERGED_ROWS
from edge.redaction import printable
from edge.settings.suggestions import nearest
from edge.timestamps import rfc3339

DETECTOR, BY_CHANCE, Z_SCORES, LIKE_Z_SCORES = "your detector", "random", "rolling z-scores", "random as z-scores"
_COUNTS: Final = ("labels", "found", "recall %", "detections", "true", "precision %", "F1 %", "false alarms a day")
_DELAYS: Final = ("delay mean", "median", "greatest")
_GROUPS: Final = ("labels", "found", "recall %", *_DELAYS)
_POINTS: Final = ("detections", "true", "found", "recall %", "precision %", "F1 %")
_MOST_POINTS: Final = 10
_MOST_MACHINES: Final = 20
_MOST_NAMED: Final = 5
_MOST_FAULTS: Final = 20
_NEAR: Final = 0.6


def report_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield the lines of the report."""
    outcomes = outcomes_by_name(evaluation)
    yield from _table([("by events", *_COUNTS, *_DELAYS), *(_events(name, each) for name, each in outcomes.items())])
    if evaluation.baseline is None:
        yield f"{Z_SCORES}: needs --messages FILE"
    yield ""
    heads = ("by time", "recall %", "precision %", "F1 %")
    yield from _table([heads, *(_times(name, each) for name, each in outcomes.items())])
    for grouping in GROUPINGS if evaluation.case.labels else ():
        yield ""
        yield from _table(_groups(evaluation, grouping, outcomes))
    yield from _machines(evaluation)
    yield from _curve(evaluation.outcome)
    yield ""
    yield from _notes(evaluation)


def outcomes_by_name(evaluation: Evaluation) -> Mapping[str, Outcome]:
    """Return the outcome of each detector that there is."""
    found: dict[str, Outcome | None] = {DETECTOR: evaluation.outcome, BY_CHANCE: evaluation.by_chance}
    if baseline := evaluation.baseline:
        found |= {Z_SCORES: baseline.outcome, LIKE_Z_SCORES: baseline.by_chance}
    return {name: each for name, each in found.items() if each}


# tables


def _events(name: str, outcome: Outcome) -> Sequence[str]:
    figures = outcome.figures
    counts = (_number(getattr(figures, each)) for each in ("labels", "found", "detections", "true"))
    labels, found, detections, true = counts
    shares = _percent(figures.recall), _percent(figures.precision), _percent(figures.f1)
    alarms = _number(figures.false_alarms_per_day)
    return name, labels, found, shares[0], detections, true, shares[1], shares[2], alarms, *_delays(figures.delay)


def _times(name: str, outcome: Outcome) -> Sequence[str]:
    figures: Figures = outcome.figures
    return name, *map(_percent, (figures.time_recall, figures.time_precision, figures.time_f1))


def _groups(evaluation: Evaluation, grouping: str, outcomes: Mapping[str, Outcome]) -> Iterator[Sequence[str]]:
    """Yield the rows of a table by groups of labels: the detector, then the recall of the baselines."""
    baselines = {name: each for name, each in outcomes.items() if name != DETECTOR}
    naming = evaluation.naming if grouping == "fault" else None
    named = ("named right",) if naming else ()
    title = {"fault": "by fault", "severity": "by severity", "kind": "by kind"}[grouping]
    yield title, *_GROUPS, *named, *(f"{name}: recall %" for name in baselines)
    for name, chosen in members(evaluation.case, grouping).items():
        figures = group_figures(evaluation.outcome, chosen)
        row = f"{figures.labels:,}", _number(figures.found), _percent(figures.recall), *_delays(figures.delay)
        right = (str(naming.labels.get(name, 0)),) if naming else ()
        recalls = (_percent(group_figures(each, chosen).recall) for each in baselines.values())
        yield printable(name), *row, *right, *recalls


def _machines(evaluation: Evaluation) -> Iterator[str]:
    machines = evaluation.by_machine()
    if not machines:
        return
    listed = [*machines.items()][:_MOST_MACHINES]
    heads = ("by machine", "labels", "found", "recall %", "detections", "true", "precision %", "false alarms a day")
    yield ""
    yield from _table(
        [
            heads,
            *(
                (
                    printable(name),
                    f"{each.labels:,}",
                    f"{each.found:,}",
                    _percent(each.recall),
                    f"{each.detections:,}",
                    f"{each.true:,}",
                    _percent(each.precision),
                    _number(each.false_alarms_per_day),
                )
                for name, each in listed
            ),
        ]
    )
    if len(machines) > len(listed):
        yield f"and {len(machines) - len(listed):,} more machines, with as many false alarms at most (--json has all)"


def _curve(outcome: Outcome) -> Iterator[str]:
    if outcome.curve is None:
        return
    best = outcome.curve.best
    yield ""
    yield from _table([("score at least", *_POINTS), *map(_point, outcome.curve.thinned(_MOST_POINTS))])
    yield f"Average precision: {_percent(outcome.figures.average_precision)} %."
    yield f"Best F1: {_percent(best.f1)} %, of the detections with a score of at least {best.threshold:g}."


def _point(point: Point) -> Sequence[str]:
    shares = map(_percent, (point.recall, point.precision, point.f1))
    return f"{point.threshold:g}", f"{point.detections:,}", f"{point.true:,}", f"{point.found:,}", *shares


def _table(rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> Iterator[str]:
    """Yield the rows with their columns aligned, the first one to the left."""
    cells = [*rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        sized = (f"{each:>{width}}" for each, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *sized])


# figures


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{100 * part:.1f}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    decimals = 0 if float(value).is_integer() else 2 if value < 10 else 1
    return f"{value:,.{decimals}f}"


def _delays(delay: Delays) -> Sequence[str]:
    return [_duration(seconds) for seconds in delay]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# notes


def _notes(evaluation: Evaluation) -> Iterator[str]:
    truth, case, selected = evaluation.truth, evaluation.case, evaluation.selected
    span = f"{rfc3339(case.start_ms)} to {rfc3339(case.end_ms)} ({case.days:,.2f} days)"
    yield f"{_count(len(case.machines), 'machine')}, {_count(len(case.labels), 'label')}, {span}."
    if not truth.is_closed:
        yield "* The ground truth has no end of the run: it ends with the latest time in the file."
    if not case.machines:
        yield "* No machine of the ground truth has an id that matches --machines."
    if not case.labels and case.others:
        there_are = sorted({each.fault for each in case.others})
        more = f" and {len(there_are) - _MOST_FAULTS:,} more" if len(there_are) > _MOST_FAULTS else ""
        yield f"* No fault has a name that matches --only; there are {', '.join(there_are[:_MOST_FAULTS])}{more}."
    elif not case.labels:
        yield "* There is no label: nothing can be found, and every detection is a false alarm."
    if not selected.detections.begin.size:
        yield "* There is no detection: precision is not defined."
    if opened := sum(each.is_open for each in case.labels):
        yield f"Still active at the end of the run: {_count(opened, 'label')}."
    if naming := evaluation.naming:
        named = _count(naming.true, "true detection")
        yield f"Of {named} with a fault's name, {naming.right:,} name one that they overlap."
    yield from _unknown(evaluation)
    yield from _left_out(evaluation)
    if evaluation.by_chance:
        yield f"{BY_CHANCE}: the same lengths at random moments on random machines, mean of {REPEATS} repetitions."
    if baseline := evaluation.baseline:
        lines = f", {baseline.unreadable:,} unreadable lines" if baseline.unreadable else ""
        merged = f"those at most {MERGED_ROWS} rows apart are one detection"
        yield f"{Z_SCORES}: of {_count(baseline.messages, 'message')}{lines}; {merged}."


def _left_out(evaluation: Evaluation) -> Iterator[str]:
    selected = evaluation.selected
    if selected.outside:
        yield f"Left out, outside the time scored: {_count(selected.outside, 'detection')}."
    if selected.repeated:
        yield f"Left out, as repeated: {_count(selected.repeated, 'detection')}."
    if selected.elsewhere:
        yield f"Left out, as only of other faults: {_count(selected.elsewhere, 'detection')}."
    without = selected.detections.without_score
    if 0 < without < selected.detections.score.size:
        yield f"* No curve over scores: {_count(without, 'detection')} without one."


def _unknown(evaluation: Evaluation) -> Iterator[str]:
    """Yield what detections name machines that do not exist, with those that may be meant."""
    if not (unknown := evaluation.unknown()):
        return
    known = evaluation.case.machines
    near = {each: nearest(each, known, _NEAR) for each in [*unknown][:_MOST_NAMED]}
    named = [
        f"{printable(each)}" + (f" (did you mean {is_near}?)" if is_near else "") for each, is_near in near.items()
    ]
    more = f" and {len(unknown) - len(near):,} more" if len(unknown) > len(near) else ""
    alarms = _count(sum(unknown.values()), "false alarm")
    yield f"* Machines that the ground truth does not have: {', '.join(named)}{more}. That is {alarms}."


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
