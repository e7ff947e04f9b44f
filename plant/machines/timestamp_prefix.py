"""The beginning of each message, up to its timestamp."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from plant.machines.states import NEVER

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS: Final = tuple(b"%02d:%02d" % divmod(second, 60) for second in range(3600))
MILLISECONDS: Final = tuple(b'.%03dZ",' % ms for ms in range(1000))
"""The rest of a row's beginning."""


class TimestampPrefix:
    """Writes the beginning of a row, `{"timestamp":"2026-01-31T14:22:05.250Z",`, and remembers the hour."""

    __slots__ = ("_from", "_hour")

    def __init__(self) -> None:
        self._from = NEVER
        self._hour = b""

    def __call__(self, time_ms: int) -> bytes:
        """The beginning of a row of that time."""
        second, ms = divmod(time_ms, 1000)
        return self.second(second) + MILLISECONDS[ms]

    def second(self, second: int) -> bytes:
        """The beginning up to the second, of those since 1970."""
        if not 0 <= second - self._from < len(_SECONDS):
            self._from = second - second % len(_SECONDS)
            self._hour = f'{{"timestamp":"{EPOCH + timedelta(seconds=self._from):%Y-%m-%dT%H}:'.encode()
        return self._hour + _SECONDS[second - self._from]
