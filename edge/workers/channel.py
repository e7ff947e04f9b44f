"""Messages between a supervisor and its workers, over a pair of sockets that no other process can reach."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

_LENGTH_BYTES = 4


def receive(end: socket.socket) -> tuple[str, Any] | None:
    """Return the next message over a socket of which no channel has been made yet, or None if the other end is gone.

    Blocks until the message has come whole.
    """
    length = int.from_bytes(end.recv(_LENGTH_BYTES, socket.MSG_WAITALL))
    body = end.recv(length, socket.MSG_WAITALL) if length else b""
    return pickle.loads(body) if len(body) == length > 0 else None  # noqa: S301 - from a fork of this program


class Channel:
    """One end of a channel. A message is a name and a value, which is copied when it is sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Return the channel over a socket, which the channel owns from now on."""
        return cls(*await asyncio.open_connection(sock=end))

    def send(self, name: str, value: object = None) -> None:
        """Send a message; it is lost where the other end is gone."""
        if self._writer.is_closing():
            return
        body = pickle.dumps((name, value))
        self._writer.write(len(body).to_bytes(_LENGTH_BYTES) + body)

    async def flush(self) -> None:
        """Wait while more than a little is still to be sent."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        await asyncio.sleep(0)

    async def messages(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield every message that arrives, until the other end is gone."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES))
                yield pickle.loads(await self._reader.readexactly(length))  # noqa: S301 - from a fork of this program

    async def close(self) -> None:
        """Send what is still to be sent, and close."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()
