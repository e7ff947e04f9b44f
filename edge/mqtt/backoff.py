"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random  # noqa: TID251 - spreads the reconnects of a fleet; no part of the plant

_FIRST_SECONDS, _MOST_SECONDS = 0.25, 60.0
_SETTLED_SECONDS = 5.0


class Backoff:
    """Waits of 0.25 s, doubling to 60 s, each shortened at random by up to half.

    A connection that lasted 5 s resets them to 0.25 s. So does a shorter one on which a message was acknowledged; but
    of several in a row, each resets them only to twice what the one before did. So one lost connection costs little
    time, and a broker that closes after each message is not flooded with connects.
    """

    def __init__(self) -> None:
        self._ceiling = self._after_short = _FIRST_SECONDS

    def connection_lasted(self, seconds: float, *, productive: bool) -> None:
        """Note for how long a connection lasted; productive: the broker has acknowledged a message on it."""
        if seconds >= _SETTLED_SECONDS:
            self._ceiling = self._after_short = _FIRST_SECONDS
        elif productive:
            self._ceiling = self._after_short
            self._after_short = min(self._after_short * 2, _MOST_SECONDS)

    def wait_seconds(self) -> float:
        """Return how long to wait now; the next wait is longer."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * 2, _MOST_SECONDS)
        return ceiling * random.uniform(0.5, 1.0)
