"""Precision and recall over the threshold of the score: what a detector would be that reports only higher scores.

Average precision is that of scikit-learn, the sum of each precision times the step of recall, without interpolation
(https://scikit-learn.org/stable/modules/generated/sklearn.metrics.average_precision_score.html); here recall is that
of labels, and precision that of detections.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from cli.evaluate.spans import Integers, Numbers, Truths


class Point(NamedTuple):
    """The figures at a threshold: of the detections with at least this score."""

    threshold: float
    detections: int
    true: int
    found: int
    precision: float
    recall: float
    f1: float


class Curve(NamedTuple):
    """The figures at each distinct score, from the highest down. labels: how many there are."""

    labels: int
    threshold: Numbers
    detections: Integers
    true: Integers
    found: Integers

    @classmethod
    def of(cls, scores: Numbers, is_true: Truths, best: Numbers) -> Self:
        """Return the curve.

        scores, is_true: by detection, at least one.  best: by label, at least one, the highest score that finds it.
        """
        thresholds = np.unique(scores)[::-1]

        def at_least(values: Numbers) -> Integers:
            return np.asarray(values.size - np.searchsorted(np.sort(values), thresholds, side="left"), np.int64)

        return cls(best.size, thresholds, at_least(scores), at_least(scores[is_true]), at_least(best))

    @property
    def precision(self) -> Numbers:
        """By threshold."""
        return self.true / self.detections

    @property
    def recall(self) -> Numbers:
        """By threshold."""
        return self.found / self.labels

    @property
    def f1(self) -> Numbers:
        """By threshold; 0 where both are 0."""
        both = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, both, out=np.zeros_like(both), where=both > 0)

    @property
    def average_precision(self) -> float:
        """The area below the curve, by steps."""
        return float((np.diff(self.recall, prepend=0.0) * self.precision).sum())

    @property
    def best(self) -> Point:
        """The point of the best F1; of several the one with the highest threshold."""
        return self._point(int(np.argmax(self.f1)))

    def thinned(self, most: int) -> Iterator[Point]:
        """Yield some of the points, evenly: the first, the last, the best, and at most this many in all."""
        last = self.threshold.size - 1
        steps = max(min(last, most - 2), 1)
        places = {step * last // steps for step in range(steps + 1)} | {int(np.argmax(self.f1))}
        return (self._point(place) for place in sorted(places))

    def _point(self, place: int) -> Point:
        columns = self.threshold, self.detections, self.true, self.found, self.precision, self.recall, self.f1
        return Point(*(column[place].item() for column in columns))
