"""The life of the process: its tasks run until told to end, or until one of them dies."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("life")

FORCED = 1
"""Exit code after a second signal."""


def spare_the_collector() -> None:
    """Have the garbage collector leave alone what is built by now, and look at the rest less often.

    To be called once all that lives as long as the process is there. Messages and jobs come and go by reference counts
    alone; what has cycles is little.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)


class TaskEnded(Exception):
    """A task that should go on for ever has ended."""


class Life:
    """Runs tasks side by side. If one dies, life is over: there is no half-dead daemon."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._asked_to_end = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Add a task that goes on until life is over."""
        self._tasks.append(asyncio.create_task(work, name=name))

    def end(self) -> None:
        """Let `until_over` return."""
        self._over.set()

    async def until_over(self) -> Exception | None:
        """Wait for `end`, or for a task's death: then give what it died of."""
        over = asyncio.create_task(self._over.wait(), name="over")
        await asyncio.wait([*self._tasks, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        deaths = (self._death(task) for task in self._tasks if task.done())
        return next((death for death in deaths if death), None)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def catch_signals(self, on_hangup: Callable[[], object]) -> None:
        """SIGTERM and SIGINT end life in good order, a second one at once; SIGHUP calls `on_hangup`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGHUP, on_hangup)

    def _death(self, task: asyncio.Task[None]) -> Exception | None:
        """What a finished task died of. To end quietly is a death too, unless life was over by then."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) or self._over.is_set():
            return error if isinstance(error, Exception) else None
        return TaskEnded(f"the task {task.get_name()} has ended by itself")

    def _signalled(self, number: signal.Signals) -> None:
        if self._asked_to_end:
            log.warning("%s again: ending at once", number.name)
            os._exit(FORCED)
        log.info("%s: ending in good order; once more ends at once", number.name)
        self._asked_to_end = True
        self.end()
