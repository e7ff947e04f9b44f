"""Commands that come over MQTT to the first worker: the supervisor has them executed by all, and notes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count

from edge.control.inbox import Command, Executed, Front
from edge.control.problems import Problem
from edge.observability.tracing import spans
from edge.workers.channel import Channel

log = logging.getLogger("app")

Obeyed = tuple[int, Executed | Problem]
"""The number of a command, and its result."""


class RemoteFront:
    """The worker's end: asks the supervisor over the channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel, self._numbers = channel, count()
        self._waiting: dict[int, asyncio.Future[Executed]] = {}

    async def execute(self, command: Command, by: str) -> Executed:
        """Have a command executed by the supervisor, as part of the trace of whoever gives it; raises Problem."""
        number = next(self._numbers)
        answer: asyncio.Future[Executed] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._channel.send("obey", (number, command, by, spans.carrier()))
        try:
            return await answer
        finally:
            del self._waiting[number]

    def on_answer(self, number: int, answer: Executed | Problem) -> None:
        """Process an answer, which nothing may be waiting for any more."""
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Problem):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)


class Obedience:
    """The supervisor's end: executes what a worker asks for, and tells it its result."""

    def __init__(self) -> None:
        self._front: Front = _not_yet
        self._at_work = set[asyncio.Task[None]]()

    def obey(self, front: Front) -> None:
        """Have commands executed by a front."""
        self._front = front

    def on_asked(
        self, tell: Callable[[Obeyed], None], number: int, command: Command, by: str, carrier: spans.Carrier
    ) -> None:
        """Execute a command, and call `tell` with its result. carrier: the place in a trace of whoever gives it."""
        with spans.continued(carrier):
            task = asyncio.get_running_loop().create_task(self._execute(tell, number, command, by))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _execute(self, tell: Callable[[Obeyed], None], number: int, command: Command, by: str) -> None:
        try:
            tell((number, await self._front(command, by)))
        except Problem as problem:
            tell((number, problem))
        except Exception:
            log.exception("command of a worker failed command=%s", command.get("command"))
            tell((number, Problem(500, "an error of the simulator, which its log describes")))


async def _not_yet(_command: Command, _by: str) -> Executed:
    raise Problem(503, "the simulator executes no commands yet")
