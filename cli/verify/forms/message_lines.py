"""Lines with messages: those of a dry run, bare payloads, and the output of `mosquitto_sub -v` (`topic payload`)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

from edge.routing import TRIGGER

_ABOUT: Final = frozenset({"topic", "user_properties"})
"""Keys of a line about a message, of which one is beside the key `payload`; a message may have a key of that name."""


class NotAMessage(ValueError):
    """A line that is not a message; the text says why."""


class MessageLine(NamedTuple):
    """A message.  payload: empty for an empty line.  trigger: of an additional message.  topic: if it is known."""

    payload: dict[str, Any]
    trigger: str = ""
    topic: str | None = None


def parse_line(line: bytes) -> MessageLine:
    """Parse a line of any form. Raise ValueError if it is not a message."""
    if not line.strip():
        return MessageLine({})
    topic: object = None
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        begins = line.find(b"{")
        topic = line[: max(begins, 0)].decode(errors="replace").strip()
        found = orjson.loads(line[begins:])
    trigger = ""
    if isinstance(found, dict) and "payload" in found and (len(found) == 1 or not _ABOUT.isdisjoint(found)):
        properties, topic = found.get("user_properties"), found.get("topic")
        trigger = str(properties.get(TRIGGER, "")) if isinstance(properties, dict) else ""
        found = found["payload"]
    if not isinstance(found, dict):
        raise NotAMessage("no JSON object")
    return MessageLine(found, trigger, topic if isinstance(topic, str) and topic else None)
