"""A run of a scenario from its start to its result."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cli.scenario.definition.plan import Plan
from cli.scenario.judging.verdict import Outcome
from cli.scenario.running.brokers import Destination
from cli.scenario.running.feed import BrokerFeed, DirectFeed
from cli.scenario.running.script import Running, ScenarioScript
from cli.scenario.running.simulator import ScenarioSimulator
from edge.control.inbox import Command
from edge.runtime.output import Observer
from edge.runtime.run_options import RunOptions
from edge.runtime.tasks import TaskSupervisor
from plant.interventions.command_log import CommandLog

_POLL_SECONDS: Final = 0.05
_ARRIVAL_SECONDS: Final = 5.0
"""How long a subscriber is waited for that has not received what the broker has acknowledged."""


@dataclass(frozen=True, slots=True)
class Result:
    """A scenario that has been run.

    steps: each with its verdict.  messages: how many were judged.  ended_by: what ended it early, in words, or "".
    """

    plan: Plan
    steps: list[Running]
    messages: int
    ended_by: str = ""

    def count(self, outcome: Outcome) -> int:
        """Return how many steps have an outcome."""
        return sum((each.verdict.outcome if each.verdict else Outcome.OPEN) is outcome for each in self.steps)

    @property
    def passed(self) -> bool:
        """Whether every step has passed, and nothing ended the run early."""
        return self.count(Outcome.PASS) == len(self.steps) and not self.ended_by


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a run is. now: plant time in seconds since 1970."""

    now: float
    passed: int
    failed: int
    open: int


Watch = Callable[[Callable[[], Standing]], Awaitable[None]]
"""Shows the progress of a run, for which it is given a function, until it is cancelled."""


async def _watch_nothing(_standing: Callable[[], Standing]) -> None:
    await asyncio.Event().wait()


async def run_plan(
    plan: Plan, destination: Destination, watch: Watch = _watch_nothing, *, fail_fast: bool = False
) -> Result:
    """Run a scenario, and return its result."""
    settings = destination.settings
    tasks = TaskSupervisor(settings.drain_seconds + _ARRIVAL_SECONDS + 10.0)
    script = ScenarioScript(plan, destination.on_fault, tasks.complete, fail_fast=fail_fast)
    start, seconds = plan.start_ms / 1000, (plan.end_ms - plan.start_ms) / 1000
    simulator = ScenarioSimulator(
        RunOptions(start=start, duration=seconds, speed=plan.speed),
        settings,
        plan.config,
        is_first=False,
        commands=CommandLog([]),
        observer=Observer(script, script.emitted, destination.make_sink, script.room),
    )
    script.begin(simulator)
    subscription = destination.subscription
    topic = simulator.topic
    script.feed_by(
        DirectFeed(script.audience, topic) if subscription is None else BrokerFeed(script.audience, topic, subscription)
    )
    with _signals_restored():
        tasks.catch_signals(on_hangup=lambda: None)
        return await _Run(plan, simulator, script, tasks, settings.drain_seconds).result(watch)


def _note_nothing(_command: Command, _by: str, _at_ms: int, _answer: Mapping[str, object] | None) -> None:
    """Note none of a file's commands: a scenario has its own, which its report has."""


class _Run:
    """One run, of which all parts have been made."""

    def __init__(
        self,
        plan: Plan,
        simulator: ScenarioSimulator,
        script: ScenarioScript,
        tasks: TaskSupervisor,
        drain_seconds: float,
    ) -> None:
        self._plan, self._simulator, self._script, self._tasks = plan, simulator, script, tasks
        self._drain_seconds = drain_seconds

    async def result(self, watch: Watch) -> Result:
        """Run to the end, the first failure, or a signal."""
        tasks, script = self._tasks, self._script
        self._simulator.start(tasks, _note_nothing)
        tasks.start("judging", self._poll())
        tasks.start("progress", self._watched(watch))
        failure = await tasks.until_ended()
        if failure is None and not self._ended_early:
            failure = await self._finish()
        await self._simulator.shutdown(failure)
        failure = failure or tasks.failure()
        await tasks.close()
        script.settle()
        return Result(self._plan, script.steps, script.audience.count, self._why_ended(failure))

    @property
    def _ended_early(self) -> bool:
        return self._tasks.asked_to_end.is_set() or self._script.is_over

    async def _finish(self) -> Exception | None:
        """Judge what is due at the end, once everything is delivered and received; return what failed meanwhile."""
        delivery = asyncio.ensure_future(self._delivered())
        asked = asyncio.ensure_future(self._tasks.asked_to_end.wait())
        await asyncio.wait({delivery, asked}, return_when=asyncio.FIRST_COMPLETED)
        delivery.cancel()
        asked.cancel()
        if self._ended_early:
            return None
        self._script.poll()
        self._simulator.live.execute_due()
        self._script.close_all()
        return self._tasks.failure()

    async def _delivered(self) -> None:
        """Wait until all is delivered and received, or will not be soon."""
        await self._simulator.delivered(self._drain_seconds)
        for _ in range(round(_ARRIVAL_SECONDS / _POLL_SECONDS)):
            if self._script.all_received:
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _poll(self) -> None:
        while True:
            self._script.poll()
            await asyncio.sleep(_POLL_SECONDS)

    async def _watched(self, watch: Watch) -> None:
        await watch(self._standing)

    def _standing(self) -> Standing:
        counts = self._script.counts()
        return Standing(self._simulator.now, counts[Outcome.PASS], counts[Outcome.FAIL], counts[Outcome.OPEN])

    def _why_ended(self, failure: Exception | None) -> str:
        if failure is not None:
            return f"the run failed: {failure}"
        if self._tasks.asked_to_end.is_set():
            return "interrupted by a signal"
        return "ended at the first failure" if self._script.is_over else ""


@contextmanager
def _signals_restored() -> Iterator[None]:
    """Leave signals afterwards as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
