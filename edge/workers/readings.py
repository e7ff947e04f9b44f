"""What is read of all workers together: figures of machines, labels of faults, machines, and the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Final

from edge.http.anomalies_answer import merged_anomalies
from edge.http.api.machines_answer import merged_machines
from edge.http.oee_answer import merged
from edge.labels.queries import Anomalies, AnomalyQuery
from edge.reported.meter import Reported
from edge.reported.meter import merged as merged_reported
from edge.status import Busy, MachineFound, MachinesFound, OeeFigures, OeeQuery
from edge.traffic import TrafficBatch, TrafficQuery
from edge.traffic import merged as merged_traffic
from edge.workers.process import Worker
from plant.definition.plant_config import PlantConfig
from plant.views.plant_views import ViewQuery

_ALL_SECONDS: Final = 60.0
_ONE_SECONDS: Final = 10.0
_TRAFFIC_SECONDS: Final = 5.0
_MOST_POSITIONS: Final = 1000


class Readings:
    """The part of a supervisor that only asks: its attributes are those of WorkerSupervisor."""

    _workers: Sequence[Worker]

    def __init__(self) -> None:
        self._batches, self._positions = count(1), dict[int, Sequence[int]]()

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of all machines; raises TimeoutError where a worker does not answer, or BadQuery."""
        async with asyncio.timeout(_ALL_SECONDS):
            parts = await asyncio.gather(*(worker.oee(query) for worker in self._workers))
        return await merged(parts, query.which.limit)

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:
        """Return episodes of faults of all parts; raises TimeoutError where a worker does not answer, or BadQuery."""
        async with asyncio.timeout(_ALL_SECONDS):
            parts = await asyncio.gather(*(worker.anomalies(query) for worker in self._workers))
        return await merged_anomalies(parts, query.limit)

    async def machines(self, query: ViewQuery) -> MachinesFound:
        """Return machines of all parts as they are now; raises TimeoutError where one does not answer, or BadQuery."""
        async with asyncio.timeout(_ALL_SECONDS):
            parts = await asyncio.gather(*(worker.machines(query) for worker in self._workers))
        return await merged_machines(parts, query.which.limit)

    async def machine(self, machine_id: str) -> MachineFound:
        """Return one machine as it is now; raises TimeoutError where a worker does not answer."""
        async with asyncio.timeout(_ONE_SECONDS):
            asked = (worker.ask("machine", machine_id) for worker in self._workers)
            found: list[MachineFound] = await asyncio.gather(*asked)
        return next((each for each in found if each.json is not None), found[0])

    async def config(self) -> PlantConfig:
        """Return the configuration in force, the same for all; raises TimeoutError where there is no answer."""
        async with asyncio.timeout(_ONE_SECONDS):
            config: PlantConfig = await self._workers[0].ask("config")
        return config

    async def traffic(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:
        """Return what all parts have delivered since a batch; raises TimeoutError where one does not answer, or Busy.

        A batch has a position of its own for that of each part.
        """
        earlier = self._positions.get(-1 if after is None else after, [None] * len(self._workers))
        async with asyncio.timeout(_TRAFFIC_SECONDS):
            asked = zip(self._workers, earlier, strict=True)
            parts = await asyncio.gather(*(worker.ask("traffic", (query, each, limit)) for worker, each in asked))
        batches: list[TrafficBatch] = []
        for part in parts:
            if isinstance(part, Busy):
                raise part
            batches.append(part)
        position = next(self._batches)
        self._positions[position] = [batch.position for batch in batches]
        if len(self._positions) > _MOST_POSITIONS:
            del self._positions[next(iter(self._positions))]
        return merged_traffic(batches, position, limit)

    async def reported(self) -> Reported | None:
        """Return OEE as the messages of all parts say, and the truth; raises TimeoutError where one does not answer."""
        async with asyncio.timeout(_TRAFFIC_SECONDS):
            return merged_reported(await asyncio.gather(*(worker.ask("reported") for worker in self._workers)))
