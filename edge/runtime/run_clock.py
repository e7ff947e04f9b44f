"""The clock of a run: as even as a monotonic clock, and corrected where plant time is that of the wall clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from edge.settings.types import CatchUp

LONG_STEP_SECONDS: Final = 86_400.0
"""A clock that was wrong by more than a day does not tell how much time has passed for the factory."""
_LEAP_SECONDS = 1.0
_NOTICED_SECONDS = 0.1
_SLIGHTLY, _MUCH = 0.05, 0.5
_TRIES, _TOGETHER_SECONDS = 5, 0.001


class RunClock:
    """Seconds that never run back. They begin with the monotonic clock's reading.

    monotonic: seconds.  wall: Unix seconds, to be followed when somebody sets it, or when the machine has slept, which
    a monotonic clock does not notice; for a run with a time of its own, pass the monotonic clock again.
    on_step: called each time that the wall clock was set, with the seconds; forward is above 0.

    A step of less than a second is followed by running up to 5 % faster or slower, and a larger one forward by a leap.
    Where the wall clock was set back by more, the seconds pass at half speed until it has caught up; where by more than
    a day, they do not follow at all, because that would take for ever.
    """

    def __init__(
        self, monotonic: Callable[[], float], wall: Callable[[], float], on_step: Callable[[float], None]
    ) -> None:
        self._on_step = on_step
        self._monotonic, self._wall = monotonic, wall
        self.steps = 0
        self.ahead_seconds = 0.0
        self.read_at, wall_time = self._read_both()
        self._reading, self._offset = self.read_at, wall_time - self.read_at

    def __call__(self) -> float:
        """Return the reading."""
        at, wall_time = self._read_both()
        passed, self.read_at = at - self.read_at, at
        ahead = self._reading + passed - (wall_time - self._offset)
        set_by = self.ahead_seconds - ahead
        if abs(set_by) >= _NOTICED_SECONDS:
            self.steps += 1
            self._on_step(set_by)
        correction = _correction(passed, ahead)
        self._reading += passed + correction
        self.ahead_seconds = ahead + correction
        return self._reading

    def _read_both(self) -> tuple[float, float]:
        """Return both clocks as of the same moment: they are read again where something came between."""
        for _ in range(_TRIES):
            before, wall_time, after = self._monotonic(), self._wall(), self._monotonic()
            if after - before < _TOGETHER_SECONDS:
                break
        return after, wall_time


def _correction(passed: float, ahead: float) -> float:
    """Return by how much the reading advances by more, or less, than the time that has passed."""
    if ahead <= -_LEAP_SECONDS:
        return -ahead
    if ahead > LONG_STEP_SECONDS:
        return 0.0
    most = passed * (_SLIGHTLY if ahead < _LEAP_SECONDS else _MUCH)
    return -max(-most, min(most, ahead))


def step_line(seconds: float, catch_up: CatchUp, *, restarted: bool) -> tuple[int, str]:
    """Return the level and the text of the log line about a step of the wall clock; forward is above 0."""
    step = f"seconds={seconds:+.3f}"
    if abs(seconds) < _LEAP_SECONDS:
        return logging.INFO, f"wall clock set, following it by up to 5 % of the speed {step}"
    if seconds < -LONG_STEP_SECONDS:
        then = "too far to wait for it, plant time stays ahead"
    elif seconds < 0:
        then = "plant time runs at half speed until the clock has caught up"
    elif restarted:
        then = "too far to catch up, the plant restarts at the new time"
    else:
        then = f"catching up catch_up={catch_up}"
    way = "wall clock went forward (it was set, or the machine slept)" if seconds > 0 else "wall clock was set back"
    return logging.WARNING, f"{way}, {then} {step}"
