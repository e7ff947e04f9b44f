"""Small drawings within a line: sparklines, and bars of states."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile
from math import ceil
from typing import Final

from cli.top.spans import Role, Span

_LEVELS: Final = "▁▂▃▄▅▆▇█"
_MOST_SAMPLES: Final = 900
_WAITING: Final = frozenset({"waiting", "blocked", "starved"})
_FAULTY: Final = ("fault", "fail", "error")
_OTHERS: Final = "▓▒░"


class Samples:
    """The newest samples of a figure, one each second; those of a quarter of an hour are kept.

    before: samples that there were already, the oldest first; those that are unknown at the begin are left out.
    """

    def __init__(self, before: Iterable[float | None] = ()) -> None:
        self._kept = deque(dropwhile(lambda each: each is None, before), _MOST_SAMPLES)
        self._taken = len(self._kept)

    def add(self, value: float | None) -> None:
        """Add the sample of this second; None where the figure is unknown, which counts from the first one on."""
        if value is None and not self._kept:
            return
        self._kept.append(value)
        self._taken += 1

    def sparkline(self, columns: int) -> str:
        """Return all that is kept as a line of at most so many columns, from 0 up to the largest; "" of a single one.

        Each column is the mean of its samples, and a gap where there are none. Columns begin at multiples of their
        length, so that they move to the left without changing.
        """
        means = self._means(columns) if columns > 0 and len(self._kept) > 1 else []
        largest = max((each for each in means if each is not None), default=0.0)
        return "".join(" " if each is None else _level(each, largest) for each in means)[-columns:]

    @property
    def seconds(self) -> int:
        """The time that is kept."""
        return len(self._kept)

    def _means(self, columns: int) -> list[float | None]:
        step = ceil(len(self._kept) / columns) or 1
        groups: dict[int, list[float]] = {}
        first = self._taken - len(self._kept)
        for place, value in enumerate(self._kept, first):
            groups.setdefault(place // step, []).extend([] if value is None else [value])
        return [sum(each) / len(each) if each else None for each in groups.values()]


def _level(value: float, largest: float) -> str:
    return _LEVELS[min(len(_LEVELS) - 1, int(value / largest * len(_LEVELS)))] if largest > 0 else _LEVELS[0]


def ordered(states: Mapping[str, int], producing: str | None) -> list[tuple[str, int]]:
    """Return the states that machines are in: the one that produces first, then by their number of machines."""
    there = [(state, count) for state, count in states.items() if count > 0]
    return sorted(there, key=lambda each: (each[0] != producing, -each[1], each[0]))


def role(state: str, producing: str | None) -> Role:
    """Return the colour of a state, by what it means and not by the machine's type."""
    if state == producing:
        return "good"
    if state == "stopped" or any(word in state for word in _FAULTY):
        return "bad"
    return "warn" if state in _WAITING else "accent"


def state_bar(states: Sequence[tuple[str, int]], producing: str | None, columns: int) -> list[Span]:
    """Return the shares of states as segments, which together have so many columns; each state has one at least."""
    if not states or columns < len(states):
        return [Span(" " * columns)]
    widths = _shares([count for _, count in states], columns)
    others = (state for state, _ in states if state != producing)
    marks = {state: _OTHERS[place % len(_OTHERS)] for place, state in enumerate(others)}
    return [
        Span(marks.get(state, "█") * wide, role(state, producing))
        for (state, _), wide in zip(states, widths, strict=True)
    ]


def is_bar(text: str) -> bool:
    """Return whether a text is a segment of such a bar."""
    return text != "" and set(text) <= {"█", *_OTHERS}


def _shares(counts: Sequence[int], columns: int) -> list[int]:
    """Return whole numbers of columns in the proportion of counts, each 1 at least (by largest remainder)."""
    free, total = columns - len(counts), sum(counts)
    exact = [count * free / total for count in counts]
    widths = [1 + int(each) for each in exact]
    by_remainder = sorted(range(len(counts)), key=lambda place: int(exact[place]) - exact[place])
    for place in by_remainder[: columns - sum(widths)]:
        widths[place] += 1
    return widths
