"""Costly work: done once at a time, in turns with everything else, and shared by all callers that wait for the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from edge.status import Busy

_T = TypeVar("_T")


async def in_turns(parts: Iterable[_T]) -> AsyncIterator[_T]:
    """Yield every part, and sleep after each for as long as it took; a part should take a few milliseconds at most.

    A process that never sleeps is throttled by the system where there are others, or a CPU limit, and everything in it
    is late.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    for part in parts:
        yield part
        await asyncio.sleep(loop.time() - began)
        began = loop.time()


class SharedWork(Generic[_T]):
    """Runs one piece of work at a time. Callers with the key of work that has not started yet share its result.

    Work that has started began before the request, and does not answer it.
    most_waiting: how many callers may wait, for any key.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting, self._waiting = most_waiting, 0
        self._lock = asyncio.Lock()
        self._not_started: dict[Hashable, asyncio.Task[_T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `make` returns, or raise what it raises; Busy where too many callers wait."""
        if self._waiting >= self._most_waiting:
            raise Busy
        task = self._not_started.get(key)
        if task is None:
            task = self._not_started[key] = asyncio.create_task(self._make(key, make), name="shared")
            task.add_done_callback(_retrieve)
        self._waiting += 1
        try:
            # One caller may give up; others wait for the same.
            return await asyncio.shield(task)
        finally:
            self._waiting -= 1

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        async with self._lock:
            del self._not_started[key]
            return await make()


def _retrieve(task: asyncio.Task[_T]) -> None:
    """Mark an error as seen, because all callers may have given up, and asyncio would complain."""
    if not task.cancelled():
        task.exception()
