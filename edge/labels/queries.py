"""Queries for episodes of faults, and what answers them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from edge.labels.label import label
from edge.status import BadQuery
from plant.truth.events import FaultEpisode

Place = tuple[int, str, str]
"""The place of an episode among all: its begin, the machine, the fault. There is one episode at each."""

Entry = tuple[Place, bytes]
"""An episode: its place, and its label as JSON."""


@dataclass(frozen=True, slots=True)
class AnomalyQuery:
    """A selection of episodes; None selects all.

    kind: the key of a machine type.  from_ms, to_ms: those that overlap this time.  is_open: those that go on, or not.
    is_sensor: faults of sensors, or the others.  after: those after a place.  limit: the most episodes.
    """

    machine_id: str | None = None
    kind: str | None = None
    fault: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    min_severity: float | None = None
    is_open: bool | None = None
    is_sensor: bool | None = None
    after: Place | None = None
    limit: int | None = None

    def selects(self, kind: str, episode: FaultEpisode) -> bool:
        """Return whether an episode is asked for."""
        return (
            self.machine_id in (None, episode.machine_id)
            and self.kind in (None, kind)
            and self.fault in (None, episode.fault)
            and (self.from_ms is None or episode.is_open or episode.to_ms > self.from_ms)
            and (self.to_ms is None or episode.from_ms < self.to_ms)
            and (self.min_severity is None or episode.severity >= self.min_severity)
            and self.is_open in (None, episode.is_open)
            and self.is_sensor in (None, episode.signal is not None)
            and (self.after is None or place_of(episode) > self.after)
        )

    def selected(self, episodes: Iterable[tuple[str, FaultEpisode]]) -> list[tuple[Place, FaultEpisode]]:
        """Return the episodes that are asked for, sorted by their places."""
        found = {place_of(episode): episode for kind, episode in episodes if self.selects(kind, episode)}
        return sorted(found.items())


class Anomalies(NamedTuple):
    """Episodes in the order of their places.

    now: plant time in seconds since 1970.  more: whether there are others after them.
    dropped: how many older ones have not been kept.
    unknown: why there can be none, as neither the plant nor any label has a name that was asked for; otherwise "".
    """

    now: float
    entries: Sequence[Entry]
    more: bool
    dropped: int
    unknown: str = ""


def place_of(episode: FaultEpisode) -> Place:
    """Return the place of an episode."""
    return episode.from_ms, episode.machine_id, episode.fault


def entries(placed: Iterable[tuple[Place, FaultEpisode]]) -> list[Entry]:
    """Return episodes as they are sent; the end of one that goes on is null."""
    # A copy: what orjson makes takes eight kilobytes, however short it is.
    return [(place, b"".join((orjson.dumps(_shown(episode)), b""))) for place, episode in placed]


def written(place: Place) -> str:
    """Return a place as text."""
    return "/".join(map(str, place))


def read_place(text: str) -> Place:
    """Return the place that a text is; raises BadQuery."""
    begin, _, rest = text.partition("/")
    machine_id, _, fault = rest.rpartition("/")
    if not (begin.isascii() and begin.isdecimal() and machine_id and fault):
        raise BadQuery("after: must be as in the address that follows a page")
    return int(begin), machine_id, fault


def _shown(episode: FaultEpisode) -> dict[str, object]:
    found = label(episode)
    return {**found, "to": None} if episode.is_open else found
