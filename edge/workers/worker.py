"""A worker: a process with a part of the plant, which follows the commands of its supervisor and reports to it."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from edge.control.inbox import Command, Executed
from edge.control.live_plant import LivePlant
from edge.control.problems import Problem
from edge.http.answers import PIECE_ENTRIES
from edge.labels.queries import Anomalies
from edge.observability.tracing import spans
from edge.reported.meter import Reported
from edge.runtime.service import SimulatorBackend
from edge.runtime.tasks import FORCED, TaskSupervisor, tune_garbage_collector
from edge.status import BadQuery, Busy, MachinesFound, OeeFigures
from edge.traffic import TrafficBatch, TrafficQuery
from edge.workers.aggregation import DeliveryReport, PlantReport
from edge.workers.channel import Channel
from edge.workers.remote_front import RemoteFront
from plant.definition.plant_config import PlantConfig, PlantConfigError
from plant.interventions.commands import CommandRefused

log = logging.getLogger("reload")

REPORT_SECONDS = 1.0


class PlantPart(SimulatorBackend, Protocol):
    """What a worker runs: a simulator that can be changed at the same plant time as the other parts."""

    @property
    def live(self) -> LivePlant:
        """The plant as commands and configurations change it."""


async def run_worker(end: socket.socket, build: Callable[[], PlantPart]) -> int:
    """Build a part of the plant, and run it over one end of the channel to the supervisor; return the exit code.

    Reports first whether the part could be built: "built", or "rejected" with every error of the configuration.
    """
    channel = await Channel.over(end)
    try:
        part = build()
    except PlantConfigError as error:
        channel.send("rejected", error.mistakes)
        await channel.close()
        return FORCED
    channel.send("built")
    return await Worker(channel, part).run()


class Worker:
    """Runs a part of a plant on command, and answers questions even when it is done.

    It ends cleanly where its supervisor is gone.
    """

    def __init__(self, channel: Channel, part: PlantPart) -> None:
        self._channel, self._part = channel, part
        self._tasks, self._told_to_end = TaskSupervisor(), asyncio.Event()
        self._at_work: set[asyncio.Task[object]] = set()
        self._asked: asyncio.Queue[tuple[str, tuple[int, Any]]] = asyncio.Queue()
        self._commands: dict[str, Callable[[Any], Awaitable[None]]] = {
            "end": self._end,
            "ping": self._ping,
            "try": self._try_out,
            "keep": self._keep,
            "take back": self._take_back,
            "hold": self._hold,
            "execute": self._execute,
            "release": self._release,
            "obeyed": self._on_obeyed,
        }
        self._front = RemoteFront(channel)
        part.obey(self._front.execute)
        self._questions: dict[str, Callable[[Any], Awaitable[object]]] = {
            "figures": self._figures,
            "oee": partial(self._found, part.oee),
            "anomalies": partial(self._found, part.anomalies),
            "machines": partial(self._found, part.machines),
            "machine": part.machine,
            "config": self._config,
            "traffic": self._traffic,
            "reported": self._reported,
        }

    async def run(self) -> int:
        """Run from the command to start to the exit code."""
        commands, tasks = self._channel.messages(), self._tasks
        if await anext(commands, None) != ("start", None):
            return FORCED
        tune_garbage_collector()
        self._part.start(tasks, self._note)
        tasks.start("commands", self._follow(commands))
        tasks.start("answers", self._answer())
        tasks.start("reports", self._report())
        failure = await tasks.until_ended()
        await self._part.shutdown(failure)
        failure = failure or tasks.failure()
        exit_code = self._part.exit_code(failure)
        self._channel.send("done", await self._figures(None))
        if failure is None:
            await self._told_to_end.wait()
        await tasks.close()
        await self._channel.close()
        return exit_code

    async def _follow(self, commands: AsyncIterator[tuple[str, Any]]) -> None:
        async for name, value in commands:
            if name in self._questions:
                self._asked.put_nowait((name, value))
            else:
                await self._commands[name](value)
        if self._told_to_end.is_set():
            # The supervisor has told this worker to end, and was then forced to end at once.
            os._exit(FORCED)
        await self._end(None)
        await asyncio.Event().wait()

    async def _report(self) -> None:
        while True:
            self._channel.send("delivery", self._delivery())
            await asyncio.sleep(REPORT_SECONDS)
            self._part.before_statistics()

    def _note(self, *executed: object) -> None:
        """Have a command of a file noted."""
        self._channel.send("executed", executed)

    async def _end(self, _: None) -> None:
        self._told_to_end.set()
        self._tasks.end()

    async def _ping(self, asked: tuple[int, None]) -> None:
        """Answer at once."""
        self._channel.send("answer", (asked[0], None))

    async def _try_out(self, asked: tuple[int, tuple[PlantConfig, float]]) -> None:
        """Answer when the plant has come to the time, with it in milliseconds, or why the configuration is no use."""
        number, (config, at) = asked
        self._answer_later(number, self._part.live.try_out_at(config, at))

    async def _keep(self, _: None) -> None:
        self._part.live.keep()

    async def _take_back(self, _: None) -> None:
        self._part.live.take_back()

    async def _hold(self, asked: tuple[int, None]) -> None:
        """Answer at once with the plant's time, which then stops."""
        self._channel.send("answer", (asked[0], self._part.live.hold()))

    async def _execute(self, asked: tuple[int, tuple[Command, float, spans.Carrier]]) -> None:
        """Answer when the plant has come to the time of a command, as part of the trace of whoever gave it."""
        number, (command, at, carrier) = asked
        with spans.continued(carrier):
            self._answer_later(number, self._execute_at(command, at))

    async def _execute_at(self, command: Command, at: float) -> Executed:
        with spans.span("execute", {}):
            return await self._part.live.execute_at(command, at)

    async def _release(self, _: None) -> None:
        self._part.live.release()

    async def _on_obeyed(self, answer: tuple[int, Executed | Problem]) -> None:
        self._front.on_answer(*answer)

    def _answer_later(self, number: int, work: Coroutine[Any, Any, object]) -> None:
        """Answer once work is done, before other questions, with its result or the exception that it raises."""
        task = asyncio.create_task(work)
        self._at_work.add(task)

        def answer(done: asyncio.Task[object]) -> None:
            self._at_work.discard(done)
            if not done.cancelled():
                self._channel.send("answer", (number, _copyable(done.exception()) or done.result()))

        task.add_done_callback(answer)

    async def _answer(self) -> None:
        """Answer one question after another; commands are followed meanwhile, because an answer may take long."""
        while True:
            name, (number, value) = await self._asked.get()
            self._channel.send("answer", (number, await self._questions[name](value)))

    async def _figures(self, _: None) -> tuple[DeliveryReport, PlantReport]:
        await self._part.refresh()
        return self._delivery(), PlantReport(self._part.snapshot(), self._part.oee_by_kind())

    async def _found(
        self, find: Callable[[Any], Awaitable[OeeFigures | Anomalies | MachinesFound]], query: Any
    ) -> OeeFigures | Anomalies | MachinesFound | BadQuery:
        """Send the entries first, a few in a message, so that neither end is blocked by it."""
        try:
            found = await find(query)
        except BadQuery as error:
            return error
        for first in range(0, len(found.entries), PIECE_ENTRIES):
            self._channel.send("entries", found.entries[first : first + PIECE_ENTRIES])
            await self._channel.flush()
        return found._replace(entries=())

    async def _traffic(self, asked: tuple[TrafficQuery, int | None, int]) -> TrafficBatch | Busy:
        try:
            return await self._part.traffic(*asked)
        except Busy as busy:
            return busy

    async def _reported(self, _: None) -> Reported | None:
        return await self._part.reported()

    async def _config(self, _: None) -> PlantConfig:
        return await self._part.config()

    def _delivery(self) -> DeliveryReport:
        part = self._part
        lateness = copy.copy(part.lateness)
        part.lateness.take_worst()
        return DeliveryReport(
            part.ledger,
            lateness,
            part.connection(),
            part.turn_age_seconds(),
            part.clock(),
            part.active_faults(),
            part.alarms(),
        )


def _copyable(error: BaseException | None) -> Exception | None:
    """Return an exception that can be sent to another process: the refusal of a command as it is, others as text."""
    if error is None or isinstance(error, CommandRefused | Busy):
        return error
    log.debug("cannot be done", exc_info=error)
    return NotDone(f"{type(error).__name__}: {error}")


class NotDone(Exception):
    """A part of the plant cannot do what it was asked to; the text says why."""
