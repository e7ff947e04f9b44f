"""The answer of `GET /oee`: the ground truth of each machine as JSON, in pieces that are made and sent one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final
from urllib.parse import urlencode
from weakref import WeakSet

import orjson

from edge.http.shared_work import SharedWork, in_turns
from edge.status import Busy, MachineEntry, OeeFigures, OeeQuery
from edge.timestamps import rfc3339
from plant.telemetry import MachineOee

PIECE_MACHINES: Final = 150
"""Machines in a piece: about 50 KiB."""

_MOST_WAITING: Final = 100
_MOST_UNSENT_BYTES: Final = 16 * 1024 * 1024
_PAUSE_SECONDS, _TRIES = 0.05, 200
_place: Final = itemgetter(0)
_FIGURES = (
    "machine_id", "kind", "producing_state", "period_seconds", "ideal_cycle_seconds", "planned_seconds",
    "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good", "availability", "performance",
    "quality", "oee",
)  # fmt: skip


@dataclass(slots=True, frozen=True, eq=False, weakref_slot=True)
class OeeAnswer:
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


class OeeAnswers:
    """Makes one answer at a time, shared by all callers with the same query, in a bounded memory.

    figures: returns the OEE figures that a query asks for.
    """

    def __init__(self, figures: Callable[[OeeQuery], Awaitable[OeeFigures]]) -> None:
        self._figures = figures
        self._work = SharedWork[OeeAnswer](_MOST_WAITING)
        self._unsent = WeakSet[OeeAnswer]()

    async def get(self, query: OeeQuery) -> OeeAnswer:
        """Return the answer to a query; raises Busy where too many wait, and whatever the figures raise."""
        return await self._work.get(query, partial(self._make, query))

    async def _make(self, query: OeeQuery) -> OeeAnswer:
        await self._wait_for_memory()
        answer = await oee_answer(await self._figures(query), query)
        self._unsent.add(answer)
        return answer

    async def _wait_for_memory(self) -> None:
        """Wait while earlier answers that are not sent yet take too much memory; Busy where that takes too long."""
        for _ in range(_TRIES):
            if sum(answer.size_bytes for answer in self._unsent) < _MOST_UNSENT_BYTES:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Busy


def machine_entry(place: tuple[int, int], machine: MachineOee) -> MachineEntry:
    """Return the figures of a machine as JSON, with its place and id."""
    own = {} if machine.ideal_cycles is None else {"ideal_cycles": machine.ideal_cycles}
    json = orjson.dumps({name: getattr(machine, name) for name in _FIGURES} | own)
    # A copy: what orjson makes takes eight kilobytes, however short it is.
    return place, machine.machine_id, b"".join((json, b""))


async def merged(parts: Sequence[OeeFigures], limit: int | None) -> OeeFigures:
    """Return the parts of a plant as one, in the order of their machines, with at most `limit` machines."""
    entries: list[MachineEntry] = []
    in_order = islice(merge(*(part.entries for part in parts), key=_place), limit)
    async for some in in_turns(_chunks(in_order, PIECE_MACHINES)):
        entries += some
    more = any(part.more for part in parts) or len(entries) < sum(len(part.entries) for part in parts)
    return OeeFigures(parts[0].start, max(part.now for part in parts), entries, more, parts[0].types)


async def oee_answer(figures: OeeFigures, query: OeeQuery) -> OeeAnswer:
    """Return the whole answer."""
    pieces = [_head(figures, query)]
    async for some in in_turns(_chunks(figures.entries, PIECE_MACHINES)):
        pieces.append(b"," * (len(pieces) > 1) + b",".join(json for _, _, json in some))
    following = _next_path(figures, query)
    tail = {"next": following} if following else {}
    return OeeAnswer([*pieces, b"]" + b"," * bool(tail) + orjson.dumps(tail)[1:]], following)


def _head(figures: OeeFigures, query: OeeQuery) -> bytes:
    times = {"start": rfc3339(round(figures.start * 1000)), "now": rfc3339(round(figures.now * 1000))}
    types = {each.kind: each.described() for each in figures.types}
    return orjson.dumps({"span": query.span, **times, "types": types, "machines": []})[:-2]


def _next_path(figures: OeeFigures, query: OeeQuery) -> str | None:
    if not figures.more or not figures.entries:
        return None
    kind, _, limit = query.which
    asked = {"span": query.span, "type": kind, "after": figures.entries[-1][1], "limit": limit}
    return "/oee?" + urlencode({name: value for name, value in asked.items() if value is not None})


def _chunks(entries: Iterable[MachineEntry], size: int) -> Iterator[list[MachineEntry]]:
    remaining = iter(entries)
    while some := list(islice(remaining, size)):
        yield some
