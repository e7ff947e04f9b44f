"""Spans of messages: of a few a second, and of the first one of a machine after a command.

A span begins when its message is queued and ends when the broker has acknowledged it; its place in the trace goes with
the message as user properties, so that a subscriber can continue it. A message that follows a command is part of the
command's trace. Others are part of the span of their batch: an advance of the plant, with all messages that were due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Final

from edge.observability.tracing import spans
from edge.observability.tracing.spans import MACHINE, Attributes, Carrier, Kind, OpenSpan
from edge.timestamps import rfc3339
from plant.telemetry import Message, machine_of

_MOST_OPEN, _MOST_FOLLOWED = 1000, 1000
_GOLDEN: Final = 0.6180339887498949
"""Multiples of it, without their whole part, fill [0, 1) evenly and meet no period of the plant."""


class MessageTraces:
    """Chooses messages, and keeps their spans until they are done.

    per_second: the most messages a second, beside those that follow a command.  clock: seconds, monotonic.
    wall_clock: Unix seconds.  describe: returns a message's topic, and attributes of its span; None if it has no topic.
    name: of the spans, in place of one with the topic.
    """

    def __init__(
        self,
        per_second: float,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        describe: Callable[[Message], tuple[str, Attributes] | None],
        name: str | None = None,
    ) -> None:
        self._name = name
        self._interval = 1 / per_second if per_second else inf
        self._clock, self._wall_clock, self._describe = clock, wall_clock, describe
        self._next_at = clock() if per_second else inf
        self._chosen = self._batches = self._messages = 0
        self._turned_at = wall_clock()
        self._lost_some = False
        self._followed: dict[str, Carrier] = {}
        self._open: dict[Message, OpenSpan] = {}
        self._carriers: dict[Message, Carrier] = {}

    @property
    def carriers(self) -> Mapping[Message, Carrier]:
        """What the messages that have a span take along."""
        return self._carriers

    def turn(self) -> None:
        """Note that the plant is about to advance."""
        self._turned_at, self._lost_some = self._wall_clock(), False

    def follow(self, command: Mapping[str, object]) -> None:
        """Have the next message of a command's machine be part of the current trace, if there is one."""
        machine, carrier = command.get("machine_id"), spans.carrier()
        if not isinstance(machine, str) or not carrier:
            return
        self._followed.pop(machine, None)
        if len(self._followed) >= _MOST_FOLLOWED:  # the oldest may never send a message: its machine may be gone
            del self._followed[next(iter(self._followed))]
        self._followed[machine] = carrier

    def queued(self, messages: Sequence[Message]) -> None:
        """Begin the spans of some of the messages that an advance of the plant has emitted.

        Where the queue is full, some of them may be lost already: then it begins none.
        """
        self._batches += 1
        self._messages += len(messages)
        if self._lost_some:
            return
        if self._followed:
            self._begin_followed(messages)
        if self._clock() >= self._next_at:
            self._begin_one(messages)

    def acknowledged(self, messages: Sequence[Message]) -> None:
        """End the spans of messages that have arrived."""
        if self._open:
            for message in messages:
                self._end(message)

    def failed(self, messages: Sequence[Message], why: str) -> None:
        """End the spans of messages that will never arrive. why: one of few, such as `oldest`."""
        self._lost_some = True
        if self._open:
            for message in messages:
                self._end(message, why)

    def _begin_followed(self, messages: Sequence[Message]) -> None:
        for message in messages:
            carrier = self._followed.pop(machine_of(message), None)
            if carrier is not None:
                self._begin(message, carrier)

    def _begin_one(self, messages: Sequence[Message]) -> None:
        """Begin the span of one message and of its batch; which, and when, does not keep step with the plant."""
        self._chosen += 1
        offset = self._chosen * _GOLDEN % 1
        self._next_at = self._clock() + (0.5 + offset) * self._interval
        batch = spans.begin("advance", self._about(messages), Kind.INTERNAL, start=self._turned_at)
        if batch is not None:
            self._begin(messages[int(offset * len(messages))], batch.carrier)
            batch.end()

    def _about(self, messages: Sequence[Message]) -> Attributes:
        batches, self._batches = self._batches, 0
        total, self._messages = self._messages, 0
        return {
            "edgemqttsim.batch.messages": len(messages),
            "edgemqttsim.batch.plant_time.from": rfc3339(messages[0].time_ms),
            "edgemqttsim.batch.plant_time.to": rfc3339(messages[-1].time_ms),
            "edgemqttsim.batches": batches,
            "edgemqttsim.batches.messages": total,
        }

    def _begin(self, message: Message, parent: Carrier) -> None:
        about = self._describe(message) if len(self._open) < _MOST_OPEN and message not in self._open else None
        if about is None:
            return
        topic, attributes = about
        own: dict[str, str | int] = {
            "messaging.system": "mqtt",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": topic,
            "messaging.message.body.size": len(message.payload),
            **({} if message.station is None else {MACHINE: machine_of(message)}),
            "edgemqttsim.message.sequence": message.sequence,
            "edgemqttsim.message.plant_time": rfc3339(message.time_ms),
        }
        span = spans.begin(self._name or f"publish {topic}", {**own, **attributes}, Kind.PRODUCER, parent)
        if span is not None:
            self._open[message], self._carriers[message] = span, span.carrier

    def _end(self, message: Message, why: str | None = None) -> None:
        span = self._open.pop(message, None)
        if span is None:
            return
        del self._carriers[message]
        if why is not None:
            span.fail(why)
        span.end()
