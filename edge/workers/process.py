"""The process of a worker as its supervisor has it: forked, commanded and asked over a channel, and waited for.

A fork shares what was read, checked and imported. The workers ignore signals: a terminal and some supervisors signal
whole groups of processes, and a worker would then be ended twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from edge.labels.queries import Anomalies, AnomalyQuery
from edge.observability.logs import log_as_worker
from edge.runtime.tasks import FORCED
from edge.status import BadQuery, MachinesFound, OeeFigures, OeeQuery
from edge.workers.aggregation import DeliveryReport, PlantReport
from edge.workers.channel import Channel
from plant.views.plant_views import ViewQuery

log = logging.getLogger("app")
_T = TypeVar("_T")


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as its supervisor sees it.

    number: counted from 1.  received_at: when its last message came.  exit_code: of its process, negative for a signal.
    killed: whether it was killed because it did not end.
    early: commands to send once there is a channel.  asked: the number of questions.  waiting: those without an answer
    yet, by number.  entries: the part of an answer of many entries that has arrived.
    """

    number: int
    pid: int
    end: socket.socket
    received_at: float
    channel: Channel | None = None
    delivery: DeliveryReport | None = None
    plant: PlantReport | None = None
    done: bool = False
    exit_code: int | None = None
    killed: bool = False
    early: list[tuple[str, object]] = field(default_factory=list)
    asked: int = 0
    waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)

    async def messages(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield all its messages, until it is gone."""
        self.channel = await Channel.over(self.end)
        for name, value in self.early:
            self.channel.send(name, value)
        async for message in self.channel.messages():
            yield message

    def command(self, name: str, value: object = None) -> None:
        """Send a command, unless its process has ended."""
        if self.channel is None:
            self.early.append((name, value))
        elif self.exit_code is None:
            self.channel.send(name, value)

    async def ask(self, question: str, value: object = None) -> Any:
        """Return its answer, however long it takes; raises TimeoutError where its process has ended."""
        if self.exit_code is not None:
            raise TimeoutError
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked += 1
        self.waiting[self.asked] = answer
        self.command(question, (self.asked, value))
        return await answer

    async def oee(self, query: OeeQuery) -> OeeFigures:
        """Return the OEE figures of its machines; raises TimeoutError or BadQuery."""
        return await self._find("oee", query)  # type: ignore[no-any-return]

    async def anomalies(self, query: AnomalyQuery) -> Anomalies:
        """Return the episodes of faults of its machines; raises TimeoutError or BadQuery."""
        return await self._find("anomalies", query)  # type: ignore[no-any-return]

    async def machines(self, query: ViewQuery) -> MachinesFound:
        """Return its machines as they are now; raises TimeoutError or BadQuery."""
        return await self._find("machines", query)  # type: ignore[no-any-return]

    async def _find(self, question: str, query: object) -> Any:
        answer = await self.ask(question, query)
        if isinstance(answer, BadQuery):
            raise answer
        return answer

    def on_answer(self, name: str, value: Any) -> None:
        """Process an answer, or a part of one, which nothing may be waiting for any more."""
        if name == "entries":
            self.entries += value
            return
        number, content = value
        if isinstance(content, OeeFigures | Anomalies | MachinesFound):
            content, self.entries = content._replace(entries=self.entries), []
        if not (answer := self.waiting.pop(number)).done():
            answer.set_result(content)

    def give_up(self) -> None:
        """Raise TimeoutError where something waits for its answers: its process has ended."""
        for answer in self.waiting.values():
            if not answer.done():
                answer.set_exception(TimeoutError())
        self.waiting.clear()


def fork(works: Sequence[Callable[[socket.socket], int]], clock: Callable[[], float]) -> list[Worker]:
    """Start a process for each callable, which is given its end of a channel and returns its exit code.

    To be called while there is neither an event loop nor a second thread.  clock: seconds, monotonic.
    """
    gc.freeze()  # what the collector leaves alone stays shared
    workers: list[Worker] = []
    for number, work in enumerate(works, 1):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            log_as_worker(number)
            _run_forked(work, theirs, [ours, *(worker.end for worker in workers)])
        theirs.close()
        workers.append(Worker(number, pid, ours, received_at=clock()))
    return workers


def _run_forked(work: Callable[[socket.socket], int], end: socket.socket, others: Sequence[socket.socket]) -> NoReturn:
    """Run in the forked process. Other ends are closed: an open one would hide the end of the supervisor."""
    exit_code = FORCED
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for other in others:
            other.close()
        exit_code = work(end)
    except Exception:
        log.exception("worker failed")
    finally:
        os._exit(exit_code)


async def uninterrupted(work: Coroutine[Any, Any, _T]) -> _T:
    """Return the result of work that goes on, and is waited for, where this is cancelled."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([task])
    return task.result()


async def wait_for_exit(pid: int) -> int:
    """Wait for a process that is ending; return its exit code, or minus the number of the signal that killed it."""
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):  # noqa: ASYNC110, ASYNC222 - soon over, and does not block
        await asyncio.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])


def ending_of(exit_code: int) -> str:
    """Return how a process has ended, in words that continue its name. exit_code: below 0 if a signal killed it."""
    return f"was killed by {_signal_name(-exit_code)}" if exit_code < 0 else f"has ended with exit code {exit_code}"


def _signal_name(number: int) -> str:
    """Return the name of a signal, also of a real-time signal (signal(7)), most of which Python does not name."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"SIGRTMIN+{number - signal.SIGRTMIN}" if number > signal.SIGRTMIN else f"signal {number}"
