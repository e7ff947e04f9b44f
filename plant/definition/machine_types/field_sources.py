"""What the keys of a machine's messages can report: where each value comes from, and its meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FieldSource(Enum):
    """What a key reports.

    yaml_name: how `fields` refers to it.
    path: the attribute path on a `Machine` with the value as JSON text; "" where it is no attribute of the machine.
    meaning: a sentence with the placeholders {product}, what a job makes, and {producing}, the state in which jobs
    advance. The types and bounds of values are in plant.catalogue.field_specs.
    """

    MACHINE_ID = "machine_id", "id_json", "The machine."
    STATION = "station_id", "station_json", "The station of the machine."
    STATUS = "status", "state.json", "State of the machine; jobs advance only in `{producing}`."
    STATE_REASON = "state.reason", "reason.json", "Reason of the stay in this state; null without one."
    STATE_REASON_CODE = "state.reason_code", "reason.code_json", "Code of that reason; null without one."
    JOB_KIND = (
        "job.kind",
        "reported_job.kind.json",
        "Kind of the {product} that this message reports as finished, otherwise of the one on the machine.",
    )
    ORDER = (
        "job.order",
        "reported_job.series.order_json",
        "Order of the {product} that this message reports as finished, otherwise of the one on the machine",
    )
    LOT = (
        "job.lot",
        "reported_job.series.id_json",
        "Lot of the {product} that this message reports as finished, otherwise of the one on the machine",
    )
    LOT_SIZE = ("job.lot_size", "reported_job.series.size_json", "Number of jobs in that lot")
    LOT_POSITION = (
        "job.lot_position",
        "reported_job.series.position_json",
        "Which of the jobs of its lot that {product} is, counted from 1",
    )
    OPERATOR = (
        "operator",
        "reported_job.series.operator_json",
        "Who was at the machine as the {product} started which this message reports as finished, otherwise that on it.",
    )
    FINISHED_ID = (
        "finished.id",
        "finished.id_json",
        "The finished {product}; null in messages that report none.",
    )
    FINISHED_CYCLE = (
        "finished.cycle_seconds",
        "finished.cycle_json",
        "Producing time of the finished {product}, to a tenth; null in messages that report none.",
    )
    FINISHED_RESULT = (
        "finished.result",
        "finished.result.json",
        "Result of the finished {product}; null in messages that report none.",
    )
    FINISHED_REASON = (
        "finished.reason",
        "finished_reason.json",
        "Reason of the result of the finished {product}; null without one, and in messages that report none.",
    )
    FINISHED_REASON_CODE = (
        "finished.reason_code",
        "finished_reason.code_json",
        "Code of that reason; null without one.",
    )
    FINISHED_ISSUES = (
        "finished.issues",
        "finished.issues_json",
        "Number of issues in the finished {product}; 0 in messages that report none.",
    )
    FINISHED_CONSUMED = (
        "finished.consumed",
        "finished.consumed_json",
        "Ids of the pieces in the finished {product}; null in messages that report none.",
    )
    CURRENT_ID = "job.id", "job.id_json", "The {product} on the machine now"
    PROGRESS = (
        "job.progress",
        "progress_json",
        "Share of the {product} on the machine that is done, rounded down; 1.0 when it is finished.",
    )
    SEQUENCE = (
        "sequence",
        "sequence_json",
        "Number of this message among those of the machine and its class, counted from 1.",
    )
    MACHINE_SEQUENCE = (
        "machine.sequence",
        "",
        "Number of this message among those of the machine in all classes that have this key, counted from 1.",
    )
    TIMESTAMP = "timestamp", "", "Time of the event in the factory."
    CONSTANT = "value", "", "A constant."
    PROPERTY = "property", "", "A constant of the machine."
    SIGNAL = "signal", "", "A signal."
    ALARM = "alarm.name", "", "The alarm: the signal, a dot, and the alarm's own name."
    ALARM_SIGNAL = "alarm.signal", "", "The signal whose value has raised or cleared the alarm."
    ALARM_EVENT = "alarm.event", "", "What happened: the alarm is raised, or cleared."
    ALARM_SIDE = "alarm.side", "", "On which side of its limit the value is: high or low."
    ALARM_SEVERITY = "alarm.severity", "", "How urgent the alarm is."
    ALARM_VALUE = "alarm.value", "", "The value, as the machine's message of this time reports it."
    ALARM_LIMIT = "alarm.limit", "", "The limit of the alarm, at which it is raised."
    ALARM_UNIT = "alarm.unit", "", "The unit of value and limit, in the notation of UCUM; null without one."

    def __init__(self, yaml_name: str, path: str, meaning: str) -> None:
        self.yaml_name = yaml_name
        self.path = path
        self.meaning = meaning

    @property
    def is_constant(self) -> bool:
        """Whether the value never changes."""
        return self is FieldSource.CONSTANT

    @property
    def role(self) -> str:
        """The role of a key with this source, for consumers of messages: the name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a message.

    name: the key.  source: where its value comes from.  within: the objects around it, from the outside in.
    detail: the form of a TIMESTAMP; the constant of a CONSTANT, as JSON; the text of a PROPERTY, with placeholders; the
    name of a SIGNAL.
    """

    name: str
    source: FieldSource
    within: tuple[str, ...] = ()
    detail: str = ""

    @property
    def path(self) -> str:
        """The place of the value in the message, such as `data.temperature`."""
        return ".".join((*self.within, self.name))
