"""The seconds by which a run goes: as even as a monotonic clock, and, where plant time is that of the wall, right."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from edge.settings.types import CatchUp

LONG_STEP_SECONDS: Final = 86_400.0
"""A clock that was wrong by more than a day says nothing of how long the factory has lived."""
_LEAP_SECONDS = 1.0
_NOTICED_SECONDS = 0.1
_SLIGHTLY, _MUCH = 0.05, 0.5
_TRIES, _TOGETHER_SECONDS = 5, 0.001


class RunClock:
    """Seconds that never run back. They begin with the monotonic clock's reading.

    monotonic: seconds.  wall: Unix seconds, to be followed when somebody sets it, or when the machine has slept, which
    a monotonic clock does not notice; for a run that has a time of its own it is the monotonic clock once more.
    on_step: told once of each time when the wall was set, by how many seconds; forward is above 0.

    Set by less than a second, it is followed by going up to 5 % faster or slower. Set forward by more, it is followed
    by a leap. Set back by more, these seconds pass at half speed until the wall has caught up; by more than a day they
    do not follow at all, because that would take for ever.
    """

    def __init__(
        self, monotonic: Callable[[], float], wall: Callable[[], float], on_step: Callable[[float], None]
    ) -> None:
        self.on_step = on_step
        self._monotonic, self._wall = monotonic, wall
        self.steps = 0
        self.ahead_seconds = 0.0
        self.read_at, wall_time = self._together()
        self._reading, self._offset = self.read_at, wall_time - self.read_at

    def __call__(self) -> float:
        """Read it."""
        at, wall_time = self._together()
        passed, self.read_at = at - self.read_at, at
        ahead = self._reading + passed - (wall_time - self._offset)
        set_by = self.ahead_seconds - ahead
        if abs(set_by) >= _NOTICED_SECONDS:
            self.steps += 1
            self.on_step(set_by)
        correction = _correction(passed, ahead)
        self._reading += passed + correction
        self.ahead_seconds = ahead + correction
        return self._reading

    def _together(self) -> tuple[float, float]:
        """Both clocks at the same moment: what was held up between the two reads is read again."""
        for _ in range(_TRIES):
            before, wall_time, after = self._monotonic(), self._wall(), self._monotonic()
            if after - before < _TOGETHER_SECONDS:
                break
        return after, wall_time


def _correction(passed: float, ahead: float) -> float:
    """By how much more or less than what has passed the seconds go on."""
    if ahead <= -_LEAP_SECONDS:
        return -ahead
    if ahead > LONG_STEP_SECONDS:
        return 0.0
    most = passed * (_SLIGHTLY if ahead < _LEAP_SECONDS else _MUCH)
    return -max(-most, min(most, ahead))


def told(seconds: float, catch_up: CatchUp, *, anew: bool) -> tuple[int, str]:
    """The level and the line for the log about a step of the wall clock; forward is above 0."""
    if abs(seconds) < _LEAP_SECONDS:
        return logging.INFO, f"the wall clock was set seconds={seconds:+.3f}; following it by 5 % of the pace"
    if seconds < -LONG_STEP_SECONDS:
        then = "too far to wait for: plant time stays ahead of it"
    elif seconds < 0:
        then = "plant time goes on at half speed until the clock has caught up"
    elif anew:
        then = "too far to make up for: the plant begins anew there"
    else:
        then = f"catch_up={catch_up}"
    way = "went forward (set, or the machine slept)" if seconds > 0 else "was set back"
    return logging.WARNING, f"the wall clock {way} seconds={seconds:+.3f}; {then}"
