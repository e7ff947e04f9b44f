"""What the keys of a machine's messages can report: the attribute that each value is read from, and its meaning."""

from __future__ import annotations

from enum import Enum


class FieldSource(Enum):
    """What a key reports.

    path: the attribute path on a `Machine` with the value as JSON text.
    meaning: a sentence with the placeholders {product}, what a job makes, and {producing}, the state in which jobs
    advance. The types and bounds of values are in plant.catalogue.field_specs.
    """

    MACHINE_ID = "id_json", "The machine."
    STATION = "station_json", "The station of the machine."
    STATUS = "state.json", "State of the machine; jobs advance only in `{producing}`."
    JOB_KIND = (
        "reported_job.kind.json",
        "Kind of the {product} that this message reports as finished, otherwise of the one on the machine.",
    )
    FINISHED_ID = "finished.id_json", "The finished {product}; null in messages that report none."
    FINISHED_CYCLE = (
        "finished.cycle_json",
        "Producing time of the finished {product}, to a tenth; null in messages that report none.",
    )
    FINISHED_RESULT = (
        "finished.result.json",
        "Result of the finished {product}; null in messages that report none.",
    )
    FINISHED_ISSUES = (
        "finished.issues_json",
        "Number of issues in the finished {product}; 0 in messages that report none.",
    )
    FINISHED_CONSUMED = (
        "finished.consumed_json",
        "Ids of the pieces in the finished {product}; null in messages that report none.",
    )
    CURRENT_ID = "job.id_json", "The {product} on the machine now"
    PROGRESS = (
        "progress_json",
        "Share of the {product} on the machine that is done, rounded down; 1.0 when it is finished.",
    )

    def __init__(self, path: str, meaning: str) -> None:
        self.path = path
        self.meaning = meaning

    @property
    def role(self) -> str:
        """The role of a key with this source, for consumers of messages: the name in lower case."""
        return self.name.lower()
