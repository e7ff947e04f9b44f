"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random  # noqa: TID251 - spreads the reconnects of a fleet; no part of the plant

_FIRST_SECONDS, _MOST_SECONDS = 0.25, 60.0
_SETTLED_SECONDS = 5.0


class Backoff:
    """Waits of 0.25 s, doubling to 60 s, each shortened at random by up to half.

    A connection begins them anew by what it achieved: one that lasted 5 s fully, a shorter one on which a message was
    acknowledged too, but the more of those follow one another, the longer is the first wait after them. So a link that
    is bad for once costs nothing, and a broker that takes one message and cuts, for ever, is not stormed.
    """

    def __init__(self) -> None:
        self._ceiling = self._after_short_one = _FIRST_SECONDS

    def lived(self, seconds: float, *, productive: bool) -> None:
        """A connection has lasted so long; productive: the broker has taken a message on it."""
        if seconds >= _SETTLED_SECONDS:
            self._ceiling = self._after_short_one = _FIRST_SECONDS
        elif productive:
            self._ceiling = self._after_short_one
            self._after_short_one = min(self._after_short_one * 2, _MOST_SECONDS)

    def wait_seconds(self) -> float:
        """How long to wait now; the next wait is longer."""
        ceiling, self._ceiling = self._ceiling, min(self._ceiling * 2, _MOST_SECONDS)
        return ceiling * random.uniform(0.5, 1.0)
