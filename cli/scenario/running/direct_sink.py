"""In place of a broker: each message is acknowledged as it is queued."""

from __future__ import annotations

import asyncio

from edge.delivery.queue import MessageQueue
from edge.status import ConnectionStatus


class DirectSink:
    """Acknowledges each message at once, so that every count is that of the plant's time and of no clock."""

    def __init__(self, queue: MessageQueue) -> None:
        self._queue, self._stopped = queue, asyncio.Event()
        queue.connect_consumer(self._take)

    def facts(self) -> ConnectionStatus:
        """Return a status that is always ready, without any MQTT client."""
        return ConnectionStatus(connected=True, last_reason="no broker", clients=0)

    async def run(self) -> None:
        """Wait until stopped."""
        await self._stopped.wait()

    async def drain(self, seconds: float) -> bool:  # noqa: ARG002 - nothing is ever waited for
        """Return that everything is delivered."""
        return True

    async def stop(self) -> None:
        """Let `run` return."""
        self._stopped.set()

    def abandon(self, reason: str) -> None:
        """Count as dropped what is left."""
        self._queue.drop_all(reason)

    def _take(self) -> None:
        while len(self._queue):
            self._queue.acknowledged(*self._queue.take(len(self._queue)))
