"""A broker that misbehaves by script on a real socket, and behaves after `reform`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from struct import pack
from types import TracebackType
from typing import Self

from edge.http.server import stop_accepting

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 0x10, 0x30, 0x80, 0xC0, 0xE0
WELCOME = b"\x20\x03\x00\x00\x00"
"""CONNACK: success, a new session, no properties (MQTT 5, 3.2)."""


WELCOME_3_1_1 = b"\x20\x02\x00\x00"
"""The same in MQTT 3.1.1, 3.2."""

_LEVEL_AT = 6
"""Where the protocol level is in CONNECT (MQTT 5, 3.1.2.2)."""


def packet(first: int, body: bytes) -> bytes:
    """A packet of this first byte (MQTT 5, 2.1)."""
    return bytes((first,)) + length(len(body)) + body


def length(number: int) -> bytes:
    """A variable byte integer (MQTT 5, 1.5.5)."""
    digits = []
    while number > 127:
        number, low = divmod(number, 128)
        digits.append(low | 128)
    return bytes((*digits, number))


class Peer:
    """The client's end as the broker sees it.  number: which connection it is, counted from 1.

    heard: the packets that the client has sent, first byte and body.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.number = number
        self.heard: list[tuple[int, bytes]] = []
        self._reader, self._writer = reader, writer
        self._socket: socket.socket = writer.get_extra_info("socket")

    async def hear(self, kind: int | None = None) -> tuple[int, bytes]:
        """Return the next packet, or the next of a kind. Raise ConnectionError at the end."""
        while True:
            try:
                first, size, shift = (await self._reader.readexactly(1))[0], 0, 0
                while True:
                    byte = (await self._reader.readexactly(1))[0]
                    size |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                self.heard.append((first, await self._reader.readexactly(size)))
            except asyncio.IncompleteReadError:
                raise ConnectionError("the client has gone") from None
            if kind is None or first & 0xF0 == kind:
                return self.heard[-1]

    @property
    def is_old(self) -> bool:
        """Whether the client has connected with MQTT 3.1.1."""
        return any(first == CONNECT and body[_LEVEL_AT : _LEVEL_AT + 1] == b"\x04" for first, body in self.heard)

    @property
    def welcome(self) -> bytes:
        """CONNACK in the version of the client."""
        return WELCOME_3_1_1 if self.is_old else WELCOME

    async def say(self, data: bytes) -> None:
        """Send bytes, right or wrong; waits while the client does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def encrypt(self, tls: ssl.SSLContext) -> None:
        """Do a TLS handshake, and continue encrypted."""
        await self._writer.start_tls(tls)

    def reset(self) -> None:
        """Drop the connection by a RST (RFC 9293, 3.10.4), with whatever has not left yet."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """Close the connection without DISCONNECT."""
        self._writer.close()

    async def gone(self) -> None:
        """Read until the client closes."""
        with suppress(OSError):
            while True:
                await self.hear()

    async def behave(self, *, greeted: bool = False) -> None:
        """Behave correctly to the end of the connection: CONNACK, acknowledgements, PINGRESP."""
        if not greeted:
            await self.hear(CONNECT)
            await self.say(self.welcome)
        while True:
            first, body = await self.hear()
            if first & 0xF0 == PUBLISH and first & 6:
                topic = int.from_bytes(body[:2], "big")
                await self.say(b"\x40\x02" + body[2 + topic : 4 + topic])
            elif first & 0xF0 == SUBSCRIBE:
                await self.say(packet(0x90, body[:2] + (b"\x01" if self.is_old else b"\x00\x01")))
            elif first == PINGREQ:
                await self.say(b"\xd0\x00")
            elif first & 0xF0 == DISCONNECT:
                return


Script = Callable[[Peer], Awaitable[None]]


class Rogue:
    """An async context manager: does on each connection what `script` says, and behaves where `reform` was called.

    peers: all connections so far.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._well = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_accepting(self._server.sockets)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for peer in self.peers:
            peer.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reform(self) -> None:
        """Behave correctly on each further connection, and drop the present ones."""
        self._well = True
        for peer in self.peers:
            peer.reset()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        peer = Peer(reader, writer, len(self.peers) + 1)
        self.peers.append(peer)
        with suppress(OSError, asyncio.CancelledError):
            await (peer.behave() if self._well else self._script(peer))
        writer.close()
