"""How often something is done that costs processor time: as often as wished, or more seldom where it takes long."""

from __future__ import annotations

from typing import Final

_BUSY_SHARE: Final = 0.5
"""Of the time that work in turns takes: for the other half it sleeps (`in_turns`)."""


class Pace:
    """Work that may take a share of a core at most. least_seconds: between two begins, however little it takes."""

    def __init__(self, share: float, least_seconds: float) -> None:
        self._share, self._least_seconds = share, least_seconds
        self._due = 0.0

    def is_due(self, now: float) -> bool:
        """Return whether it may be done again. now: seconds, monotonic."""
        return now >= self._due

    def done(self, began: float, ended: float) -> None:
        """Note that it was done, from when to when."""
        # A tenth earlier, as turns of a clock are not equally long.
        rest = (ended - began) * _BUSY_SHARE / self._share
        self._due = began + max(self._least_seconds * 0.9, rest)
