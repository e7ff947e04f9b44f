"""Timestamps in messages and files, and the range of plant time."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

FIRST_SECOND: Final = 0.0
LAST_SECOND: Final = datetime(9900, 1, 1, tzinfo=UTC).timestamp()
"""The range of plant time: ids count from 1970, and planning ahead must not reach the end of the calendar."""

CALENDAR_RULE: Final = "must lie in the years 1970 to 9899 (UTC)"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339_seconds(seconds: float) -> str:
    """Return seconds since the Unix epoch as `2026-01-31T14:22:05Z`, without their fraction."""
    return f"{_second(int(seconds))}Z"


def rfc3339(time_ms: int) -> str:
    """Return milliseconds since the Unix epoch as `2026-01-31T14:22:05.250Z`, always 24 characters."""
    seconds, millis = divmod(time_ms, 1000)
    return f"{_second(seconds)}.{millis:03d}Z"
