"""The level of a cause over time: what its effects are multiplied by."""

from __future__ import annotations

from typing import Final, NamedTuple

UNLIMITED: Final = 1e300
"""The greatest level of what grows without end."""


class Level(NamedTuple):
    """A level that has been `start` at `since_ms`, changes at a rate, and does not rise above `greatest`.

    A fault rises from 0 to its severity, wear grows while the machine produces, a drift goes either way.
    """

    since_ms: int
    start: float
    per_ms: float
    greatest: float

    def at(self, time_ms: int) -> float:
        """Return the level at a time. Signals compute it in the same way, to the last bit."""
        return min(self.start + (time_ms - self.since_ms) * self.per_ms, self.greatest)


NONE: Final = Level(0, 0.0, 0.0, 0.0)
"""The level of a cause that is not there."""


def rising(since_ms: int, severity: float, ramp_ms: int) -> Level:
    """Return the level of a fault: from 0 to its severity in the time of its ramp, at once without one."""
    if not ramp_ms:
        return Level(since_ms, severity, 0.0, severity)
    return Level(since_ms, 0.0, severity / ramp_ms, severity)
