"""The tasks of the process: they run until a signal, the end of a bounded run, or the failure of one of them."""

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

from edge.observability.logs import flush

log = logging.getLogger("app")

FORCED = 1
"""Exit code after a second signal, or where the process does not end by itself."""
_ONE_SIGNAL_SECONDS = 1.0
"""Signals in such quick succession count as one: GNU timeout sends two, and so does Ctrl-C pressed twice."""
_LAST_LINE_SECONDS = 0.5


def tune_garbage_collector() -> None:
    """Exclude everything that exists now from garbage collection, and collect the rest less often.

    Call this once all long-lived objects exist. Messages and jobs are freed by reference counts alone; few objects form
    cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)


class TaskEnded(Exception):
    """A task that should run for as long as the process has ended."""


class TaskSupervisor:
    """Runs tasks side by side. If one of them fails, all end: there is no half-working process.

    patience_seconds: how long it may take from a signal to `close`; then the process ends, whatever blocks it.
    asked_to_end: set by `end`, which a signal calls: the process is to end, whether its work is complete or not.
    """

    def __init__(self, patience_seconds: float = 60.0) -> None:
        self._patience_seconds = patience_seconds
        self._ended, self.asked_to_end = asyncio.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._signalled_at: float | None = None
        self._last_resort: Timer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Add a task that runs until the end."""
        self._tasks.append(asyncio.create_task(work, name=name))

    def end(self) -> None:
        """Let `until_ended` return, and what follows it not wait for what may never come."""
        self.asked_to_end.set()
        self._ended.set()

    def complete(self) -> None:
        """Let `until_ended` return, because the work is complete."""
        self._ended.set()

    async def until_ended(self) -> Exception | None:
        """Wait for `end`, `complete` or the failure of a task; return the failure."""
        ended = asyncio.create_task(self._ended.wait(), name="ended")
        await asyncio.wait([*self._tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        return self.failure()

    def failure(self) -> Exception | None:
        """Return the failure of the first task that has failed by now."""
        failures = (self._failure_of(task) for task in self._tasks if task.done())
        return next((failure for failure in failures if failure), None)

    async def close(self) -> None:
        """Cancel the tasks that still run, and wait for them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._last_resort is not None:
            self._last_resort.cancel()

    def catch_signals(self, on_hangup: Callable[[], object]) -> None:
        """End at SIGTERM and SIGINT, exit at once at a further one, and call `on_hangup` at SIGHUP.

        The first two are not left to the event loop: one that is blocked would never see them.
        """
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._loop.add_signal_handler(signal.SIGHUP, on_hangup)

    def _failure_of(self, task: asyncio.Task[None]) -> Exception | None:
        """Return why a finished task failed. To return is a failure too, unless all are to end."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) or self._ended.is_set():
            return error if isinstance(error, Exception) else None
        return TaskEnded(f"the task {task.get_name()} has ended unexpectedly")

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        now, name = self._loop.time(), signal.Signals(number).name
        if self._signalled_at is None:
            self._signalled_at = now
            text = f"shutdown takes longer than {self._patience_seconds:g} s, exiting at once"
            self._last_resort = Timer(self._patience_seconds, exit_at_once, [text])
            self._last_resort.daemon = True
            self._last_resort.start()
            self._loop.call_soon_threadsafe(self._shut_down, name)
        elif now - self._signalled_at > _ONE_SIGNAL_SECONDS:
            exit_at_once(f"received {name} again, exiting at once")

    def _shut_down(self, name: str) -> None:
        log.info("received %s, shutting down (send again to force)", name)
        self.end()


def exit_at_once(why: str) -> None:
    """Exit the process, and log why if that is possible soon: a log that nothing reads may block for ever."""
    line = Thread(target=_log_last, args=(why,), daemon=True)
    line.start()
    line.join(_LAST_LINE_SECONDS)
    os._exit(FORCED)


def _log_last(why: str) -> None:
    log.warning("%s", why)
    flush(_LAST_LINE_SECONDS)
