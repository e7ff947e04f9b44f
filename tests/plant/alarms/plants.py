"""Plants with alarms, their messages, and what their alarms should have been by the values in the messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message

SLOPE: Mapping[str, Any] = {"ramp": {"per_hour": 3600.0, "resets": "job"}, "limits": [0, 1000], "decimals": 0}
"""A value that grows by 1 a second, from the beginning of each job."""


class Event(NamedTuple):
    """What happens to an alarm."""

    time_ms: int
    machine_id: str
    alarm: str
    event: str
    value: float


def meters(signals: Mapping[str, Any], alarms: Mapping[str, Any], count: int = 1, **entry: Any) -> PlantConfig:
    """A plant of machines that measure each second."""
    kind = {"count": count, "report_seconds": 1.0, "signals": dict(signals), "alarms": dict(alarms), **entry}
    return parse({"message_types": {"meter": kind}})


def sent(config: PlantConfig, cuts: Iterable[float] = (60.0,), seed: int = 1) -> list[Message]:
    """The messages of some time. cuts: the seconds since the start up to which time advances, one after the other."""
    plant = FactoryMessageGenerator.of(config, seed)
    return [message for seconds in cuts for message in plant.advance(START + seconds)]


def is_about_alarms(message: Message) -> bool:
    """Whether a message is about an alarm."""
    return message.kind.partition(".")[2].startswith("alarms")


def payloads(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """What messages about alarms say."""
    return [orjson.loads(message.payload) for message in messages if is_about_alarms(message)]


def events(messages: Iterable[Message]) -> list[Event]:
    """The events of alarms that messages report."""
    pairs = ((each.time_ms, orjson.loads(each.payload)) for each in messages if is_about_alarms(each))
    return [Event(time_ms, *(p[key] for key in ("machine_id", "alarm", "event", "value"))) for time_ms, p in pairs]


class Rule(NamedTuple):
    """An alarm as its author means it. sign: 1 if it is raised above its limit, -1 if below."""

    alarm: str
    signal: str
    sign: int
    limit: float
    clear: float
    delay_ms: int = 0


def expected(messages: Sequence[Message], rules: Sequence[Rule]) -> Iterator[Event]:
    """Yield what the values in the regular messages should have raised and cleared, in order."""
    raised: set[tuple[str, str]] = set()
    beyond: dict[tuple[str, str], int] = {}
    for message in messages:
        if is_about_alarms(message) or message.trigger:
            continue
        row = orjson.loads(message.payload)
        for rule in rules:
            key = row["machine_id"], rule.alarm
            value = row[rule.signal]
            if value is None:
                continue
            event = None
            if rule.sign * value < rule.sign * rule.limit:
                beyond.pop(key, None)
            elif message.time_ms - beyond.setdefault(key, message.time_ms) >= rule.delay_ms and key not in raised:
                event = "raised"
                raised.add(key)
            if key in raised and rule.sign * value < rule.sign * rule.clear:
                event = "cleared"
                raised.discard(key)
            if event:
                yield Event(message.time_ms, row["machine_id"], rule.alarm, event, value)
