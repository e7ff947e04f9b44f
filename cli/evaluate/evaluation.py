"""The evaluation of a detector beside the two baselines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cli.evaluate.case import Case, Detections, Selected
from cli.evaluate.input.detections import NO_NAME, DetectionColumns, read_detections
from cli.evaluate.input.message_values import read_messages
from cli.evaluate.input.truth import Truth, read_truth
from cli.evaluate.random_detector import random_detections
from cli.evaluate.scoring import Outcome, mean_outcome, score, share
from cli.evaluate.spans import first_overlapping, overlaps_any
from cli.evaluate.zscore_detector import z_detections
from cli.options.evaluate import EvaluateOptions
from cli.verify.input.reference import InvalidInput


class Naming(NamedTuple):
    """How often detections name the fault that they detect.

    true: true detections with a name.  right: those of them that overlap a label of that name.
    labels: by fault, its labels that a detection of its name overlaps.
    """

    true: int
    right: int
    labels: dict[str, int]


class MachineFigures(NamedTuple):
    """The figures of one machine. days: the time that is scored."""

    labels: int
    found: int
    detections: int
    true: int
    days: float

    @property
    def recall(self) -> float | None:
        """None without labels."""
        return share(self.found, self.labels)

    @property
    def precision(self) -> float | None:
        """None without detections."""
        return share(self.true, self.detections)

    @property
    def false_alarms(self) -> int:
        """Detections that are not true."""
        return self.detections - self.true

    @property
    def false_alarms_per_day(self) -> float | None:
        """None where no time is scored."""
        return share(self.false_alarms, self.days)


class Baseline(NamedTuple):
    """The baseline of messages: how many of them there are, how many lines are unreadable, and its outcome.

    by_chance: of the random detector that is like it; None without a machine or a detection.
    """

    messages: int
    unreadable: int
    outcome: Outcome
    by_chance: Outcome | None


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of the inputs.

    by_chance: of the random detector that is like the detector; None without a machine or a detection.
    naming: None where no detection names a fault.  baseline: None without messages.
    """

    truth: Truth
    case: Case
    selected: Selected
    outcome: Outcome
    by_chance: Outcome | None
    naming: Naming | None
    baseline: Baseline | None

    def by_machine(self) -> dict[str, MachineFigures]:
        """Return the figures of each machine with labels or detections, most false alarms first."""
        labels = Counter(each.machine_id for each in self.case.labels)
        are_found = zip(self.case.labels, self.outcome.found.tolist(), strict=True)
        found = Counter(each.machine_id for each, is_found in are_found if is_found)
        counts = zip(self.selected.machines, self.outcome.detections.tolist(), self.outcome.true.tolist(), strict=False)
        figures = {
            each: MachineFigures(labels[each], found[each], detections, true, self.case.days)
            for each, detections, true in counts
            if labels[each] or detections
        }
        return dict(sorted(figures.items(), key=lambda item: (-item[1].false_alarms, item[0])))

    def unknown(self) -> dict[str, int]:
        """Return the detections of each machine that the ground truth does not have."""
        known = len(self.case.machines)
        counts = zip(self.selected.machines[known:], self.outcome.detections[known:].tolist(), strict=False)
        return {each: count for each, count in counts if count}


def evaluate(options: EvaluateOptions) -> Evaluation:
    """Read the inputs and score the detections. Raise InvalidInput."""
    if not options.detections or not options.truth:
        raise InvalidInput("name the detections (a file, or - for standard input) and the ground truth (--truth)")
    if options.messages == options.detections == "-":
        raise InvalidInput("only one input can be standard input")
    truth = read_truth(options.truth)
    case = Case.of(truth, options)
    selected = case.select(read_detections(options.detections))
    return Evaluation(
        truth,
        case,
        selected,
        score(case, selected.detections),
        _by_chance(case, selected.detections),
        _naming(case, selected),
        _baseline(truth, case, options),
    )


def _by_chance(case: Case, detections: Detections) -> Outcome | None:
    outcomes = [score(case, case.here(each)) for each in random_detections(case, detections)]
    return mean_outcome(outcomes) if outcomes else None


def _baseline(truth: Truth, case: Case, options: EvaluateOptions) -> Baseline | None:
    if options.messages is None:
        return None
    messages = read_messages(options.messages, truth.message_finder(), options.field)
    columns: DetectionColumns = z_detections(messages, options.z, options.window)
    detections = case.select(columns).detections
    outcome, by_chance = score(case, detections), _by_chance(case, detections)
    return Baseline(messages.messages, messages.unreadable, outcome, by_chance)


def _naming(case: Case, selected: Selected) -> Naming | None:
    detections = selected.detections
    if not (detections.name != NO_NAME).any():
        return None
    faults = np.array([each.fault for each in case.labels], np.object_)
    spans, windows = case.spans(detections), case.windows
    true = overlaps_any(spans, windows) & (detections.name != NO_NAME)
    right, labels = 0, {}
    for number, name in enumerate(selected.names):
        ours, named = faults == name, detections.name == number
        if ours.any():
            right += int(overlaps_any(spans.chosen(named), windows.chosen(ours)).sum())
            labels[name] = int(first_overlapping(windows.chosen(ours), spans.chosen(named)).exists.sum())
    return Naming(int(true.sum()), right, labels)
