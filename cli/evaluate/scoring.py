"""Score detections: by events, and by time.

By events, a label is found if a detection of its machine overlaps its window; a detection is true if it overlaps the
window of any label of its machine, otherwise it is a false alarm. Recall is the existence reward of N. Tatbul et al.,
"Precision and Recall for Time Series", NeurIPS 2018, with nothing for size or position; precision counts detections
likewise. No score is adjusted by points: S. Kim et al., "Towards a Rigorous Evaluation of Time-Series Anomaly
Detection", AAAI 2022, show that a random detector does well where whole labels are credited to time.

By time, precision and recall are those of moments: the time that is both detected and labelled, as a share of the
detected and of the labelled time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self

import numpy as np

from cli.evaluate.case import Case, Detections
from cli.evaluate.curve import Curve
from cli.evaluate.input.truth import Label
from cli.evaluate.spans import (
    Integers,
    Numbers,
    Truths,
    common_length,
    first_overlapping,
    greatest_overlapping,
    overlaps_any,
    union,
)


class Delays(NamedTuple):
    """How long after the begin of a label its first detection is, in seconds, of the labels found. None without any."""

    mean: float | None
    median: float | None
    greatest: float | None

    @classmethod
    def of(cls, seconds: Numbers) -> Self:
        """Return it from the delay of each label; NaN for one that is not found."""
        found = seconds[~np.isnan(seconds)]
        if not found.size:
            return cls(None, None, None)
        return cls(float(found.mean()), float(np.median(found)), float(found.max()))


class Figures(NamedTuple):
    """The figures of a detector. Shares are from 0 to 1; None where nothing defines them, as a share of nothing.

    found: labels found.  true: detections that are no false alarm.  false_alarms_per_day: of all machines together.
    time_precision, time_recall, time_f1: of time instead of events.  average_precision: over all thresholds of scores.
    """

    labels: float
    found: float
    recall: float | None
    detections: float
    true: float
    precision: float | None
    f1: float | None
    delay: Delays
    false_alarms_per_day: float | None
    time_precision: float | None
    time_recall: float | None
    time_f1: float | None
    average_precision: float | None


class Outcome(NamedTuple):
    """The outcome of a detector: its figures, and of which they are made.

    found, delay: by label, 1 where it is found (of repeated detectors the share of them), and seconds or NaN.
    detections, true: numbers by machine.  curve: None where a detection has no score, or nothing can be found.
    """

    figures: Figures
    found: Numbers
    delay: Numbers
    detections: Integers
    true: Integers
    curve: Curve | None = None


class GroupFigures(NamedTuple):
    """The figures of some of the labels."""

    labels: int
    found: float
    recall: float | None
    delay: Delays


def share(part: float, whole: float) -> float | None:
    """Return a share; None of nothing."""
    return part / whole if whole else None


def harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    """Return F1: None where nothing is labelled, 0 where nothing is found, also if nothing was detected."""
    if recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def score(case: Case, detections: Detections) -> Outcome:
    """Score the detections that count."""
    spans = case.spans(detections)
    is_true = overlaps_any(spans, case.windows)
    first = first_overlapping(case.windows, spans)
    delay = np.where(first.exists, np.maximum(first.begin - case.labelled.begin, 0) / 1000, np.nan)
    curve = _curve(case, detections, is_true)
    machines = max(len(case.machines), int(detections.machine.max(initial=-1)) + 1)
    figures = _figures(case, detections, is_true, first.exists, delay)
    return Outcome(
        figures._replace(average_precision=curve.average_precision if curve else None),
        first.exists.astype(np.float64),
        delay,
        np.bincount(detections.machine, minlength=machines),
        np.bincount(detections.machine[is_true], minlength=machines),
        curve,
    )


def _figures(case: Case, detections: Detections, is_true: Truths, is_found: Truths, delay: Numbers) -> Figures:
    labels, found, true = is_found.size, int(is_found.sum()), int(is_true.sum())
    recall, precision = share(found, labels), share(true, is_true.size)
    detected, labelled = union(case.scored_spans(detections)), union(case.labelled)
    both = common_length(detected, labelled)
    time_precision, time_recall = share(both, detected.length), share(both, labelled.length)
    return Figures(
        labels=labels,
        found=found,
        recall=recall,
        detections=is_true.size,
        true=true,
        precision=precision,
        f1=harmonic_mean(precision, recall),
        delay=Delays.of(delay),
        false_alarms_per_day=share(is_true.size - true, case.days),
        time_precision=time_precision,
        time_recall=time_recall,
        time_f1=harmonic_mean(time_precision, time_recall),
        average_precision=None,
    )


def _curve(case: Case, detections: Detections, is_true: Truths) -> Curve | None:
    if not case.labels or not detections.have_scores:
        return None
    best = greatest_overlapping(case.windows, case.spans(detections), detections.score)
    return Curve.of(detections.score, is_true, best)


def mean_outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the mean of the outcomes of one detector that was repeated; of a figure, where it is defined."""
    figures = [each.figures for each in outcomes]
    delay = Delays(*(_mean([getattr(each.delay, name) for each in figures]) for name in Delays._fields))
    means = {name: _mean([getattr(each, name) for each in figures]) for name in Figures._fields if name != "delay"}
    found: Numbers = np.mean([each.found for each in outcomes], axis=0)
    return outcomes[0]._replace(figures=Figures(**means, delay=delay), found=found, curve=None)  # type: ignore[arg-type]


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


# groups of labels


_CLASSES: Final = (0.5, 1.0, 2.0)
_CLASS_NAMES: Final = ("below 0.5", "0.5 to 1", "1 to 2", "2 and above")
_NO_SEVERITY: Final = "not given"
_KINDS = _OF_MACHINES, _OF_WEAR, _OF_SENSORS = "of machines", "of wear", "of sensors"


def severity_class(label: Label) -> str:
    """Return the class of a label's severity; a class contains its lower bound."""
    if label.severity is None:
        return _NO_SEVERITY
    return _CLASS_NAMES[sum(label.severity >= bound for bound in _CLASSES)]


def kind_of(label: Label) -> str:
    """Return what is labelled: a fault of the machine, its wear, or a sensor, which then reports something else."""
    if label.signal is not None:
        return _OF_SENSORS
    return _OF_WEAR if label.is_wear else _OF_MACHINES


GROUPINGS: Final[dict[str, tuple[Callable[[Label], str], tuple[str, ...]]]] = {
    "fault": (lambda label: label.fault, ()),
    "severity": (severity_class, (*_CLASS_NAMES, _NO_SEVERITY)),
    "kind": (kind_of, _KINDS),
}
"""By what labels are grouped: the group of a label, and the groups in their order where they have one of their own."""


def members(case: Case, grouping: str) -> dict[str, Truths]:
    """Return which labels each group has."""
    group_of, order = GROUPINGS[grouping]
    groups = np.array([group_of(each) for each in case.labels], np.object_)
    present = {*groups.tolist()}
    return {name: groups == name for name in (order or sorted(present)) if name in present}


def group_figures(outcome: Outcome, chosen: Truths) -> GroupFigures:
    """Return the figures of some of the labels."""
    found, labels = float(outcome.found[chosen].sum()), int(chosen.sum())
    return GroupFigures(labels, found, share(found, labels), Delays.of(outcome.delay[chosen]))
