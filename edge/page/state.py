"""What viewers are shown: each part encoded once, with the tick at which it has changed last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import orjson

from edge.page.figures.history import History
from edge.page.stream import event

_TILES: Final = "tiles"


class State:
    """The newest overview, tiles, history and wire. What viewers at the same place are sent is made once.

    tick: counts what was published.  era: the tick since which tiles stand for the same machines.
    """

    def __init__(self, history: History) -> None:
        self.tick = self.era = 0
        self.history = history
        self._parts: dict[str, tuple[bytes, int]] = {}
        self._ids: list[str] | None = None
        self._tiles: list[tuple[bytes, int]] = []
        self._wire, self._wire_tick = b"", 0
        self._made: dict[object, bytes] = {}

    def publish(self, overview: Mapping[str, object], wire: object = None) -> None:
        """Keep what is now so."""
        self.tick += 1
        self._made.clear()
        tiles = overview[_TILES]
        self._keep_tiles(tiles if isinstance(tiles, list) else None)
        for name, value in overview.items():
            if name != _TILES:
                self._parts[name] = self._kept(orjson.dumps(value), self._parts.get(name))
        if wire is not None:
            self._wire, self._wire_tick = self._kept(orjson.dumps(wire), (self._wire, self._wire_tick))

    def overview(self) -> bytes:
        """Return the whole overview as JSON."""
        tiles = b"null" if self._ids is None else b"[%b]" % b",".join(json for json, _ in self._tiles)
        return _object({**{name: json for name, (json, _) in self._parts.items()}, _TILES: tiles})

    def snapshot(self) -> bytes:
        """Return the events with all there is."""
        return self._once("snapshot", self._snapshot)

    def changes(self, since: int) -> bytes:
        """Return the events with what has changed after a tick."""
        return self._once(("changes", since), lambda: self._changes(since))

    def points(self, since: int) -> bytes:
        """Return the events with the points of the history after the first so many."""
        return self._once(("points", since), lambda: self._points(since))

    def _once(self, key: object, make: Callable[[], bytes]) -> bytes:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = make()
        return made

    def _snapshot(self) -> bytes:
        data = _object({"overview": self.overview(), "history": orjson.dumps(self.history.described())})
        return event("snapshot", data) + (event("wire", self._wire) if self._wire else b"")

    def _changes(self, since: int) -> bytes:
        changed = {name: json for name, (json, tick) in self._parts.items() if tick > since}
        rows = [b"[%d,%b]" % (place, json) for place, (json, tick) in enumerate(self._tiles) if tick > since]
        return b"".join((
            event("overview", _object(changed)) if changed else b"",
            event(_TILES, b"[%b]" % b",".join(rows)) if rows else b"",
            event("wire", self._wire) if self._wire_tick > since else b"",
        ))  # fmt: skip

    def _points(self, since: int) -> bytes:
        return b"".join(event("history", orjson.dumps(each._asdict())) for each in self.history.after(since))

    def _keep_tiles(self, tiles: list[tuple[str, ...]] | None) -> None:
        """Keep the rows; where they stand for other machines than before, all of them are new, and so is the era."""
        ids = None if tiles is None else [row[0] for row in tiles]
        if ids != self._ids:
            self._ids, self._tiles, self.era = ids, [], self.tick
        before: Sequence[tuple[bytes, int] | None] = self._tiles or [None] * len(tiles or ())
        self._tiles = [self._kept(orjson.dumps(row), kept) for row, kept in zip(tiles or (), before, strict=True)]

    def _kept(self, json: bytes, before: tuple[bytes, int] | None) -> tuple[bytes, int]:
        """Return JSON with the tick at which it has changed last."""
        return before if before is not None and before[0] == json else (json, self.tick)


def _object(parts: Mapping[str, bytes]) -> bytes:
    return b"{%b}" % b",".join(b'"%b":%b' % (name.encode(), json) for name, json in parts.items())
