"""The supervisor of workers: it commands them, and sums up their reports, as if they were one process.

They get commands from this process only, over a channel, whose end also shows them that this process is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from edge.control.inbox import MOST_WAITING, Command, Executed, Front
from edge.control.journal import Note
from edge.delivery.queue import Ledger
from edge.lateness import Lateness
from edge.observability.tracing import spans
from edge.oee_sums import sum_kinds
from edge.runtime.reload import NotApplied
from edge.runtime.tasks import FORCED, TaskSupervisor
from edge.status import AlarmStatus, Busy, ClockStatus, ConnectionStatus
from edge.workers.aggregation import (
    DeliveryReport,
    PlantReport,
    Sums,
    sum_alarms,
    sum_clocks,
    sum_connections,
    sum_snapshots,
)
from edge.workers.process import Worker, ending_of, uninterrupted, wait_for_exit
from edge.workers.readings import Readings
from edge.workers.remote_front import Obedience
from plant.definition.plant_config import PlantConfig
from plant.telemetry import KindOee, Snapshot

log = logging.getLogger("app")

_ANSWER_SECONDS = 2.0
_PING_SECONDS, _TRIAL_SECONDS = 3.0, 10.0
_SILENT_SECONDS = 10.0
"""A worker reports each second; one that has not for so long hangs."""
_SHUTDOWN_SECONDS = 5.0


class WorkerDied(Exception):
    """A worker has ended without being told to; the text says which, and how."""


class WorkerSupervisor(Readings):
    """All workers, as one simulator.

    about: what they are, in a few words.  clock: seconds, monotonic.
    drain_seconds: how long they may take to drain their queues.  start_ms: when the run begins, in plant time.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        seed: int | str,
        about: str,
        clock: Callable[[], float],
        drain_seconds: float,
        start_ms: int = 0,
    ) -> None:
        super().__init__()
        self.start_ms = start_ms
        self.seed = seed
        self._workers, self._about, self._clock, self._drain_seconds = workers, about, clock, drain_seconds
        self._ending = False
        self._note: Note = lambda *_: None
        self._one_change, self._commands_waiting = asyncio.Lock(), 0
        self._obedience = Obedience()
        self._sums = Sums(lambda: [worker.delivery for worker in workers if worker.delivery])

    # status

    @property
    def ledger(self) -> Ledger:
        """The counts of messages of all parts, by what happened to them."""
        return self._sums.ledger

    @property
    def lateness(self) -> Lateness:
        """How late the run loops were."""
        return self._sums.lateness

    def connection(self) -> ConnectionStatus:
        """Return all connections as one; of workers that are done, only their counts."""
        working = self._working() or self._workers
        done = [worker for worker in self._workers if worker not in working]
        return sum_connections([_connection(worker) for worker in working], [_connection(worker) for worker in done])

    def clock(self) -> ClockStatus:
        """Return the status of the clock, which is the same for all of them."""
        return sum_clocks(worker.delivery.clock for worker in self._workers if worker.delivery)

    def alarms(self) -> AlarmStatus:
        """Return the alarms of all parts."""
        return sum_alarms(worker.delivery.alarms for worker in self._workers if worker.delivery)

    def turn_age_seconds(self) -> float:
        """Return how long ago the slowest run loop turned; one of a silent worker counts as stopped."""
        now = self._clock()
        return max((now - worker.received_at + _turn_age(worker) for worker in self._working()), default=0.0)

    def why_stuck(self) -> str | None:
        """Return which worker has been silent for too long, and for how long."""
        now = self._clock()
        silent = (worker for worker in self._working() if now - worker.received_at > _SILENT_SECONDS)
        return next(
            (f"{self._name(each)} has not reported for {now - each.received_at:.1f} s" for each in silent), None
        )

    def snapshot(self) -> Snapshot:
        """Return the counts of all parts."""
        return sum_snapshots([report.snapshot for report in self._plant_reports()])

    def oee_by_kind(self) -> list[KindOee]:
        """Return the OEE sums of all parts."""
        return sum_kinds(report.kinds for report in self._plant_reports())

    def active_faults(self) -> int | None:
        """Return how many faults machines have now; None if no type has any."""
        counts = [worker.delivery.active_faults for worker in self._workers if worker.delivery]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    async def refresh(self) -> None:
        """Ask all workers for their figures; those of a worker that does not answer soon stay as they were."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await asyncio.gather(*map(self._refresh_one, self._working()))

    # from start to exit code

    @property
    def shutdown_seconds(self) -> float:
        """How long waiting for them, killing them, and waiting again may take."""
        return 3 * _SHUTDOWN_SECONDS

    def describe(self) -> str:
        """Return what they are."""
        return self._about

    def start(self, tasks: TaskSupervisor, note: Note) -> None:
        """Have them begin; end `tasks` when all are done, and fail when one has ended.

        note: notes the commands of a file.
        """
        self._note = note
        for worker in self._workers:
            worker.received_at = self._clock()
            worker.command("start")
            tasks.start(f"worker {worker.number}", self._follow(worker, tasks))

    def before_statistics(self) -> None:
        """Do nothing: their reports come each second, and are summed when somebody looks."""

    async def shutdown(self, failure: Exception | None) -> None:  # noqa: ARG002 - the other workers end normally
        """End them cleanly, and kill those that do not end in time."""
        self._ending = True
        for worker in self._workers:
            worker.command("end")
        if not await self._all_ended(self._drain_seconds + _SHUTDOWN_SECONDS):
            for worker in (worker for worker in self._workers if worker.exit_code is None):
                log.error("%s does not end, killing it", self._name(worker))
                worker.killed = True
                os.kill(worker.pid, signal.SIGKILL)
            await self._all_ended(_SHUTDOWN_SECONDS)

    def exit_code(self, failure: Exception | None) -> int:
        """Return the worst of all exit codes."""
        if failure is not None and not isinstance(failure, WorkerDied):  # which was logged when it happened
            log.error("shut down: %s", failure, exc_info=failure)
        codes = (worker.exit_code for worker in self._workers)
        return max(*(FORCED if code is None or code < 0 else code for code in codes), FORCED if failure else 0)

    # commands

    def obey(self, front: Front) -> None:
        """Have commands that come over MQTT to the first worker executed by a front."""
        self._obedience.obey(front)

    async def execute(self, command: Command) -> Executed:
        """Have all of them execute a command at the same plant time; raises CommandRefused, Busy, or TimeoutError.

        They are held for that, and go on to the time of the one that is furthest. Answers of those that have what the
        command is about are put together. What they have been told cannot be taken back, as one may have executed it
        while another one waits for its broker: then this goes on, also where it is cancelled.
        """
        if self._commands_waiting >= MOST_WAITING:
            raise Busy
        self._commands_waiting += 1
        try:
            async with self._one_change:
                at = await self._hold_all()
                answers = await uninterrupted(self._execute_in_all(command, at))
        finally:
            self._commands_waiting -= 1
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return Executed(answers[0].at_ms, {key: value for each in answers for key, value in each.answer.items()})

    async def _execute_in_all(self, command: Command, at: float) -> list[Any]:
        """Return what each of them answers, or raises; raises TimeoutError where one has ended."""
        asked = command, at, spans.carrier()
        return await asyncio.gather(*(worker.ask("execute", asked) for worker in self._working()))

    async def _hold_all(self) -> float:
        """Have all of them wait; return the plant time of the one that is furthest.

        They are asked first whether they answer at all, as none that does is to wait for one that hangs. Raises
        TimeoutError, with the one that does not answer; then they go on.
        """
        await self._ask_all("ping")
        try:
            return max(await self._ask_all("hold"))
        except BaseException:
            for worker in self._working():
                worker.command("release")
            raise

    async def _ask_all(self, question: str) -> list[float]:
        """Return what each of them answers at once; raises TimeoutError where one does not, or none works."""
        answers = {worker: asyncio.ensure_future(worker.ask(question)) for worker in self._working()}
        if not answers:
            raise TimeoutError("no worker runs")
        await asyncio.wait(answers.values(), timeout=_PING_SECONDS)
        if silent := [worker for worker, answer in answers.items() if answer.cancel() or answer.exception()]:
            raise TimeoutError(f"{self._name(silent[0])} does not answer")
        return [answer.result() for answer in answers.values()]

    # reload

    async def apply(self, config: PlantConfig) -> int:
        """Have all of them follow another configuration from the same plant time on, or none.

        Returns that time in milliseconds; raises NotApplied where one cannot, or does not answer. Those that try it
        emit nothing until all have.
        """
        async with self._soon_changing():
            try:
                at = await self._hold_all()
            except TimeoutError as error:
                raise NotApplied(str(error)) from None
            answers = await self._try_in_all(config, at)
            why_not = next(filter(None, map(self._why_not, answers, answers.values())), None)
            for worker in answers:
                worker.command("take back" if why_not else "keep")
        if why_not:
            raise NotApplied(why_not)
        times_ms: list[int] = [answer.result() for answer in answers.values()]
        return max(times_ms)

    @contextlib.asynccontextmanager
    async def _soon_changing(self) -> AsyncIterator[None]:
        """Keep other changes away; raises NotApplied where a command before it takes too long."""
        try:
            async with asyncio.timeout(_TRIAL_SECONDS):
                await self._one_change.acquire()
        except TimeoutError:
            raise NotApplied("a command before it is not executed yet") from None
        try:
            yield
        finally:
            self._one_change.release()

    async def _try_in_all(self, config: PlantConfig, at: float) -> Mapping[Worker, asyncio.Future[Any]]:
        answers = {worker: asyncio.ensure_future(worker.ask("try", (config, at))) for worker in self._working()}
        await asyncio.wait(answers.values(), timeout=_TRIAL_SECONDS)
        return answers

    def _why_not(self, worker: Worker, answer: asyncio.Future[Any]) -> str | None:
        """Return why a worker cannot follow the configuration that it was to try, or None."""
        if answer.cancel() or answer.exception():
            return f"{self._name(worker)} does not answer"
        result = answer.result()
        return f"{self._name(worker)}: {result}" if isinstance(result, Exception) else None

    # their messages

    async def _follow(self, worker: Worker, tasks: TaskSupervisor) -> None:
        """Process all messages of a worker, and the end of its process."""
        async for name, value in worker.messages():
            self._on_message(worker, name, value)
            if all(each.done for each in self._workers):
                tasks.end()
        worker.exit_code = await wait_for_exit(worker.pid)
        worker.give_up()
        if not worker.done and worker.delivery:
            self._sums.abandon(worker.delivery)
        ended = f"{self._name(worker)} {ending_of(worker.exit_code)}"
        if not self._ending:
            log.error("%s, and the plant is incomplete without it", ended)
            raise WorkerDied(ended)
        if worker.exit_code < 0 and not worker.killed:
            log.error("%s", ended)

    def _on_message(self, worker: Worker, name: str, value: Any) -> None:
        worker.received_at = self._clock()
        if name == "delivery":
            self._keep_reports(worker, value)
        elif name == "done":
            worker.done = True
            self._keep_reports(worker, *value)
        elif name == "obey":
            self._obedience.on_asked(partial(worker.command, "obeyed"), *value)
        elif name == "executed":
            self._note(*value)
        else:
            worker.on_answer(name, value)

    def _keep_reports(self, worker: Worker, delivery: DeliveryReport, plant: PlantReport | None = None) -> None:
        worker.delivery, worker.plant = delivery, plant or worker.plant
        self._sums.on_report(delivery)

    async def _refresh_one(self, worker: Worker) -> None:
        self._keep_reports(worker, *await worker.ask("figures"))

    async def _all_ended(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(worker.exit_code is None for worker in self._workers):  # noqa: ASYNC110 - soon over
                    await asyncio.sleep(0.02)
        return all(worker.exit_code is not None for worker in self._workers)

    def _working(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.done and worker.exit_code is None]

    def _plant_reports(self) -> list[PlantReport]:
        return [worker.plant for worker in self._workers if worker.plant]

    def _name(self, worker: Worker) -> str:
        return f"worker {worker.number} of {len(self._workers)} (process {worker.pid})"


def _connection(worker: Worker) -> ConnectionStatus:
    return worker.delivery.connection if worker.delivery else ConnectionStatus()


def _turn_age(worker: Worker) -> float:
    return worker.delivery.turn_age_seconds if worker.delivery else 0.0
