"""Time zones, always from the package `tzdata`, as the rules of the system may differ; local time by offsets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from plant.definition.calendar_config import ZONES

QUARTER_MS: Final = 900_000
"""A quarter of an hour: the offset is looked up for each, as clocks change on a quarter of an hour."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MOST_CACHED: Final = 4096


def zone_info(time_zone: str) -> ZoneInfo:
    """Return the rules of a time zone."""
    with files(ZONES).joinpath("zoneinfo", *time_zone.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=time_zone)


class LocalTime:
    """Local time in an IANA time zone, as milliseconds."""

    __slots__ = ("_offsets", "_zone")

    def __init__(self, time_zone: str) -> None:
        self._zone = zone_info(time_zone)
        self._offsets: dict[int, int] = {}

    def at(self, time_ms: int) -> int:
        """Return the local time of a moment: milliseconds since 1970, as the clock on the wall counts them."""
        return time_ms + self.offset_ms(time_ms // QUARTER_MS)

    def offset_ms(self, quarter: int) -> int:
        """Return the offset from UTC. quarter: of an hour, counted since 1970."""
        offset = self._offsets.get(quarter)
        return self._looked_up(quarter) if offset is None else offset

    def _looked_up(self, quarter: int) -> int:
        if len(self._offsets) >= _MOST_CACHED:
            self._offsets.clear()
        local = (_EPOCH + quarter * QUARTER_MS * _MILLISECOND).astimezone(self._zone)
        offset = local.utcoffset() or timedelta()
        self._offsets[quarter] = offset // _MILLISECOND
        return self._offsets[quarter]
