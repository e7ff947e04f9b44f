"""The section `calendar:` of a plant's YAML: strict, frozen models, and the rules between their values.

All times are local times of the plant; plant.calendar turns them into moments of plant time.
A time of day is stored as minutes since midnight. A window whose end is not after its start ends on the next day.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema

from plant.definition.document.errors import LONGEST_SHOWN, Violation, describe_value, quote, suggestion
from plant.definition.document.value_types import ListOf, Name, Names, NonEmptyListOf, Spec
from plant.definition.document.weekly_windows import (
    DAYS,
    Day,
    EndOfWindow,
    LocalTimes,
    StartOfWindow,
    Window,
    empty_window,
    valid_or_none,
    window,
)

T = TypeVar("T")
_Entry = Mapping[str, Any]

WEEKEND: Final = ("sat", "sun")
WEEKLY, ONCE = {"weekday", "start", "end"}, {"from", "to"}
"""The keys of maintenance that repeats every week, and of maintenance that takes place once."""
FIRST_YEAR, LAST_YEAR = 1970, 2199
ZONES: Final = "tzdata"
"""The package from which time zones are read, so that the same rules apply, and the same bytes result, everywhere."""

_YEARS: Final = f"{FIRST_YEAR} to {LAST_YEAR}"
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?", re.ASCII)


@cache
def zone_names() -> frozenset[str]:
    """Return every name in the IANA time zone database, including old names."""
    return frozenset(files(ZONES).joinpath("zones").read_text("ascii").split())


def _zone(name: str) -> str:
    if name not in zone_names():
        raise ValueError(f"is not a time zone of the IANA database, got {quote(name)}{_nearest_zone(name)}")
    return name


def _list_zones(schema: dict[str, Any]) -> None:
    schema["enum"] = sorted(zone_names())


def _nearest_zone(name: str) -> str:
    """Return a suggestion: people write only the city, or the name in another case."""
    names = {part: zone for zone in sorted(zone_names()) for part in (zone.lower(), zone.lower().rpartition("/")[2])}
    asked = name.lower().replace(" ", "_")
    near = difflib.get_close_matches(asked, names, n=1) if len(name) <= LONGEST_SHOWN else []
    return f"; did you mean {names[near[0]]}?" if near else ': names are like "Europe/Berlin"'


def _date(value: object) -> date:
    """Return a date, written with or without quotes."""
    read = None if isinstance(value, datetime) else _read(value)
    if read is None:
        raise ValueError(f"must be a date like 2026-12-24, {_YEARS}, got {describe_value(value)}")
    return read.date()


def _local_time(value: object) -> datetime:
    """Return a local time, written with or without quotes; a date alone is its first moment."""
    read = _read(value)
    if read is None:
        raise ValueError(
            f"must be local time like 2026-12-24T08:00, {_YEARS}, without an offset, got {describe_value(value)}"
        )
    return read


def _read(value: object) -> datetime | None:
    text = str(value)  # str() of a date that YAML has read is one of the accepted forms
    try:
        read = datetime.fromisoformat(text) if _LOCAL.fullmatch(text) else None
    except ValueError:
        return None
    return read if read and FIRST_YEAR <= read.year <= LAST_YEAR else None


_DATE: Final = "(19[789]|2[01][0-9])[0-9]-[0-9]{2}-[0-9]{2}"
_MOMENT: Final = {"type": "string", "pattern": f"^{_DATE}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}})?)?$"}

Zone = Annotated[str, AfterValidator(_zone), Field(json_schema_extra=_list_zones)]
Date = Annotated[date, BeforeValidator(_date), WithJsonSchema(_MOMENT)]
LocalTime = Annotated[datetime, BeforeValidator(_local_time), WithJsonSchema(_MOMENT)]
Factor = Annotated[float, Field(ge=0, le=1)]


class Shift(Window):
    """A window in which the plant works. Of its length, only the first `factor` is worked."""

    name: Name | None = Field(None, description="Name, by which machine types say what is different in it.")
    factor: Factor = Field(1.0, description="Share of the shift's length that is worked, from its start on: 0 to 1.")


def _only(keys: set[str], *, not_: set[str]) -> dict[str, JsonValue]:
    """Return the JSON Schema of a mapping that has `keys`, and has none of `not_`."""
    return {"required": [*sorted(keys)], "properties": dict.fromkeys(sorted(not_), False)}


class Maintenance(Spec):
    """A planned stop of some types, or of all: each week from `start` to `end`, or once from `from` to `to`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [_only(WEEKLY, not_=ONCE), _only(ONCE, not_=WEEKLY)]})

    types: Names | None = Field(None, description="Machine types that stop; all where this is left out.")
    weekday: Day | None = Field(None, description="Day of the week, of a stop that comes every week.")
    start: StartOfWindow | None = Field(None, description="Time of day at which it starts, in quotes; with `weekday`.")
    end: EndOfWindow | None = Field(
        None, description="Time of day at which it ends, in quotes; not after `start`: on the next day."
    )
    from_: LocalTime | None = Field(
        None, alias="from", description="Local date and time at which it starts, of a stop that comes once."
    )
    to: LocalTime | None = Field(None, description="Local date and time at which it ends; with `from`.")

    def on(self, day: date) -> LocalTimes | None:
        """Return start and end if the stop is weekly and starts on that day, otherwise None."""
        if self.start is None or self.end is None or self.weekday != DAYS[day.weekday()]:
            return None
        return window(day, self.start, self.end)

    @property
    def once(self) -> LocalTimes | None:
        """Start and end of a stop that takes place once; None for a weekly one."""
        return None if self.from_ is None or self.to is None else (self.from_, self.to)

    def stops(self, kind: str) -> bool:
        """Return whether it stops the machines of that type."""
        return self.types is None or kind in self.types


_WHOLE_DAY: Final[dict[str, JsonValue]] = {"start": "00:00", "end": "24:00"}
AROUND_THE_CLOCK: Final = Shift.model_validate(_WHOLE_DAY)


class CalendarSpec(Spec):
    """When the plant works: around the clock without shifts; the factor of a holiday replaces that of the weekend."""

    time_zone: Zone = Field(description="IANA time zone of all times of this calendar, such as Europe/Berlin.")
    shifts: NonEmptyListOf[Shift] = Field(
        (AROUND_THE_CLOCK,),
        description="When the plant works. Without this key, around the clock.",
        json_schema_extra={"default": [_WHOLE_DAY]},
    )
    breaks: ListOf[Window] = Field((), description="Planned stops of all machines within the shifts.")
    weekend_factor: Factor = Field(
        1.0, description="Share of a shift's length that is worked where it starts on a Saturday or Sunday: 0 to 1."
    )
    holidays: ListOf[Date] = Field((), description="Dates, such as 2026-12-25, of the years 1970 to 2199.")
    holiday_factor: Factor = Field(0.0, description="The same share on holidays, in place of `weekend_factor`: 0 to 1.")
    maintenance: ListOf[Maintenance] = Field((), description="Planned stops, weekly or once, of some or all types.")

    def day_factor(self, day: date) -> float:
        """Return the share that is worked of a shift starting on that day, without the shift's own factor."""
        if day in self.holidays:
            return self.holiday_factor
        return self.weekend_factor if DAYS[day.weekday()] in WEEKEND else 1.0


def broken(data: object, types: Sequence[str]) -> Iterator[Violation]:
    """Yield the broken rules between the values of `calendar:`. data: plain data.  types: all machine types.

    Values of a wrong type are skipped: the models report them.
    """
    calendar = data if isinstance(data, dict) else {}
    for key, rules in _RULES.items():
        for index, entry in enumerate(_list(calendar, key)):
            violations = [violation for rule in rules if isinstance(entry, dict) for violation in rule(entry)]
            yield from (
                violation._replace(place=("calendar", key, index, *violation.place)) for violation in violations
            )
    for index, entry in enumerate(_list(calendar, "maintenance")):
        yield from _unknown_types(entry, index, types)


def unknown_shifts(data: object, types: Mapping[str, object]) -> Iterator[Violation]:
    """Yield a violation for what machine types say of shifts that the calendar has not. types: their entries."""
    shifts = [each for each in _list(data, "shifts") if isinstance(each, dict)]
    known = [each["name"] for each in shifts if isinstance(each.get("name"), str)]
    for key, entry in ((key, each) for key, each in types.items() if isinstance(each, dict)):
        named = entry.get("shifts")
        for name in named if isinstance(named, dict) else ():
            if name not in known:
                rule = "is not the name of a shift of the calendar"
                yield Violation(("message_types", key, "shifts", name), rule, known)
        if entry.get("operators") and not isinstance(data, dict):
            yield Violation(("message_types", key, "operators"), "needs a calendar, with whose shifts they change")


def _list(data: object, key: str) -> list[object]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, list) else []


def _ends_before_start(maintenance: _Entry) -> Iterator[Violation]:
    begin, end = (valid_or_none(_local_time, maintenance.get(key)) for key in ("from", "to"))
    if begin is not None and end is not None and begin >= end:
        yield Violation(("to",), "must be after from")


def _weekly_and_once(maintenance: _Entry) -> Iterator[Violation]:
    given = set(maintenance) & (WEEKLY | ONCE)
    if given not in (WEEKLY, ONCE):
        yield Violation((), "must have either weekday, start and end, or from and to")


def _unknown_types(maintenance: object, index: int, known: Sequence[str]) -> Iterator[Violation]:
    for position, name in enumerate(_list(maintenance, "types")):
        if isinstance(name, str) and name not in known:
            rule = f"is not a machine type, got {quote(name)}; {suggestion(name, known)}"
            yield Violation(("calendar", "maintenance", index, "types", position), rule)


_RULES: Final[Mapping[str, Sequence[Callable[[_Entry], Iterator[Violation]]]]] = {
    "shifts": (empty_window,),
    "breaks": (empty_window,),
    "maintenance": (empty_window, _ends_before_start, _weekly_and_once),
}
