"""The progress of a scenario on a terminal: a line every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TextIO

from cli.scenario.definition.plan import Plan
from cli.scenario.running.run import Standing

_LINE_SECONDS: Final = 2.0


class Progress:
    """Writes lines to a stream, if that is a terminal."""

    def __init__(self, plan: Plan, stream: TextIO) -> None:
        self._plan, self._stream = plan, stream

    async def watch(self, standing: Callable[[], Standing]) -> None:
        """Write a line every two seconds, until cancelled."""
        while True:
            await asyncio.sleep(_LINE_SECONDS)
            if self._stream.isatty():
                print(self.line(standing()), file=self._stream, flush=True)

    def line(self, now: Standing) -> str:
        """Return a line: plant time, its share of the whole, and the steps."""
        plan = self._plan
        reached_ms = round(now.now * 1000)
        share = (reached_ms - plan.start_ms) / (plan.end_ms - plan.start_ms)
        times = f"{plan.offset(reached_ms)} of {plan.offset(plan.end_ms)} ({share:.0%})"
        return f"{times}: {now.passed} passed, {now.failed} failed, {now.open} open"
