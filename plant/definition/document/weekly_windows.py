"""Windows of local time that repeat on days of the week, as calendars and timetables have them.

A time of day is stored as minutes since midnight. A window whose end is not after its start ends on the next day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from plant.definition.document.errors import Violation, describe_value
from plant.definition.document.value_types import NonEmptyListOf, Spec, described

T = TypeVar("T")

LocalTimes = tuple[datetime, datetime]
"""Start and end of a window in local time, without a UTC offset."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 1440

_TIME: Final = re.compile(r"(\d\d?):(\d\d)", re.ASCII)


def _time_of_day(latest: int, value: object) -> int:
    """Return a text like 22:00 as minutes since midnight."""
    matched = _TIME.fullmatch(value) if isinstance(value, str) else None
    hours, minutes = map(int, matched.groups()) if matched else (99, 99)
    if minutes >= 60 or hours * 60 + minutes > latest:
        got = f"{describe_value(value)}{_sexagesimal_hint(value)}"
        raise ValueError(f"must be a time of day from 00:00 to {format_minutes(latest)}, got {got}")
    return hours * 60 + minutes


def _sexagesimal_hint(value: object) -> str:
    """Return a hint for a bare 22:00, which YAML 1.1 reads in base 60 as 1320; the number may be meant otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not 60 <= value <= DAY_MINUTES:
        return ""
    text = format_minutes(value)
    return f': if you wrote {text}, YAML read it as a number: put it in quotes, "{text}"'


def format_minutes(minutes: int) -> str:
    """Return minutes since midnight as a time of day."""
    return "{:02d}:{:02d}".format(*divmod(minutes, 60))


def _day(value: object) -> str:
    if not isinstance(value, str) or value not in DAYS:
        raise ValueError(f"must be one of {', '.join(DAYS)}, got {describe_value(value)}")
    return value


_DAY_TIME: Final = "([01]?[0-9]|2[0-3]):[0-5][0-9]"

StartOfWindow = Annotated[
    int,
    BeforeValidator(partial(_time_of_day, DAY_MINUTES - 1)),
    WithJsonSchema({"type": "string", "pattern": f"^{_DAY_TIME}$"}),
]
EndOfWindow = Annotated[
    int,
    BeforeValidator(partial(_time_of_day, DAY_MINUTES)),
    WithJsonSchema({"type": "string", "pattern": f"^({_DAY_TIME}|24:00)$"}),
]
Day = Annotated[str, BeforeValidator(_day), described(enum=list(DAYS))]


class Window(Spec):
    """A window of local time from `start` to `end` that repeats on each of the days on which it starts."""

    start: StartOfWindow = Field(description='Time of day at which it starts, in quotes, such as "06:00".')
    end: EndOfWindow = Field(
        description='Time of day at which it ends, in quotes, up to "24:00"; one that is not after `start` is on the '
        "next day."
    )
    days: NonEmptyListOf[Day] = Field(DAYS, description="Days of the week on which it starts.")

    def on(self, day: date) -> LocalTimes | None:
        """Return start and end if the window starts on that day, otherwise None."""
        return window(day, self.start, self.end) if DAYS[day.weekday()] in self.days else None


def window(day: date, start: int, end: int) -> LocalTimes:
    """Return start and end of a window that starts on a day. start, end: minutes since midnight."""
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  local time has no offset
    return midnight + timedelta(minutes=start), midnight + timedelta(minutes=start + minutes_of(start, end))


def minutes_of(start: int, end: int) -> int:
    """Return the length of a window in minutes, up to a day."""
    return (end - start - 1) % DAY_MINUTES + 1


def empty_window(entry: Mapping[str, Any]) -> Iterator[Violation]:
    """Reject 06:00 to 06:00, which may mean no time or a whole day."""
    start, end = (valid_or_none(partial(_time_of_day, DAY_MINUTES), entry.get(key)) for key in ("start", "end"))
    if start is not None and start == end:
        yield Violation(("end",), "must differ from start; a whole day is from 00:00 to 24:00")


def valid_or_none(read: Callable[[object], T], value: object) -> T | None:
    """Return a value as it is read; None if it is wrong, which the models report."""
    try:
        return read(value)
    except ValueError:
        return None
