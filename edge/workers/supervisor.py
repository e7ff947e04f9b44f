"""Workers as one: forked, told what to do, listened to and summed up, so that they look like one process.

A fork shares what was read, checked and imported. The workers see no signals: a terminal and some supervisors signal
whole groups of processes, and a worker would then be told twice. They are told by the front alone, over a channel,
whose end tells them as well that the front is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from edge.delivery.queue import Ledger
from edge.http.oee_answer import Entry, OeeTruth, merged
from edge.observability.logs import speak_as
from edge.observability.metrics import Lateness
from edge.oee_sums import sum_kinds
from edge.runtime.tasks import FORCED, TaskSupervisor
from edge.status import BadQuery, ClockStatus, ConnectionStatus, OeeQuery
from edge.workers.aggregation import (
    DeliveryReport,
    PlantReport,
    sum_clocks,
    sum_connections,
    sum_ledgers,
    sum_snapshots,
)
from edge.workers.channel import Channel
from plant.telemetry import KindOee, Snapshot

log = logging.getLogger("app")

_ANSWER_SECONDS = 2.0
_TRUTH_SECONDS = 60.0
_TRIAL_SECONDS = 10.0
_FAREWELL_SECONDS = 5.0


class WorkerDied(Exception):
    """A worker has ended that nobody told to; the text says which, and how."""


class NotAdopted(Exception):
    """The workers stay with the structure that they have; the text says which of them cannot leave it, and why."""


@dataclass(slots=True, eq=False)
class Worker:
    """A worker as the front knows it.

    number: counted from 1.  heard_at: when its last pulse came.  code: of its end, negative for a signal.
    early: what it is to be told once there is a channel.  asked: how many questions it was.  waiting: those that it has
    not answered yet, by number.  parts: what it has said so far of the truth.
    """

    number: int
    pid: int
    end: socket.socket
    heard_at: float = 0.0
    channel: Channel | None = None
    pulse: DeliveryReport | None = None
    census: PlantReport | None = None
    done: bool = False
    code: int | None = None
    early: list[tuple[str, object]] = field(default_factory=list)
    asked: int = 0
    waiting: dict[int, asyncio.Future[Any]] = field(default_factory=dict)
    parts: list[Entry] = field(default_factory=list)

    async def listen(self) -> AsyncIterator[tuple[str, Any]]:
        """All that it says, until it is gone."""
        self.channel = await Channel.over(self.end)
        for order, value in self.early:
            self.channel.send(order, value)
        async for message in self.channel.messages():
            yield message

    def tell(self, order: str, value: object = None) -> None:
        """Give an order, if it is there to hear it."""
        if self.channel is None:
            self.early.append((order, value))
        elif self.code is None:
            self.channel.send(order, value)

    async def ask(self, question: str, value: object = None) -> Any:
        """Its answer; to be given up after a time. TimeoutError where it is dead, and never will answer."""
        if self.code is not None:
            raise TimeoutError
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked += 1
        self.waiting[self.asked] = answer
        self.tell(question, (self.asked, value))
        return await answer

    async def truth(self, query: OeeQuery) -> OeeTruth:
        """The machines of its part, which come before the rest of the answer; TimeoutError, BadQuery."""
        answer = await self.ask("truth", query)
        if isinstance(answer, BadQuery):
            raise answer
        return answer  # type: ignore[no-any-return]

    def hear(self, name: str, value: Any) -> None:
        """A part of an answer, or the rest of it. Nobody may be waiting any more."""
        if name == "part":
            self.parts += value
            return
        number, said = value
        if isinstance(said, OeeTruth):
            said, self.parts = said._replace(entries=self.parts), []
        if not (answer := self.waiting.pop(number)).done():
            answer.set_result(said)


def fork(lives: Sequence[Callable[[socket.socket], int]]) -> list[Worker]:
    """Begin a process for each life, which is given its end of a channel and gives its exit code.

    To be called while there is neither an event loop nor a second thread.
    """
    gc.freeze()  # what the collector leaves alone stays shared
    workers: list[Worker] = []
    for number, life in enumerate(lives, 1):
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            speak_as(number)
            _be(life, theirs, [ours, *(worker.end for worker in workers)])
        theirs.close()
        workers.append(Worker(number, pid, ours))
    return workers


def _be(life: Callable[[socket.socket], int], end: socket.socket, others: Sequence[socket.socket]) -> NoReturn:
    """Be a worker. Others' ends are closed: who holds one open keeps a worker from seeing that the front is gone."""
    code = FORCED
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for other in others:
            other.close()
        code = life(end)
    except Exception:
        log.exception("a worker ends")
    finally:
        os._exit(code)


class WorkerSupervisor:
    """The front's side of all workers.

    about: what they are, in a few words.  clock: seconds, monotonic.
    drain_seconds: how long they may take to get the rest acknowledged.
    """

    def __init__(
        self, workers: Sequence[Worker], seed: int | str, about: str, clock: Callable[[], float], drain_seconds: float
    ) -> None:
        self.ledger, self.lateness, self.seed = Ledger(), Lateness(), seed
        self._workers, self._about, self._clock, self._drain_seconds = workers, about, clock, drain_seconds
        self._ending = False
        for worker in workers:
            worker.heard_at = clock()

    @property
    def farewell_seconds(self) -> float:
        """They are waited for, killed, and waited for once more."""
        return 3 * _FAREWELL_SECONDS

    def describe(self) -> str:
        """Say what they are."""
        return self._about

    def connection(self) -> ConnectionStatus:
        """All connections as one; of workers that are done already only what they have counted."""
        at_work = self._at_work() or self._workers
        gone = [worker for worker in self._workers if worker not in at_work]
        return sum_connections([_connection(worker) for worker in at_work], [_connection(worker) for worker in gone])

    def turn_age_seconds(self) -> float:
        """Tell for how long the slowest has not turned; who says nothing does not turn."""
        now = self._clock()
        return max((now - worker.heard_at + _turn_age(worker) for worker in self._at_work()), default=0.0)

    def clock(self) -> ClockStatus:
        """The clock that all of them see."""
        return sum_clocks(worker.pulse.clock for worker in self._workers if worker.pulse)

    def snapshot(self) -> Snapshot:
        """The counts of all parts."""
        return sum_snapshots([census.snapshot for census in self._censuses()])

    def oee_by_kind(self) -> list[KindOee]:
        """The sums of all parts."""
        return sum_kinds(census.kinds for census in self._censuses())

    async def look(self) -> None:
        """Ask all of them; who does not answer soon stays as it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.gather(*map(self._count, self._at_work()))
        self._sum_up()

    async def truth(self, query: OeeQuery) -> OeeTruth:
        """The machines of all parts; TimeoutError where one does not answer, BadQuery."""
        async with asyncio.timeout(_TRUTH_SECONDS):
            parts = await asyncio.gather(*(worker.truth(query) for worker in self._workers))
        return await merged(parts, query.which.limit)

    def start(self, life: TaskSupervisor) -> None:
        """Have them begin; life ends when all are done, or one is dead."""
        for worker in self._workers:
            worker.tell("start")
            life.start(f"worker {worker.number}", self._follow(worker, life))

    def between_statistics(self) -> None:
        """Sum up what they have told."""
        self._sum_up()

    async def adopt(self, config: object) -> None:
        """Have all of them follow another structure, or none: NotAdopted where one cannot, or does not answer."""
        answers = {worker: asyncio.ensure_future(worker.ask("try", config)) for worker in self._workers}
        await asyncio.wait(answers.values(), timeout=_TRIAL_SECONDS)
        why_not = next(filter(None, (self._why_not(worker, answer) for worker, answer in answers.items())), None)
        for worker in self._workers:
            worker.tell("take back" if why_not else "keep")
        if why_not:
            raise NotAdopted(why_not)

    async def wind_up(self, death: Exception | None) -> None:  # noqa: ARG002 - who lives still may end well
        """Have them end in good order; kill who does not."""
        self._ending = True
        for worker in self._workers:
            worker.tell("end")
        if not await self._all_ended(self._drain_seconds + _FAREWELL_SECONDS):
            for worker in (worker for worker in self._workers if worker.code is None):
                log.error("%s does not end: killing it", self._name(worker))
                os.kill(worker.pid, signal.SIGKILL)
            await self._all_ended(_FAREWELL_SECONDS)
        self._sum_up()

    def exit_code(self, death: Exception | None) -> int:
        """The worst of all codes."""
        if death is not None:
            log.error("ending: %s", death, exc_info=None if isinstance(death, WorkerDied) else death)
        codes = [FORCED if worker.code is None or worker.code < 0 else worker.code for worker in self._workers]
        return max(*codes, FORCED if death else 0)

    def _why_not(self, worker: Worker, answer: asyncio.Future[Any]) -> str | None:
        """Why a worker cannot follow what it was to try, or None."""
        if answer.cancel() or answer.exception():
            return f"{self._name(worker)} does not answer"
        return f"{self._name(worker)}: {answer.result()}" if answer.result() else None

    # listening

    async def _follow(self, worker: Worker, life: TaskSupervisor) -> None:
        """All that it says, and the end of its process."""
        async for name, value in worker.listen():
            self._hear(worker, name, value)
            if all(each.done for each in self._workers):
                life.end()
        worker.code = await _reaped(worker.pid)
        if not self._ending:
            raise WorkerDied(f"{self._name(worker)} {_how(worker.code)}, and without it the plant is not whole")

    def _hear(self, worker: Worker, name: str, value: Any) -> None:
        worker.heard_at = self._clock()
        if name == "pulse":
            self._note(worker, value)
        elif name == "done":
            worker.done = True
            self._note(worker, *value)
        else:
            worker.hear(name, value)

    def _note(self, worker: Worker, pulse: DeliveryReport, census: PlantReport | None = None) -> None:
        worker.pulse, worker.census = pulse, census or worker.census
        self.lateness.worsen(pulse.lateness.take_worst())

    async def _count(self, worker: Worker) -> None:
        self._note(worker, *await worker.ask("figures"))

    async def _all_ended(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(worker.code is None for worker in self._workers):  # noqa: ASYNC110 - soon over
                    await asyncio.sleep(0.02)
        return all(worker.code is not None for worker in self._workers)

    # summing up

    def _sum_up(self) -> None:
        pulses = [worker.pulse for worker in self._workers if worker.pulse]
        if pulses:
            sum_ledgers(self.ledger, [pulse.ledger for pulse in pulses])
            self.lateness.become_sum_of([pulse.lateness for pulse in pulses])

    def _at_work(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.done and worker.code is None]

    def _censuses(self) -> list[PlantReport]:
        return [worker.census for worker in self._workers if worker.census]

    def _name(self, worker: Worker) -> str:
        return f"worker {worker.number} of {len(self._workers)} (process {worker.pid})"


def _connection(worker: Worker) -> ConnectionStatus:
    return worker.pulse.connection if worker.pulse else ConnectionStatus()


def _turn_age(worker: Worker) -> float:
    return worker.pulse.turn_age_seconds if worker.pulse else 0.0


async def _reaped(pid: int) -> int:
    """Wait for a process that is ending; its exit code, or minus the number of the signal that killed it."""
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):  # noqa: ASYNC110, ASYNC222 - soon over, and does not block
        await asyncio.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
