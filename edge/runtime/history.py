"""What is said later than it was due: how fast that goes, and how far it is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf

log = logging.getLogger("app")

_BATCH_SECONDS, _BURST_SECONDS = 0.01, 0.1
_SHORTEST_WAIT_SECONDS = 0.002
_LINE_SECONDS, _WORTH_A_LINE_SECONDS = 5.0, 10.0
_SAFE_RATE = 2000.0


def history_rate(asked: float | None, own: float, *, unheard: bool, parts: int) -> float:
    """How many messages a second may be said that are late.

    asked: HISTORY_RATE, 0 for no limit.  own: the plant's rate; it could not be caught up with by less.
    unheard: there is no subscriber to be spared.  parts: of the plant, all of which the broker hears.
    """
    if asked is None:
        return inf if unheard else max(_SAFE_RATE / parts, 2 * own)
    return asked if asked > own else 2 * own if asked else inf


class Throttle:
    """Lets so many messages pass a second, and never more than a tenth of a second's and one at once.

    rate: messages a second; inf lets all pass.
    """

    def __init__(self, rate: float = inf) -> None:
        self.rate = rate
        self._credit, self._at = 0.0, inf

    def allowed(self, now: float) -> float:
        """How many messages may pass at `now`, in seconds by any clock that does not run back."""
        if self.rate == inf:
            return inf
        earned = max(0.0, now - self._at) * self.rate
        self._credit = min(self._credit + earned, 1.0 + self.rate * _BURST_SECONDS)
        self._at = now
        return int(self._credit)

    def spend(self, messages: int) -> None:
        """So many have passed; those that did not have to wait count too, for a moment."""
        self._credit = max(0.0, self._credit - messages)

    @property
    def wait_seconds(self) -> float:
        """When it is worth asking again."""
        batch = max(1.0, self.rate * _BATCH_SECONDS)
        return max((batch - self._credit) / self.rate if self.rate < inf else 0.0, _SHORTEST_WAIT_SECONDS)


class Progress:
    """Says every few seconds how far history is.

    start: where it begins, in Unix seconds of plant time.  live: the plant carries on in real time after it.
    said: how many messages have been handed over.  count: after how many it is over; inf for by time alone.
    """

    def __init__(self, start: float, said: Callable[[], int], *, live: bool, count: float = inf) -> None:
        self._start, self._said, self._live, self._count = start, said, live, count
        self._began: tuple[float, float] | None = None
        self._last = (0.0, start, 0)
        self._over = False

    def look(self, now: float, reached: float, goal: float) -> None:
        """Note where it is at `now` (seconds by the clock of the run), and where it ends; say so if it is time to.

        reached, goal: plant time in Unix seconds.
        """
        if self._began is None:
            self._began, self._last = (now, reached), (now, reached, self._said())
        elif now - self._last[0] >= _LINE_SECONDS and not self._over:
            log.info("history: %s", " ".join(self._figures(now, reached, goal)))
            self._last = now, reached, self._said()

    def end(self, now: float, reached: float) -> None:
        """Say, once, what it came to."""
        if self._over or self._began is None:
            return
        self._over = True
        if reached - self._start < _WORTH_A_LINE_SECONDS:
            return
        seconds, said = now - self._began[0], self._said()
        then = "; live from here" if self._live else ""
        figures = f"to={_moment(reached)} messages={said} seconds={seconds:.1f} rate={_rate(said, seconds)}"
        log.info("history is said: %s%s", figures, then)

    def _figures(self, now: float, reached: float, goal: float) -> list[str]:
        """Plant time, share, pace and time left since the line before; what is not known is left out."""
        at, was, said_then = self._last
        said, seconds = self._said(), now - at
        by_count = (said - said_then) / seconds / max(self._count - said, 1) if self._count < inf else 0.0
        # What is live goes on meanwhile, so history gains on it by less than its speed.
        by_time = max(0.0, (reached - was) / seconds - self._live) / max(goal - reached, 1e-3)
        share = max((reached - self._start) / (goal - self._start), said / self._count)
        figures = [f"at={_moment(reached)}"]
        if goal < inf or self._count < inf:
            figures.append(f"done={100 * share:.1f}%")
        figures.append(f"rate={_rate(said - said_then, seconds)}")
        if goal < inf or self._count < inf:
            soonest = max(by_count, by_time)
            figures.append(f"left={timedelta(seconds=round(1 / soonest))}" if soonest else "left=never")
        return figures


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rate(messages: int, seconds: float) -> str:
    return f"{messages / seconds if seconds > 0 else 0.0:.0f}/s"
