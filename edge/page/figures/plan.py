"""What the page takes from the configuration in force: rate, time zone and machine types."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Final, NamedTuple

from edge.blocking import run_aside
from edge.control.journal import Journal
from edge.status_source import StatusSource
from plant.definition.plant_config import PlantConfig
from plant.forecast.rate_forecast import forecast


class TypePlan(NamedTuple):
    """A machine type. producing: the state in which jobs advance, None without states.

    has_jobs: whether its machines make something, so that they have an OEE.
    """

    kind: str
    enabled: bool
    producing: str | None
    has_jobs: bool


class Plan(NamedTuple):
    """A configuration in short. per_second: messages of the whole plant in the long run, in plant time."""

    per_second: float
    time_zone: str
    types: tuple[TypePlan, ...]


NO_PLAN: Final = Plan(0.0, "UTC", ())


class PlanInForce:
    """Keeps the plan of the configuration in force, and makes it again after something was done to the plant."""

    def __init__(self, source: StatusSource, journal: Journal) -> None:
        self._source, self._journal = source, journal
        self._made_at: int | None = None
        self.plan = NO_PLAN

    async def refresh(self) -> None:
        """Make it again where the journal has grown; where a worker does not answer it stays as it was."""
        count = self._journal.count
        if count == self._made_at:
            return
        with contextlib.suppress(TimeoutError):
            self.plan = await run_aside(partial(plan_of, await self._source.config()))
            self._made_at = count


def plan_of(config: PlantConfig) -> Plan:
    """Return the plan of a configuration."""
    types = [
        TypePlan(key, each.enabled, each.producing_state if each.states else None, each.job is not None)
        for key, each, _ in config.declared()
    ]
    return Plan(forecast(config).per_second, config.time_zone_of(None), tuple(types))
