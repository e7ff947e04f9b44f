"""Long answers as JSON, in pieces that are made and sent one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Generic, TypeVar
from weakref import WeakSet

import orjson

from edge.http.shared_work import SharedWork, in_turns
from edge.status import Busy

PIECE_ENTRIES: Final = 150
"""Entries in a piece: about 50 KiB."""

_MOST_WAITING: Final = 100
_MOST_UNSENT_BYTES: Final = 16 * 1024 * 1024
_PAUSE_SECONDS, _TRIES = 0.05, 200

_Query = TypeVar("_Query", bound=Hashable)
_Found = TypeVar("_Found")
_T = TypeVar("_T")


@dataclass(slots=True, frozen=True, eq=False, weakref_slot=True)
class Answer:
    """JSON in pieces, to be iterated over. next: the path of the page that follows, if any.

    What sends the pieces holds the answer, so it counts as unsent for as long as it exists.
    """

    pieces: Sequence[bytes]
    next: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    @property
    def size_bytes(self) -> int:
        """The length of the JSON."""
        return sum(map(len, self.pieces))


class Answers(Generic[_Query, _Found]):
    """Makes one answer at a time, shared by all callers with the same query, in a bounded memory.

    find: returns what a query asks for.  make: makes the answer of it.
    """

    def __init__(
        self, find: Callable[[_Query], Awaitable[_Found]], make: Callable[[_Found, _Query], Awaitable[Answer]]
    ) -> None:
        self._find, self._make = find, make
        self._work = SharedWork[Answer](_MOST_WAITING)
        self._unsent = WeakSet[Answer]()

    async def get(self, query: _Query) -> Answer:
        """Return the answer to a query; raises Busy where too many wait, and whatever finding raises."""
        return await self._work.get(query, partial(self._answer, query))

    async def _answer(self, query: _Query) -> Answer:
        await self._wait_for_memory()
        answer = await self._make(await self._find(query), query)
        self._unsent.add(answer)
        return answer

    async def _wait_for_memory(self) -> None:
        """Wait while earlier answers that are not sent yet take too much memory; Busy where that takes too long."""
        for _ in range(_TRIES):
            if sum(answer.size_bytes for answer in self._unsent) < _MOST_UNSENT_BYTES:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Busy


async def in_pieces(head: bytes, entries: Iterable[bytes], following: str | None) -> Answer:
    """Return a list of entries as JSON. head: what is before the first one.  following: the path of the next page."""
    pieces = [head]
    async for some in in_turns(chunks(entries, PIECE_ENTRIES)):
        pieces.append(b"," * (len(pieces) > 1) + b",".join(some))
    tail = {"next": following} if following else {}
    return Answer([*pieces, b"]" + b"," * bool(tail) + orjson.dumps(tail)[1:]], following)


def chunks(entries: Iterable[_T], size: int = PIECE_ENTRIES) -> Iterator[list[_T]]:
    """Yield entries in lists of a size."""
    remaining = iter(entries)
    while some := list(islice(remaining, size)):
        yield some
