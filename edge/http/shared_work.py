"""What costs much: made one at a time, in turns with everything else, and shared by all who wait for the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from typing import Generic, TypeVar

from edge.status import Busy

_T = TypeVar("_T")


async def in_turns(parts: Iterable[_T]) -> AsyncIterator[_T]:
    """Every part; each should cost a few milliseconds at most, and after it as much time is left to all others.

    A process that is always busy is made to wait by the system where there are others, or a limit, and everything in it
    is late.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    for part in parts:
        yield part
        await asyncio.sleep(loop.time() - began)
        began = loop.time()


class SharedWork(Generic[_T]):
    """Makes one thing at a time. Who asks for the same as somebody who still waits for its beginning gets the same.

    What is being made already was begun before the question, and does not answer it.
    most_waiting: how many may wait, for whatever it is.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most_waiting, self._waiting = most_waiting, 0
        self._lock = asyncio.Lock()
        self._not_begun: dict[Hashable, asyncio.Task[_T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        """What `make` makes, or raises. Busy where too many wait for anything."""
        if self._waiting >= self._most_waiting:
            raise Busy
        task = self._not_begun.get(key)
        if task is None:
            task = self._not_begun[key] = asyncio.create_task(self._make(key, make), name="shared")
            task.add_done_callback(_heard)
        self._waiting += 1
        try:
            # Who asks may give up; others wait for the same.
            return await asyncio.shield(task)
        finally:
            self._waiting -= 1

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[_T]]) -> _T:
        async with self._lock:
            del self._not_begun[key]
            return await make()


def _heard(task: asyncio.Task[_T]) -> None:
    """What came of it is known, though all who asked may have given up: asyncio need not complain."""
    if not task.cancelled():
        task.exception()
