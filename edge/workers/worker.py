"""A worker: a process with a part of the plant, which obeys and informs the one at the front."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from edge.http.oee_answer import PIECE_MACHINES, OeeTruth
from edge.runtime.service import SimulatorBackend
from edge.runtime.tasks import FORCED, TaskSupervisor, spare_the_collector
from edge.status import BadQuery
from edge.workers.aggregation import DeliveryReport, PlantReport
from edge.workers.channel import Channel
from plant.definition.plant_config import PlantConfigError

log = logging.getLogger("reload")

PULSE_SECONDS = 1.0


class Part(SimulatorBackend, Protocol):
    """What a worker runs: works that may be asked first whether they can follow another structure."""

    def try_out(self, config: Any) -> None:
        """Follow another structure, and say nothing until it is kept or taken back; raises what stands in the way."""

    def keep(self) -> None:
        """Stay with the structure that was tried."""

    def take_back(self) -> None:
        """Go on as if the structure had never been tried."""


async def work(end: socket.socket, build: Callable[[], Part]) -> int:
    """Build a part and run it until told to end, over one end of the channel to the front; return the exit code.

    Reports first whether the part could be built: "built", or "refused" with every mistake of the configuration.
    """
    channel = await Channel.over(end)
    try:
        works = build()
    except PlantConfigError as error:
        channel.send("refused", error.mistakes)
        await channel.close()
        return FORCED
    channel.send("built")
    return await Worker(channel, works).live()


class Worker:
    """Begins when told to; what is done stays to be asked about. Where the front has gone it ends in good order."""

    def __init__(self, channel: Channel, works: Part) -> None:
        self._channel, self._works = channel, works
        self._life, self._released = TaskSupervisor(), asyncio.Event()
        self._asked: asyncio.Queue[tuple[str, tuple[int, Any]]] = asyncio.Queue()
        self._orders: dict[str, Callable[[Any], Awaitable[None]]] = {
            "end": self._end,
            "try": self._try_out,
            "keep": self._keep,
            "take back": self._take_back,
        }
        self._questions: dict[str, Callable[[Any], Awaitable[object]]] = {
            "figures": self._tell_figures,
            "truth": self._tell_truth,
        }

    async def live(self) -> int:
        """From the order to start to the exit code."""
        orders, life = self._channel.messages(), self._life
        if await anext(orders, None) != ("start", None):
            return FORCED
        spare_the_collector()
        self._works.start(life)
        life.start("orders", self._obey(orders))
        life.start("answers", self._answer())
        life.start("pulse", self._beat())
        death = await life.until_over()
        await self._works.wind_up(death)
        death = death or life.death()
        code = self._works.exit_code(death)
        self._channel.send("done", await self._tell_figures(None))
        if death is None:
            await self._released.wait()
        await life.close()
        await self._channel.close()
        return code

    async def _obey(self, orders: AsyncIterator[tuple[str, Any]]) -> None:
        async for name, value in orders:
            if name in self._questions:
                self._asked.put_nowait((name, value))
            else:
                await self._orders[name](value)
        if self._released.is_set():
            # It has told us to end, and was then itself told to end at once.
            os._exit(FORCED)
        await self._end(None)
        await asyncio.Event().wait()

    async def _beat(self) -> None:
        while True:
            self._channel.send("pulse", self._pulse())
            await asyncio.sleep(PULSE_SECONDS)
            self._works.between_statistics()

    async def _end(self, _: None) -> None:
        self._released.set()
        self._life.end()

    async def _try_out(self, asked: tuple[int, object]) -> None:
        """Answer in words why it cannot be, or None; at once, whatever else is still to be answered."""
        number, config = asked
        try:
            self._works.try_out(config)
        except Exception as error:
            log.debug("cannot follow another structure", exc_info=error)
            self._channel.send("answer", (number, f"{type(error).__name__}: {error}"))
        else:
            self._channel.send("answer", (number, None))

    async def _keep(self, _: None) -> None:
        self._works.keep()

    async def _take_back(self, _: None) -> None:
        self._works.take_back()

    async def _answer(self) -> None:
        """One question after another, while orders go before them: an answer may take its time."""
        while True:
            name, (number, value) = await self._asked.get()
            self._channel.send("answer", (number, await self._questions[name](value)))

    async def _tell_figures(self, _: None) -> tuple[DeliveryReport, PlantReport]:
        await self._works.look()
        return self._pulse(), PlantReport(self._works.snapshot(), self._works.oee_by_kind())

    async def _tell_truth(self, query: Any) -> OeeTruth | BadQuery:
        """The machines go before, a few in a message, so that neither end is held up by it."""
        try:
            truth = await self._works.truth(query)
        except BadQuery as error:
            return error
        for first in range(0, len(truth.entries), PIECE_MACHINES):
            self._channel.send("part", truth.entries[first : first + PIECE_MACHINES])
            await self._channel.sent()
        return truth._replace(entries=())

    def _pulse(self) -> DeliveryReport:
        works = self._works
        lateness = copy.copy(works.lateness)
        works.lateness.take_worst()
        return DeliveryReport(works.ledger, lateness, works.connection(), works.turn_age_seconds(), works.clock())
