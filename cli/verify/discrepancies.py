"""Discrepancies between messages and ground truth: counts by kind and source, with examples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

_SOURCES_LISTED: Final = 5
_EXAMPLES_LISTED: Final = 3


class DiscrepancyKind(StrEnum):
    """What a discrepancy is about, in the order of the report."""

    STATUS = "messages with a wrong status"
    CURRENT = "messages with a wrong value in another field"
    ABSENT_MACHINE = "messages of a machine that does not exist at that time"
    SURPLUS_MESSAGE = "messages beyond one per period"
    JOB_CONTENT = "jobs reported with wrong values"
    JOB_TIME = "jobs reported at a wrong time"
    UNREPORTED_JOB = "jobs missing in the message that should report them"
    REPEATED_JOB = "jobs reported twice"
    UNKNOWN_JOB = "jobs reported that do not exist"
    ORDER = "wrong orders and dispatches"
    ALARM = "alarms raised or cleared without reason"
    UNKNOWN_MACHINE = "messages of machines that are not in the ground truth"


class Discrepancies:
    """A count of discrepancies, with the first example of each kind and source."""

    def __init__(self) -> None:
        self._counts: defaultdict[DiscrepancyKind, Counter[str]] = defaultdict(Counter)
        self._examples: dict[tuple[DiscrepancyKind, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, kind: DiscrepancyKind, source: str, time_ms: float, problem: str, count: int = 1) -> None:
        """Count a discrepancy.  problem: what is reported, and what is actual."""
        self._counts[kind][source] += count
        if (kind, source) not in self._examples:
            self._examples[kind, source] = f"{source} at {text(time_ms)}: {problem}"

    def count(self, kind: DiscrepancyKind) -> int:
        """Return how many there are of a kind."""
        return self._counts[kind].total() if kind in self._counts else 0

    def report(self) -> Iterator[str]:
        """Yield a line for each kind with the sources that have most of it, then a few examples."""
        for kind in filter(self._counts.__contains__, DiscrepancyKind):
            counts = self._counts[kind].most_common()
            sources = ", ".join(f"{source} {count:,}" for source, count in counts[:_SOURCES_LISTED])
            more = f" and {len(counts) - _SOURCES_LISTED:,} more" if len(counts) > _SOURCES_LISTED else ""
            yield f"* {kind.capitalize()}: {self.count(kind):,} ({sources}{more})."
            yield from (f"  {self._examples[kind, source]}" for source, _ in counts[:_EXAMPLES_LISTED])


def text(time_ms: float) -> str:
    """Return a time as RFC 3339 with milliseconds."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat("T", "milliseconds").replace("+00:00", "Z")
