"""How fast connections are opened: a storm of reconnects is spread out."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - spreads connects; no part of the plant
from types import TracebackType
from typing import Final

_MOST_AT_ONCE: Final = 256
"""Attempts that may be in progress: what a broker that does not answer holds up."""


class ConnectGate:
    """Lets attempts to connect pass one after the other, each after half to one and a half times the interval.

    per_second: how many on average; 0 is no limit. An async context manager around an attempt.
    """

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next_at = 0.0
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def __aenter__(self) -> None:
        await self._places.acquire()
        try:
            await self._turn()
        except BaseException:
            self._places.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._places.release()

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + self._interval * random.uniform(0.5, 1.5)
        if at > now:
            await asyncio.sleep(at - now)
