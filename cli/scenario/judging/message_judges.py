"""Judges of messages: how many there are, and which values they have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import orjson

from cli.scenario.definition.conditions import MISSING, Bounds, shown, value_at
from cli.scenario.definition.expectations import FieldExpectation, MessagesExpectation, OfMessages
from cli.scenario.definition.plan import Form, Span
from cli.scenario.judging.verdict import Verdict, failed, passed
from edge.timestamps import rfc3339
from plant.telemetry import Message, machine_of

_LONGEST_EXAMPLE = 600


class Seen:
    """A message with its topic; the payload is read when a judge wants it, and once for all of them."""

    def __init__(self, topic: str, message: Message) -> None:
        self.topic, self.message = topic, message

    @property
    def time_ms(self) -> int:
        """Its plant time."""
        return self.message.time_ms

    @cached_property
    def row(self) -> object:
        """Its content."""
        return orjson.loads(self.message.payload)

    def example(self) -> str:
        """Return it as the report shows it."""
        text = self.message.payload.decode()
        return f"{self.topic}: {text[:_LONGEST_EXAMPLE]}{'...' if len(text) > _LONGEST_EXAMPLE else ''}"


class MessageJudge(ABC):
    """Decides an expectation about messages, of which it is shown those on its topics, and when no more can come."""

    def __init__(self, wanted: OfMessages, span: Span) -> None:
        self._wanted, self._span = wanted, span
        self.levels: Sequence[str] = wanted.topic.split("/")
        self.verdict: Verdict | None = None

    @property
    def closes_ms(self) -> int:
        """The last plant time of messages that count."""
        return self._span.to_ms

    def see(self, seen: Seen) -> None:
        """Take a message on its topics into account."""
        if self.verdict is None and self._span.has(seen.time_ms) and self._is_wanted(seen):
            self.verdict = self._judged(seen)

    def close(self) -> None:
        """Decide: there will be no more messages in the span."""
        if self.verdict is None:
            self.verdict = self._closed()

    def _is_wanted(self, seen: Seen) -> bool:
        wanted = self._wanted
        if wanted.machine_id is not None and machine_of(seen.message) != wanted.machine_id:
            return False
        return all(condition.holds(value_at(seen.row, path)) for path, condition in wanted.where.items())

    @abstractmethod
    def _judged(self, seen: Seen) -> Verdict | None:
        """Return what a wanted message in the span decides, if it decides anything."""

    @abstractmethod
    def _closed(self) -> Verdict:
        """Return what is decided once there will be no more of them."""


_ANY = Bounds(min=1.0, max=None)


class CountJudge(MessageJudge):
    """Counts messages; their number, and their rate over the span, have to be within bounds."""

    def __init__(self, wanted: MessagesExpectation, span: Span) -> None:
        super().__init__(wanted, span)
        self._count = 0
        self._bounds = wanted.count or (_ANY if wanted.rate is None else None)
        self._rate = wanted.rate
        self._never = span.form is Form.NEVER

    def _judged(self, seen: Seen) -> Verdict | None:
        self._count += 1
        if self._rate is not None or self._bounds is None:
            return None
        if self._bounds.exceeded(self._count):
            return (passed if self._never else failed)(seen.time_ms, self._text(), seen.example())
        if self._bounds.max is None and self._bounds.holds(self._count):
            return self._enough(seen)
        if self._span.form is Form.WITHIN and self._bounds.holds(self._count):
            return passed(seen.time_ms, self._text(), seen.example())
        return None

    def _enough(self, seen: Seen) -> Verdict | None:
        """Return the verdict where there are enough messages, and no number is too many."""
        return (failed if self._never else passed)(seen.time_ms, self._text(), seen.example())

    def _closed(self) -> Verdict:
        seconds = (self._span.to_ms - self._span.from_ms) / 1000
        rate = self._count / seconds if seconds else None
        holds = (self._bounds is None or self._bounds.holds(self._count)) and (
            self._rate is None or self._rate.holds(rate)
        )
        return (passed if holds != self._never else failed)(self.closes_ms, self._text())

    def _text(self) -> str:
        number = "1 message" if self._count == 1 else f"{self._count:,} messages"
        seconds = (self._span.to_ms - self._span.from_ms) / 1000
        return number if self._rate is None or not seconds else f"{number}, {self._count / seconds:.4g} a second"


class FieldJudge(MessageJudge):
    """Looks at a value, or the keys, of each message."""

    def __init__(self, wanted: FieldExpectation, span: Span) -> None:
        super().__init__(wanted, span)
        self._field = wanted
        self._count = 0
        self._last: Seen | None = None
        self._decide: Callable[[bool, Seen], Verdict | None] = {
            Form.AT: lambda _holds, _seen: None,
            Form.WITHIN: lambda holds, seen: self._verdict(seen, met=True) if holds else None,
            Form.ALWAYS: lambda holds, seen: None if holds else self._verdict(seen, met=False),
            Form.NEVER: lambda holds, seen: self._verdict(seen, met=False) if holds else None,
        }[span.form]

    def _judged(self, seen: Seen) -> Verdict | None:
        self._count += 1
        if self._last is None or seen.time_ms >= self._last.time_ms:
            self._last = seen
        return self._decide(self._holds(seen), seen)

    def _closed(self) -> Verdict:
        if self._last is None:
            return failed(self.closes_ms, "no message")
        if self._span.form is Form.AT:
            return self._verdict(self._last, met=self._holds(self._last))
        number = "1 message" if self._count == 1 else f"{self._count:,} messages"
        met = self._span.form is not Form.WITHIN
        example = "" if met else self._last.example()
        return (passed if met else failed)(self.closes_ms, f"{number}, the last has {self._found(self._last)}", example)

    def _verdict(self, seen: Seen, *, met: bool) -> Verdict:
        text = f"{self._found(seen)} at {rfc3339(seen.time_ms)}"
        return (passed if met else failed)(seen.time_ms, text, seen.example())

    def _holds(self, seen: Seen) -> bool:
        wanted = self._field
        has_keys = wanted.keys is None or (isinstance(seen.row, dict) and [*seen.row] == [*wanted.keys])
        return has_keys and (wanted.path is None or wanted.value is None or wanted.value.holds(self._value(seen)))

    def _value(self, seen: Seen) -> object:
        return MISSING if self._field.path is None else value_at(seen.row, self._field.path)

    def _found(self, seen: Seen) -> str:
        if self._field.path is not None:
            return f"{self._field.path} {shown(self._value(seen))}"
        return f"the keys {', '.join(seen.row) if isinstance(seen.row, dict) else 'of no object'}"
