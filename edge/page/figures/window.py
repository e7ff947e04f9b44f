"""What happened in the last seconds: messages, and how late the run loop was."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from edge.delivery.queue import Ledger
from edge.lateness import Lateness, percentile

_RATE_SECONDS: Final = 5.0
_LATENESS_SECONDS: Final = 10.0


class Rates(NamedTuple):
    """Messages a second, generated and delivered; None before there is a second to look back on."""

    generated: float | None
    delivered: float | None


class LateBy(NamedTuple):
    """How late the run loop was, in milliseconds: half of its turns, 99 % and all of them at most; None without any."""

    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class _Sample(NamedTuple):
    at: float
    generated: int
    delivered: int
    turns: tuple[int, ...]
    worst_seconds: float


class Window:
    """The figures of the last ten seconds, from one look a second."""

    def __init__(self) -> None:
        self._samples = deque[_Sample]()

    def look(self, now: float, ledger: Ledger, lateness: Lateness) -> None:
        """Note the figures of now. now: seconds, monotonic."""
        sample = _Sample(now, ledger.generated, ledger.acknowledged, lateness.counts(), lateness.take_peak())
        self._samples.append(sample)
        while len(self._samples) > 2 and now - self._samples[1].at >= _LATENESS_SECONDS:
            self._samples.popleft()

    def rates(self) -> Rates:
        """Return the rates of about the last five seconds."""
        if len(self._samples) < 2:
            return Rates(None, None)
        newest = self._samples[-1]
        oldest = next(each for each in self._samples if newest.at - each.at <= _RATE_SECONDS or each is newest)
        oldest = self._samples[-2] if oldest is newest else oldest
        seconds = max(newest.at - oldest.at, 1e-3)
        generated, delivered = newest.generated - oldest.generated, newest.delivered - oldest.delivered
        return Rates(round(generated / seconds, 3), round(delivered / seconds, 3))

    def late_by(self) -> LateBy:
        """Return the lateness of about the last ten seconds."""
        if len(self._samples) < 2:
            return LateBy(None, None, None)
        oldest, newest = self._samples[0], self._samples[-1]
        turns = [after - before for before, after in zip(oldest.turns, newest.turns, strict=True)]
        if not any(turns):
            return LateBy(None, None, None)
        worst = max(each.worst_seconds for each in list(self._samples)[1:])
        p50, p99 = (min(percentile(turns, share) or 0.0, worst) for share in (0.5, 0.99))
        return LateBy(round(p50 * 1000, 3), round(p99 * 1000, 3), round(worst * 1000, 3))
