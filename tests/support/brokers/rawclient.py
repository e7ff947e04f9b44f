"""An MQTT 5 client that sends exactly the packets it is told, right or wrong, and shows every answer."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec, TypeVar

import mqtt5
from mqtt5 import ConnAckPacket, ConnectPacket, PublishPacket, QoS

PacketT = TypeVar("PacketT")
P = ParamSpec("P")
ANSWER_SECONDS = 15.0
TEST_SECONDS = 20.0


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), TEST_SECONDS))

    return run


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, *packets: mqtt5.Packet | bytes) -> None:
        """Send packets, or raw bytes, in one write."""
        self.writer.write(b"".join(one if isinstance(one, bytes) else one.write() for one in packets))

    async def receive(self, kind: type[PacketT]) -> PacketT:
        """The next packet, which has to be of this kind."""
        packet = await self.receive_any()
        assert isinstance(packet, kind), packet
        return packet

    async def receive_any(self) -> mqtt5.Packet:
        """The next packet."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return mqtt5.read(memoryview(await self._frame()))[0]

    async def ended(self) -> str:
        """How the broker ended the connection with no more packets: `closed` or `reset`."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                left = await self._reader.read()
        except ConnectionResetError:
            return "reset"
        assert left == b"", left
        return "closed"

    async def silent(self, seconds: float) -> bool:
        """Whether nothing at all comes for some seconds."""
        try:
            await asyncio.wait_for(self._reader.readexactly(1), seconds)
        except TimeoutError:
            return True
        return False

    async def _frame(self) -> bytes:
        head = await self._reader.readexactly(2)
        while head[-1] & 0x80:
            head += await self._reader.readexactly(1)
        length = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(head[1:]))
        return head + await self._reader.readexactly(length)


@asynccontextmanager
async def dialled(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawClient]:
    """A TCP or TLS connection with nothing sent on it; at the end it is closed without DISCONNECT."""
    name = "localhost" if tls is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def connected(
    port: int, client_id: str = "raw", *, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[RawClient, ConnAckPacket]]:
    """A client after CONNECT with these options, and the CONNACK it got."""
    async with dialled(port, tls) as client:
        client.send(ConnectPacket(client_id, **options))
        yield client, await client.receive(ConnAckPacket)


def message(packet_id: int | None = None, topic: str = "a/b", payload: bytes = b"x", **options: Any) -> PublishPacket:
    """A PUBLISH: QoS 1 if it has a packet id, else QoS 0."""
    qos = QoS.AT_MOST_ONCE if packet_id is None else QoS.AT_LEAST_ONCE
    return PublishPacket(topic, payload, qos=qos, packet_id=packet_id, **options)
