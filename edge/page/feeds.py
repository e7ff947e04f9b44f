"""What a viewer may ask for beside the overview: a machine, or the traffic; read once for all who ask the same."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import partial
from typing import Final

import orjson

from edge.control.control import OTHER_PART
from edge.page.stream import Place, event
from edge.status import Busy
from edge.status_source import StatusSource
from edge.traffic import TrafficQuery, TrafficRow

log = logging.getLogger("http")

_TRAFFIC_SECONDS: Final = 0.2
_COUNTS_PULLS: Final = 5
"""Pulls after which the counts are sent where no message was one that is asked for."""
_MACHINE_SECONDS: Final = 1.0
_MOST_ROWS: Final = 50
_MOST_TOPICS: Final = 50


class _Pulled(ABC):
    """A feed that is read at an interval while it has viewers. on_end: called when it has none any more."""

    is_closed = False

    def __init__(self, seconds: float, on_end: Callable[[], None]) -> None:
        self._seconds, self._on_end = seconds, on_end
        self._notify = set[Callable[[], None]]()
        self._task: asyncio.Task[None] | None = None

    def join(self, notify: Callable[[], None]) -> None:
        """Add a viewer. notify: called whenever there is something new."""
        self._notify.add(notify)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="feed")

    def leave(self, notify: Callable[[], None]) -> None:
        """Remove a viewer."""
        self._notify.discard(notify)
        if not self._notify and self._task is not None:
            self._task.cancel()
            self._task = None
            self._on_end()

    @abstractmethod
    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        """Return the events after a place, and the place after them; None is before all."""

    @abstractmethod
    async def _pull(self) -> bool:
        """Read what is new; return whether viewers are to be woken up. May raise TimeoutError, or Busy."""

    async def _run(self) -> None:
        failure = ""
        while True:
            try:
                with suppress(TimeoutError, Busy):
                    if await self._pull():
                        self._tell()
            except Exception as error:
                # Nobody's view may end the plant.
                if repr(error) != failure:
                    log.exception("a view is not up to date")
                failure = repr(error)
            await asyncio.sleep(self._seconds)

    def _tell(self) -> None:
        for notify in [*self._notify]:
            notify()


class TrafficFeed(_Pulled):
    """The messages that a question is about. A place is how many were seen and matched."""

    def __init__(self, source: StatusSource, query: TrafficQuery, on_end: Callable[[], None]) -> None:
        super().__init__(_TRAFFIC_SECONDS, on_end)
        self._source, self._query = source, query
        self._position: int | None = None
        self._seen = self._matched = self._quiet = 0
        self._rows = deque[bytes](maxlen=_MOST_ROWS)
        self._made: dict[Place | None, bytes] = {}

    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        """Return the event with the newest rows after a place, and the counts since then."""
        place = self._seen, self._matched
        if since == place:
            return b"", place
        if since not in self._made:
            self._made[since] = self._event(since)
        return self._made[since], place

    async def _pull(self) -> bool:
        batch = await self._source.traffic(self._query, self._position, _MOST_ROWS)
        is_first, self._position = self._position is None, batch.position
        self._seen += batch.seen
        self._matched += batch.matched
        self._rows.extend(map(row_json, batch.rows))
        self._made.clear()
        self._quiet = 0 if batch.matched else self._quiet + 1
        return is_first or bool(batch.matched) or (self._quiet % _COUNTS_PULLS == 0)

    def _event(self, since: Place | None) -> bytes:
        seen, matched = since or (self._seen - len(self._rows), self._matched - len(self._rows))
        seen, matched = self._seen - seen, self._matched - matched
        rows = [*self._rows][max(0, len(self._rows) - matched) :]
        return event("traffic", b'{"seen":%d,"matched":%d,"rows":[%b]}' % (seen, matched, b",".join(rows)))


class MachineFeed(_Pulled):
    """A machine as it is now, with the newest message of each of its topics. A place is a number of readings."""

    def __init__(self, source: StatusSource, machine_id: str, on_end: Callable[[], None]) -> None:
        super().__init__(_MACHINE_SECONDS, on_end)
        self._source, self._machine_id = source, machine_id
        self._query = TrafficQuery(machine_id=machine_id)
        self._position: int | None = None
        self._newest: dict[str, bytes] = {}
        self._event, self._count = b"", 0

    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        """Return the event with the machine, unless there is none newer than at a place."""
        place = (self._count,)
        return (b"", since) if since == place or not self._count else (self._event, place)

    async def _pull(self) -> bool:
        with suppress(TimeoutError, Busy):
            await self._pull_messages()
        found = await self._source.machine(self._machine_id)
        error = b"null" if found.json is not None else orjson.dumps(found.unknown or OTHER_PART)
        parts = found.json or b"null", error, b",".join(self._newest.values())
        self._event = event("machine", b'{"machine":%b,"error":%b,"messages":[%b]}' % parts)
        self._count += 1
        return True

    async def _pull_messages(self) -> None:
        batch = await self._source.traffic(self._query, self._position, _MOST_ROWS)
        self._position = batch.position
        for row in batch.rows:
            self._newest.pop(row.topic, None)
            self._newest[row.topic] = row_json(row)
        while len(self._newest) > _MOST_TOPICS:
            del self._newest[next(iter(self._newest))]


class Feeds:
    """The feeds that have viewers."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._feeds: dict[Hashable, TrafficFeed | MachineFeed] = {}

    def traffic(self, query: TrafficQuery) -> TrafficFeed | MachineFeed:
        """Return the feed of a question."""
        return self._shared(query, lambda end: TrafficFeed(self._source, query, end))

    def machine(self, machine_id: str) -> TrafficFeed | MachineFeed:
        """Return the feed of a machine."""
        return self._shared(machine_id, lambda end: MachineFeed(self._source, machine_id, end))

    def _shared(
        self, key: Hashable, make: Callable[[Callable[[], None]], TrafficFeed | MachineFeed]
    ) -> TrafficFeed | MachineFeed:
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = make(partial(self._end, key))
        return feed

    def _end(self, key: Hashable) -> None:
        self._feeds.pop(key, None)


def row_json(row: TrafficRow) -> bytes:
    """Return a row as JSON."""
    return orjson.dumps(row.described())
