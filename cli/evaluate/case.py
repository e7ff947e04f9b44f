"""What detections are scored against: the labels, the machines and the time of a run, or of a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np

from cli.evaluate.input.detections import DetectionColumns
from cli.evaluate.input.truth import Label, Truth
from cli.evaluate.spans import Integers, Line, Numbers, Spans, Truths, overlaps_any
from cli.options.evaluate import EvaluateOptions
from cli.verify.input.reference import InvalidInput

_DAY_MS: Final = 86_400_000


class Detections(NamedTuple):
    """Detections in columns. machine: its number in the case.  score: NaN without one.  name: number of a fault's name.

    Times are milliseconds since 1970.
    """

    machine: Integers
    begin: Integers
    end: Integers
    score: Numbers
    name: Integers

    def chosen(self, chosen: Truths | Integers) -> Self:
        """Return some of the detections."""
        return type(self)(
            self.machine[chosen], self.begin[chosen], self.end[chosen], self.score[chosen], self.name[chosen]
        )

    @property
    def have_scores(self) -> bool:
        """Whether there are detections, and each has a score."""
        return bool(self.score.size) and not self.without_score

    @property
    def without_score(self) -> int:
        """How many have no score."""
        return int(np.isnan(self.score).sum())

    def without_repetitions(self) -> Self:
        """Return each machine, times and name once, with the greatest score, in an order of their own."""
        known = np.where(np.isnan(self.score), -np.inf, self.score)
        ordered = self.chosen(np.lexsort((known, self.name, self.end, self.begin, self.machine)))
        keys = np.stack([ordered.machine, ordered.begin, ordered.end, ordered.name])
        is_last = np.append((keys[:, 1:] != keys[:, :-1]).any(axis=0), True)
        return ordered.chosen(is_last[: ordered.machine.size])


class Selected(NamedTuple):
    """The detections that count, and how many do not, or in a way that the reader should know.

    machines, names: ids to which their `machine` points, first those of the case, and faults for their `name`.
    outside: of the time that is scored.  repeated: the same as others.  elsewhere: overlap only faults that were not
    asked for.
    """

    detections: Detections
    machines: tuple[str, ...]
    names: list[str]
    outside: int
    repeated: int
    elsewhere: int


@dataclass(frozen=True)
class Case:
    """Labels, machines and time.

    start_ms, end_ms: the time that is scored.  labels: those that count, cut to this time; others: those of faults that
    were not asked for.  machines: ids of the known ones.  tolerance_ms, before_ms: how far the window, in which a label
    is found, reaches beyond its end and its begin.  pattern: of machine ids.
    """

    start_ms: int
    end_ms: int
    labels: tuple[Label, ...]
    machines: tuple[str, ...]
    others: tuple[Label, ...] = ()
    tolerance_ms: int = 0
    before_ms: int = 0
    pattern: str = "*"

    @classmethod
    def of(cls, truth: Truth, options: EvaluateOptions) -> Self:
        """Return what the options select. Raise InvalidInput where it is no time."""
        start_ms = _later(truth.start_ms, options.since)
        end_ms = truth.end_ms if options.until is None else min(truth.end_ms, round(1000 * options.until))
        if start_ms > end_ms:
            raise InvalidInput("the time from --from to --until is not within the run")
        known = {*truth.machines, *(each.machine_id for each in truth.labels)}
        labels = [each for each in truth.labels if fnmatchcase(each.machine_id, options.machines)]
        labels = [each for each in labels if each.from_ms <= end_ms and each.to_ms >= start_ms]
        wanted = {each.fault for each in labels if fnmatchcase(each.fault, options.only)}
        cut = [each._replace(from_ms=max(each.from_ms, start_ms), to_ms=min(each.to_ms, end_ms)) for each in labels]
        return cls(
            start_ms,
            end_ms,
            tuple(each for each in cut if each.fault in wanted),
            tuple(sorted(each for each in known if fnmatchcase(each, options.machines))),
            tuple(each for each in cut if each.fault not in wanted),
            # More than the whole time is the same as the whole time.
            round(min(1000 * options.tolerance, end_ms - start_ms)),
            round(min(1000 * options.before, end_ms - start_ms)),
            options.machines,
        )

    @property
    def days(self) -> float:
        """The time that is scored, in days."""
        return (self.end_ms - self.start_ms) / _DAY_MS

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each known machine."""
        return {machine_id: number for number, machine_id in enumerate(self.machines)}

    @cached_property
    def line(self) -> Line:
        """The line on which spans of all machines are, with room for the windows of labels."""
        return Line(self.start_ms - self.before_ms, self.end_ms + self.tolerance_ms)

    @cached_property
    def windows(self) -> Spans:
        """The windows in which labels are found."""
        return self._spans(self.labels, self.before_ms, self.tolerance_ms)

    @cached_property
    def labelled(self) -> Spans:
        """The time of the labels themselves."""
        return self._spans(self.labels, 0, 0)

    def spans(self, detections: Detections) -> Spans:
        """Return detections on the line."""
        return self.line.spans(detections.machine, detections.begin, detections.end)

    def scored_spans(self, detections: Detections) -> Spans:
        """Return detections on the line, cut to the time that is scored."""
        begin, end = (each.clip(self.start_ms, self.end_ms) for each in (detections.begin, detections.end))
        return self.line.spans(detections.machine, begin, end)

    def select(self, columns: DetectionColumns) -> Selected:
        """Return the detections that count."""
        strange = sorted({each for each in columns.machines if each not in self.numbers and self._is_wanted(each)})
        machines = *self.machines, *strange
        numbers = {machine_id: number for number, machine_id in enumerate(machines)}
        numbered = np.array([numbers.get(each, -1) for each in columns.machines], np.int64)
        all_of_them = Detections(
            numbered[np.array(columns.machine, np.int64)] if columns.machine else np.zeros(0, np.int64),
            np.array(columns.begin, np.int64),
            np.array(columns.end, np.int64),
            np.array(columns.score, np.float64),
            np.array(columns.name, np.int64),
        )
        wanted = all_of_them.chosen(all_of_them.machine >= 0)
        inside = wanted.chosen((wanted.end >= self.start_ms) & (wanted.begin <= self.end_ms))
        once = inside.without_repetitions()
        here = self.here(once)
        return Selected(
            here,
            machines,
            columns.names,
            outside=wanted.machine.size - inside.machine.size,
            repeated=inside.machine.size - once.machine.size,
            elsewhere=once.machine.size - here.machine.size,
        )

    def here(self, detections: Detections) -> Detections:
        """Return the detections without those that overlap only faults that were not asked for."""
        if not self.others:
            return detections
        spans = self.spans(detections)
        others = self._spans(self.others, self.before_ms, self.tolerance_ms)
        return detections.chosen(overlaps_any(spans, self.windows) | ~overlaps_any(spans, others))

    def _is_wanted(self, machine_id: str) -> bool:
        return fnmatchcase(machine_id, self.pattern)

    def _spans(self, labels: Iterable[Label], before_ms: int, after_ms: int) -> Spans:
        rows = [(self.numbers[each.machine_id], each.from_ms - before_ms, each.to_ms + after_ms) for each in labels]
        machine, begin, end = np.array(rows, np.int64).reshape(-1, 3).T
        return self.line.spans(machine, begin, end)


def _later(start_ms: int, since: float | None) -> int:
    return start_ms if since is None else max(start_ms, round(1000 * since))
