"""The rules of a controller: its YAML file, or every error in it with file, line, path and rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from plant.definition.document import yaml_file
from plant.definition.document.errors import (
    ConfigError,
    Place,
    Violation,
    describe_value,
    format_place,
    with_lines,
)
from plant.definition.document.validation import validated
from plant.definition.document.value_types import YEAR_SECONDS, Name, NonEmptyListOf, Spec

HIGH, LOW, ANY = "high", "low", "any"
WITHIN_LIMIT, NO_ALARM = "within_limit", "no_alarm"
ALARMS, TELEMETRY = "alarms", "telemetry"
DEFAULT_RULES: Final = Path(__file__).with_name("default_rules.yaml")

_RULES: Final = "rules"
_WILDCARDS: Final = ("+", "#")


def _names(value: object) -> object:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not found or not all(isinstance(each, str) and each for each in found):
        raise ValueError(f"must be a name, or a list of names, got {describe_value(value)}")
    return tuple(found)


_Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
_Time = Annotated[float, Field(ge=0, le=YEAR_SECONDS)]


class Recovery(Spec):
    """When an episode is over, and what is sent then."""

    when: Literal["within_limit", "no_alarm"] | None = Field(
        None,
        description="within_limit: the value is within the limit that was exceeded; no_alarm: no such alarm comes.",
    )
    above: float | None = Field(None, description="The value is above this.")
    below: float | None = Field(None, description="The value is below this.")
    for_seconds: _Time = Field(20.0, description="For how long it must be so [20].")
    command: Name = Field("start", description="The command [start].")
    reason: Name = Field("recovered", description="Its reason [recovered].")


class Rule(Spec):
    """What is done about alarms, or values, of some sensors."""

    name: Name | None = Field(None, description="What the log calls it [its reason].")
    sensor: _Names | None = Field(None, description="A sensor, or a list of them [all].")
    topic: Name | None = Field(None, description="In place of sensor: a topic filter below the prefix.")
    alarm: Literal["high", "low", "any"] | None = Field(None, description="Alarms of this type.")
    above: float | None = Field(None, description="In place of alarm: telemetry of at least this value.")
    below: float | None = Field(None, description="In place of alarm: telemetry of at most this value.")
    command: Name = Field(description="The command: stop, maintenance ...")
    reason: Name = Field("alarm triggered", description="Its reason [alarm triggered].")
    cool_down_seconds: _Time = Field(30.0, description="The least time between two of its commands to a machine [30].")
    recovery: Recovery | None = Field(None, description="When to start the machine again [a person does].")

    @property
    def title(self) -> str:
        """What the log calls it."""
        return self.name or self.reason

    @property
    def channel(self) -> str:
        """The topics that it is about: alarms or telemetry."""
        return ALARMS if self.alarm else TELEMETRY

    def concerns(self, topic: str, sensor: str) -> bool:
        """Return whether it is about this sensor, on this topic below the prefix."""
        if self.topic is not None:
            return matches(self.topic, topic)
        return self.sensor is None or sensor in self.sensor


class _File(Spec):
    rules: NonEmptyListOf[Rule] = Field(description="The rules; the first that fits decides.")


class RulesError(Exception):
    """A file of rules cannot be used. mistakes: every error, in the order of the file."""

    def __init__(self, mistakes: Sequence[ConfigError]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(map(str, mistakes)))


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Return the rules in a file; raises RulesError with every error in it."""
    try:
        document = yaml_file.read(path)
    except yaml_file.UnreadableError as error:
        raise RulesError([ConfigError(str(path), error.line, format_place(error.place), error.rule)]) from None
    file, violations = validated(_File, document.data, document.flags)
    violations = [*document.violations, *violations, *_contradictions(document.data.get(_RULES))]
    if violations or file is None:
        raise RulesError(with_lines(violations, str(path), document.lines))
    return file.rules


def matches(pattern: str, topic: str) -> bool:
    """Return whether a topic matches a filter (MQTT 5, 4.7)."""
    levels, wanted = topic.split("/"), pattern.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(levels) == len(wanted)


def _contradictions(rules: object) -> Iterator[Violation]:
    """Yield the rules between keys that are broken, also where a value is wrong by itself."""
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(rule, dict):
            yield from _of_rule(rule, (_RULES, number))


def _of_rule(rule: dict[str, Any], place: Place) -> Iterator[Violation]:
    conditions = [key for key in ("alarm", "above", "below") if key in rule]
    if len(conditions) != 1:
        rule_text = f"must have one of alarm, above and below, got {' and '.join(conditions) or 'none'}"
        yield Violation(place, rule_text)
    if "sensor" in rule and "topic" in rule:
        yield Violation(place, "must have sensor or topic, not both")
    if isinstance(rule.get("topic"), str) and len(conditions) == 1:
        yield from _of_topic(rule["topic"], ALARMS if conditions == ["alarm"] else TELEMETRY, (*place, "topic"))
    recovery = rule.get("recovery")
    if isinstance(recovery, dict):
        ends = [key for key in ("when", "above", "below") if key in recovery]
        if len(ends) != 1:
            text = f"must have one of when, above and below, got {' and '.join(ends) or 'none'}"
            yield Violation((*place, "recovery"), text)


def _of_topic(topic: str, channel: str, place: Place) -> Iterator[Violation]:
    """Yield what is wrong about a filter; topics below the prefix are CHANNEL/DEVICE/SENSOR."""
    levels = topic.split("/")
    misplaced = any(wildcard in level and level != wildcard for level in levels for wildcard in _WILDCARDS)
    if "" in levels or misplaced or "#" in levels[:-1]:
        yield Violation(place, "must have no empty level, + and # only as whole levels, and # only as the last one")
    elif levels[0] != channel:
        kind = "a rule with alarm" if channel == ALARMS else "a rule with above or below"
        yield Violation(place, f"must begin with {channel}/ in {kind}, as in {channel}/+/temperature")
    elif len(levels) > 3 or (len(levels) < 3 and levels[-1] != "#"):
        yield Violation(place, f"matches no topic: these are {channel}/DEVICE/SENSOR")
