"""The inbox: commands that come while the plant runs, each with whoever waits for its answer.

The run loop executes them between two steps of the plant, at its time then, or at a later one that all parts of a plant
have agreed on. It is bounded: where too many wait, the next one is refused as busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final, NamedTuple

from edge.status import Busy

MOST_WAITING: Final = 1000
_AT_ONCE: Final = 0.0

Command = Mapping[str, object]
"""A command as plain data: see docs/commands.md."""


class Executed(NamedTuple):
    """A command that has been executed. at_ms: when, in plant time.  answer: what is then so."""

    at_ms: int
    answer: Mapping[str, object]


class Waiting(NamedTuple):
    """A command that waits. at: seconds since 1970 at which it is due.  number: counted from 0."""

    at: float
    number: int
    command: Command
    answer: asyncio.Future[Executed]

    def settle(self, execute: Callable[[Command], Executed]) -> None:
        """Execute the command, unless nobody waits for its answer any more, and pass on the result."""
        if self.answer.done():
            return
        try:
            self.answer.set_result(execute(self.command))
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            self.answer.set_exception(error)


class Inbox:
    """Commands in the order in which they are due. wake: called when one has come."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake, self._numbers = wake, count()
        self._waiting: list[Waiting] = []

    def next_seconds(self) -> float:
        """Return when the next one is due, in seconds since 1970; inf if there is none."""
        return self._waiting[0].at if self._waiting else inf

    async def execute(self, command: Command, at: float = _AT_ONCE) -> Executed:
        """Have a command executed at a plant time, or at once; raises its refusal, or Busy."""
        if len(self._waiting) >= MOST_WAITING:
            raise Busy
        answer: asyncio.Future[Executed] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, Waiting(at, next(self._numbers), command, answer))
        self._wake()
        return await answer

    def due(self, now: float) -> Iterator[Waiting]:
        """Remove and yield the commands up to a plant time."""
        while self.next_seconds() <= now:
            yield heappop(self._waiting)
