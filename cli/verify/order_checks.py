"""Check the messages of orders and dispatches against the ground truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cli.verify.discrepancies import Discrepancies, DiscrepancyKind, text
from cli.verify.input.ground_truth import GroundTruth
from cli.verify.input.received_messages import DISPATCH, ORDER, ReceivedMessages
from cli.verify.input.reference import Span
from cli.verify.matching import Matcher

_Event = Mapping[str, Any]


class OrderCounts(NamedTuple):
    """Orders and dispatches in the ground truth, those of them without a message, and messages that are repeated."""

    actual: int
    missing: int
    repeated: int


def check_orders(
    messages: ReceivedMessages,
    ground_truth: GroundTruth,
    span: Span,
    tolerance_ms: float,
    discrepancies: Discrepancies,
) -> OrderCounts:
    """Compare orders and dispatches of a span, record discrepancies, and return the counts.

    tolerance_ms: how far the times of messages may be off.
    """
    checks = [_EventCheck(event, span, tolerance_ms, discrepancies) for event in (ORDER, DISPATCH)]
    for check in checks:
        check.run(messages, ground_truth)
    return OrderCounts(*(sum(counts) for counts in zip(*(check.counts for check in checks), strict=True)))


class _EventCheck:
    """The check of one kind of event, in order of time."""

    def __init__(self, event: str, span: Span, tolerance_ms: float, discrepancies: Discrepancies) -> None:
        self._event, self._span, self._discrepancies = event, span, discrepancies
        self._tolerance_ms = tolerance_ms
        self._actual = self._missing = self._repeated = 0
        self._matcher = Matcher[_Event, _Event](
            self._check_match, self._reporter("is reported again"), self._reporter("does not exist"), self._unreported
        )

    @property
    def counts(self) -> OrderCounts:
        """The counts so far."""
        return OrderCounts(self._actual, self._missing, self._repeated)

    def run(self, messages: ReceivedMessages, ground_truth: GroundTruth) -> None:
        """Compare all messages with all events."""
        events = ground_truth.orders(self._event)
        event, same_time = next(events, None), list[_Event]()
        at_ms = -1
        for time_ms, message in messages.orders(self._event):
            while event and event[0] <= time_ms + self._tolerance_ms:
                self._add_actual(*event)
                event = next(events, None)
            if time_ms != at_ms:
                at_ms, same_time = time_ms, []
            if message in same_time:
                self._repeated += 1
            else:
                same_time.append(message)
                self._matcher.add_reported(message["order_id"], time_ms, message)
        while event:
            self._add_actual(*event)
            event = next(events, None)
        self._matcher.close()

    def _add_actual(self, time_ms: int, event: _Event) -> None:
        self._actual += self._is_in_span(time_ms)
        self._matcher.add_actual(event["order_id"], time_ms, event)

    def _is_in_span(self, time_ms: int) -> bool:
        return self._span[0] < time_ms <= self._span[1]

    def _check_match(self, reported_ms: int, message: _Event, actual_ms: int, event: _Event) -> None:
        wrong = [
            f"{name} {message.get(name)} instead of {value}"
            for name, value in event.items()
            if message.get(name) != value
        ]
        if abs(reported_ms - actual_ms) > self._tolerance_ms:
            wrong.insert(0, f"this time instead of {text(actual_ms)}")
        if wrong:
            self._add(reported_ms, message, f"has {', '.join(wrong)}")

    def _reporter(self, problem: str) -> Callable[[int, _Event], None]:
        return lambda time_ms, message: self._add(time_ms, message, problem)

    def _add(self, time_ms: int, message: _Event, problem: str) -> None:
        self._discrepancies.add(DiscrepancyKind.ORDER, self._event, time_ms, f"{message['order_id']} {problem}")

    def _unreported(self, time_ms: int, _event: _Event) -> None:
        self._missing += self._is_in_span(time_ms)
