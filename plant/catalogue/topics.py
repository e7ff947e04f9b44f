"""The topic template of each kind of message, for publishing and for exports."""

from __future__ import annotations

from typing import Final

from plant import orders
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.reports import fault_labels, oee_reports

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = orders.TOPICS | oee_reports.TOPICS | fault_labels.TOPICS

RETAINED: Final = (oee_reports.KIND, fault_labels.KIND)
"""The kinds beside those of machines that are published with the retain flag."""


def topic_template(config: PlantConfig, kind: str) -> str:
    """Return the topic template of a kind: from the YAML, otherwise its default."""
    declared = config.message_class(kind) or (getattr(config.message_types, kind) if kind in EVENTS else None)
    return (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
