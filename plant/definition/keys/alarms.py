"""The keys of alarms."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from plant.definition.document.value_types import YEAR_SECONDS, MachineTopic, Spec
from plant.definition.keys.messages import Fields, Qos

GREATEST: Final = 1e12
"""The greatest magnitude of a limit: that of numbers in signals."""

Limit = Annotated[float, Field(ge=-GREATEST, le=GREATEST)]
DelaySeconds = Annotated[float, Field(ge=0, le=YEAR_SECONDS)]
Severity = Literal["info", "warning", "critical"]


class AlarmEntry(Spec):
    """An alarm of a signal, which has one limit, or two alarms: one for each of two limits."""

    high: Limit | None = Field(None, description="Limit at and above which the alarm is raised.")
    clear_below: Limit | None = Field(
        None,
        description="Value below which the alarm of `high` is cleared [2 % of the signal's range below `high`].",
    )
    low: Limit | None = Field(None, description="Limit at and below which the alarm is raised.")
    clear_above: Limit | None = Field(
        None, description="Value above which the alarm of `low` is cleared [2 % of the signal's range above `low`]."
    )
    severity: Severity | None = Field(None, description="How urgent it is: info, warning or critical [warning].")
    delay_seconds: DelaySeconds | None = Field(
        None, description="How long the value is at or beyond the limit before the alarm is raised, in seconds [0]."
    )


class SignalAlarms(AlarmEntry):
    """The alarms of a signal: one by its limits, or several, each by its name. What names lead to is read later."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": AlarmEntry.model_json_schema()})

    __pydantic_extra__: dict[str, Any]

    topic: MachineTopic | None = Field(
        None,
        description="MQTT topic of the messages about these alarms, over {prefix}, {type}, {machine_id}, {number} "
        "and {station_id} [the type's topic, and /alarms].",
    )
    qos: Qos | None = Field(None, description="Quality of service of these messages, 0 or 1 [1].")
    retain: bool | None = Field(
        None, description="true: the broker keeps the last of these messages for new subscribers [false]."
    )
    fields: Fields | None = Field(None, description="Keys of these messages in order, as `fields` of the type [all].")
    report_cleared: bool | None = Field(
        None, description="false: only that an alarm is raised has a message, and not that it is cleared [true]."
    )
