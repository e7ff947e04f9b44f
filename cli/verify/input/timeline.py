"""The parameters of a machine over time: period, ideal cycle, station; and when the machine exists."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, NamedTuple, Self

from cli.verify.forms.message_keys import USUAL_GOOD, USUAL_PLANNED_STOPS, TypeInfo
from cli.verify.input.received_messages import MessageContent

IdealCycles = tuple[tuple[str, float], ...]
"""The ideal cycle of each kind of job, in seconds."""


def ideal_cycles(machine: Mapping[str, Any]) -> IdealCycles:
    """Return those in the description of a machine; none where its kinds have none of their own."""
    return tuple((str(kind), float(seconds)) for kind, seconds in machine.get("ideal_cycles", {}).items())


class MachineParameters(NamedTuple):
    """The parameters of a machine after one moment and up to another, in milliseconds since 1970.

    period_ms: between two regular messages; infinite without.  ideal_seconds: 0 without jobs.
    station: None if it is not known.  good: results that count as good.  planned_stops: states outside planned time.
    ideal_cycles: of each kind, in place of ideal_seconds; empty if kinds have none of their own.
    ends_early: results of jobs that may end before their time.  restarts: whether a job may start again.
    reports_jobs: whether messages report finished jobs.
    """

    since_ms: float
    until_ms: float
    period_ms: float
    ideal_seconds: float
    producing: str
    kind: str = ""
    station: str | None = None
    good: frozenset[str] = USUAL_GOOD
    planned_stops: frozenset[str] = USUAL_PLANNED_STOPS
    ideal_cycles: IdealCycles = ()
    ends_early: frozenset[str] = frozenset()
    restarts: bool = False
    reports_jobs: bool = True

    def of_type(self, info: TypeInfo) -> Self:
        """Return the parameters with what the type adds to them."""
        return self._replace(
            good=info.good,
            planned_stops=info.planned_stops,
            ends_early=info.ends_early,
            restarts=info.restarts,
            reports_jobs=info.reports_jobs,
        )

    @property
    def has_additional_messages(self) -> bool:
        """Whether a job may be too short to wait for a regular message, so that each job has an additional one."""
        return self.ideal_seconds * 1000 < self.period_ms or bool(self.ends_early)

    def is_additional(self, content: MessageContent) -> bool:
        """Return whether a message represents no time: it has a trigger, or its type reports jobs only so."""
        return bool(content.trigger) or (content.result is not None and self.has_additional_messages)


@dataclass(frozen=True, slots=True)
class Presence:
    """An uninterrupted time in which a machine exists; its parameters follow each other without a gap."""

    parameters: Sequence[MachineParameters]

    @property
    def since_ms(self) -> float:
        """The beginning."""
        return self.parameters[0].since_ms

    @property
    def until_ms(self) -> float:
        """The end."""
        return self.parameters[-1].until_ms

    def at(self, time_ms: float) -> MachineParameters:
        """Return the parameters at a moment: before the beginning the first, after the end the last."""
        if len(self.parameters) == 1:
            return self.parameters[0]
        index = bisect_left(self.parameters, time_ms, key=lambda parameters: parameters.until_ms)
        return self.parameters[min(index, len(self.parameters) - 1)]

    @property
    def longer_periods(self) -> int:
        """How often the period became longer."""
        return sum(before.period_ms < after.period_ms for before, after in pairwise(self.parameters))

    @property
    def additional_starts(self) -> int:
        """How often additional messages began, when a regular message may still report a job that waited."""
        return sum(
            after.has_additional_messages and not before.has_additional_messages
            for before, after in pairwise(self.parameters)
        )

    def periods(self, since_ms: float, until_ms: float) -> float:
        """Return the number of periods between two moments, each part by its own period."""
        return math.fsum(
            max(0.0, min(parameters.until_ms, until_ms) - max(parameters.since_ms, since_ms)) / parameters.period_ms
            for parameters in self.parameters
        )


class Timeline:
    """All parameters of a machine, added in order of time."""

    __slots__ = ("_parameters", "_presences")

    def __init__(self, parameters: Iterable[MachineParameters] = ()) -> None:
        self._parameters = [*parameters]
        self._presences: list[Presence] = []

    def add(self, parameters: MachineParameters) -> None:
        """Add parameters from their beginning on. The same ones again change nothing."""
        if self._parameters and self._parameters[-1].until_ms > parameters.since_ms:
            last = self._parameters[-1]
            if last._replace(since_ms=0) == parameters._replace(since_ms=0):
                return
            self._parameters[-1] = last._replace(until_ms=parameters.since_ms)
        self._parameters.append(parameters)
        self._presences = []

    def extend(self, parameters: MachineParameters) -> None:
        """Add parameters up to their end. The same ones directly after the last prolong these."""
        last = self._parameters[-1] if self._parameters else None
        if last is not None and last == parameters._replace(since_ms=last.since_ms, until_ms=parameters.since_ms):
            self._parameters.pop()
            parameters = parameters._replace(since_ms=last.since_ms)
        self._parameters.append(parameters)
        self._presences = []

    def end(self, time_ms: float) -> None:
        """End the machine's existence."""
        self._parameters[-1] = self._parameters[-1]._replace(until_ms=time_ms)
        self._presences = []

    def move_start(self, since_ms: float) -> None:
        """Set a later beginning."""
        self._parameters[0] = self._parameters[0]._replace(since_ms=since_ms)
        self._presences = []

    def count_periods(self, since_ms: float, until_ms: float) -> float:
        """Return the number of periods between two moments in which the machine exists."""
        return math.fsum(each.periods(since_ms, until_ms) for each in self.presences)

    def is_expected(self, since_ms: float, until_ms: float) -> bool:
        """Return whether a span is long enough for a message."""
        return self.count_periods(since_ms, until_ms) > 1

    def with_period(self, period_ms: float) -> Timeline:
        """Return the same with one period throughout."""
        return Timeline(each._replace(period_ms=period_ms) for each in self._parameters)

    def __iter__(self) -> Iterator[MachineParameters]:
        """Iterate over all parameters in order of time."""
        return iter(self._parameters)

    @property
    def last(self) -> MachineParameters:
        """The latest parameters."""
        return self._parameters[-1]

    @property
    def presences(self) -> Sequence[Presence]:
        """The times in which the machine exists."""
        if not self._presences:
            number, numbered = 0, []
            for before, parameters in zip([None, *self._parameters], self._parameters, strict=False):
                number += before is not None and before.until_ms != parameters.since_ms
                numbered.append((number, parameters))
            grouped = groupby(numbered, key=lambda each: each[0])
            self._presences = [Presence([parameters for _, parameters in group]) for _, group in grouped]
        return self._presences

    def presence(self, time_ms: float, tolerance_ms: float = 0.0) -> Presence | None:
        """Return the presence at a moment, within a tolerance; None if the machine does not exist then."""
        for presence in self._presences or self.presences:
            if presence.since_ms - tolerance_ms < time_ms <= presence.until_ms + tolerance_ms:
                return presence
        return None

    def at(self, time_ms: float) -> MachineParameters | None:
        """Return the parameters at a moment; None if the machine does not exist then."""
        presence = self.presence(time_ms)
        return presence.at(time_ms) if presence else None

    @property
    def shortest_period_ms(self) -> float:
        """The shortest of all periods."""
        return min(parameters.period_ms for parameters in self._parameters)
