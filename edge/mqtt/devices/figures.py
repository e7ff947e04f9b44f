"""Counts of many connections together, and log lines about all of them."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from edge.redaction import from_peer
from edge.status import DeviceStatus

log = logging.getLogger("broker")

_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LOG_SECONDS: Final = 5.0
_SHOWN: Final = 3


class Figures:
    """Counts of the connections of machines.  clock: seconds, monotonic.

    wanted, up: how many there are to be, and how many are connected.  leaving_up: of those that are connected, how
    many belong to machines that there no longer are.  connects: accepted so far, of `clients` machines.
    wills_expected: those that ended without our DISCONNECT, for each of which the broker publishes a will.
    refused: machines that the broker refuses for a reason that stays.  resumed: connects to a session that was kept.
    last_end: why a connection, or an attempt, has ended last; "" if none has.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.wanted = self.up = self.connects = self.clients = 0
        self.wills_expected = self.refused = self.resumed = self.leaving_up = 0
        self.last_end = ""
        self._clock = clock
        self._buckets, self._sum_seconds = [0] * (len(_BOUNDS) + 1), 0.0
        self._connected, self._ends = 0, Counter[str]()
        self._next_line_at, self._was_complete = clock() + _LOG_SECONDS, False
        self._began = clock()

    def opened(self, seconds: float, *, is_first: bool, resumed: bool) -> None:
        """Count a connection that the broker has accepted, so long after the attempt began.

        resumed: the broker had kept the session.
        """
        self.resumed += resumed
        self.up += 1
        self.connects += 1
        self.clients += is_first
        self._connected += 1
        self._sum_seconds += seconds
        self._buckets[bisect_left(_BOUNDS, seconds)] += 1

    def closed(self, *, announced: bool) -> None:
        """Count the end of a connection. announced: by our DISCONNECT, which discards the will."""
        self.up -= 1
        self.wills_expected += not announced

    def ended(self, reason: str) -> None:
        """Note why a connection, or an attempt, has ended."""
        self._ends[reason] += 1
        self.last_end = reason

    @property
    def wanted_up(self) -> int:
        """How many are connected of those that there are to be."""
        return self.up - self.leaving_up

    def status(self) -> DeviceStatus:
        """Return the counts."""
        names = (*map(str, _BOUNDS), "+Inf")
        buckets = tuple(zip(names, accumulate(map(float, self._buckets)), strict=True))
        return DeviceStatus(
            self.wanted, self.wanted_up, self.wills_expected, self.refused, self.resumed, buckets, self._sum_seconds
        )

    def write_lines(self) -> None:
        """Log what has happened since the last lines, if that is some seconds ago; and once that all are connected."""
        is_complete = self.wanted_up >= self.wanted > 0
        if is_complete and not self._was_complete:
            log.info("all machines are connected connections=%d after=%.1fs", self.wanted, self._clock() - self._began)
            self._connected = 0
        elif self._was_complete and not is_complete:
            self._began = self._clock()
        self._was_complete = is_complete
        if self._clock() >= self._next_line_at:
            self._next_line_at = self._clock() + _LOG_SECONDS
            self._write_sums()

    def _write_sums(self) -> None:
        if self._ends:
            common = self._ends.most_common(_SHOWN)
            reasons = "; ".join(f"{count} times: {from_peer(reason, 200)}" for reason, count in common)
            more = self._ends.total() - sum(count for _, count in common)
            rest = f"; and {more} others" if more else ""
            log.warning("connections of machines ended or failed count=%d: %s%s", self._ends.total(), reasons, rest)
            self._ends.clear()
        if self._connected:
            log.info("connected machines up=%d of=%d new=%d", self.wanted_up, self.wanted, self._connected)
            self._connected = 0
