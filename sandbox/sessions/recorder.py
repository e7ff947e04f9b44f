"""A subscriber inside the process, for tests: it records every message, in order.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from mqtt5 import PublishPacket

from sandbox.sessions.messages import Delivery


class Received(NamedTuple):
    """A message as the broker received it; `packet` has further properties."""

    client_id: str
    retain: bool
    packet: PublishPacket

    @property
    def topic(self) -> str:
        """The topic that it was published on."""
        return self.packet.topic

    @property
    def payload(self) -> bytes:
        """The payload."""
        return self.packet.payload

    @property
    def qos(self) -> int:
        """The publisher's QoS."""
        return int(self.packet.qos)

    @property
    def dup(self) -> bool:
        """The publisher's DUP flag."""
        return self.packet.duplicate

    @property
    def user_properties(self) -> list[tuple[str, str]]:
        """The publisher's user properties, in order."""
        return self.packet.user_properties


class Recorder:
    """Records the messages of one topic filter.  unsubscribe: called by `close`."""

    client_id = ""
    present = True

    def __init__(self, unsubscribe: Callable[[Recorder], None]) -> None:
        self.messages: list[Received] = []
        self._arrived = asyncio.Event()
        self._unsubscribe = unsubscribe

    def may_read(self, topic: str) -> bool:  # noqa: ARG002
        """Return True: it is not a client."""
        return True

    def offer(self, delivery: Delivery) -> None:
        """Record a message."""
        message = delivery.message
        self.messages.append(Received(message.publisher, delivery.retain, message.packet))
        self._arrived.set()

    async def wait(self, count: int, timeout_seconds: float = 5.0) -> list[Received]:
        """Return all messages as soon as there are `count`; raise TimeoutError with the number otherwise."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._reach(count)
        except TimeoutError:
            raise TimeoutError(f"{len(self.messages)} of {count} messages in {timeout_seconds} s") from None
        return self.messages

    def close(self) -> None:
        """Stop recording."""
        self._unsubscribe(self)

    async def _reach(self, count: int) -> None:
        while len(self.messages) < count:
            # Cleared before waiting, and nothing runs in between: no message can be missed.
            self._arrived.clear()
            await self._arrived.wait()
