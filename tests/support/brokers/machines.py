"""Machines with a connection each, at the embedded broker, and what they announce there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson

from edge.settings.loader import Settings
from plant.definition.plant_config import PlantConfig
from sandbox.broker import EmbeddedBroker
from sandbox.sessions.recorder import Recorder
from tests.support.brokers.rig import Rig, settings_for
from tests.support.factory import plants

PER_MACHINE: dict[str, object] = {"mqtt_connections": "per_machine", "mqtt_connect_rate": 0}
STATUS = "factory/status/+"


_DAY: dict[str, object] = {"report_seconds": 80_000.0, "cycle_time_range": [240_000.0, 480_000.0]}


def machines(count: int, **changes: object) -> PlantConfig:
    """A plant of `CNC-01` and so on of which each says something once a day: the test does more often."""
    return plants.only("cnc_machine", count, **(_DAY | plants.NO_LOSSES | changes))


def device_settings(port: int, **options: object) -> Settings:
    """Settings of a rig with a connection for each machine, opened as fast as possible."""
    return settings_for(port, **(PER_MACHINE | options))


@asynccontextmanager
async def connected_machines(
    count: int = 3, broker: EmbeddedBroker | None = None, **options: object
) -> AsyncIterator[tuple[EmbeddedBroker, Rig]]:
    """A broker, plain unless another is given, and machines that are all connected to it."""
    async with broker or EmbeddedBroker() as one, Rig(device_settings(one.port, **options), machines(count)) as rig:
        await rig.all_connected(1)
        yield one, rig


def said_of(seen: Recorder, machine_id: str) -> list[str]:
    """What was announced of a machine, in order: `online`, `offline`."""
    contents: Iterable[dict[str, Any]] = (orjson.loads(each.payload) for each in seen.messages)
    return [content["status"] for content in contents if content["device_id"] == machine_id]


def states(broker: EmbeddedBroker, pattern: str = STATUS) -> dict[str, str]:
    """What a subscriber who comes late finds: the retained state of each machine."""
    late = broker.subscribe(pattern)
    late.close()
    assert all(each.retain for each in late.messages)
    contents = [orjson.loads(each.payload) for each in late.messages]
    return {content["device_id"]: content["status"] for content in contents}
