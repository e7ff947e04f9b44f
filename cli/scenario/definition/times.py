"""Times in scenario files: after the start, of the day, or of the calendar; and lengths of time."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import BeforeValidator, WithJsonSchema

from cli.arguments import moment, period, some_period
from edge.timestamps import CALENDAR_RULE, LAST_SECOND
from plant.definition.document.errors import describe_value

DAY_MS: Final = 86_400_000
_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")
_TIME_RULE: Final = "must be a time such as 90s, 1h30m, 08:30 or 2026-01-05T08:30:00Z"
_LENGTH_RULE: Final = "must be a length of time such as 90s, 1h30m or a number of seconds"


@dataclass(frozen=True, slots=True)
class When:
    """A time as it is written: one of the three, in milliseconds.

    after: since the start.  clock: since midnight, UTC; the first such time that is not before the start.
    moment: since 1970.
    """

    after: int | None = None
    clock: int | None = None
    moment: int | None = None

    def resolved(self, start_ms: int) -> int:
        """Return the time in milliseconds since 1970. start_ms: where the scenario begins."""
        if self.moment is not None:
            return self.moment
        if self.clock is not None:
            return start_ms + (self.clock - start_ms) % DAY_MS
        return start_ms + (self.after or 0)


def _when(value: object) -> When:
    text = _typed(value, _TIME_RULE)
    if found := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(each or 0) for each in found.groups())
        return When(clock=1000 * (3600 * hours + 60 * minutes + seconds))
    try:
        return When(moment=_ms(moment(text))) if "-" in text else When(after=_ms(period(text)))
    except ArgumentTypeError:
        raise ValueError(f"{_TIME_RULE}, got {describe_value(value)}") from None


def _length(value: object) -> int:
    text = _typed(value, _LENGTH_RULE)
    try:
        return max(1, _ms(some_period(text)))
    except ArgumentTypeError:
        raise ValueError(f"{_LENGTH_RULE}, above 0, got {describe_value(value)}") from None


def _start(value: object) -> int:
    try:
        return _ms(moment(_typed(value, _TIME_RULE)))
    except ArgumentTypeError as error:
        raise ValueError(str(error)) from None


def _typed(value: object, rule: str) -> str:
    """Return a value as it was typed: YAML reads a bare time of the calendar as a date."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, bool) or not isinstance(value, str | int | float | date):
        raise ValueError(f"{rule}, got {describe_value(value)}")  # noqa: TRY004 - pydantic expects ValueError
    return str(value)


def _ms(seconds: float) -> int:
    if seconds > LAST_SECOND:
        raise ValueError(f"is too long: plant time {CALENDAR_RULE}")
    return round(seconds * 1000)


_TEXT_OR_SECONDS: Final = {"type": ["string", "number"]}
Time = Annotated[When, BeforeValidator(_when), WithJsonSchema(_TEXT_OR_SECONDS)]
Length = Annotated[int, BeforeValidator(_length), WithJsonSchema(_TEXT_OR_SECONDS)]
"""In milliseconds."""
Start = Annotated[int, BeforeValidator(_start), WithJsonSchema({"type": "string"})]
"""In milliseconds since 1970."""


def length_text(length_ms: int) -> str:
    """Return a length of time as it would be typed: `1h30m`, `2.5s`."""
    seconds, rest = divmod(length_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    last = f"{seconds + rest / 1000:.10g}s" if seconds or rest else ""
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if minutes else ''}{last}" or "0s"


def offset_text(offset_ms: int) -> str:
    """Return a time after the start as `HH:MM:SS`, with milliseconds where it has any."""
    seconds, rest = divmod(offset_ms, 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{rest:03}" if rest else text
