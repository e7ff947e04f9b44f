"""The channels of commands over MQTT in AsyncAPI: what may be asked for, and what is answered."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from cli.exports.common.export import Export
from plant.interventions.commands import COMMANDS, OwnCommand, Reload

_COMMANDS, _ANSWERS = "command-requests", "command-answers"
_BINDINGS: Final = {"bindingVersion": "0.2.0"}
_Object = dict[str, Any]
_PARAMETERS: Final = {
    "publisher": {"description": "Whoever sends the command; it is named in the journal."},
    "machine_id": {"description": "Id of the machine; - for commands that are for the whole plant."},
}
_ABOUT: Final[_Object] = {
    "reason": {"type": ["string", "number"], "description": "Why: for the log."},
    "command_id": {"type": ["string", "number"], "description": "Is repeated in the answer."},
    "ts": {"type": ["string", "number"], "description": "When it was sent; not used."},
    "device_id": {"type": "string", "description": "The machine's id again, as other systems send it."},
}


class CommandChannels(NamedTuple):
    """Parts of the document, each by name; empty where commands are off."""

    channels: _Object
    operations: _Object
    messages: _Object


def commands_of(export: Export) -> CommandChannels:
    """Return what the document says about commands."""
    if export.commands is None:
        return CommandChannels({}, {}, {})
    used = {name: about for name, about in _PARAMETERS.items() if f"{{{name}}}" in export.commands}
    servers = [{"$ref": "#/servers/broker"}]
    requests = {
        "address": export.commands,
        "servers": servers,
        "parameters": used,
        "messages": {"command": {"$ref": "#/components/messages/command"}},
    }
    command = _message("command", "application/json", _payload(), "Acts on a machine or the whole plant.")
    if not export.has_properties:  # a command has no Response Topic then
        command.pop("bindings")
        return CommandChannels({_COMMANDS: requests}, {_COMMANDS: _operation()}, {"command": command})
    names = ("command-executed", "command-refused")
    return CommandChannels(
        channels={
            _COMMANDS: requests,
            _ANSWERS: {
                "address": None,
                "description": "The Response Topic of the command.",
                "servers": servers,
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            },
        },
        operations={_COMMANDS: _operation() | _reply(names)},
        messages={
            "command": command,
            names[0]: _message(names[0], "application/json", _EXECUTED, "What is then so, and since when."),
            names[1]: _message(names[1], "application/problem+json", _PROBLEM, "Why nothing was done (RFC 9457)."),
        },
    )


def _operation() -> _Object:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{_COMMANDS}"},
        "messages": [{"$ref": f"#/channels/{_COMMANDS}/messages/command"}],
        "bindings": {"mqtt": {"qos": 1, "retain": False, **_BINDINGS}},
    }


def _reply(names: tuple[str, ...]) -> _Object:
    return {
        "reply": {
            "channel": {"$ref": f"#/channels/{_ANSWERS}"},
            "messages": [{"$ref": f"#/channels/{_ANSWERS}/messages/{name}"} for name in names],
        }
    }


def _message(name: str, content_type: str, payload: _Object, summary: str) -> _Object:
    return {
        "name": name,
        "summary": summary,
        "contentType": content_type,
        "payload": payload,
        "bindings": {"mqtt": {"payloadFormatIndicator": 1, "contentType": content_type, **_BINDINGS}},
    }


def _payload() -> _Object:
    """Return the schema of a command: one of all kinds, of which the machine may be left out, as the topic has it."""
    kinds = [kind for kind in dict.fromkeys((*COMMANDS.values(), OwnCommand)) if kind is not Reload]
    schemas = [TypeAdapter(kind).json_schema() for kind in kinds]
    for schema in schemas:
        schema["properties"] |= _ABOUT
        schema["required"] = [name for name in schema["required"] if name != "machine_id"]
    return {"oneOf": schemas}


_EXECUTED: Final[_Object] = {
    "type": "object",
    "properties": {
        "at": {"type": "string", "format": "date-time", "description": "When, in plant time."},
        "answer": {"type": "object", "description": "What is then so."},
        "command_id": {"type": ["string", "number"]},
    },
    "required": ["at", "answer"],
}
_PROBLEM: Final[_Object] = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                "required": ["pointer", "detail"],
            },
        },
        "command_id": {"type": ["string", "number"]},
    },
    "required": ["title", "status", "detail"],
}
