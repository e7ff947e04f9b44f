"""Messages that are emitted later than they were due: the rate limit for them, and the progress of history."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import inf

from edge.settings.types import CatchUp

log = logging.getLogger("app")

_BATCH_SECONDS, _SLICE_SECONDS, _BURST_SECONDS = 0.01, 0.025, 0.1
_SHORTEST_WAIT_SECONDS = 0.002
_LINE_SECONDS, _WORTH_A_LINE_SECONDS = 5.0, 10.0
_SAFE_RATE = 2000.0


def _ignore(*_: object) -> None:
    pass


def _unlimited() -> float:
    return inf


def history_rate(asked: float | None, plant_rate: float, *, unlimited: bool, parts: int) -> float:
    """Return how many late messages may be emitted a second.

    asked: HISTORY_RATE, 0 for no limit.  plant_rate: the plant's rate; by less it could not be caught up with.
    unlimited: whether there is no limit by default, because no subscriber has to keep up.
    parts: the number of processes that publish to the same broker.
    """
    if asked is None:
        return inf if unlimited else max(_SAFE_RATE / parts, 2 * plant_rate)
    return asked if asked > plant_rate else 2 * plant_rate if asked else inf


class Throttle:
    """A rate limit, with bursts of at most a tenth of a second's messages plus one.

    rate: messages a second; inf for no limit.  room: returns how many may pass at most, whatever the rate.
    """

    def __init__(self, rate: float = inf, room: Callable[[], float] = _unlimited) -> None:
        self.rate, self._room = rate, room
        self._credit, self._at = 0.0, inf

    def allowed(self, now: float) -> float:
        """Return how many messages may pass at `now`, in seconds by any clock that does not run back."""
        return min(self._room(), self._earned(now))

    def _earned(self, now: float) -> float:
        if self.rate == inf:
            return inf
        earned = max(0.0, now - self._at) * self.rate
        self._credit = min(self._credit + earned, 1.0 + self.rate * _BURST_SECONDS)
        self._at = now
        return int(self._credit)

    def spend(self, messages: int) -> None:
        """Count messages that have passed; those that did not have to wait count too, for a moment."""
        self._credit = max(0.0, self._credit - messages)

    @property
    def slice_messages(self) -> float:
        """How many messages are worth having ready: a command waits until all of them have passed."""
        return max(1.0, self.rate * _SLICE_SECONDS)

    @property
    def wait_seconds(self) -> float:
        """How long to wait before a batch may pass."""
        batch = max(1.0, self.rate * _BATCH_SECONDS)
        return max((batch - self._credit) / self.rate if self.rate < inf else 0.0, _SHORTEST_WAIT_SECONDS)


class Progress:
    """Logs every few seconds how far history is.

    start: where it begins, in Unix seconds of plant time.  live: whether the plant continues in real time after it.
    emitted: returns how many messages have been queued.  count: after how many it ends; inf if by time alone.
    """

    def __init__(self, start: float, emitted: Callable[[], int], *, live: bool, count: float = inf) -> None:
        self._start, self._emitted, self._live, self._count = start, emitted, live, count
        self._began: tuple[float, float] | None = None
        self._last = (0.0, start, 0)
        self._over = False

    def update(self, now: float, reached: float, goal: float) -> None:
        """Note where history is at `now` (seconds by the clock of the run), and where it ends; log it when due.

        reached, goal: plant time in Unix seconds.
        """
        if self._began is None:
            self._began, self._last = (now, reached), (now, reached, self._emitted())
        elif now - self._last[0] >= _LINE_SECONDS and not self._over:
            log.info("replaying history %s", " ".join(self._figures(now, reached, goal)))
            self._last = now, reached, self._emitted()

    def end(self, now: float, reached: float) -> None:
        """Log once that history is complete, with its figures."""
        if self._over or self._began is None:
            return
        self._over = True
        if reached - self._start < _WORTH_A_LINE_SECONDS:
            return
        seconds, count = now - self._began[0], self._emitted()
        then = ", continuing in real time" if self._live else ""
        figures = f"to={_moment(reached)} messages={count} seconds={seconds:.1f} rate={_rate(count, seconds)}"
        log.info("history complete%s %s", then, figures)

    def _figures(self, now: float, reached: float, goal: float) -> list[str]:
        """Return plant time, share, rate and remaining time since the line before; unknown figures are left out."""
        at, reached_then, count_then = self._last
        count, seconds = self._emitted(), now - at
        by_count = (count - count_then) / seconds / max(self._count - count, 1) if self._count < inf else 0.0
        # Real time goes on meanwhile, so history gains on it by less than its speed.
        by_time = max(0.0, (reached - reached_then) / seconds - self._live) / max(goal - reached, 1e-3)
        share = max((reached - self._start) / (goal - self._start), count / self._count)
        figures = [f"at={_moment(reached)}"]
        if goal < inf or self._count < inf:
            figures.append(f"done={100 * share:.1f}%")
        figures.append(f"rate={_rate(count - count_then, seconds)}")
        if goal < inf or self._count < inf:
            soonest = max(by_count, by_time)
            figures.append(f"left={timedelta(seconds=round(1 / soonest))}" if soonest else "left=never")
        return figures


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _rate(messages: int, seconds: float) -> str:
    return f"{messages / seconds if seconds > 0 else 0.0:.0f}/s"


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What happens to messages that are emitted later than they were due.

    catch_up: for those that fell due while the process was blocked for more than a second.  throttle: limits history,
    and what has accumulated during a stall.  progress: logs how far history is.
    on_restart: called with the plant time at which the plant is to begin again, after `restart`.
    """

    catch_up: CatchUp = CatchUp.BURST
    throttle: Throttle = field(default_factory=Throttle)
    progress: Progress | None = None
    on_restart: Callable[[float], None] = _ignore
