"""The keys of messages."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from plant.definition.document.value_types import (
    ClassTopic,
    ListOf,
    PeriodSeconds,
    Spec,
    Weight,
)

_CLASS_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)


def _class_name(name: str) -> str:
    if not _CLASS_NAME.fullmatch(name):
        raise ValueError("must have only letters, digits, _ and -, at most 64")
    return name


Fields = ListOf[Any]
Qos = Annotated[int, Field(ge=0, le=1)]
TimestampForm = Literal["rfc3339", "rfc3339_s", "epoch_ms", "epoch_s"]
ClassName = Annotated[str, AfterValidator(_class_name)]
FIELDS: Final = "Keys of the messages in order: a name, {key: name}, or {key: {...}} for an object [all]."
QOS: Final = "Quality of service of the messages, 0 or 1 [MQTT_QOS]."
RETAIN: Final = "true: the broker keeps the last message of each topic for new subscribers [false]."
TIMESTAMP: Final = (
    "Form of the timestamp: rfc3339, rfc3339_s (in whole seconds), epoch_ms (a whole number) or epoch_s (a number)"
    " [rfc3339]."
)


class MessageEntry(Spec):
    """A class of messages of a machine type. What is left out is as the entry has it."""

    fields: Fields | None = Field(None, description=FIELDS)
    topic: ClassTopic | None = Field(
        None, description="MQTT topic, over the same names and {class} [the type's topic, / and the class]."
    )
    report_seconds: PeriodSeconds | None = Field(
        None, description="Seconds between two regular messages of a machine, in place of `frequency_weight`."
    )
    frequency_weight: Weight | None = Field(None, description="Rate of messages, as for the type.")
    on_change: bool | None = Field(
        None,
        description="true: each change of the state is reported at once. Regular messages are then those of its own"
        " `report_seconds`, if any [false].",
    )
    on_command: bool | None = Field(
        None,
        description="true: a state that a command sets is reported at once, and that of a new machine; other changes "
        "are seen with the next regular message [false].",
    )
    qos: Qos | None = Field(None, description=QOS)
    retain: bool | None = Field(None, description=RETAIN)
    timestamp: TimestampForm | None = Field(None, description=TIMESTAMP)
