"""What can be asked of a running simulator, whether it is one process or several workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

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
    why_not_alive,
    why_not_ready,
)
from edge.traffic import TrafficBatch, TrafficQuery
from plant.definition.plant_config import PlantConfig
from plant.telemetry import KindOee, Snapshot
from plant.views.plant_views import ViewQuery


class StatusSource(Protocol):
    """A running simulator as metrics, statistics and the HTTP port see it.

    Counts of machines and OEE sums are those of the last `refresh`; all else is current, or at most a second old.
    """

    @property
    def ledger(self) -> Ledger:
        """The counts of messages by what happened to them; always the same object."""

    @property
    def lateness(self) -> Lateness:
        """How late the run loop was; always the same object."""

    @property
    def seed(self) -> int | str:
        """The seed of the plant's random streams."""

    def connection(self) -> ConnectionStatus:
        """Return the status of the connection to the broker."""

    def clock(self) -> ClockStatus:
        """Return how plant time relates to the wall clock."""

    def alarms(self) -> AlarmStatus:
        """Return how many alarms were raised and cleared, and how many are active."""

    def turn_age_seconds(self) -> float:
        """Return the time since the run loop last turned."""

    def why_stuck(self) -> str | None:
        """Return which part of the process does nothing any more, beside the run loop, or None."""

    def snapshot(self) -> Snapshot:
        """Return the plant's counts."""

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Return the OEE sums of each machine type."""

    def active_faults(self) -> int | None:
        """Return how many faults machines have now; None if no type has any."""

    async def refresh(self) -> None:
        """Count machines and OEE sums again."""

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of each machine; raises TimeoutError where that takes too long, or BadQuery."""

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:
        """Return episodes of faults; raises TimeoutError where that takes too long, or BadQuery."""

    async def machines(self, query: ViewQuery) -> MachinesFound:
        """Return machines as they are now; raises TimeoutError where that takes too long, or BadQuery."""

    async def machine(self, machine_id: str) -> MachineFound:
        """Return one machine as it is now; raises TimeoutError where that takes too long."""

    async def config(self) -> PlantConfig:
        """Return the configuration in force; raises TimeoutError where that takes too long."""

    async def traffic(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:
        """Return what was delivered since a batch, the newest `limit` of what is asked for; see edge/delivery/tap.py.

        after: the position of the batch; None, and one that is too old, is the first pull of the question. Raises
        TimeoutError where it takes too long, or Busy where too many ask.
        """

    async def reported(self) -> Reported | None:
        """Return OEE as delivered messages report it, and the truth of the same time; None before there is any.

        Messages are read from the first question on. Raises TimeoutError where it takes too long.
        """


class Health(NamedTuple):
    """status: `ok`, `degraded` where messages cannot be delivered, `failing` where it should be restarted.

    reason: why it is not `ok`.
    """

    status: str
    reason: str | None


def why_dead(source: StatusSource, patience_seconds: float) -> str | None:
    """Return why the process should be restarted, or None while it works. patience_seconds: see why_not_alive."""
    age = source.turn_age_seconds()
    return source.why_stuck() or why_not_alive(
        source.connection(), turn_age_seconds=age, patience_seconds=patience_seconds
    )


def health(source: StatusSource, patience_seconds: float) -> Health:
    """Return how a simulator is."""
    dead, unready = why_dead(source, patience_seconds), why_not_ready(source.connection())
    return Health("failing" if dead else "degraded" if unready else "ok", dead or unready)
