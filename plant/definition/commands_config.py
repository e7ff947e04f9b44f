"""The section `commands`: the topic of commands that come over MQTT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from pydantic import Field

from plant.definition.document.value_types import (
    NO_EMPTY_LEVEL,
    TOPIC_RULES,
    Spec,
    described,
    only_placeholders,
    passes,
    placeholders,
)

MACHINE, PUBLISHER, PREFIX = "{machine_id}", "{publisher}", "{prefix}"
DEFAULT_TOPIC: Final = f"{PREFIX}/commands/{PUBLISHER}/{MACHINE}"

_WHOLE_LEVELS: Final = (MACHINE, PUBLISHER)


def _one_machine(template: str) -> str | None:
    count = template.count(MACHINE)
    return None if count == 1 else f"must have {MACHINE} once, the machine that a command is for; got it {count} times"


def _one_publisher(template: str) -> str | None:
    count = template.count(PUBLISHER)
    return None if count <= 1 else f"must have {PUBLISHER} at most once, got it {count} times"


def _whole_levels(template: str) -> str | None:
    parts = [level for level in template.split("/") for name in _WHOLE_LEVELS if name in level and level != name]
    return f"must have {' and '.join(_WHOLE_LEVELS)} as whole levels, got {' '.join(parts)}" if parts else None


def _readable(rule: Callable[[str], str | None]) -> Callable[[str], str | None]:
    """Return a rule that is silent about templates with unmatched braces, which another rule reports."""

    def check(template: str) -> str | None:
        try:
            list(placeholders(template))
        except ValueError:
            return None
        return rule(template)

    return check


CommandTopic = Annotated[
    str,
    Field(min_length=1),
    passes(
        *TOPIC_RULES,
        only_placeholders("prefix", "publisher", "machine_id"),
        *map(_readable, (_one_machine, _one_publisher, _whole_levels)),
    ),
    described(pattern=NO_EMPTY_LEVEL + r"([^+#]*/)?\{machine_id\}(/[^+#]*)?$"),
]


class CommandsSpec(Spec):
    """Commands over MQTT, which MQTT_COMMANDS turns on."""

    topic: CommandTopic = Field(
        DEFAULT_TOPIC,
        description="Topic of commands, over {prefix}, {publisher} and {machine_id}: who sends one, and the machine "
        "that it is for, each a whole level.",
    )


def command_template(spec: CommandsSpec | None) -> str:
    """Return the template of the topic of commands: from the YAML, otherwise its default."""
    return spec.topic if spec is not None else DEFAULT_TOPIC
