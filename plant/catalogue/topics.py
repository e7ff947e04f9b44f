"""The topic template of each kind of message, for publishing and for exports."""

from __future__ import annotations

import re
from typing import Final

from plant import orders
from plant.definition.identity.id_pattern import IdPattern
from plant.definition.plant_config import EVENTS, PlantConfig
from plant.reports import fault_labels, oee_reports

OTHER_TOPIC: Final = "{prefix}/telemetry"
_TOPICS: Final = orders.TOPICS | oee_reports.TOPICS | fault_labels.TOPICS

_BRACES: Final = re.compile(r"{{|}}|{number:?([^}]*)}")

RETAINED: Final = (oee_reports.KIND, fault_labels.KIND)
"""The kinds beside those of machines that are published with the retain flag."""


def topic_template(config: PlantConfig, kind: str) -> str:
    """Return the topic template of a kind, as routers fill it in: from the YAML, otherwise its default."""
    declared = config.message_class(kind) or (getattr(config.message_types, kind) if kind in EVENTS else None)
    template = (declared.topic if declared else None) or _TOPICS.get(kind, OTHER_TOPIC)
    machine_type = config.machine_type(kind.partition(".")[0])
    return _with_place_of_number(template, machine_type.ids) if machine_type else template


def _with_place_of_number(template: str, ids: IdPattern) -> str:
    """Return a template in which `{number:02d}` says where in a machine's id its number is: `{machine_id:4:0:02d}`.

    So the topic follows from the id alone, also of a machine that is gone.
    """
    before, after = map(len, ids.affixes)
    return _BRACES.sub(
        lambda found: found[0] if found[1] is None else f"{{machine_id:{before}:{after}:{found[1]}}}", template
    )
