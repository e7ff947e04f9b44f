"""The answer of `GET /oee`: what each machine really did, as JSON in pieces, each made and sent in a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple
from urllib.parse import urlencode

import orjson

from edge.http.shared_work import in_turns
from edge.status import OeeQuery
from edge.timestamps import rfc3339
from plant.telemetry import MachineOee, MachineTypeInfo

PIECE_MACHINES: Final = 150
"""Machines in a piece: about 50 KiB."""
_place: Final = itemgetter(0)
_FIGURES = (
    "machine_id", "kind", "producing_state", "period_seconds", "ideal_cycle_seconds", "planned_seconds",
    "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good", "availability", "performance",
    "quality", "oee",
)  # fmt: skip

Entry = tuple[tuple[int, int], str, bytes]
"""A machine: its place among all machines, its id, and its figures as JSON."""


class OeeTruth(NamedTuple):
    """What machines really did, in their order.

    start, now: plant times in seconds since 1970, of the run's beginning and of what is told here.
    more: there are machines after these.  types: how to read the messages of each machine type.
    """

    start: float
    now: float
    entries: Sequence[Entry]
    more: bool
    types: Sequence[MachineTypeInfo]


@dataclass(slots=True, frozen=True, eq=False, weakref_slot=True)
class OeeAnswer:
    """JSON in pieces, to be iterated over. next: the path of what comes after it, if it is not all.

    Who sends the pieces holds the answer as well: as long as it is there, it counts as being read.
    """

    pieces: Sequence[bytes]
    next: str | None = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return sum(map(len, self.pieces))


def entry(place: tuple[int, int], machine: MachineOee) -> Entry:
    """What is told of a machine."""
    json = orjson.dumps({name: getattr(machine, name) for name in _FIGURES})
    # A copy: what orjson makes takes eight kilobytes, however short it is.
    return place, machine.machine_id, b"".join((json, b""))


async def merged(parts: Sequence[OeeTruth], limit: int | None) -> OeeTruth:
    """Parts of a plant as one, in the order of their machines, of which there may be so many."""
    entries: list[Entry] = []
    in_order = islice(merge(*(part.entries for part in parts), key=_place), limit)
    async for some in in_turns(_by(PIECE_MACHINES, in_order)):
        entries += some
    more = any(part.more for part in parts) or len(entries) < sum(len(part.entries) for part in parts)
    return OeeTruth(parts[0].start, max(part.now for part in parts), entries, more, parts[0].types)


async def oee_answer(truth: OeeTruth, query: OeeQuery) -> OeeAnswer:
    """The whole answer."""
    pieces = [_head(truth, query)]
    async for some in in_turns(_by(PIECE_MACHINES, truth.entries)):
        pieces.append(b"," * (len(pieces) > 1) + b",".join(json for _, _, json in some))
    following = _next(truth, query)
    tail = {"next": following} if following else {}
    return OeeAnswer([*pieces, b"]" + b"," * bool(tail) + orjson.dumps(tail)[1:]], following)


def _head(truth: OeeTruth, query: OeeQuery) -> bytes:
    times = {"start": rfc3339(round(truth.start * 1000)), "now": rfc3339(round(truth.now * 1000))}
    types = {each.kind: {"fields": each.fields, "good": each.good} for each in truth.types}
    return orjson.dumps({"span": query.span, **times, "types": types, "machines": []})[:-2]


def _next(truth: OeeTruth, query: OeeQuery) -> str | None:
    if not truth.more or not truth.entries:
        return None
    kind, _, limit = query.which
    asked = {"span": query.span, "type": kind, "after": truth.entries[-1][1], "limit": limit}
    return "/oee?" + urlencode({name: value for name, value in asked.items() if value is not None})


def _by(count: int, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    left = iter(entries)
    while some := list(islice(left, count)):
        yield some
