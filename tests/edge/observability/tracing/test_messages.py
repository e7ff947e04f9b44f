"""Which messages get a span, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import pytest

from edge.observability.tracing import spans
from edge.observability.tracing.messages import MessageTraces
from edge.observability.tracing.spans import Attributes, Carrier, Kind, OpenSpan, Span, Value
from plant.telemetry import JobMessage, Message


@dataclass
class Noted:
    """A span of the tracer below."""

    name: str
    parent: Carrier
    attributes: dict[str, Value]
    start: float | None = None
    ended: bool = False
    error: str | None = None

    @property
    def carrier(self) -> Carrier:
        return {"traceparent": f"of {self.name}"}

    def rename(self, name: str) -> None:
        self.name = name

    def set(self, name: str, value: Value) -> None:
        self.attributes[name] = value

    def fail(self, error_type: str, why: str = "") -> None:  # noqa: ARG002
        self.error = error_type

    def end(self) -> None:
        self.ended = True


@dataclass
class NotingTracer:
    """Keeps the spans that are begun. current: the place that commands are executed at."""

    begun: list[Noted] = field(default_factory=list)
    current: Carrier = field(default_factory=dict)

    def span(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:
        raise NotImplementedError

    @contextmanager
    def continued(self, carrier: Carrier) -> Iterator[None]:  # noqa: ARG002
        yield

    def carrier(self) -> Carrier:
        return self.current

    def begin(
        self,
        name: str,
        attributes: Attributes,
        kind: Kind,  # noqa: ARG002
        parent: Carrier,
        start: float | None = None,
    ) -> OpenSpan | None:
        self.begun.append(Noted(name, parent, dict(attributes), start))
        return self.begun[-1]

    def stop(self, seconds: float) -> None:
        pass


class Scene:
    """Traces of messages at a time of its own."""

    def __init__(self, tracer: NotingTracer, per_second: float = 1.0) -> None:
        self.now, self.tracer = 1000.0, tracer
        self.traces = MessageTraces(per_second, lambda: self.now, lambda: self.now, self._describe)

    def emit(self, *messages: Message) -> None:
        """A turn of the run loop."""
        self.traces.turn()
        self.traces.queued(messages)

    @property
    def published(self) -> list[Noted]:
        """The spans of messages."""
        return [span for span in self.tracer.begun if span.name.startswith("publish")]

    @staticmethod
    def _describe(message: Message) -> tuple[str, Attributes] | None:
        return None if message.kind == "none" else (f"factory/{message.source}", {})


@pytest.fixture
def tracer() -> Iterator[NotingTracer]:
    """In use during the test."""
    tracer = NotingTracer()
    spans.use(tracer)
    yield tracer
    spans.stop(0.0)


def message(source: str = "CNC-01", number: int = 1, kind: str = "cnc_machine") -> Message:
    """A message of a machine."""
    return Message(kind, source, "LINE-1", 1_767_600_000_000 + number, number, b"{}")


def test_as_many_messages_a_second_have_a_span_as_it_says(tracer: NotingTracer) -> None:
    """Whatever the plant emits."""
    scene = Scene(tracer, per_second=2.0)
    for turn in range(6000):
        scene.now += 0.01
        scene.emit(*(message(f"CNC-{machine:02}", turn) for machine in range(10)))

    assert 110 <= len(scene.published) <= 130


def test_machines_that_report_in_step_have_spans_alike(tracer: NotingTracer) -> None:
    """Choice does not keep step with periods of the plant: over a while every machine has its turn."""
    scene = Scene(tracer)
    for turn in range(2000):
        scene.now += 0.1
        scene.emit(message(f"CNC-{turn % 10}", turn))

    sources = [span.name for span in scene.published]
    assert {sources.count(f"publish factory/CNC-{machine}") > 5 for machine in range(10)} == {True}


def test_a_message_is_part_of_its_batch(tracer: NotingTracer) -> None:
    """Which says how much was due at that turn, and how much since the batch before that has a span."""
    scene = Scene(tracer)
    scene.emit(message(number=1), message("CNC-02"))
    scene.emit(message(number=2))
    scene.now += 2
    scene.emit(message(number=3))
    first, _, second, _ = tracer.begun

    assert [span.name for span in tracer.begun][::2] == ["advance", "advance"]
    assert [span.parent for span in scene.published] == [first.carrier, second.carrier]
    assert (first.attributes["edgemqttsim.batch.messages"], first.start, first.ended) == (2, 1000.0, True)
    assert (second.attributes["edgemqttsim.batches"], second.attributes["edgemqttsim.batches.messages"]) == (2, 2)


def test_the_first_message_after_a_command_is_part_of_its_trace(tracer: NotingTracer) -> None:
    """Of that machine, of whatever class, and only the first."""
    scene, tracer.current = Scene(tracer, per_second=0), {"traceparent": "of the command"}
    scene.traces.follow({"command": "stop", "machine_id": "CNC-02"})
    scene.emit(message())
    job = JobMessage("cnc_machine.energy", "CNC-02/energy", "LINE-1", 5, 1, b"{}")
    scene.emit(job, message("CNC-02"))

    assert [(span.name, span.parent) for span in tracer.begun] == [("publish factory/CNC-02/energy", tracer.current)]
    assert scene.traces.carriers == {job: tracer.begun[0].carrier}


@pytest.mark.parametrize("command", [{"command": "rate"}, {"command": "stop", "machine_id": 5}])
def test_a_command_of_no_machine_is_followed_by_no_message(tracer: NotingTracer, command: dict[str, object]) -> None:
    """Nor one that is not traced."""
    scene, tracer.current = Scene(tracer, per_second=0), {"traceparent": "of the command"}
    scene.traces.follow(command)
    tracer.current = {}
    scene.traces.follow({"command": "stop", "machine_id": "CNC-01"})
    scene.emit(message())

    assert tracer.begun == []


def test_a_span_ends_with_its_message(tracer: NotingTracer) -> None:
    """Acknowledged, or lost for a reason; what others do does not end it."""
    scene = Scene(tracer, per_second=1000)
    for number in (1, 2):
        scene.now += 1
        scene.emit(message(number=number))
    scene.traces.acknowledged([message(number=3), message("CNC-02"), message(number=1)])
    scene.traces.failed([message(number=2)], "oldest")

    assert [(span.ended, span.error) for span in scene.published] == [(True, None), (True, "oldest")]
    assert scene.traces.carriers == {}


def test_nothing_is_begun_that_may_be_lost_already(tracer: NotingTracer) -> None:
    """Where the queue overflows in this turn; a command waits for the next message that has room."""
    scene, tracer.current = Scene(tracer), {"traceparent": "of the command"}
    scene.traces.follow({"command": "stop", "machine_id": "CNC-01"})
    scene.traces.turn()
    scene.traces.failed([message(number=0)], "newest")
    scene.traces.queued([message(number=1)])
    assert tracer.begun == []

    scene.emit(message(number=2))
    assert scene.published[0].parent == tracer.current


def test_what_is_never_acknowledged_takes_no_memory_without_end(tracer: NotingTracer) -> None:
    """A thousand spans are open at most."""
    scene = Scene(tracer, per_second=1000)
    for number in range(3000):
        scene.now += 1
        scene.emit(message(number=number))

    assert len(scene.traces.carriers) == len(scene.published) == 1000


def test_machines_that_send_nothing_keep_no_other_from_being_followed(tracer: NotingTracer) -> None:
    """They may be gone; the last thousand commands are followed."""
    scene, tracer.current = Scene(tracer, per_second=0), {"traceparent": "of the command"}
    for number in range(3000):
        scene.traces.follow({"command": "stop", "machine_id": f"GONE-{number}"})
    scene.traces.follow({"command": "stop", "machine_id": "CNC-02"})
    scene.emit(*(message(f"GONE-{number}") for number in range(3000)), message("CNC-02"))

    assert [span.name for span in tracer.begun][-1] == "publish factory/CNC-02"
    assert len(tracer.begun) == 1000


def test_a_message_without_a_topic_has_no_span(tracer: NotingTracer) -> None:
    """It will not be sent, and the queue says why."""
    scene = Scene(tracer)
    scene.emit(message(kind="none"))

    assert scene.published == []
