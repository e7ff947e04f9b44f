"""The calls of EnMS as its clients know them: what is sent, and the status, keys, types and texts of the answer.

`{id}` is a machine, `{other}` one in another factory, and `{nobody}` an id that no machine has. `{total}` is the number
of machines, `{rest}` one less, and `{intervals}` how often each kind reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Form = Any
"""A type, a value, a mapping of keys to forms, a list with the form of each element, or a set of values or types."""

NUMBER = {int, float}
ENVELOPE: Mapping[str, Form] = {"message": str, "success": True, "data": dict}
COUNTS: Mapping[str, Form] = {"running_machines": int, "total_machines": int}
ALL_RUN: Mapping[str, Form] = {"running_machines": "{total}", "total_machines": "{total}"}
ALL_BUT_ONE: Mapping[str, Form] = {"running_machines": "{rest}", "total_machines": "{total}"}
MODES = {"idle", "running", "maintenance", "fault", "offline"}
MACHINE: Mapping[str, Form] = {
    "machine_id": str,
    "machine_name": str,
    "machine_type": str,
    "is_running": bool,
    "operating_mode": MODES,
    "current_power_kw": float,
    "data_interval_seconds": int,
    "readings_generated": int,
    "last_reading_time": {str, type(None)},
    "anomaly_active": bool,
}
STATUS: Mapping[str, Form] = {
    "status": {"stopped", "starting", "running", "stopping", "error"},
    "uptime_seconds": float,
    "factories_count": int,
    "machines_count": int,
    "running_machines": int,
    "total_readings_generated": int,
    "mqtt_connected": bool,
    "mqtt_messages_published": int,
    "configuration": {"enable_anomalies": bool, "anomaly_probability": NUMBER, "mqtt_broker": str},
}
HEALTH: Mapping[str, Form] = {
    "status": {"healthy", "degraded"},
    "service": str,
    "version": str,
    "timestamp": str,
    "mqtt_connected": bool,
    "database_connected": bool,
}
INVALID: Mapping[str, Form] = {"success": False, "message": "Validation error", "errors": list}
INJECTED = {"machine_id": "{id}", "anomaly_type": "leak", "duration_seconds": 60, "severity": 2.5}
USUAL = {"machine_id": "{id}", "anomaly_type": "leak"}


class Call(NamedTuple):
    """A call, and the form of its answer; that of an error has other members as well."""

    method: str
    path: str
    body: Any
    status: int
    form: Form

    @property
    def name(self) -> str:
        """A name for reports of tests."""
        return f"{self.method} {self.path} {self.body or ''} {self.status}"


def told(message: str, data: Form) -> Mapping[str, Form]:
    """The envelope with a text."""
    return {**ENVELOPE, "message": message, "data": data}


STARTED, STOPPED = "Simulator started successfully", "Simulator stopped successfully"
ANOMALY = "/simulator/machines/{id}/anomaly"
CALLS = (
    Call(
        "GET", "/", None, 200,
        told(
            "EnMS Factory Simulator v1.0.0",
            {"service": str, "version": "1.0.0", "docs": "/docs", "health": "/health", "api": "/simulator"},
        ),
    ),
    Call("GET", "/health", None, 200, HEALTH),
    Call("POST", "/simulator/stop", None, 200, told(STOPPED, {"running_machines": 0, "total_machines": "{total}"})),
    Call("GET", "/simulator/status", None, 200, {**STATUS, "status": "stopped", "running_machines": 0}),
    Call(
        "GET", "/simulator/machines/{id}", None, 200, {**MACHINE, "is_running": False, "operating_mode": "offline"}
    ),
    Call(
        "POST", "/simulator/start", {"machine_ids": ["{id}", "{nobody}"]}, 200,
        told(STARTED, {"running_machines": 1, "total_machines": "{total}"}),
    ),
    Call(
        "POST", "/simulator/start", {"factory_ids": ["europe", "nowhere"]}, 200,
        told(STARTED, {"running_machines": 3, "total_machines": "{total}"}),
    ),
    Call("POST", "/simulator/start", None, 200, told(STARTED, ALL_RUN)),
    Call("POST", "/simulator/start", {}, 200, told(STARTED, ALL_RUN)),
    Call(
        "POST", "/simulator/stop", {"machine_ids": ["{other}"], "factory_ids": None}, 200,
        told(STOPPED, ALL_BUT_ONE),
    ),
    Call(
        "GET", "/simulator/status", None, 200,
        {
            **STATUS,
            "status": "running",
            "machines_count": "{total}",
            "running_machines": "{rest}",
            "factories_count": 2,
        },
    ),
    Call("POST", "/simulator/start", {"machine_ids": None}, 200, told(STARTED, COUNTS)),
    Call("POST", "/simulator/start", {"machine_ids": "{id}"}, 422, INVALID),
    Call("GET", "/simulator/machines", None, 200, [MACHINE]),
    Call("GET", "/simulator/machines/{id}", None, 200, {**MACHINE, "machine_id": "{id}", "anomaly_active": False}),
    Call("GET", "/simulator/machines/{nobody}", None, 404, {"detail": "Machine {nobody} not found"}),
    Call("POST", ANOMALY, INJECTED, 200, told("Anomaly 'leak' injected successfully", INJECTED)),
    Call("GET", "/simulator/machines/{id}", None, 200, {**MACHINE, "anomaly_active": True}),
    Call(
        "POST", ANOMALY, USUAL, 200,
        told("Anomaly 'leak' injected successfully", {**USUAL, "duration_seconds": 300, "severity": 1.5}),
    ),
    Call(
        "POST", ANOMALY, {**USUAL, "anomaly_type": "efficiency_loss"}, 200,
        told(
            "Anomaly 'efficiency_loss' injected successfully",
            {**USUAL, "anomaly_type": "efficiency_loss", "duration_seconds": 300, "severity": 1.5},
        ),
    ),
    Call("POST", ANOMALY, {**USUAL, "machine_id": "{other}"}, 400, {"detail": str}),
    Call("POST", "/simulator/machines/{nobody}/anomaly", {**USUAL, "machine_id": "{nobody}"}, 404, {"detail": str}),
    Call("POST", ANOMALY, {**USUAL, "duration_seconds": 9}, 422, INVALID),
    Call("POST", ANOMALY, {**USUAL, "duration_seconds": 3601}, 422, INVALID),
    Call("POST", ANOMALY, {**USUAL, "severity": 0.9}, 422, INVALID),
    Call("POST", ANOMALY, {**USUAL, "severity": 5.1}, 422, INVALID),
    Call("POST", ANOMALY, {"machine_id": "{id}"}, 422, INVALID),
    Call("POST", ANOMALY, None, 422, INVALID),
    Call("POST", ANOMALY, {**USUAL, "anomaly_type": "melting"}, 422, INVALID),
    Call("DELETE", ANOMALY, None, 200, told("Anomaly cleared successfully", {"machine_id": "{id}"})),
    Call("DELETE", ANOMALY, None, 200, told("Anomaly cleared successfully", {"machine_id": "{id}"})),
    Call("GET", "/simulator/machines/{id}", None, 200, {**MACHINE, "anomaly_active": False}),
    Call("DELETE", "/simulator/machines/{nobody}/anomaly", None, 404, {"detail": "Machine {nobody} not found"}),
    Call("PUT", "/simulator/config", {}, 200, told("Configuration updated successfully", {})),
    Call(
        "PUT", "/simulator/config", {"weekend_production_factor": 0.4}, 200,
        told("Configuration updated successfully", {"weekend_production_factor": 0.4}),
    ),
    Call(
        "PUT", "/simulator/config", {"weekend_production_factor": 1}, 200,
        told("Configuration updated successfully", {"weekend_production_factor": 1.0}),
    ),
    Call("PUT", "/simulator/config", {"weekend_production_factor": 1.1}, 422, INVALID),
    Call("PUT", "/simulator/config", {"anomaly_probability": -0.1}, 422, INVALID),
    Call("PUT", "/simulator/config", {"enable_anomalies": "perhaps"}, 422, INVALID),
    Call(
        "GET", "/simulator/info", None, 200,
        {
            **ENVELOPE,
            "data": {
                "service": str,
                "version": str,
                "machine_types": [str],
                "data_intervals": "{intervals}",
                "endpoints": dict,
            },
        },
    ),
)  # fmt: skip
"""In an order in which they can be made. Two of the machines are in the factory `europe`."""

FAULTS_BY_CHANCE = (
    Call(
        "PUT", "/simulator/config", {"enable_anomalies": True, "anomaly_probability": 0.25}, 200,
        told("Configuration updated successfully", {"enable_anomalies": True, "anomaly_probability": 0.25}),
    ),
    Call(
        "GET", "/simulator/status", None, 200,
        {**STATUS, "configuration": {"enable_anomalies": True, "anomaly_probability": 0.25, "mqtt_broker": str}},
    ),
    Call(
        "PUT", "/simulator/config", {"enable_anomalies": False}, 200,
        told("Configuration updated successfully", {"enable_anomalies": False}),
    ),
    Call(
        "GET", "/simulator/status", None, 200,
        {**STATUS, "configuration": {"enable_anomalies": False, "anomaly_probability": 0.25, "mqtt_broker": str}},
    ),
    Call(
        "PUT", "/simulator/config", {"enable_anomalies": True}, 200,
        told("Configuration updated successfully", {"enable_anomalies": True}),
    ),
    Call(
        "GET", "/simulator/status", None, 200,
        {**STATUS, "configuration": {"enable_anomalies": True, "anomaly_probability": 0.25, "mqtt_broker": str}},
    ),
    Call(
        "PUT", "/simulator/config", {"anomaly_probability": 1}, 200,
        told("Configuration updated successfully", {"anomaly_probability": 1.0}),
    ),
    Call(
        "GET", "/simulator/status", None, 200,
        {**STATUS, "configuration": {"enable_anomalies": True, "anomaly_probability": 1.0, "mqtt_broker": str}},
    ),
)  # fmt: skip
"""Those about the chance of faults, in their order."""


def filled(form: Form, names: Mapping[str, Form]) -> Form:
    """A form, a path or a body with the ids and numbers of a plant in it."""
    if isinstance(form, str):
        for name, value in names.items():
            if form == f"{{{name}}}":
                return value
            form = form.replace(f"{{{name}}}", str(value))
        return form
    if isinstance(form, Mapping):
        return {key: filled(each, names) for key, each in form.items()}
    return [filled(each, names) for each in form] if isinstance(form, list) else form


def mistakes(found: Any, form: Form, place: str = "answer") -> list[str]:
    """What in an answer is not as its form: keys, types and values."""
    if isinstance(form, type):
        return [] if type(found) is form else [f"{place}: {found!r} is no {form.__name__}"]
    if isinstance(form, set):
        return [] if found in form or type(found) in form else [f"{place}: {found!r} is none of {form}"]
    if isinstance(form, list):
        elements = found if isinstance(found, list) and found else [None]
        return [each for element in elements for each in mistakes(element, form[0], f"{place}[]")]
    if not isinstance(form, Mapping):
        return [] if (type(found), found) == (type(form), form) else [f"{place}: {found!r} is not {form!r}"]
    if not isinstance(found, Mapping) or found.keys() != form.keys():
        return [f"{place}: {found!r} has not the keys {[*form]}"]
    return [each for key, value in form.items() for each in mistakes(found[key], value, f"{place}.{key}")]
