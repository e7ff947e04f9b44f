"""What rows say that is not so, counted by what it is and by who says it, with a place for each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

_NAMED: Final = 5
_PLACES: Final = 3


class Kind(StrEnum):
    """What a finding is about."""

    STATUS = "rows with a status that is not true"
    PRESENT = "rows with another field that is not true"
    ABSENT = "rows of a machine that is not there"
    SURPLUS = "rows beyond one a period"
    REPORT = "jobs reported with what is not true"
    TIME = "jobs reported at another time"
    UNREPORTED = "jobs left out by the row that should report them"
    TWICE = "jobs reported twice"
    UNKNOWN = "jobs reported that never were"
    ORDER = "orders and dispatches that are not true"
    STRANGER = "rows of machines that the truth does not know"


class Findings:
    """Counts, and of each kind and each who the first place."""

    def __init__(self) -> None:
        self._counts: defaultdict[Kind, Counter[str]] = defaultdict(Counter)
        self._places: dict[tuple[Kind, str], str] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def note(self, kind: Kind, who: str, time_ms: float, what: str, how_many: int = 1) -> None:
        """Count a finding. what: what is said there, and what is true."""
        self._counts[kind][who] += how_many
        if (kind, who) not in self._places:
            self._places[kind, who] = f"{who} at {text(time_ms)} {what}"

    def count(self, kind: Kind) -> int:
        """How many there are of a kind."""
        return self._counts[kind].total() if kind in self._counts else 0

    def report(self) -> Iterator[str]:
        """Each kind with those who say the most of it, and with a few places."""
        for kind in filter(self._counts.__contains__, Kind):
            counts = self._counts[kind].most_common()
            named = ", ".join(f"{who} {count:,}" for who, count in counts[:_NAMED])
            more = f" and {len(counts) - _NAMED:,} more" if len(counts) > _NAMED else ""
            yield f"* {kind.capitalize()}: {self.count(kind):,} ({named}{more})."
            yield from (f"  {self._places[kind, who]}" for who, _ in counts[:_PLACES])


def text(time_ms: float) -> str:
    """RFC 3339 with milliseconds."""
    moment = datetime.fromtimestamp(time_ms / 1000, UTC)
    return moment.isoformat("T", "milliseconds").replace("+00:00", "Z")
