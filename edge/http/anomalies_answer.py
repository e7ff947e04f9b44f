"""The answer of `GET /anomalies`: the labels of faults as JSON."""

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
from edge.labels.queries import Anomalies, AnomalyQuery, Entry, written
from edge.status import BadQuery
from edge.timestamps import rfc3339

_place: Final = itemgetter(0)


async def merged_anomalies(parts: Sequence[Anomalies], limit: int | None) -> Anomalies:
    """Return the parts of a plant as one, in the order of their places, with at most `limit` episodes."""
    entries: list[Entry] = []
    async for some in in_turns(chunks(islice(merge(*(part.entries for part in parts), key=_place), limit))):
        entries += some
    # A machine that is gone is known to the part alone that still has a label of it.
    unknown = "" if not all(part.unknown for part in parts) else parts[0].unknown
    more = any(part.more for part in parts) or len(entries) < sum(len(part.entries) for part in parts)
    return Anomalies(max(part.now for part in parts), entries, more, sum(part.dropped for part in parts), unknown)


async def anomalies_answer(found: Anomalies, query: AnomalyQuery) -> Answer:
    """Return the whole answer; raises BadQuery where a name is unknown."""
    if found.unknown:
        raise BadQuery(found.unknown)
    head = {"now": rfc3339(round(found.now * 1000)), "dropped": found.dropped, "anomalies": []}
    return await in_pieces(orjson.dumps(head)[:-2], (json for _, json in found.entries), _next_path(found, query))


def _next_path(found: Anomalies, query: AnomalyQuery) -> str | None:
    if not found.more or not found.entries:
        return None
    asked = {
        "machine_id": query.machine_id,
        "machine_type": query.kind,
        "fault": query.fault,
        "from": None if query.from_ms is None else rfc3339(query.from_ms),
        "to": None if query.to_ms is None else rfc3339(query.to_ms),
        "min_severity": query.min_severity,
        "open": _truth(query.is_open),
        "sensor": _truth(query.is_sensor),
        "after": written(found.entries[-1][0]),
        "limit": query.limit,
    }
    return "/anomalies?" + urlencode({name: value for name, value in asked.items() if value is not None})


def _truth(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()
