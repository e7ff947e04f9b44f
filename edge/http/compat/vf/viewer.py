"""One client of `/ws`: what it has not been sent yet, merged so that a client that does not read costs nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

MOST_ENTRIES: Final = 200
"""Messages that a client is sent at its beginning, and that wait for it at most."""


class Viewer:
    """What waits for one client: messages, of which the oldest are dropped, and the newest state of everything else.

    first: what it is sent before all else.
    """

    def __init__(self, first: str) -> None:
        self._first = [first]
        self._entries = deque[str](maxlen=MOST_ENTRIES)
        self._states: dict[str, str] = {}
        self._something = asyncio.Event()
        self._something.set()

    def give(self, entries: Sequence[str], states: Iterable[tuple[str, str]]) -> None:
        """Have messages sent, and states, each by its name in place of an earlier one."""
        self._entries.extend(entries)
        self._states.update(states)
        if self._entries or self._states:
            self._something.set()

    async def next(self) -> Iterator[str]:
        """Wait until there is something, and return it; while it is sent, what follows is merged."""
        await self._something.wait()
        self._something.clear()
        texts = [*self._first, *self._entries, *self._states.values()]
        self._first.clear()
        self._entries.clear()
        self._states.clear()
        return iter(texts)
