"""A status source with figures that a test sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.delivery.queue import Ledger
from edge.labels.queries import Anomalies, AnomalyQuery
from edge.lateness import Lateness
from edge.reported.meter import Reported
from edge.status import (
    AlarmStatus,
    ClockStatus,
    ConnectionStatus,
    MachineFound,
    MachinesFound,
    OeeFigures,
    OeeQuery,
)
from edge.traffic import TrafficBatch, TrafficQuery
from plant.definition.plant_config import PlantConfig, load_content
from plant.telemetry import KindOee, Snapshot
from plant.views.plant_views import ViewQuery
from tests.support.factory.acted_on import PRESS, content

NOTHING_YET = Snapshot(time_ms=0, rows={}, states={}, jobs={}, open_orders=0)


@dataclass
class FixedStatus:
    """What a simulator reports, as set. error: raised in place of OEE figures.  queries: those that were asked."""

    ledger: Ledger = field(default_factory=Ledger)
    lateness: Lateness = field(default_factory=Lateness)
    seed: int | str = "1"
    connected: ConnectionStatus = ConnectionStatus(connected=True, connects=1)  # noqa: RUF009 - frozen
    turned_ago_seconds: float = 0.0
    stuck: str | None = None
    plant: Snapshot = NOTHING_YET
    kinds: Sequence[KindOee] = ()
    figures: OeeFigures = OeeFigures(0.0, 0.0, (), more=False, types=())  # noqa: RUF009 - frozen
    labels: Anomalies = Anomalies(0.0, (), more=False, dropped=0)  # noqa: RUF009 - frozen
    faults: int | None = None
    listed: MachinesFound = MachinesFound(0.0, (), more=False)  # noqa: RUF009 - frozen
    detailed: MachineFound = MachineFound(None)  # noqa: RUF009 - frozen
    delivered: TrafficBatch = TrafficBatch(1, 0, 0, ())  # noqa: RUF009 - frozen
    error: Exception | None = None
    queries: list[OeeQuery] = field(default_factory=list)

    def connection(self) -> ConnectionStatus:
        return self.connected

    def clock(self) -> ClockStatus:
        return ClockStatus()

    def alarms(self) -> AlarmStatus:
        return AlarmStatus.of(self.plant)

    def turn_age_seconds(self) -> float:
        return self.turned_ago_seconds

    def why_stuck(self) -> str | None:
        return self.stuck

    def snapshot(self) -> Snapshot:
        return self.plant

    def oee_by_kind(self) -> Sequence[KindOee]:
        return self.kinds

    def active_faults(self) -> int | None:
        return self.faults

    async def refresh(self) -> None:
        pass

    async def oee(self, query: OeeQuery) -> OeeFigures:
        self.queries.append(query)
        if self.error is not None:
            raise self.error
        return self.figures

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:  # noqa: ARG002 - what is asked for is the same
        if self.error is not None:
            raise self.error
        return self.labels

    async def machines(self, query: ViewQuery) -> MachinesFound:  # noqa: ARG002 - what is asked for is the same
        if self.error is not None:
            raise self.error
        return self.listed

    async def machine(self, machine_id: str) -> MachineFound:  # noqa: ARG002
        if self.error is not None:
            raise self.error
        return self.detailed

    async def config(self) -> PlantConfig:
        if self.error is not None:
            raise self.error
        return load_content(content({"message_types": {"press": PRESS}}).encode(), "plant.yaml")

    async def traffic(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:  # noqa: ARG002
        if self.error is not None:
            raise self.error
        return self.delivered

    async def reported(self) -> Reported | None:
        """Nothing was delivered."""
        return None
