"""The rules of AsyncAPI 3.0 for the parts that are exported; a key that the specification does not have is refused."""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string", "minLength": 1}
REFERENCE = {"type": "object", "properties": {"$ref": TEXT}, "required": ["$ref"], "additionalProperties": False}
BINDING_VERSION = {"const": "0.2.0"}


def strictly(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """An object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def named(content: dict[str, Any]) -> dict[str, Any]:
    """A map by names that a reference needs no escapes for."""
    return {"type": "object", "patternProperties": {r"^[\w.-]+$": content}, "additionalProperties": False}


SERVER = strictly(
    {"host": TEXT, "protocol": {"enum": ["mqtt", "secure-mqtt"]}, "protocolVersion": TEXT, "description": TEXT},
    *("host", "protocol"),
)
CHANNEL = strictly(
    {
        "address": {"anyOf": [TEXT, {"type": "null"}]},
        "description": TEXT,
        "servers": {"type": "array", "items": REFERENCE},
        "parameters": named(strictly({"description": TEXT})),
        "messages": named(REFERENCE),
    },
    "address",
)
SENT = strictly(
    {
        "qos": {"enum": [0, 1, 2]},
        "retain": {"type": "boolean"},
        "messageExpiryInterval": {"type": "integer", "minimum": 1},
        "bindingVersion": BINDING_VERSION,
    }
)
OPERATION = strictly(
    {
        "action": {"enum": ["send", "receive"]},
        "channel": REFERENCE,
        "messages": {"type": "array", "items": REFERENCE, "minItems": 1},
        "reply": strictly({"channel": REFERENCE, "messages": {"type": "array", "items": REFERENCE, "minItems": 1}}),
        "bindings": strictly({"mqtt": SENT}),
    },
    *("action", "channel"),
)
MARKED = strictly({"payloadFormatIndicator": {"enum": [0, 1]}, "contentType": TEXT, "bindingVersion": BINDING_VERSION})
MESSAGE = strictly(
    {
        **dict.fromkeys(("name", "title", "summary", "contentType"), TEXT),
        "payload": {"$ref": "http://json-schema.org/draft-07/schema#"},
        "headers": {"$ref": "http://json-schema.org/draft-07/schema#"},
        "bindings": strictly({"mqtt": MARKED}),
    }
)
COMPONENTS = strictly(
    {"messages": named(MESSAGE), "schemas": named({"$ref": "http://json-schema.org/draft-07/schema#"})}
)
DOCUMENT = strictly(
    {
        "asyncapi": {"const": "3.0.0"},
        "info": strictly({"title": TEXT, "version": TEXT, "description": TEXT}, "title", "version"),
        "defaultContentType": TEXT,
        "servers": named(SERVER),
        "channels": named(CHANNEL),
        "operations": named(OPERATION),
        "components": COMPONENTS,
    },
    *("asyncapi", "info"),
)
"""A whole document."""


def references(content: Any) -> list[str]:
    """Every reference in a document."""
    if isinstance(content, list):
        return [found for each in content for found in references(each)]
    if isinstance(content, dict):
        own = [content["$ref"]] if isinstance(content.get("$ref"), str) else []
        return own + [found for each in content.values() for found in references(each)]
    return []


def resolved(document: dict[str, Any], reference: str) -> Any:
    """What a reference into the same document leads to; KeyError where it leads nowhere."""
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found
