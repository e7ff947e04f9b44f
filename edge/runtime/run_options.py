"""What `run` is asked for on the command line, beside the settings of the process: which run, and of what time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Self

from edge.runtime.pacer import Timing
from edge.timestamps import FIRST_SECOND, LAST_SECOND


class UsageError(Exception):
    """The command line asks for what cannot be; the text says what."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of one run.

    demo: against a broker of its own.  dry_run: messages go to standard output.  count: messages to stop after.
    truth: file of the ground truth.  start: plant time at the beginning, in Unix seconds; None is now.
    duration: plant seconds to play.  speed: plant seconds a second; inf is as fast as it goes, None is what suits.
    then_live: what is asked for is history, and the run goes on in real time after it.
    flags: values of settings that stand on the command line, as they were typed.
    """

    demo: bool = False
    dry_run: bool = False
    count: int | None = None
    truth: str | None = None
    start: float | None = None
    duration: float | None = None
    speed: float | None = None
    then_live: bool = False
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def bounded(self) -> bool:
        """Whether the run ends by itself."""
        return bool(self.count is not None or (self.duration and not self.then_live))

    def timing(self, now: float) -> Timing:
        """Return the timing that is asked for at the wall clock's `now` (Unix seconds).

        Raises UsageError with a sentence where options contradict each other, or leave the calendar.
        """
        timing = self._timing(now)
        if timing.start < FIRST_SECOND:
            raise UsageError("--duration: the history would begin before 1970")
        if (timing.live_from if timing.end == inf else timing.end) > LAST_SECOND:
            raise UsageError("--duration: plant time would go beyond the year 9899")
        return timing

    def pinned(self, now: float) -> Self:
        """Return the same run for several processes that begin it one after the other: it starts as it does at `now`.

        In real time what lies between is made up for, so none lags behind the clock for having begun late.
        Raises UsageError as `timing` does.
        """
        timing = self.timing(now)
        if self.start is not None:
            return self
        live = self.then_live or (self.duration is None and self.speed in (None, 1.0))
        return replace(self, start=timing.start, duration=None if live else self.duration, then_live=live)

    def _timing(self, now: float) -> Timing:
        start, duration, speed = self.start, self.duration, self.speed
        if not self.then_live:
            follows = start is None and not duration and speed in (None, 1.0)
            start = now if start is None else start
            return Timing(start, start + duration if duration else inf, speed or 1.0, follows_wall=follows)
        if speed is not None and speed <= 1.0:
            raise UsageError("--then-live: history has to be faster than life; --speed must be above 1, or max")
        if start is None and duration is None:
            raise UsageError("--then-live: say how much history, by --duration, --start or both")
        follows = start is None or not duration
        if start is None:
            start = now - (duration or 0.0)
        live_from = start + duration if duration else now
        if live_from <= start:
            raise UsageError("--then-live: --start must lie in the past, or --duration say how long the history is")
        return Timing(start, live_from=live_from, history_speed=speed or inf, follows_wall=follows)
