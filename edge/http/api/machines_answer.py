"""The answers about machines as JSON: a list of them, and one with all that it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from edge.http.answers import Answer, chunks, in_pieces
from edge.http.shared_work import in_turns
from edge.status import MachineEntry, MachinesFound
from edge.timestamps import rfc3339
from plant.views.machine_view import CauseView, JobView, MachineDetails, MachineView, ReadingsView
from plant.views.plant_views import PlacedView, ViewQuery

PATH: Final = "/api/v1/machines"
_place: Final = itemgetter(0)


def machine_entries(placed: Iterable[PlacedView]) -> list[MachineEntry]:
    """Return machines of a list as JSON, each with its place and id."""
    # A copy: what orjson makes takes eight kilobytes, however short it is.
    return [(place, view.machine_id, b"".join((_json(view, details), b""))) for place, view, details in placed]


def machine_json(found: MachineDetails) -> bytes:
    """Return a machine as JSON, with its signals."""
    signals = {
        each.name: {
            "value": orjson.Fragment(each.value),
            "unit": each.unit,
            "limits": each.limits,
            "set_point": each.set_point,
            "description": each.description,
            "shown": each.shown,
        }
        for each in found.signals
    }
    known = {"at": rfc3339(found.machine.now_ms), **_listed(found.machine), "readings": _readings(found.readings)}
    return orjson.dumps({**known, "signals": signals})


async def merged_machines(parts: Sequence[MachinesFound], limit: int | None) -> MachinesFound:
    """Return the parts of a plant as one, in the order of their machines, with at most `limit` machines."""
    entries: list[MachineEntry] = []
    in_order = islice(merge(*(part.entries for part in parts), key=_place), limit)
    async for some in in_turns(chunks(in_order)):
        entries += some
    more = any(part.more for part in parts) or len(entries) < sum(len(part.entries) for part in parts)
    return MachinesFound(max(part.now for part in parts), entries, more)


async def machines_answer(found: MachinesFound, query: ViewQuery) -> Answer:
    """Return the whole answer."""
    head = {"now": rfc3339(round(found.now * 1000)), "machines": []}
    return await in_pieces(orjson.dumps(head)[:-2], (json for _, _, json in found.entries), _next_path(found, query))


def _next_path(found: MachinesFound, query: ViewQuery) -> str | None:
    if not found.more or not found.entries:
        return None
    which = query.which
    asked = {
        "machine_type": which.kind,
        "state": query.state,
        "fault": query.cause,
        "text": query.text,
        "after": found.entries[-1][1],
        "limit": which.limit,
    }
    return f"{PATH}?" + urlencode({name: value for name, value in asked.items() if value is not None})


def _json(view: MachineView, details: MachineDetails | None) -> bytes:
    return orjson.dumps(_listed(view)) if details is None else machine_json(details)


def _readings(found: ReadingsView | None) -> Mapping[str, object] | None:
    if found is None:
        return None
    last = None if found.last_ms is None else rfc3339(found.last_ms)
    return {"period_seconds": round(found.period_seconds, 6), "sent": found.sent, "last": last}


def _listed(view: MachineView) -> dict[str, Any]:
    return {
        "machine_id": view.machine_id,
        "machine_type": view.kind,
        "number": view.number,
        "station_id": view.station,
        "state": view.state,
        "since": rfc3339(view.since_ms),
        "because": view.because,
        "reason": view.reason,
        "job": None if view.job is None else _job(view.job),
        "jobs_finished": view.jobs_finished,
        "faults": [*map(_cause, view.causes)],
        "alarms": view.alarms,
    }


def _job(job: JobView) -> Mapping[str, object]:
    known = {"id": job.id, "kind": job.kind, "started": rfc3339(job.started_ms), "progress": round(job.progress, 4)}
    return {**known, "lot": job.lot, "order": job.order, "operator": job.operator}


def _cause(cause: CauseView) -> Mapping[str, object]:
    return {
        "fault": cause.name,
        "since": rfc3339(cause.since_ms),
        "severity": cause.severity,
        "level": round(cause.level, 6),
        "cause": cause.why,
        "signal": cause.signal,
    }
