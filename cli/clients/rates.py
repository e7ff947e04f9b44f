"""How many messages a second there are on each topic."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

PERIOD_SECONDS: Final = 1.0
MOST_SHOWN: Final = 20
"""Topics in a report, the busiest first."""


class Report(NamedTuple):
    """Rates of a period.  per_second: by topic, the busiest first.  others: how many more topics there were."""

    total: float
    per_second: dict[str, float]
    others: int


class Rates:
    """Counts messages by topic. All times are seconds of one monotonic clock."""

    def __init__(self, begin: float) -> None:
        self._counts: Counter[str] = Counter()
        self._since = begin

    @property
    def due(self) -> float:
        """When the period ends."""
        return self._since + PERIOD_SECONDS

    def count(self, topic: str) -> None:
        """Count a message."""
        self._counts[topic] += 1

    def report(self, now: float) -> Report | None:
        """Return the rates since the last report, and begin again; None before the period has ended."""
        if now < self.due:
            return None
        seconds = now - self._since
        by_topic = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        report = Report(
            self._counts.total() / seconds,
            {topic: number / seconds for topic, number in by_topic[:MOST_SHOWN]},
            max(0, len(by_topic) - MOST_SHOWN),
        )
        self._counts.clear()
        self._since = now
        return report
