"""Spans of time of many machines as columns: which of them overlap, and for how long.

Each machine has a stretch of its own on one line of whole numbers, so that one operation on arrays serves all machines.
Spans are closed: those that share one millisecond overlap. Their length is the difference of their ends.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool]


class Spans(NamedTuple):
    """Spans on the line, in columns."""

    begin: Integers
    end: Integers

    def chosen(self, chosen: Truths) -> Self:
        """Return some of the spans."""
        return type(self)(self.begin[chosen], self.end[chosen])

    def in_order(self) -> Self:
        """Return the spans in order of their begin."""
        order = np.argsort(self.begin, kind="stable")
        return type(self)(self.begin[order], self.end[order])

    @property
    def length(self) -> int:
        """The sum of the lengths."""
        return int((self.end - self.begin).sum())


class Line(NamedTuple):
    """Where the stretches of machines are on the line: moments from first to last, in milliseconds since 1970."""

    first: int
    last: int

    def spans(self, machine: Integers, begin: Integers, end: Integers) -> Spans:
        """Return spans on the line. machine: the number of each one's machine. What is outside is cut off."""
        offset = machine * (self.last - self.first + 2) - self.first
        return Spans(begin.clip(self.first, self.last) + offset, end.clip(self.first, self.last) + offset)


def overlaps_any(spans: Spans, others: Spans) -> Truths:
    """Return for each of the spans whether it overlaps one of the others."""
    if not others.begin.size:
        return np.zeros(spans.begin.size, np.bool)
    ordered = others.in_order()
    reach = np.maximum.accumulate(ordered.end)
    begun = np.searchsorted(ordered.begin, spans.end, side="right")
    return (begun > 0) & (reach[begun - 1] >= spans.begin)


class First(NamedTuple):
    """Of each span, the first other one that overlaps it: whether there is one, and where that begins."""

    exists: Truths
    begin: Integers


def first_overlapping(spans: Spans, others: Spans) -> First:
    """Return for each of the spans the one that begins first among the others that overlap it."""
    if not others.begin.size:
        return First(np.zeros(spans.begin.size, np.bool), np.zeros(spans.begin.size, np.int64))
    ordered = others.in_order()
    # The first that reaches a moment is the one at which the greatest end so far reaches it.
    place = np.searchsorted(np.maximum.accumulate(ordered.end), spans.begin, side="left")
    begin = ordered.begin[np.minimum(place, ordered.begin.size - 1)]
    return First((place < ordered.begin.size) & (begin <= spans.end), begin)


def greatest_overlapping(spans: Spans, others: Spans, values: Numbers) -> Numbers:
    """Return for each of the spans the greatest value of the others that overlap it; minus infinity without one."""
    order = np.argsort(others.begin, kind="stable")
    begin, end, values = others.begin[order], others.end[order], values[order]
    since = np.searchsorted(np.maximum.accumulate(end), spans.begin, side="left")
    until = np.searchsorted(begin, spans.end, side="right")
    found = np.full(spans.begin.size, -np.inf)
    for number, (low, high) in enumerate(zip(since.tolist(), until.tolist(), strict=True)):
        reaching = end[low:high] >= spans.begin[number]
        found[number] = values[low:high][reaching].max(initial=-np.inf)
    return found


def union(spans: Spans) -> Spans:
    """Return the time that is within any of the spans, as spans that do not overlap, in order."""
    if not spans.begin.size:
        return spans
    ordered = spans.in_order()
    reach = np.maximum.accumulate(ordered.end)
    is_first = np.append(True, ordered.begin[1:] > reach[:-1])
    return Spans(ordered.begin[is_first], reach[np.append(is_first[1:], True)])


def common_length(one: Spans, other: Spans) -> int:
    """Return the length of the time that is within both of two unions."""
    if not one.begin.size or not other.begin.size:
        return 0
    return int((_length_before(other, one.end) - _length_before(other, one.begin)).sum())


def _length_before(spans: Spans, moments: Integers) -> Integers:
    """Return for each moment the length of the union up to it."""
    before = np.append(0, np.cumsum(spans.end - spans.begin))
    begun = np.searchsorted(spans.begin, moments, side="right")
    last = np.maximum(begun - 1, 0)
    after = np.where(begun > 0, np.maximum(spans.end[last] - moments, 0), 0)
    return np.asarray(before[begun] - after, np.int64)
