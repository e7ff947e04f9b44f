"""Readings that are waited for a while only, as a worker that hangs answers none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine


class Patient:
    """Has something read again and again. One reading that takes longer goes on, and nobody waits for it any more.

    read: keeps what it has read.  seconds: how long a reading is waited for.
    """

    def __init__(self, read: Callable[[], Coroutine[object, object, None]], seconds: float) -> None:
        self._read, self._seconds = read, seconds
        self._reading: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Have it read, unless the reading before goes on; an error of it is raised while it is waited for."""
        seconds = 0.0
        if self._reading is None or self._reading.done():
            self._reading, seconds = asyncio.create_task(self._read()), self._seconds
            self._reading.add_done_callback(_know_error)
        done, _ = await asyncio.wait({self._reading}, timeout=seconds)
        for each in done:
            each.result()


def _know_error(reading: asyncio.Task[None]) -> None:
    """Have asyncio log no traceback for a reading that fails when nobody waits for it any more."""
    if not reading.cancelled():
        reading.exception()
