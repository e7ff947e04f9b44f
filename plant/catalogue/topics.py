"""The topic template of each kind of message, for publishing and for exports."""

from __future__ import annotations

from typing import Final

from plant import oee_reports, orders
from plant.definition.plant_config import EVENTS, PlantConfig

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = orders.TOPICS | oee_reports.TOPICS


def topic_template(config: PlantConfig, kind: str) -> str:
    """Return the topic template of a kind: from the YAML, otherwise its default."""
    declared = config.message_class(kind) or (getattr(config.message_types, kind) if kind in EVENTS else None)
    return (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
