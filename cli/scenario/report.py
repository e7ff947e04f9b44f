"""The report of a scenario: a block for each step in the order of the file, and a summary."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from cli.scenario.definition.plan import Plan
from cli.scenario.definition.times import length_text
from cli.scenario.definition.words import in_words
from cli.scenario.judging.verdict import Outcome
from cli.scenario.running.run import Result
from cli.scenario.running.script import Running
from edge.redaction import printable
from edge.timestamps import rfc3339

_INDENT: Final = " " * 6
_WIDTH: Final = 120
_LONGEST: Final = 4000


def report(result: Result) -> str:
    """Return the report. It has no time of the clock: the same plan gives the same report."""
    lines = [*_head(result.plan), "", *(line for each in result.steps for line in block(result.plan, each)), ""]
    return "\n".join([*lines, summary(result)])


def _head(plan: Plan) -> Iterator[str]:
    length = length_text(plan.end_ms - plan.start_ms)
    yield f"{plan.name} ({plan.file})"
    yield f"plant: {plan.plant_name}; seed {plan.seed}; from {rfc3339(plan.start_ms)}, {length}; broker: {plan.broker}"


def block(plan: Plan, running: Running) -> Iterator[str]:
    """Yield the lines of a step."""
    step, verdict = running.step, running.verdict
    outcome = verdict.outcome if verdict else Outcome.OPEN
    time_ms = verdict.time_ms if verdict else None
    when = "" if time_ms is None else f"  {plan.offset(time_ms)}"
    yield f"{outcome}  {plan.file.name}:{step.line}{when}  {title(plan, running)}"
    if step.expectation is not None and step.name:
        yield from _wrapped("expected", expected(plan, running))
    yield from _wrapped("seen" if step.expectation is not None else "done", verdict.seen if verdict else "not decided")
    if verdict is not None and verdict.failed and verdict.example:
        yield f"{_INDENT}message: {printable(verdict.example, _LONGEST)}"


def title(plan: Plan, running: Running) -> str:
    """Return the name of a step or, without one, what it does or expects."""
    return running.step.name or expected(plan, running)


def expected(plan: Plan, running: Running) -> str:
    """Return what a step expects, and when."""
    step = running.step
    if step.expectation is None or step.span is None:
        return "; ".join(each.text for each in step.actions)
    return f"{in_words(step.expectation)}, {step.span.text(plan.start_ms)}"


def _wrapped(what: str, text: str) -> list[str]:
    head = f"{_INDENT}{what}: "
    wrapper = textwrap.TextWrapper(_WIDTH, head, f"{_INDENT}  ", break_long_words=False, break_on_hyphens=False)
    return wrapper.wrap(printable(text, _LONGEST))


def summary(result: Result) -> str:
    """Return the last line: how many steps passed, failed and were not decided."""
    counts = [f"{result.count(Outcome.PASS)} passed", f"{result.count(Outcome.FAIL)} failed"]
    if undecided := result.count(Outcome.OPEN):
        counts.append(f"{undecided} not decided")
    plan = result.plan
    text = f"{len(result.steps)} steps: {', '.join(counts)}; {result.messages:,} messages"
    early = f"; {result.ended_by}" if result.ended_by else ""
    return f"{'PASSED' if result.passed else 'FAILED'}  {plan.name}: {text}{early}"
