"""What a scenario may expect: one model for each kind of expectation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from cli.scenario.definition.conditions import BoundsOrNumber, ConditionOrValue
from edge.routing import TopicError, check_filter
from plant.definition.document.value_types import Name, Names, Spec


def _filter(topics: str) -> str:
    try:
        check_filter(topics)
    except TopicError as error:
        raise ValueError(str(error)) from None
    if topics.startswith("$"):
        raise ValueError("must be no shared subscription, and no topic of the broker")
    return topics


def _as_names(value: object) -> object:
    return [value] if isinstance(value, str) else value


TopicFilter = Annotated[str, AfterValidator(_filter)]
OneOrMore = Annotated[
    Names,
    BeforeValidator(_as_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class MetricExpectation(Spec):
    """A Prometheus metric of the process; samples with these labels are summed."""

    name: Name = Field(description="Name of the sample, such as edgemqttsim_messages_dropped_total.")
    labels: dict[Name, str] = Field({}, description="Labels that a sample must have; others are ignored.")
    value: BoundsOrNumber = Field(description="Bounds of the sum.")


class OfMessages(Spec):
    """Which messages are looked at."""

    topic: TopicFilter = Field(description="Topic, or topic filter with + and #.")
    machine_id: Name | None = Field(None, description="Only messages of this machine.")
    where: dict[Name, ConditionOrValue] = Field({}, description="Only messages in which these keys have these values.")


class MessagesExpectation(OfMessages):
    """How many messages there are."""

    count: BoundsOrNumber | None = Field(None, description="Bounds of their number [at least 1].")
    rate: BoundsOrNumber | None = Field(None, description="Bounds of their number per second of plant time.")


class FieldExpectation(OfMessages):
    """A value in messages, or their keys."""

    path: Name | None = Field(None, description="Place of the value, such as status or data.power.")
    value: ConditionOrValue | None = Field(None, description="What it has to be.")
    keys: Names | None = Field(None, description="The keys of the message, all of them and in this order.")

    @model_validator(mode="after")
    def _is_complete(self) -> FieldExpectation:
        if (self.path is None) != (self.value is None):
            raise ValueError("needs both path and value")
        if self.path is None and self.keys is None:
            raise ValueError("needs path and value, or keys")
        return self


class LedgerExpectation(Spec):
    """The counts of messages by what happened to them."""

    balances: Literal[True] | None = Field(None, description="true: each message is counted exactly once.")
    generated: BoundsOrNumber | None = Field(None, description="Emitted by the plant.")
    acknowledged: BoundsOrNumber | None = Field(None, description="Acknowledged by the broker.")
    refused: BoundsOrNumber | None = Field(None, description="Refused by the broker.")
    dropped: BoundsOrNumber | None = Field(None, description="Dropped, for any reason.")
    queued: BoundsOrNumber | None = Field(None, description="Waiting in the queue now.")
    in_flight: BoundsOrNumber | None = Field(None, description="Sent, and not yet acknowledged.")
    pending: BoundsOrNumber | None = Field(None, description="Queued or in flight.")

    @model_validator(mode="after")
    def _has_a_count(self) -> LedgerExpectation:
        if not self.model_fields_set:
            raise ValueError("needs balances or one of the counts")
        return self


class StateExpectation(Spec):
    """The state of a machine."""

    machine_id: Name = Field(description="Id of the machine.")
    state: OneOrMore = Field(description="The state, or several of which one is enough.")


class FaultExpectation(Spec):
    """Whether a machine has a fault."""

    machine_id: Name = Field(description="Id of the machine.")
    fault: Name | None = Field(None, description="The fault [any].")
    active: bool = Field(True, description="false: it must not have it.")


class AlarmExpectation(Spec):
    """Whether an alarm of a machine is active."""

    machine_id: Name = Field(description="Id of the machine.")
    alarm: Name | None = Field(None, description="The alarm [any].")
    active: bool = Field(True, description="false: it must not be active.")


class OeeExpectation(Spec):
    """The true OEE figures of a machine, a machine type, or all machines together, from 0 to 1."""

    machine_id: Name | None = Field(None, description="Id of the machine.")
    machine_type: Name | None = Field(None, description="Key of the machine type.")
    span: Literal["run", "hour", "last_hour"] = Field("run", description="Since the start, or the (last) full hour.")
    availability: BoundsOrNumber | None = Field(None, description="Bounds of the availability.")
    performance: BoundsOrNumber | None = Field(None, description="Bounds of the performance.")
    quality: BoundsOrNumber | None = Field(None, description="Bounds of the quality.")
    oee: BoundsOrNumber | None = Field(None, description="Bounds of the OEE.")
    jobs: BoundsOrNumber | None = Field(None, description="Bounds of the number of finished jobs.")

    @model_validator(mode="after")
    def _has_a_figure(self) -> OeeExpectation:
        if self.machine_id is not None and self.machine_type is not None:
            raise ValueError("must have machine_id or machine_type, not both")
        if not self.model_fields_set - {"machine_id", "machine_type", "span"}:
            raise ValueError("needs availability, performance, quality, oee or jobs")
        return self


Expectation = (
    MetricExpectation
    | MessagesExpectation
    | FieldExpectation
    | LedgerExpectation
    | StateExpectation
    | FaultExpectation
    | AlarmExpectation
    | OeeExpectation
)


class Expect(Spec):
    """Exactly one expectation, by its kind."""

    metric: MetricExpectation | None = Field(None, description="A Prometheus metric of the process.")
    messages: MessagesExpectation | None = Field(None, description="How many messages there are.")
    field: FieldExpectation | None = Field(None, description="A value in messages.")
    ledger: LedgerExpectation | None = Field(None, description="The counts of messages by what happened to them.")
    state: StateExpectation | None = Field(None, description="The state of a machine.")
    fault: FaultExpectation | None = Field(None, description="Whether a machine has a fault.")
    alarm: AlarmExpectation | None = Field(None, description="Whether an alarm is active.")
    oee: OeeExpectation | None = Field(None, description="True OEE figures.")

    @model_validator(mode="after")
    def _is_one(self) -> Expect:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"must have exactly one of {', '.join(Expect.model_fields)}")
        return self

    @property
    def expectation(self) -> Expectation:
        """The expectation."""
        return next(self._given())

    @property
    def is_of_messages(self) -> bool:
        """Whether it is about messages, and not about the plant or the process at a moment."""
        return isinstance(self.expectation, OfMessages)

    def _given(self) -> Iterator[Expectation]:
        found = (getattr(self, name) for name in Expect.model_fields)
        return (each for each in found if each is not None)
