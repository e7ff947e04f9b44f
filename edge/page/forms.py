"""The forms of the page's answers, as OpenAPI has them: answers are made without them, and tests compare."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from edge.http.api.schemas import Entry, Moment


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Process(_Form):
    """The process."""

    version: str
    seed: str
    shard: str | None
    workers: int
    speed: float | None = Field(description="Seconds of plant time in a second; null for as fast as it can.")
    dry_run: bool = Field(description="Whether messages go to standard output, and not to a broker.")
    changes: Literal["local", "token"] = Field(
        description="Who may change things: a caller on the same machine, or one with the token of HTTP_TOKEN_FILE."
    )
    plant_file: str | None = Field(description="The name of the plant's file, where it can be read again.")
    plant_file_writable: bool
    plant_file_why_not: str | None = Field(description="Why it cannot be saved.")
    uptime_seconds: float
    status: Literal["ok", "degraded", "failing"]
    reason: str | None
    time_zone: str


class Rate(_Form):
    """Messages a second: asked for in the long run, and of the last seconds."""

    asked: float | None
    generated: float | None
    delivered: float | None


class LateBy(_Form):
    """How late the run loop was in the last ten seconds: half of its turns, 99 % and all of them at most."""

    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Queue(_Form):
    """The queue to the broker."""

    depth: int
    size: int
    policy: str
    in_flight: int


class Broker(BaseModel):
    """The connection to the broker, as in /healthz, and how it is reached."""

    connected: bool
    connects: int
    token_renewals: int
    token_expiry: float | None = Field(description="Unix seconds.")
    last_reason: str
    host: str
    port: int
    tls: bool
    auth: str
    version: str
    connections: Literal["shared", "per_machine"]


class OeeFactors(_Form):
    """The OEE and its factors; null where undefined."""

    availability: float | None
    performance: float | None
    quality: float | None
    oee: float | None


class OeeSince(OeeFactors):
    """The same, of all machines that make something."""

    since: Moment


class OeeOfAll(_Form):
    """The OEE as it is in truth, and as messages have it."""

    truth: OeeSince
    reported: OeeSince | None = Field(description="As messages report it, since somebody looks.")
    truth_meanwhile: OeeSince | None = Field(description="The ground truth of the same time.")


class TypeCounts(_Form):
    """A machine type. producing: the state in which jobs advance.  rows: messages so far."""

    machines: int
    states: dict[str, int]
    producing: str | None
    faults: int
    alarms: int
    rows: int
    enabled: bool
    oee: OeeFactors


class ActiveFault(_Form):
    """A fault that goes on."""

    machine_id: str
    fault: str
    since: Moment
    severity: float


class Faults(_Form):
    """The faults that go on, null where no machine can have any, and the newest of them."""

    active: int | None
    list: list[ActiveFault]


class Alarms(_Form):
    """The alarms. active: by severity."""

    declared: bool
    active: dict[str, int]
    raised: int
    cleared: int


class Overview(_Form):
    """How connection, rate, queue and machines are now. at: plant time.  wall: the wall clock."""

    at: Moment
    wall: Moment
    process: Process
    rate: Rate
    lateness: LateBy
    queue: Queue
    ledger: dict[str, Any]
    broker: Broker
    clock: dict[str, Any]
    oee: OeeOfAll
    types: dict[str, TypeCounts]
    faults: Faults
    alarms: Alarms
    machines: int
    tiles: list[tuple[str, str, str, int, int]] | None = Field(
        description="Each machine: id, type, state, numbers of faults and of alarms; null above 200 machines."
    )
    journal: list[Entry]


_FACTORS: Final = {"availability": 0.71, "performance": 0.98, "quality": 0.95, "oee": 0.66101}
OVERVIEW: Final[dict[str, Any]] = {
    "at": "2026-01-05T08:02:00.000Z",
    "wall": "2026-01-05T08:02:00.004Z",
    "process": {
        "version": "0.1.0",
        "seed": "1",
        "shard": None,
        "workers": 1,
        "speed": 1.0,
        "dry_run": False,
        "changes": "local",
        "plant_file": "message_structure.yaml",
        "plant_file_writable": True,
        "plant_file_why_not": None,
        "uptime_seconds": 120.0,
        "status": "ok",
        "reason": None,
        "time_zone": "UTC",
    },
    "rate": {"asked": 1.333, "generated": 1.4, "delivered": 1.4},
    "lateness": {"p50_ms": 0.4, "p99_ms": 2.1, "max_ms": 2.8},
    "queue": {"depth": 0, "size": 1000, "policy": "drop-oldest", "in_flight": 0},
    "ledger": {"messages_generated": 160, "messages_sent": 160, "messages_failed": 0, "queue_depth": 0, "in_flight": 0},
    "broker": {
        "connected": True,
        "connects": 1,
        "token_renewals": 0,
        "token_expiry": None,
        "last_reason": "connected",
        "host": "localhost",
        "port": 18883,
        "tls": True,
        "auth": "K8S-SAT",
        "version": "5",
        "connections": "shared",
    },
    "clock": {"steps": 0, "ahead_seconds": 0.0},
    "oee": {"truth": {**_FACTORS, "since": "2026-01-05T08:00:00.000Z"}, "reported": None, "truth_meanwhile": None},
    "types": {
        "press": {
            "machines": 4,
            "states": {"running": 3, "stopped": 1},
            "producing": "running",
            "faults": 1,
            "alarms": 0,
            "rows": 160,
            "enabled": True,
            "oee": _FACTORS,
        }
    },
    "faults": {
        "active": 1,
        "list": [
            {
                "machine_id": "PRESS-03",
                "fault": "bearing_damage",
                "since": "2026-01-05T08:01:12.000Z",
                "severity": 2.0,
            }
        ],
    },
    "alarms": {"declared": False, "active": {}, "raised": 0, "cleared": 0},
    "machines": 4,
    "tiles": [["PRESS-03", "press", "running", 1, 0]],
    "journal": [],
}
STREAM: Final = (
    'event: snapshot\ndata: {"overview": ..., "history": {"step_seconds": 5, "rate": [1.4], "lateness_ms": [2.1], '
    '"queue": [0], "oee": [0.66101]}}\n\n'
    'event: overview\ndata: {"at": "2026-01-05T08:02:01.000Z", "queue": {"depth": 1, ...}}\n\n'
)
