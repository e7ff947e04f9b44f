"""The forms of the API's answers, as OpenAPI has them: answers are made without them, and tests compare."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-01-05T08:00:00.000Z"])]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Job(_Form):
    """The job that a machine works on, or goes on with after a stop."""

    id: str | int | None
    kind: str | None
    started: Moment
    progress: float = Field(description="The share that is done, 0 to 1.")
    lot: str | int | None
    order: str | int | None
    operator: str | int | None


class Fault(_Form):
    """A fault of a machine, or wear that is labelled."""

    fault: str
    since: Moment
    severity: float
    level: float = Field(description="What its effects are multiplied by now.")
    cause: str = Field(description="chance, schedule, command or wear, or what has led to it, as machine/fault.")
    signal: str | None = Field(description="Of a sensor fault.")


class Machine(_Form):
    """A machine as it is now."""

    machine_id: str
    machine_type: str
    number: int
    station_id: str
    state: str
    since: Moment
    because: str | None = Field(description="The fault or wear that has led to the state.")
    reason: str | None
    job: Job | None
    jobs_finished: int
    faults: list[Fault]
    alarms: list[str] = Field(description="Those that are active.")


class Machines(_Form):
    """Machines in order of type and number."""

    now: Moment
    machines: list[Machine]
    next: str = Field("", description="The address of those that follow, where there are any.")


class Signal(_Form):
    """A signal as a message would have it now."""

    value: float | str | None
    unit: str | None
    limits: tuple[float, float] | None
    set_point: float | None = Field(description="The one in force.")
    description: str | None
    shown: bool = Field(description="Whether messages have it.")


class Readings(_Form):
    """The messages that a machine sends once in each of its periods."""

    period_seconds: float
    sent: int = Field(description="How many so far.")
    last: Moment | None


class MachineWithSignals(Machine):
    """A machine as it is now, with its signals."""

    at: Moment
    readings: Readings | None = Field(description="Of the first class that has only regular messages.")
    signals: dict[str, Signal]


class State(_Form):
    """A state of a machine type."""

    name: str
    share: float
    dwell_seconds: float
    produces: bool
    planned: bool


class JobForm(_Form):
    """What the machines of a type make."""

    product: str
    kinds: list[str]
    results: dict[str, dict[str, bool]]


class SignalForm(_Form):
    """A signal of a machine type."""

    unit: str | None
    limits: tuple[float, float] | None
    set_point: float | None
    decimals: int | None
    description: str | None
    shown: bool


class MachineType(_Form):
    """A machine type."""

    machine_type: str
    title: str
    count: int
    enabled: bool
    first_machine_id: str
    states: list[State]
    job: JobForm | None
    signals: dict[str, SignalForm]
    set_points: dict[str, float] = Field(description="The signals that a command may set, each with its first value.")
    commands: list[dict[str, Any]] = Field(description="Those of the type's own, with the state that they set.")
    faults: list[dict[str, Any]]
    wear: list[dict[str, Any]]
    alarms: list[dict[str, Any]]
    messages: list[dict[str, Any]]


class Switchable(_Form):
    """A key in message_types that is no machine type, as orders are."""

    message_type: str
    enabled: bool


class MachineTypes(_Form):
    """All machine types, also those that are switched off."""

    machine_types: list[MachineType]
    events: list[Switchable] = Field(description="Other messages that can be switched on and off, as orders.")


class Executed(_Form):
    """What is now so, and since when, in plant time."""

    at: Moment
    answer: dict[str, Any]


class Applied(_Form):
    """The machines now running, by type."""

    machines: dict[str, int]
    saved: str = Field("", description="The name of the plant's file, where it was saved.")
    backup: str = Field("", description="Beside it, with what it had before.")


class Checked(_Form):
    """What a YAML describes."""

    machines: dict[str, int]
    messages_per_second: float
    notes: list[str]


class SettingsInForce(_Form):
    """The options in force."""

    settings: dict[str, Any]
    given: list[str] = Field(description="Those that were set.")


class Entry(_Form):
    """What was done, or refused with an error."""

    number: int
    time: Moment
    by: str
    command: dict[str, Any]
    at: Moment = ""
    error: str = ""
    answer: dict[str, Any] = {}


class Entries(_Form):
    """What was done, the newest first."""

    entries: list[Entry]
    next: str = Field("", description="The address of the entries before these, where there are any.")


class DeliveredMessage(_Form):
    """A message that was delivered."""

    at: Moment = Field(description="When it was acknowledged, or at QoS 0 written, by the wall clock.")
    topic: str
    qos: int
    retain: bool
    category: str = Field(description="telemetry, event, alarm, status, command or order.")
    machine_id: str | None = Field(description="null where it is about no machine.")
    bytes: int = Field(description="Of the whole payload.")
    payload: str = Field(description="The payload, or its first 8 KiB.")
    cut: bool = Field(description="Whether there is more of it.")


class Traffic(_Form):
    """Messages that were delivered, the newest last."""

    seen: int = Field(description="All since the first call.")
    matched: int = Field(description="Those of them that were asked for.")
    rows: list[DeliveredMessage]


class WireAddresses(_Form):
    """Where other clients connect to the embedded broker."""

    mqtt: str | None
    websocket: str | None


class WireFact(_Form):
    """Something that has happened on the wire."""

    count: int
    last: Moment | None
    by: str = Field(description="The client id with which it happened last.")


class WireSeen(_Form):
    """What has happened on the wire."""

    visible: bool = Field(description="Whether it is seen what other clients do.")
    why_not: str | None
    addresses: WireAddresses
    facts: dict[str, WireFact]


class ProblemError(BaseModel):
    """What breaks a rule: a field of the body by its JSON pointer, a parameter, or a line of a YAML."""

    detail: str
    pointer: str | None = Field(None, description="Of a field in the body (RFC 6901).")
    parameter: str | None = Field(None, description="Of the address.")
    line: int | None = Field(None, description="In the YAML, counted from 1.")
    path: str | None = Field(None, description="The place in the YAML.")
    rule: str | None = Field(None, description="That the place in the YAML breaks.")


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []
