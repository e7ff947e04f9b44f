"""What a controller learns from messages; whatever others publish, it reads without failing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from cli.clients.controller.rules import ALARMS, HIGH, LOW, TELEMETRY

STATE, STATUS = "state", "status"
CHANNELS: Final = (TELEMETRY, ALARMS, STATUS, STATE)
"""First levels of the topics below the prefix, in the order of the subscriptions."""
OFFLINE, RUNNING = "offline", "running"


class Alarm(NamedTuple):
    """A value at or beyond a limit.  topic: below the prefix.  kind: high, low, or another word of the machine."""

    device: str
    sensor: str
    topic: str
    kind: str
    value: float | None = None
    limit: float | None = None


class Reading(NamedTuple):
    """A value of a sensor.  topic: below the prefix."""

    device: str
    sensor: str
    topic: str
    value: float


class State(NamedTuple):
    """The state of a machine."""

    device: str
    state: str


class Status(NamedTuple):
    """Whether a machine is online."""

    device: str
    online: bool


class NotUnderstood(NamedTuple):
    """A message that is none of these.  why: the rule that it breaks."""

    topic: str
    why: str


Event = Alarm | Reading | State | Status | NotUnderstood


def event_of(topic: str, payload: bytes) -> Event | None:
    """Return what a message reports. topic: below the prefix.  None for topics of something else.

    Device and sensor are those of the topic, by which a broker knows who may publish; keys with the same are ignored.
    """
    channel, *names = topic.split("/")
    if channel not in CHANNELS or "" in names or len(names) != (2 if channel in (ALARMS, TELEMETRY) else 1):
        return None
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return NotUnderstood(topic, "is not JSON")
    if not isinstance(found, dict):
        return NotUnderstood(topic, "is not a JSON object")
    if channel in (STATE, STATUS):
        word = found.get(channel)
        if not isinstance(word, str):
            return NotUnderstood(topic, f"has no text {channel}")
        return State(names[0], word) if channel == STATE else Status(names[0], word != OFFLINE)
    return _measured(topic, names[0], names[1], found)


def _measured(topic: str, device: str, sensor: str, found: Mapping[str, object]) -> Event:
    value = _number(found.get("value"))
    if topic.startswith(TELEMETRY):
        if value is None:
            return NotUnderstood(topic, "has no number value")
        return Reading(device, sensor, topic, value)
    # An alarm may also be reported when it is over: then it is a value like that of telemetry.
    kind, limit = found.get("alarm_type"), _number(found.get("limit"))
    if not isinstance(kind, str):
        return NotUnderstood(topic, "has no text alarm_type")
    if value is not None and (
        found.get("event") == "cleared" or (limit is not None and not beyond(kind, value, limit))
    ):
        return Reading(device, sensor, f"{TELEMETRY}/{device}/{sensor}", value)
    return Alarm(device, sensor, topic, kind, value, limit)


def beyond(kind: str, value: float, limit: float) -> bool:
    """Return whether a value is at or beyond a limit; for another kind than high and low nobody knows, so it is."""
    if kind == HIGH:
        return value >= limit
    return value <= limit if kind == LOW else True


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
