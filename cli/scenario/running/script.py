"""The steps of a scenario at their plant times: what is done, and what is looked at.

At equal times the order is that of the file, and all messages up to a time come before what is done then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf

import orjson

from cli.scenario.definition.actions import Action, BrokerFault
from cli.scenario.definition.expectations import FieldExpectation, MessagesExpectation
from cli.scenario.definition.plan import Plan, Step
from cli.scenario.judging.looks import Sight, look_of
from cli.scenario.judging.message_judges import CountJudge, FieldJudge, MessageJudge
from cli.scenario.judging.sampling import SamplingJudge
from cli.scenario.judging.verdict import Outcome, Verdict, failed, passed
from cli.scenario.running.feed import Audience, Feed
from edge.control.inbox import Command, Executed
from messages import CommandRefused
from plant.telemetry import Message

Execute = Callable[[Command], Executed]
Judge = SamplingJudge | MessageJudge


@dataclass(slots=True)
class Running:
    """A step that is being run. judge: None for something to do.  verdict: once it is decided.

    answers: what each command answered.
    """

    step: Step
    judge: Judge | None
    verdict: Verdict | None = None
    answers: list[str] = field(default_factory=list)


class ScenarioScript:
    """Runs the steps of a plan. It acts on the plant between two of its steps, as commands do.

    on_fault: does a fault of the broker.  fail_fast: whether nothing is done or judged after the first failure.
    on_over: called when nothing is left to do for that reason.
    """

    def __init__(
        self,
        plan: Plan,
        on_fault: Callable[[BrokerFault], None],
        on_over: Callable[[], None],
        *,
        fail_fast: bool,
    ) -> None:
        self._plan, self._on_fault, self._on_over, self._fail_fast = plan, on_fault, on_over, fail_fast
        self.steps: list[Running] = []
        self.audience = Audience([], self._has_more)
        self._feed: Feed | None = None
        self._closing: list[MessageJudge] = []
        self._due: list[tuple[int, int]] = []

    def begin(self, sight: Sight) -> None:
        """Begin with the first step. sight: the run that is looked at."""
        self.steps = [Running(step, _judge(step, sight)) for step in self._plan.steps]
        judges = [each.judge for each in self.steps if isinstance(each.judge, MessageJudge)]
        self.audience = Audience(judges, self._has_more)
        self._due = [(_first_ms(each), place) for place, each in enumerate(self.steps)]
        heapify(self._due)

    def feed_by(self, feed: Feed) -> None:
        """Have a feed show the messages."""
        self._feed = feed

    def emitted(self, messages: Sequence[Message]) -> None:
        """Take messages that the plant has emitted."""
        if self._feed is not None:
            self._feed.emitted(messages)

    def room(self) -> float:
        """Return how many messages may be emitted now where the plant can wait."""
        return inf if self._feed is None else self._feed.room

    def poll(self) -> None:
        """Judge what has been received since the last call."""
        if self._feed is not None:
            self._feed.poll()
            self.close_complete()

    @property
    def all_received(self) -> bool:
        """Whether every message that was emitted has been judged."""
        return self._feed is None or self._feed.complete_ms == inf

    @property
    def is_over(self) -> bool:
        """Whether nothing more is done or judged."""
        return self.audience.is_over

    def next_seconds(self) -> float:
        """Return when it acts next, in seconds since 1970; inf if it does not."""
        return self._due[0][0] / 1000 if self._due and not self.is_over else inf

    def act(self, now: float, execute: Execute) -> None:
        """Do what is due up to a plant time."""
        now_ms = round(now * 1000)
        while self._due and self._due[0][0] <= now_ms and not self.is_over:
            time_ms, place = heappop(self._due)
            self._run(self.steps[place], place, time_ms, execute)
        self.close_complete()

    def close_complete(self) -> None:
        """Decide what all messages have been seen for."""
        complete_ms = inf if self._feed is None else self._feed.complete_ms
        self._close([judge for judge in self._closing if judge.closes_ms <= complete_ms])

    def close_all(self) -> None:
        """Decide what is left: no more messages will come."""
        self._close(self._closing)

    def settle(self) -> None:
        """Note the verdicts that judges have come to."""
        for each in self.steps:
            if each.verdict is None and each.judge is not None:
                each.verdict = each.judge.verdict

    def counts(self) -> dict[Outcome, int]:
        """Return how many steps have passed, failed, and are open."""
        self.settle()
        outcomes = [each.verdict.outcome if each.verdict else Outcome.OPEN for each in self.steps]
        return {outcome: outcomes.count(outcome) for outcome in Outcome}

    def _run(self, running: Running, place: int, time_ms: int, execute: Execute) -> None:
        judge = running.judge
        if judge is None:
            self._do(running, time_ms, execute)
        elif isinstance(judge, MessageJudge):
            self._closing.append(judge)
            self.close_complete()
        elif judge.verdict is None:
            judge.look()
            if judge.verdict is None:
                heappush(self._due, (judge.next_ms, place))
        self.settle()
        self._end_if_failed()

    def _do(self, running: Running, time_ms: int, execute: Execute) -> None:
        is_refused = False
        for action in running.step.actions:
            try:
                running.answers.append(self._done(action, execute))
            except CommandRefused as error:
                is_refused = True
                running.answers.append(f"{action.text}: refused: {error}")
        seen = "; ".join(running.answers)
        running.verdict = failed(time_ms, seen) if is_refused else passed(time_ms, seen)

    def _done(self, action: Action, execute: Execute) -> str:
        if action.fault is not None:
            self._on_fault(action.fault)
            return action.text
        answer = orjson.dumps(execute(action.command or {}).answer).decode()
        return f"{action.text}: {answer}"

    def _close(self, judges: Sequence[MessageJudge]) -> None:
        for judge in judges:
            judge.close()
        self._closing = [judge for judge in self._closing if judge.verdict is None]
        self.settle()
        self._end_if_failed()

    def _has_more(self) -> bool:
        """Note what was decided by a message; return whether more is to be judged."""
        self.settle()
        return not self._end_if_failed()

    def _end_if_failed(self) -> bool:
        if self._fail_fast and any(each.verdict is not None and each.verdict.failed for each in self.steps):
            self.audience.is_over = True
            self._on_over()
        return self.audience.is_over


def _judge(step: Step, sight: Sight) -> Judge | None:
    """Return the judge of a step; None for something to do."""
    match step.expectation, step.span:
        case MessagesExpectation() as wanted, span if span is not None:
            return CountJudge(wanted, span)
        case FieldExpectation() as wanted, span if span is not None:
            return FieldJudge(wanted, span)
        case wanted, span if wanted is not None and span is not None:
            return SamplingJudge(span, look_of(wanted, sight))
    return None


def _first_ms(running: Running) -> int:
    """Return when a step has to be run first."""
    match running.judge:
        case SamplingJudge(next_ms=first):
            return first
        case MessageJudge(closes_ms=closes):
            return closes
    return running.step.at_ms
