"""What the overview shows of single machines: the wall of tiles, and the newest faults."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from edge.labels.queries import AnomalyQuery
from edge.page.figures.overview import MOST_TILES, Details, Tile
from edge.status import BadQuery
from edge.status_source import StatusSource
from plant.telemetry import MachineFilter, Snapshot
from plant.views.plant_views import ViewQuery

_MOST_FAULTS: Final = 20
_TILES: Final = ViewQuery(MachineFilter(limit=MOST_TILES))
_OPEN: Final = AnomalyQuery(is_open=True)


class DetailReader:
    """Reads the details in turns with the run loop; what cannot be read now stays as it was."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._counted: object = None
        self.details = Details()

    async def refresh(self) -> None:
        """Read them again, as far as they may have changed."""
        counts = self._source.snapshot()
        with contextlib.suppress(TimeoutError, BadQuery):
            tiles, faults = await self._tiles(counts), await self._faults(counts)
            self.details = Details(tiles, faults, await self._source.reported())

    async def _tiles(self, counts: Snapshot) -> Sequence[Tile] | None:
        if sum(counts.states.values()) > MOST_TILES:
            return None
        found = await self._source.machines(_TILES)
        return None if found.more else [_tile(orjson.loads(json)) for _, _, json in found.entries]

    async def _faults(self, counts: Snapshot) -> Sequence[Mapping[str, object]]:
        """Read the faults that go on, unless as many have begun and ended as when they were read last."""
        counted = sorted(counts.active_faults.items()), sorted(counts.ended_faults.items())
        if counted == self._counted:
            return self.details.faults
        if not any(counts.active_faults.values()):
            self._counted = counted
            return ()
        found = await self._source.anomalies(_OPEN)
        self._counted = counted
        return [_fault(orjson.loads(json)) for _, json in reversed(found.entries[-_MOST_FAULTS:])]


def _tile(machine: Mapping[str, Any]) -> Tile:
    known = machine["machine_id"], machine["machine_type"], machine["state"]
    return *known, len(machine["faults"]), len(machine["alarms"])


def _fault(label: Mapping[str, Any]) -> Mapping[str, object]:
    names = {"machine_id": "machine_id", "fault": "fault", "since": "from", "severity": "severity"}
    return {name: label[key] for name, key in names.items()}
