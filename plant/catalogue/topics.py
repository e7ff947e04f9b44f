"""Where messages go: the topic of each kind, with placeholders, for those who send and for those who describe."""

from __future__ import annotations

from typing import Final

from plant import oee_reports, orders
from plant.definition.plant_config import PlantConfig
from plant.definition.spaceship import MACHINE_TYPES

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = {declared.key: declared.topic for declared in MACHINE_TYPES} | orders.TOPICS | oee_reports.TOPICS


def topic_template(config: PlantConfig, kind: str) -> str:
    """The topic of a kind: what the YAML says, else its own default."""
    declared = getattr(config.message_types, kind, None)
    return (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
