"""The rules between the keys of a step, and its times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cli.scenario.definition.actions import Action
from cli.scenario.definition.expectations import OfMessages
from cli.scenario.definition.models import DEFAULT_EVERY_MS, ScenarioSpec, StepSpec, Window
from cli.scenario.definition.plan import Form, Span, Step
from cli.scenario.definition.times import Time, length_text, offset_text
from edge.timestamps import CALENDAR_RULE
from plant.definition.document.errors import Place, Violation

_LAST_MS: Final = 250_000_000_000_000
_MOST_LOOKS: Final = 100_000
_FORMS: Final = ("within", "always", "never")


Placed = tuple[StepSpec, Place]
"""A step with its place in the file."""


class Timeline:
    """The steps of a scenario with their times resolved.

    end_ms: where the scenario ends.  violations: what is wrong with the times.
    """

    def __init__(self, head: ScenarioSpec, given: Sequence[Placed], lines: Mapping[Place, int]) -> None:
        self._head, self._given, self._lines = head, given, lines
        self.end_ms = head.start + head.duration if head.duration else self._last_time()
        self.violations = [each for step, place in self._timed() for each in self._out_of_time(step, place)]
        if self.end_ms <= head.start and given:
            self.violations.append(Violation(("duration",), "is missing: no step says how long the scenario takes"))
        if head.duration and self.end_ms > _LAST_MS:
            self.violations.append(Violation(("duration",), f"is too long: plant time {CALENDAR_RULE}"))

    def steps(self, actions: Sequence[Sequence[Action]]) -> list[Step]:
        """Return the steps. actions: what each of them does."""
        timed = zip(self._timed(), actions, strict=True)
        return [replace(step, actions=tuple(its)) for (step, _), its in timed]

    def _timed(self) -> Iterator[tuple[Step, Place]]:
        """Yield each step without what it does."""
        reference_ms = self._head.start
        for step, place in self._given:
            reference_ms = self._resolved(step.at, reference_ms)
            yield self._step(step, place, reference_ms), place

    def _step(self, step: StepSpec, place: Place, at_ms: int) -> Step:
        number, line = int(place[1]) + 1, self._lines.get(place, 1)
        if step.expect is None:
            return Step(number, line, step.name or "", at_ms)
        return Step(number, line, step.name or "", at_ms, (), step.expect.expectation, self._span(step, at_ms))

    def _span(self, step: StepSpec, at_ms: int) -> Span:
        every = step.every or DEFAULT_EVERY_MS
        start = self._head.start
        if step.within is not None:
            return Span(Form.WITHIN, at_ms, at_ms + step.within, every, at_ms == start)
        window = step.always or step.never
        if window is None:
            return Span(Form.AT, start, at_ms, every, from_start=True)
        first, last = self._resolved(window.from_, start), self._resolved(window.to, self.end_ms)
        return Span(Form.ALWAYS if step.always else Form.NEVER, first, last, every, first == start)

    def _resolved(self, time: Time | None, default_ms: int) -> int:
        return default_ms if time is None else time.resolved(self._head.start)

    def _last_time(self) -> int:
        """Return the latest time that a step names."""
        latest = reference_ms = self._head.start
        for step, _ in self._given:
            reference_ms = self._resolved(step.at, reference_ms)
            window = step.always or step.never or Window.model_validate({})
            times = (self._resolved(each, latest) for each in (window.from_, window.to))
            latest = max(latest, reference_ms + (step.within or 0), *times)
        return latest

    def _out_of_time(self, step: Step, place: Place) -> Iterator[Violation]:
        start, end, span = self._head.start, self.end_ms, step.span
        first, last = (step.at_ms, step.at_ms) if span is None else (span.from_ms, span.to_ms)
        if first > last:
            yield Violation(
                place, f"must have from before to, not {offset_text(first - start)} and {offset_text(last - start)}"
            )
        elif not start <= first <= last <= min(end, _LAST_MS):
            reach = f"from its start to its end after {length_text(end - start)}"
            yield Violation(place, f"must be within the time of the scenario, {reach}")
        elif _looks(step) > _MOST_LOOKS:
            yield Violation(place, f"must look at most {_MOST_LOOKS:,} times: give a longer `every`")


def _looks(step: Step) -> float:
    """Return how often a step looks at the plant; messages are all seen as they come."""
    span = step.span
    return (
        0 if span is None or isinstance(step.expectation, OfMessages) else (span.to_ms - span.from_ms) / span.every_ms
    )


def broken(step: StepSpec, place: Place, broker: object) -> Iterator[Violation]:
    """Yield the rules between keys that a step breaks. broker: that of the scenario."""
    forms = [name for name in _FORMS if getattr(step, name) is not None]
    if (step.do is None) == (step.expect is None):
        yield Violation(place, "must have either do or expect")
    elif step.do is not None:
        yield from _broken_by_do(step, place, broker, forms)
    elif len(forms) > 1 or (not forms and step.at is None):
        yield Violation(place, "must say when: exactly one of at, within, always, never")
    elif step.at is not None and forms and forms != ["within"]:
        yield Violation((*place, "at"), f"cannot stand beside {forms[0]}, which has from and to")
    elif step.every is not None and (not forms or (step.expect is not None and step.expect.is_of_messages)):
        yield Violation((*place, "every"), "has no meaning here: messages are all looked at, and `at` is one moment")


def _broken_by_do(step: StepSpec, place: Place, broker: object, forms: Sequence[str]) -> Iterator[Violation]:
    if step.at is None:
        yield Violation(place, "needs at: when to do it")
    if extra := [*forms, *(["every"] if step.every is not None else [])]:
        yield Violation((*place, extra[0]), "goes only with expect")
    if broker != "sandbox" and any("broker" in each for each in step.do or ()):
        yield Violation((*place, "do"), "faults of the broker need `broker: sandbox`")
