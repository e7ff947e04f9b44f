"""What EnMS changes of the plant while it runs: other values of keys in the YAML in force, applied as another YAML is.

The plant's file stays as it is. A chance of faults that is switched off is remembered until it is switched on again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from edge.blocking import run_aside
from edge.control.problems import FileError, Problem
from edge.http.api.context import ApiContext
from edge.http.compat.enms.answers import reply
from edge.http.compat.enms.forms import Changes
from plant.definition.document.yaml_file import decode
from plant.definition.plant_config import PlantConfig
from plant.views.plant_yaml import written, yaml_in_force

_CHANCE: Final = "fault_chance_per_day"
_USUAL_CHANCE: Final = 0.1
"""The chance with which faults are switched on where there was none before."""
_WEEKEND: Final = "weekend_factor"
_BUSY_SECONDS: Final = 2


class Chance(NamedTuple):
    """The chance of faults. is_on: whether there are any by chance."""

    is_on: bool
    probability: float


class Configuration:
    """The part of the YAML in force that EnMS changes."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._remembered = Chance(is_on=False, probability=_USUAL_CHANCE)
        self._one_at_a_time = asyncio.Lock()

    def chance(self, config: PlantConfig) -> Chance:
        """Return the chance of faults in force; while it is 0, with the probability that is remembered."""
        in_force = config.global_.fault_chance_per_day
        if in_force:
            return Chance(is_on=True, probability=in_force)
        return self._remembered._replace(is_on=self._remembered.is_on and self._remembered.probability == 0.0)

    async def change(self, asked: Changes, by: str) -> object:
        """Apply what is asked for, as a whole or not at all; return the envelope with it."""
        async with self._one_at_a_time:
            changed = asked.model_dump(exclude_none=True)
            if changed:
                await self._apply(asked, by)
            return reply("Configuration updated successfully", changed)

    async def _apply(self, asked: Changes, by: str) -> None:
        config = await self._context.source.config()
        chance = self._asked_chance(asked, config)
        content = await run_aside(lambda: _content(config, asked, chance))
        outcome = await self._context.control.put(content, by)
        if outcome.is_busy:
            raise Problem(503, "; ".join(outcome.errors), retry_seconds=_BUSY_SECONDS)
        if outcome.errors:
            found = [*map(FileError, outcome.places)]
            raise Problem(422, "; ".join(each.detail for each in found), found)
        self._remembered = chance

    def _asked_chance(self, asked: Changes, config: PlantConfig) -> Chance:
        is_on, probability = self.chance(config)
        return Chance(
            is_on if asked.enable_anomalies is None else asked.enable_anomalies,
            probability if asked.anomaly_probability is None else asked.anomaly_probability,
        )


def _content(config: PlantConfig, asked: Changes, chance: Chance) -> bytes:
    """Return the YAML in force with what is asked for."""
    data: Mapping[str, Any] = decode(yaml_in_force(config)).data
    return written({**data, **dict(changed_sections(data, asked, chance))})


def changed_sections(data: Mapping[str, Any], asked: Changes, chance: Chance) -> Iterator[tuple[str, Any]]:
    """Yield the sections that differ."""
    if asked.enable_anomalies is not None or asked.anomaly_probability is not None:
        yield "global", {**(data.get("global") or {}), _CHANCE: chance.probability if chance.is_on else 0.0}
    if asked.weekend_production_factor is not None:
        own = {_WEEKEND: asked.weekend_production_factor}
        sites = data.get("sites") or {}
        with_calendar = {name: each for name, each in sites.items() if (each or {}).get("calendar")}
        if data.get("calendar") or not with_calendar:
            yield "calendar", {"time_zone": "UTC", **(data.get("calendar") or {}), **own}
        if with_calendar:
            yield "sites", {**sites, **{name: _with_calendar(each, own) for name, each in with_calendar.items()}}


def _with_calendar(site: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {**site, "calendar": {**site["calendar"], **own}}
