"""What the calls of EnMS take and answer, as pydantic reads it and OpenAPI shows it."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, Field

SERVICE: Final = "EnMS Factory Simulator"
VERSION: Final = "1.0.0"
"""Of the interface, which is that of the simulator of this version."""

_ID: Final = "c0000000-0000-0000-0000-000000000001"


class Selection(BaseModel):
    """Some machines: those of the factories, and those with the ids; without any, all."""

    factory_ids: list[str] | None = None
    machine_ids: list[str] | None = None


class Anomaly(BaseModel):
    """A fault to begin. machine_id: that of the path."""

    machine_id: str | None = None
    anomaly_type: str = Field(max_length=200)
    duration_seconds: int = Field(300, ge=10, le=3600)
    severity: float = Field(1.5, ge=1.0, le=5.0)


class Changes(BaseModel):
    """What is to be another way from now on; what is left out stays."""

    enable_anomalies: bool | None = None
    anomaly_probability: float | None = Field(None, ge=0, le=1, description="The chance of a fault, a machine and day.")
    weekend_production_factor: float | None = Field(None, ge=0, le=1)


class Reply(BaseModel):
    """The envelope of most answers."""

    message: str
    success: bool
    data: dict[str, Any] | None


class Health(BaseModel):
    """Whether messages can be delivered. database_connected: always, as there is none that could be lost."""

    status: str = Field(description="healthy or degraded")
    service: str
    version: str
    timestamp: str
    mqtt_connected: bool
    database_connected: bool


class Configuration(BaseModel):
    """What PUT /simulator/config changes, and the broker."""

    enable_anomalies: bool
    anomaly_probability: float
    mqtt_broker: str


class Status(BaseModel):
    """The plant as a whole."""

    status: str = Field(description="stopped, starting, running, stopping or error")
    uptime_seconds: float
    factories_count: int
    machines_count: int
    running_machines: int = Field(description="Those that are not stopped.")
    total_readings_generated: int
    mqtt_connected: bool
    mqtt_messages_published: int = Field(description="Those that the broker has acknowledged.")
    configuration: Configuration


class Machine(BaseModel):
    """A machine as it is now."""

    machine_id: str
    machine_name: str
    machine_type: str
    is_running: bool
    operating_mode: str = Field(description="idle, running, maintenance, fault or offline")
    current_power_kw: float
    data_interval_seconds: int
    readings_generated: int = Field(description="Regular messages so far, one in each interval.")
    last_reading_time: str | None
    anomaly_active: bool


class ProblemReply(BaseModel):
    """Problem details (RFC 9457), with the members that EnMS answers as well."""

    title: str
    status: int
    detail: str
    success: bool = Field(description="false")
    message: str
    errors: list[dict[str, Any]]


_MACHINE: Final = {
    "machine_id": _ID,
    "machine_name": "Press-1",
    "machine_type": "press",
    "is_running": True,
    "operating_mode": "running",
    "current_power_kw": 42.517,
    "data_interval_seconds": 10,
    "readings_generated": 360,
    "last_reading_time": "2026-01-05T08:00:00.412Z",
    "anomaly_active": False,
}
_COUNTS: Final = {"running_machines": 5, "total_machines": 5}
_CHANGED: Final = {"anomaly_probability": 0.15, "weekend_production_factor": 0.3}
INJECTED: Final = {"anomaly_type": "leak", "duration_seconds": 300, "severity": 1.5}
EXAMPLES: Final[dict[str, Any]] = {
    "index": {
        "message": f"{SERVICE} v{VERSION}",
        "success": True,
        "data": {"service": SERVICE, "version": VERSION, "docs": "/docs", "health": "/health", "api": "/simulator"},
    },
    "info": {
        "message": f"{SERVICE} information",
        "success": True,
        "data": {
            "service": SERVICE,
            "version": VERSION,
            "machine_types": ["press"],
            "data_intervals": {"press": "10s"},
            "endpoints": {"status": "/simulator/status"},
        },
    },
    "health": {
        "status": "healthy",
        "service": SERVICE,
        "version": VERSION,
        "timestamp": "2026-01-05T08:00:00.000Z",
        "mqtt_connected": True,
        "database_connected": True,
    },
    "start": {"message": "Simulator started successfully", "success": True, "data": _COUNTS},
    "stop": {
        "message": "Simulator stopped successfully",
        "success": True,
        "data": {"running_machines": 0, "total_machines": 5},
    },
    "status": {
        "status": "running",
        "uptime_seconds": 3600.5,
        "factories_count": 1,
        "machines_count": 5,
        "running_machines": 5,
        "total_readings_generated": 4560,
        "mqtt_connected": True,
        "mqtt_messages_published": 13680,
        "configuration": {
            "enable_anomalies": True,
            "anomaly_probability": 0.1,
            "mqtt_broker": "localhost:1883",
        },
    },
    "machines": [_MACHINE],
    "machine": _MACHINE,
    "inject": {
        "message": "Anomaly 'leak' injected successfully",
        "success": True,
        "data": {"machine_id": _ID, **INJECTED},
    },
    "clear": {"message": "Anomaly cleared successfully", "success": True, "data": {"machine_id": _ID}},
    "config": {"message": "Configuration updated successfully", "success": True, "data": _CHANGED},
}
TAKEN: Final[dict[str, Any]] = {
    "selection": {"machine_ids": [_ID]},
    "anomaly": {"machine_id": _ID, **INJECTED},
    "changes": _CHANGED,
}
