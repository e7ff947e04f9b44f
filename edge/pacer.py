"""The run loop: has the plant say what is due, when it is due, and hands it to the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.outbox import Outbox
from plant.telemetry import Message

SLICE_SECONDS = 1.0
"""Plant time handed over in one go: bounds the memory of a catch-up."""

_SHORTEST_SLEEP_SECONDS, _LONGEST_SLEEP_SECONDS = 0.002, 0.5


class Plant(Protocol):
    """What says messages. Times are Unix seconds of plant time."""

    def advance(self, now: float) -> Sequence[Message]:
        """Everything due since the last call, up to and including `now`, in time order."""

    def next_due(self) -> float:
        """When the next message is due."""


class Pacer:
    """Drives a plant by a clock.

    clock: plant time of now.  end: plant time to stop at.  count: messages to stop after.
    on_message: told of every message handed over.  on_late: told, at each turn that has something to say, how many
    seconds after its deadline that is.
    """

    def __init__(
        self,
        plant: Plant,
        outbox: Outbox,
        clock: Callable[[], float],
        *,
        on_message: Callable[[Message], None],
        on_late: Callable[[float], None],
        end: float = float("inf"),
        count: int | None = None,
    ) -> None:
        self.turned_at = self._reached = clock()
        self._plant, self._outbox, self._clock = plant, outbox, clock
        self._on_message, self._on_late = on_message, on_late
        self._end = end
        self._left = float("inf") if count is None else count
        self._held: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._stopped = False
        outbox.on_room = self.wake

    @property
    def finished(self) -> bool:
        """All that was asked for has been handed over."""
        return not self._left or (self._reached >= self._end and not self._held)

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped = True
        self.wake()

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until `finished` or stopped."""
        while not (self._stopped or self.finished):
            self.turned_at = self._clock()
            if not self._held:
                self._held.extend(self._due())
            self._hand_over()
            await self._rest()

    def _due(self) -> Sequence[Message]:
        """The next slice; a plant that lies behind is brought up slice by slice."""
        self._reached = min(self.turned_at, self._end, self._reached + SLICE_SECONDS)
        return self._plant.advance(self._reached)

    def _hand_over(self) -> None:
        if self._held:
            self._on_late(self.turned_at - self._held[0].time_ms / 1000)
        while self._held and self._left:
            message = self._held[0]
            if not self._outbox.offer(message):
                return
            self._held.popleft()
            self._left -= 1
            self._on_message(message)

    async def _rest(self) -> None:
        """Sleep until the next message is due, or until woken."""
        if self.finished:
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rest_seconds()):
                await self._wake.wait()

    def _rest_seconds(self) -> float:
        if self._held:
            return _LONGEST_SLEEP_SECONDS
        if self._reached < min(self.turned_at, self._end):
            return 0
        due = min(self._plant.next_due(), self._end) - self._clock()
        return min(max(due, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
