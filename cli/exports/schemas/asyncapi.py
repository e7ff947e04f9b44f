"""AsyncAPI 3.0 (https://www.asyncapi.com/docs/reference/specification/v3.0.0): every topic with what is said on it.

It is written from the factory's side, so every operation is a `send`; who reads subscribes to the channel's address.
MQTT is described by its bindings of version 0.2.0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.yaml_text import dump
from cli.exports.schemas.json_schema import payload
from edge.mqtt.protocol.codec import CloudEvents
from edge.routing import TRIGGER
from plant.catalogue.catalogue import MessageKind, literal_pattern

_BINDINGS: Final = {"bindingVersion": "0.2.0"}
_JSON: Final = "application/json"
_UUID: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_Object = dict[str, Any]
_EXTRA_ROW: Final = {
    "type": "string",
    "const": "job",
    "description": "An extra row, because a job has finished: it stands for no time. Regular rows have none.",
}


def asyncapi(export: Export) -> list[File]:
    """AsyncAPI 3.0 of all topics: addresses, messages, payload schemas, MQTT properties."""
    return [File("asyncapi.yaml", dump(document(export), head="Made by: python app.py export asyncapi"))]


def document(export: Export) -> _Object:
    """The whole description, as plain data."""
    channels = _channels(export)
    return {
        "asyncapi": "3.0.0",
        "info": _info(export),
        "defaultContentType": _JSON,
        "servers": {"broker": _server(export)},
        "channels": {name: _channel(topic, kinds) for name, topic, kinds in channels},
        "operations": dict(_operation(export, name, kind) for name, _, kinds in channels for kind in kinds),
        "components": {
            "messages": {kind.key: _message(export, kind) for kind in export.kinds},
            "schemas": {kind.key: payload(kind) for kind in export.kinds},
        },
    }


def _info(export: Export) -> _Object:
    return {
        "title": export.app,
        "version": export.version,
        "description": "A simulated factory: what its machines and its business say.",
    }


def _server(export: Export) -> _Object:
    return {
        "host": f"{export.broker_host}:{export.broker_port}",
        "protocol": "secure-mqtt" if export.tls else "mqtt",
        "protocolVersion": "5.0",
        "description": "The broker that the factory publishes to.",
    }


def _channels(export: Export) -> list[tuple[str, str, list[MessageKind]]]:
    """Each topic with a name that can be referred to, and the kinds that go there."""
    by_topic = defaultdict(list)
    for kind in export.kinds:
        for topic in export.topics.topics_of(kind):
            by_topic[topic].append(kind)
    return [(name, topic, by_topic[topic]) for name, topic in _named(sorted(by_topic))]


def _named(topics: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each topic with a name of letters, digits, `_`, `-` and dots; names that would be alike are counted."""
    taken: set[str] = set()
    for topic in topics:
        plain = name = re.sub(r"[^A-Za-z0-9_-]+", ".", topic).strip(".") or "topic"
        count = 1
        while name in taken:
            count += 1
            name = f"{plain}.{count}"
        taken.add(name)
        yield name, topic


def _channel(topic: str, kinds: Iterable[MessageKind]) -> _Object:
    return {
        "address": topic,
        "servers": [{"$ref": "#/servers/broker"}],
        "messages": {kind.key: {"$ref": f"#/components/messages/{kind.key}"} for kind in kinds},
    }


def _operation(export: Export, channel: str, kind: MessageKind) -> tuple[str, _Object]:
    expiry = {"messageExpiryInterval": export.message_expiry_seconds} if export.message_expiry_seconds else {}
    return f"{channel}.{kind.key}", {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind.key}"}],
        "bindings": {"mqtt": {"qos": export.qos, "retain": kind.retained, **expiry, **_BINDINGS}},
    }


def _message(export: Export, kind: MessageKind) -> _Object:
    said = {
        "name": kind.key,
        "title": kind.title,
        "summary": kind.description,
        "contentType": _JSON,
        "payload": {"$ref": f"#/components/schemas/{kind.key}"},
        "bindings": {"mqtt": {"payloadFormatIndicator": 1, "contentType": _JSON, **_BINDINGS}},
    }
    headers = _headers(export, kind)
    return said | ({"headers": headers} if headers else {})


def _headers(export: Export, kind: MessageKind) -> _Object:
    """What is said in MQTT user properties: the CloudEvents attributes, and what makes a machine say an extra row."""
    attributes = _attributes(export) if export.cloud_events else {}
    properties = attributes | ({TRIGGER: _EXTRA_ROW} if kind.machines else {})
    required = {"required": list(attributes)} if attributes else {}
    return {"type": "object", "properties": properties, **required} if properties else {}


def _attributes(export: Export) -> _Object:
    return {
        "specversion": {"type": "string", "const": "1.0"},
        "type": {"type": "string", "const": CloudEvents(export.events_source, "").event_type},
        "source": {"type": "string", "pattern": f"^{literal_pattern(export.events_source)}/"},
        "subject": {"type": "string", "description": "Who says it: a machine's id, or the kind of message."},
        "id": {"type": "string", "pattern": _UUID},
        "time": {"type": "string", "format": "date-time"},
    }
