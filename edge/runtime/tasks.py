"""The life of the process: its tasks run until told to end, or until one of them dies."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from threading import Thread, Timer
from types import FrameType
from typing import Any

log = logging.getLogger("life")

FORCED = 1
"""Exit code after a second signal, or where the process does not end by itself."""
_ONE_SIGNAL_SECONDS = 1.0
"""Signals that come so soon one after the other mean one: GNU timeout sends two, and so does a nervous Ctrl-C."""
_LAST_LINE_SECONDS = 0.5


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


class TaskSupervisor:
    """Runs tasks side by side. If one dies, life is over: there is no half-dead daemon.

    patience_seconds: how long it may take from a signal to `close`; then the process ends, whatever it hangs in.
    """

    def __init__(self, patience_seconds: float = 60.0) -> None:
        self._patience_seconds = patience_seconds
        self._over = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled_at: float | None = None
        self._last_resort: Timer | None = None
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
        return self.death()

    def death(self) -> Exception | None:
        """What one of the tasks has died of by now."""
        deaths = (self._death(task) for task in self._tasks if task.done())
        return next((death for death in deaths if death), None)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._last_resort is not None:
            self._last_resort.cancel()

    def catch_signals(self, on_hangup: Callable[[], object]) -> None:
        """SIGTERM and SIGINT let life end, a further one ends the process at once; SIGHUP calls `on_hangup`.

        The first two are not left to the loop: a loop that hangs in something that blocks would never see them.
        """
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        self._loop.add_signal_handler(signal.SIGHUP, on_hangup)

    def _death(self, task: asyncio.Task[None]) -> Exception | None:
        """What a finished task died of. To end quietly is a death too, unless life was over by then."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) or self._over.is_set():
            return error if isinstance(error, Exception) else None
        return TaskEnded(f"the task {task.get_name()} has ended by itself")

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        now, name = self._loop.time(), signal.Signals(number).name
        if self._signalled_at is None:
            self._signalled_at = now
            self._last_resort = Timer(self._patience_seconds, end_at_once, ["still not ended: ending at once"])
            self._last_resort.daemon = True
            self._last_resort.start()
            self._loop.call_soon_threadsafe(self._shut_down, name)
        elif now - self._signalled_at > _ONE_SIGNAL_SECONDS:
            end_at_once(f"received {name} again, ending at once")

    def _shut_down(self, name: str) -> None:
        log.info("received %s, shutting down (send again to force)", name)
        self.end()


def end_at_once(why: str) -> None:
    """End the process, and say why if that is possible soon: a log that nobody reads may block for ever."""
    line = Thread(target=log.warning, args=("%s", why), daemon=True)
    line.start()
    line.join(_LAST_LINE_SECONDS)
    os._exit(FORCED)
