"""Figures as people read them, with their units; what is not known is a dash."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

UNKNOWN: Final = "–"  # noqa: RUF001 - as on the page

_HOUR, _DAY = 3600, 86_400


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with commas between thousands."""
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def figure(value: float | None) -> str:
    """Return a number with as many digits as matter."""
    return UNKNOWN if value is None else _three(value)


def milliseconds(value: float | None) -> str:
    """Return milliseconds; from ten seconds on as seconds."""
    if value is None:
        return UNKNOWN
    return f"{_three(value)} ms" if value < 10_000 else f"{_three(value / 1000)} s"


def percent(share: float | None) -> str:
    """Return a share as percent."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def duration(seconds: float | None) -> str:
    """Return a time in its two largest units, such as `2 min 5 s`; at least 0 s."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    days, hours, minutes = whole // _DAY, whole % _DAY // _HOUR, whole % _HOUR // 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (whole % 60, "s")]
    first = next((place for place, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def moment(text: str) -> datetime | None:
    """Return the time of an RFC 3339 text, if it is one."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def zone(name: str) -> tzinfo:
    """Return a time zone by its IANA name; UTC where there is no such zone here."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        return UTC


def clock(text: str, where: tzinfo, form: str = "%H:%M:%S") -> str:
    """Return the time of an RFC 3339 text in a zone."""
    found = moment(text)
    return UNKNOWN if found is None else found.astimezone(where).strftime(form)


def since(begin: str, end: str) -> float | None:
    """Return the seconds between two RFC 3339 texts."""
    first, last = moment(begin), moment(end)
    return None if first is None or last is None else (last - first).total_seconds()


def plural(count: int, what: str) -> str:
    """Return a count with its noun, such as `1 machine`, `22 machines`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _three(value: float) -> str:
    """Return about three digits that count."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{digits}f}"
