"""What a machine is measured by, and since when: its period, its ideal cycle, where it stands; and when it is there."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from cli.verify.input.rows import USUAL_GOOD, Facts


class Terms(NamedTuple):
    """What holds for a machine after one moment and up to another, in milliseconds since 1970.

    station: None where the truth does not say it.  good: results that count as good.
    """

    since_ms: float
    until_ms: float
    period_ms: float
    ideal_seconds: float
    producing: str
    kind: str = ""
    station: str | None = None
    good: frozenset[str] = USUAL_GOOD

    @property
    def crowded(self) -> bool:
        """Whether a job may be too short to wait for a regular row: then each finished job has an extra row."""
        return self.ideal_seconds * 1000 < math.ceil(self.period_ms)

    def is_extra(self, facts: Facts) -> bool:
        """Whether a row stands for no time: regular rows of crowded machines report no jobs."""
        return bool(facts.trigger) or (facts.result is not None and self.crowded)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A time in which a machine is there, in one piece; `terms` follow each other without a gap."""

    terms: Sequence[Terms]

    @property
    def since_ms(self) -> float:
        """When it begins."""
        return self.terms[0].since_ms

    @property
    def until_ms(self) -> float:
        """When it ends."""
        return self.terms[-1].until_ms

    def at(self, time_ms: float) -> Terms:
        """What holds at a moment of this life; before it the first, after it the last."""
        if len(self.terms) == 1:
            return self.terms[0]
        place = bisect_left(self.terms, time_ms, key=lambda terms: terms.until_ms)
        return self.terms[min(place, len(self.terms) - 1)]

    @property
    def longer_periods(self) -> int:
        """How often its period became longer."""
        return sum(before.period_ms < after.period_ms for before, after in pairwise(self.terms))

    @property
    def crowdings(self) -> int:
        """How often its jobs became too short for its period: a regular row may then report one that waited."""
        return sum(after.crowded and not before.crowded for before, after in pairwise(self.terms))

    def periods(self, since_ms: float, until_ms: float) -> float:
        """How many periods lie between two moments, each part by what then holds."""
        return math.fsum(
            max(0.0, min(terms.until_ms, until_ms) - max(terms.since_ms, since_ms)) / terms.period_ms
            for terms in self.terms
        )


class Timeline:
    """A machine's terms, as they are told one after the other."""

    __slots__ = ("_lives", "_terms")

    def __init__(self, terms: Iterable[Terms] = ()) -> None:
        self._terms = [*terms]
        self._lives: list[Lifetime] = []

    def begin(self, terms: Terms) -> None:
        """Let other terms hold from their beginning on. The same once more change nothing."""
        if self._terms and self._terms[-1].until_ms > terms.since_ms:
            last = self._terms[-1]
            if last._replace(since_ms=0) == terms._replace(since_ms=0):
                return
            self._terms[-1] = last._replace(until_ms=terms.since_ms)
        self._terms.append(terms)
        self._lives = []

    def end(self, time_ms: float) -> None:
        """Let the machine be gone."""
        self._terms[-1] = self._terms[-1]._replace(until_ms=time_ms)
        self._lives = []

    def move(self, since_ms: float) -> None:
        """Let it begin later than was thought."""
        self._terms[0] = self._terms[0]._replace(since_ms=since_ms)
        self._lives = []

    @property
    def last(self) -> Terms:
        """The latest terms."""
        return self._terms[-1]

    @property
    def lives(self) -> Sequence[Lifetime]:
        """The times in which the machine is there."""
        if not self._lives:
            number, numbered = 0, []
            for before, terms in zip([None, *self._terms], self._terms, strict=False):
                number += before is not None and before.until_ms != terms.since_ms
                numbered.append((number, terms))
            grouped = groupby(numbered, key=lambda each: each[0])
            self._lives = [Lifetime([terms for _, terms in its]) for _, its in grouped]
        return self._lives

    def life(self, time_ms: float, slack_ms: float = 0.0) -> Lifetime | None:
        """The life that a moment is in, give or take a little; None where the machine is not there."""
        for life in self._lives or self.lives:
            if life.since_ms - slack_ms < time_ms <= life.until_ms + slack_ms:
                return life
        return None

    def at(self, time_ms: float) -> Terms | None:
        """What holds at a moment; None where the machine is not there."""
        life = self.life(time_ms)
        return life.at(time_ms) if life else None

    @property
    def shortest_period_ms(self) -> float:
        """The least of its periods."""
        return min(terms.period_ms for terms in self._terms)
