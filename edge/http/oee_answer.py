"""The answer of `GET /oee`: the ground truth of each machine as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final
from urllib.parse import urlencode

import orjson

from edge.http.answers import Answer, chunks, in_pieces
from edge.http.shared_work import in_turns
from edge.status import MachineEntry, OeeFigures, OeeQuery
from edge.timestamps import rfc3339
from plant.telemetry import MachineOee

_place: Final = itemgetter(0)
_FIGURES = (
    "producing_state", "period_seconds", "ideal_cycle_seconds", "planned_seconds",
    "producing_seconds", "stopped_seconds", "ideal_seconds", "results", "jobs", "good", "availability", "performance",
    "quality", "oee",
)  # fmt: skip


def machine_entry(place: tuple[int, int], machine: MachineOee) -> MachineEntry:
    """Return the figures of a machine as JSON, with its place and id."""
    own = {} if machine.ideal_cycles is None else {"ideal_cycles": machine.ideal_cycles}
    names = {"machine_id": machine.machine_id, "machine_type": machine.kind}
    json = orjson.dumps(names | {name: getattr(machine, name) for name in _FIGURES} | own)
    # A copy: what orjson makes takes eight kilobytes, however short it is.
    return place, machine.machine_id, b"".join((json, b""))


async def merged(parts: Sequence[OeeFigures], limit: int | None) -> OeeFigures:
    """Return the parts of a plant as one, in the order of their machines, with at most `limit` machines."""
    entries: list[MachineEntry] = []
    in_order = islice(merge(*(part.entries for part in parts), key=_place), limit)
    async for some in in_turns(chunks(in_order)):
        entries += some
    more = any(part.more for part in parts) or len(entries) < sum(len(part.entries) for part in parts)
    return OeeFigures(parts[0].start, max(part.now for part in parts), entries, more, parts[0].types)


async def oee_answer(figures: OeeFigures, query: OeeQuery) -> Answer:
    """Return the whole answer."""
    return await in_pieces(_head(figures, query), (json for _, _, json in figures.entries), _next_path(figures, query))


def _head(figures: OeeFigures, query: OeeQuery) -> bytes:
    times = {"start": rfc3339(round(figures.start * 1000)), "now": rfc3339(round(figures.now * 1000))}
    types = {each.kind: each.described() for each in figures.types}
    return orjson.dumps({"span": query.span, **times, "types": types, "machines": []})[:-2]


def _next_path(figures: OeeFigures, query: OeeQuery) -> str | None:
    if not figures.more or not figures.entries:
        return None
    kind, _, limit = query.which
    asked = {"span": query.span, "machine_type": kind, "after": figures.entries[-1][1], "limit": limit}
    return "/oee?" + urlencode({name: value for name, value in asked.items() if value is not None})
