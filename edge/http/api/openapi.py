"""What OpenAPI says of the calls beside their forms: examples, problems, and bodies that are read by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from edge.http.api.schemas import Problem
from edge.http.problems import MEDIA_TYPE
from plant.interventions.commands import COMMANDS, OwnCommand, Reload

Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "The request is no JSON object, or has a header of another form.",
    401: "No token, or not the one in HTTP_TOKEN_FILE.",
    403: "Not from this machine, and no HTTP_TOKEN_FILE is set; or that file contains no token.",
    404: "There is no such machine.",
    409: "The first request with this Idempotency-Key is at work; or the plant's file cannot be saved.",
    413: "The body is too long.",
    422: "A rule is broken; nothing has changed. `errors` has each place and its rule.",
    500: "An error of the simulator; its log has it.",
    503: "Too many callers or commands wait, or the plant does not answer.",
}
READING: Final = (422, 500, 503)
CHANGING: Final = (400, 401, 403, 409, 413, 422, 500, 503)

_MACHINE: Final = {
    "machine_id": "PRESS-03",
    "machine_type": "press",
    "number": 3,
    "station_id": "LINE-1",
    "state": "running",
    "since": "2026-01-05T07:52:10.044Z",
    "because": None,
    "reason": None,
    "job": {
        "id": "PRESS-317675995",
        "kind": "panel",
        "started": "2026-01-05T07:58:31.912Z",
        "progress": 0.41,
        "lot": None,
        "order": None,
        "operator": None,
    },
    "jobs_finished": 12,
    "faults": [],
    "alarms": [],
}
_PRESS: Final = {
    **_MACHINE,
    "machine_id": "PRESS-02",
    "machine_type": "press",
    "number": 2,
    "faults": [
        {
            "fault": "bearing_damage",
            "since": "2026-01-05T07:40:00.000Z",
            "severity": 2.0,
            "level": 1.0,
            "cause": "command",
            "signal": None,
        }
    ],
    "alarms": ["vibration.high"],
}
_SIGNALS: Final = {
    "vibration": {
        "value": 8.13,
        "unit": "mm/s",
        "limits": [0.0, 50.0],
        "set_point": None,
        "description": None,
        "shown": True,
    }
}
_READINGS: Final = {"period_seconds": 3.0, "sent": 160, "last": "2026-01-05T07:59:58.412Z"}
_FORM: Final = {"unit": "mm/s", "limits": [0.0, 50.0], "set_point": None, "decimals": 2, "description": None}
EXAMPLES: Final[dict[str, object]] = {
    "machines": {
        "now": "2026-01-05T08:00:00.000Z",
        "machines": [_MACHINE],
        "next": "/api/v1/machines?after=PRESS-03&limit=1",
    },
    "machine": {"at": "2026-01-05T08:00:00.000Z", **_PRESS, "readings": _READINGS, "signals": _SIGNALS},
    "machine-types": {
        "machine_types": [
            {
                "machine_type": "press",
                "title": "press",
                "count": 4,
                "enabled": True,
                "first_machine_id": "PRESS-01",
                "states": [
                    {"name": "running", "share": 1.0, "dwell_seconds": 60.0, "produces": True, "planned": False}
                ],
                "job": {"product": "part", "kinds": ["panel"], "results": {"good": {"good": True}}},
                "signals": {"vibration": {**_FORM, "shown": True}},
                "set_points": {},
                "commands": [{"name": "maintenance", "state": "maintenance", "latched": True}],
                "faults": [{"name": "bearing_damage", "effects": ["vibration"], "signal": None}],
                "wear": [],
                "alarms": [],
                "messages": [{"kind": "press", "topic": "{prefix}/press", "period_seconds": 3.0}],
            }
        ],
        "events": [{"message_type": "customer_order", "enabled": True}],
    },
    "command": {"at": "2026-01-05T08:00:00.000Z", "answer": {"machine_id": "CNC-03", "state": "stopped"}},
    "plant": {"machines": {"press": 4}},
    "check": {"machines": {"press": 4}, "messages_per_second": 1.333, "notes": []},
    "settings": {"settings": {"MQTT_BROKER": "localhost", "MQTT_PASSWORD": None}, "given": ["MQTT_BROKER"]},
    "messages": {
        "seen": 37,
        "matched": 1,
        "rows": [
            {
                "at": "2026-01-05T08:00:00.004Z",
                "topic": "factory/telemetry/press/pressure",
                "qos": 0,
                "retain": False,
                "category": "telemetry",
                "machine_id": "press",
                "bytes": 20,
                "payload": '{"pressure": 121.37}',
                "cut": False,
            }
        ],
    },
    "wire": {
        "visible": True,
        "why_not": None,
        "addresses": {"mqtt": "localhost:1883", "websocket": "ws://localhost:9001"},
        "facts": {"retained_got": {"count": 8, "last": "2026-01-05T08:00:00.000Z", "by": "cli-sub"}},
    },
    "journal": {
        "entries": [
            {
                "number": 1,
                "time": "2026-01-05T08:00:00.004Z",
                "by": "http 127.0.0.1",
                "command": {"command": "stop", "machine_id": "PRESS-03"},
                "at": "2026-01-05T08:00:00.000Z",
                "answer": {"machine_id": "PRESS-03", "state": "stopped"},
            }
        ]
    },
}
PLANT: Final = (
    "message_types:\n  press:\n    count: 4\n    report_seconds: 3\n    signals: {vibration: {base: 2, noise: 0.1}}\n"
)
YAML_FORM: Final = {"description": "The YAML of a plant: see message_structure.schema.json for its keys."}
_COMMANDS: Final[Mapping[str, object]] = {
    "stop": {"command": "stop", "machine_id": "CNC-03"},
    "set_state": {"command": "set_state", "machine_id": "CNC-03", "state": "maintenance", "seconds": 600},
    "inject": {"command": "inject", "machine_id": "PRESS-03", "fault": "bearing_damage", "severity": 2},
    "set_point": {"command": "set_point", "machine_id": "PRESS-02", "signal": "feed", "value": 200},
    "scale": {"command": "scale", "message_type": "press", "count": 20},
    "rate": {"command": "rate", "messages_per_second": 500},
}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A text of your own for this request: sent again with it, the request has the first answer again,"
    " and is not executed twice. The newest 1,000 of a day are known.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
    "example": "9f1c2a7e-stop-press-03",
}


TAGS: Final = [
    {"name": "machines", "description": "Machines as they are now, and their types."},
    {"name": "control", "description": "What is done to the plant, and was done to it."},
    {"name": "plant", "description": "The plant's YAML."},
    {"name": "process", "description": "The process itself."},
    {"name": "truth", "description": "What was so: figures of machines, and labels of faults."},
    {"name": "page", "description": "What the page shows, and the stream that keeps it up to date."},
    {"name": "monitoring", "description": "Metrics and probes."},
]


def responses(name: str, form: type[BaseModel], problems: tuple[int, ...]) -> Responses:
    """Return the responses of a call, by status code. name: of its example."""
    success = {"model": form, "content": {"application/json": {"example": name}}}
    return {200: success, **problem_responses(problems)}


def problem_responses(codes: tuple[int, ...]) -> Responses:
    """Return responses with problem details."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {code: {"description": _PROBLEMS[code], "content": content} for code in codes}


def problem_description(code: int) -> str:
    """Return when a call is answered with a status code."""
    return _PROBLEMS[code]


def taking_command() -> dict[str, object]:
    """Return what OpenAPI says of a call whose body is a command."""
    kinds = [kind for kind in dict.fromkeys((*COMMANDS.values(), OwnCommand)) if kind is not Reload]
    schemas = [TypeAdapter(kind).json_schema() for kind in kinds]
    examples = {name: {"value": value} for name, value in _COMMANDS.items()}
    content = {"application/json": {"schema": {"oneOf": schemas}, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [_KEY]}


def taking_plant(*, has_key: bool) -> dict[str, object]:
    """Return what OpenAPI says of a call whose body is a plant's YAML."""
    content = {"application/yaml": {"schema": YAML_FORM, "example": PLANT}}
    return {"requestBody": {"required": True, "content": content}, "parameters": [_KEY] * has_key}


def describe_problems(app: FastAPI) -> None:
    """Have OpenAPI know the form of problem details, to which the calls refer."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=TAGS,
            )
            forms = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            inner = forms.pop("$defs")
            schema.setdefault("components", {}).setdefault("schemas", {}).update({**inner, "Problem": forms})
            _set_examples(schema)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _set_examples(schema: dict[str, Any]) -> None:
    """Put examples in place of their names: FastAPI leaves out what is null in them."""
    calls = (call for methods in schema["paths"].values() for call in methods.values())
    for content in (call["responses"].get("200", {}).get("content", {}) for call in calls):
        form = content.get("application/json", {})
        if isinstance(form.get("example"), str):
            form["example"] = EXAMPLES[form["example"]]
