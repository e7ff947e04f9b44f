"""Where messages go: the topic of each kind, with placeholders, for those who send and for those who describe."""

from __future__ import annotations

from typing import Final

from plant import business, reports
from plant.spaceship import MACHINE_TYPES
from plant.structure import Structure

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = {declared.key: declared.topic for declared in MACHINE_TYPES} | business.TOPICS | reports.TOPICS


def topic_template(structure: Structure, kind: str) -> str:
    """The topic of a kind: what the YAML says, else its own default."""
    declared = getattr(structure.message_types, kind, None)
    return (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
