"""The last minutes of the run, a point each five seconds."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

STEP_SECONDS: Final = 5
POINTS: Final = 180
"""Fifteen minutes."""


class Point(NamedTuple):
    """A moment. rate: messages delivered a second.  lateness_ms: that 99 % of the run loop's turns did not exceed.

    queue: messages that wait.  oee: of all machines, as it is in truth. None where unknown.
    """

    rate: float | None
    lateness_ms: float | None
    queue: int
    oee: float | None


class History:
    """Keeps the newest points. count: of all that there were."""

    def __init__(self) -> None:
        self._points = deque[Point](maxlen=POINTS)
        self.count = 0

    def add(self, point: Point) -> None:
        """Keep a point; the oldest goes where there are too many."""
        self._points.append(point)
        self.count += 1

    def after(self, count: int) -> list[Point]:
        """Return the points after the first `count`, as far as they are kept, the oldest first."""
        missing = min(self.count - count, len(self._points))
        return list(self._points)[len(self._points) - missing :]

    def described(self) -> dict[str, object]:
        """Return all of it as plain data."""
        points = list(self._points)
        columns = {name: [getattr(each, name) for each in points] for name in Point._fields}
        return {"step_seconds": STEP_SECONDS, **columns}
