"""Times of detections: RFC 3339, or seconds or milliseconds since 1970."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from edge.redaction import shown
from edge.settings.types import number
from edge.timestamps import CALENDAR_RULE, FIRST_SECOND, LAST_SECOND

LEAST_MS: Final = 1e11
"""A number below this is seconds since 1970 (up to the year 5138), another one milliseconds (from March 1973 on)."""

_RULE: Final = "must be a time such as 2026-01-05T08:00:00Z, or seconds or milliseconds since 1970"
_ZONE_RULE: Final = "must have a time zone, such as Z or +01:00"


class BrokenRule(ValueError):
    """A value that breaks a rule; the text says which."""


def time_ms(value: object) -> int:
    """Return milliseconds since 1970 of a time as RFC 3339, with a time zone, or as a number. Raise BrokenRule."""
    if isinstance(value, str):
        found = _number_ms(number(value)) if _is_number(value) else _text_ms(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _number_ms(value)
    else:
        raise BrokenRule(f"{_RULE}, not {shown(value)}")
    if not 1000 * FIRST_SECOND <= found < 1000 * LAST_SECOND:
        raise BrokenRule(f"{CALENDAR_RULE}, not {shown(value)}")
    return int(found)


def _is_number(text: str) -> bool:
    return ":" not in text and not math.isnan(number(text))


def _number_ms(value: float) -> float:
    if not abs(value) < float("inf"):
        return float("inf")
    return round(1000 * value if abs(value) < LEAST_MS else value)


def _text_ms(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BrokenRule(f"{_RULE}, not {shown(text)}") from None
    if moment.tzinfo is None:
        raise BrokenRule(f"{_ZONE_RULE}, not {shown(text)}")
    try:
        return round(moment.timestamp() * 1_000_000) // 1000
    except (OverflowError, ValueError):
        return float("inf")
