"""The inbox: what is to be done to the plant while it runs, each with whoever waits for its result.

The run loop does it between two steps of the plant, at its time then, or at a later one that all parts of a plant
have agreed on. It is bounded: where too much waits, the next is refused as busy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import Context, copy_context
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from edge.status import Busy
from edge.timestamps import rfc3339

MOST_WAITING: Final = 1000
_AT_ONCE: Final = 0.0
_T = TypeVar("_T")

Command = Mapping[str, object]
"""A command as plain data: see docs/commands.md."""


class Executed(NamedTuple):
    """A command that has been executed. at_ms: when, in plant time.  answer: what is then so."""

    at_ms: int
    answer: Mapping[str, object]


def described(command: Command, by: str, executed: Executed) -> str:
    """Return what was executed for a log line. by: whoever gave the command."""
    answer = orjson.dumps(dict(executed.answer)).decode()
    return f'command={command["command"]} at={rfc3339(executed.at_ms)} by="{by}" answer={answer}'


Front = Callable[[Command, str], Awaitable[Executed]]
"""Executes a command by the name of whoever gives it; raises Problem."""


class Waiting(NamedTuple):
    """Work that waits. at: seconds since 1970 at which it is due.  number: counted from 0.

    context: of whoever waits for it; the work is done in it, so that what it logs belongs to the same trace.
    """

    at: float
    number: int
    work: Callable[[], object]
    result: asyncio.Future[Any]
    context: Context

    def settle(self) -> None:
        """Do it, unless nobody waits for its result any more, and pass the result on."""
        if self.result.done():
            return
        try:
            self.result.set_result(self.context.run(self.work))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            self.result.set_exception(error)


class Inbox:
    """Work in the order in which it is due. wake: called when some has come."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake, self._numbers = wake, count()
        self._waiting: list[Waiting] = []

    def next_seconds(self) -> float:
        """Return when the next is due, in seconds since 1970; inf if there is none."""
        return self._waiting[0].at if self._waiting else inf

    async def run(self, work: Callable[[], _T], at: float = _AT_ONCE) -> _T:
        """Have work done at a plant time, or at once, and return its result; raises what it raises, or Busy."""
        if len(self._waiting) >= MOST_WAITING:
            raise Busy
        result: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, Waiting(at, next(self._numbers), work, result, copy_context()))
        self._wake()
        return await result

    def due(self, now: float) -> Iterator[Waiting]:
        """Remove and yield what is due up to a plant time."""
        while self.next_seconds() <= now:
            yield heappop(self._waiting)
