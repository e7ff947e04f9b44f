"""The topic template of each kind of message, for publishing and for exports."""

from __future__ import annotations

from typing import Final

from plant import oee_reports, orders
from plant.definition.plant_config import PlantConfig
from plant.definition.spaceship import MACHINE_TYPES

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = {declared.key: declared.topic for declared in MACHINE_TYPES} | orders.TOPICS | oee_reports.TOPICS


def topic_template(config: PlantConfig, kind: str) -> str:
    """Return the topic template of a kind: from the YAML, otherwise its default."""
    declared = getattr(config.message_types, kind, None)
    return (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
