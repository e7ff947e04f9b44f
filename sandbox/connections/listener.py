"""A listening socket, and connections from accept to the end of their TLS handshake.

For demos and tests, not for production.

asyncio's own server does not close a connection whose TLS handshake is in progress when the server closes; this one
does, so that a broker can be killed at any moment and leaves nothing open.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sandbox.access import Access, Anyone
from sandbox.acl import Acl
from sandbox.connections.channel import Channel
from sandbox.connections.websocket import WebSocket
from sandbox.observe import Counters

log = logging.getLogger(__name__)

BACKLOG = 4_096
"""Connections that the kernel keeps until they are accepted: those of a storm, which would wait a second otherwise."""

ACCEPTED_AT_ONCE = 64
RETRY_SECONDS = 0.5
TLS_READ_BYTES = 17 * 1024
"""A record of TLS, with what it has around its 16 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where to listen, and which clients to accept.

    port: 0 for any free one.  or_any_port: whether any free one will do where that one is in use.  tls: a server's
    context, or None for plain TCP.  access: who may connect.  acl: what they may do, or None for all.
    websocket: whether MQTT is inside WebSocket.  origins: such as https://example.org, of pages that may connect by it
    beside those of this machine.
    """

    host: str = "127.0.0.1"
    port: int = 0
    or_any_port: bool = False
    tls: ssl.SSLContext | None = None
    access: Access = field(default_factory=Anyone)
    acl: Acl | None = None
    websocket: bool = False
    origins: frozenset[str] = frozenset()


class ListeningSocket:
    """An open listener.  make: returns a new channel for each connection."""

    def __init__(self, listener: Listener, port: int, make: Callable[[], Channel], counters: Counters) -> None:
        self._tls = listener.tls
        self._make: Callable[[], asyncio.BaseProtocol] = make
        if listener.websocket:
            self._make = partial(WebSocket, make, listener.origins)
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(listener, port)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        # With its socket, because a task that is cancelled before its first step does not close it.
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}
        self._retry: asyncio.TimerHandle | None = None
        self._exhausted = False
        self._open()

    async def close(self) -> None:
        """Stop listening, and close connections whose handshake is not complete."""
        self._loop.remove_reader(self._socket)
        if self._retry is not None:
            self._retry.cancel()
        self._socket.close()
        handshakes = dict(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)
        for connection in handshakes.values():
            connection.close()

    def _open(self) -> None:
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        """Accept what is waiting, but not so many that the connected clients wait."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                # There is none, or the client has closed the connection in between.
                return
            except OSError as error:
                # Out of descriptors: the socket stays readable, so an immediate retry would be a busy loop.
                if not self._exhausted:
                    self._exhausted = True
                    log.warning("cannot accept connections, trying again port=%d error=%s", self.port, error)
                self._loop.remove_reader(self._socket)
                self._retry = self._loop.call_later(RETRY_SECONDS, self._open)
                return
            self._exhausted = False
            connection.setblocking(False)
            task = self._loop.create_task(self._handshake(connection))
            self._handshakes[task] = connection
            task.add_done_callback(self._handshakes.pop)

    async def _handshake(self, connection: socket.socket) -> None:
        try:
            transport, _ = await self._loop.connect_accepted_socket(self._make, connection, ssl=self._tls)
            if self._tls is not None:
                _spare_memory(transport)
        except OSError:
            self._counters.handshake_failures += 1


def _spare_memory(transport: asyncio.BaseTransport) -> None:
    """Let a TLS connection read records of up to 16 KiB one by one (RFC 8446, 5.1), not 256 KiB at once.

    asyncio keeps a buffer of that size for each, which would be the memory of thirty plain connections; it offers no
    option for it. Where a later version has other names, nothing is saved and nothing breaks.
    """
    protocol = getattr(transport, "_ssl_protocol", None)
    if protocol is not None and hasattr(protocol, "_ssl_buffer_view"):
        protocol.max_size = TLS_READ_BYTES
        protocol._ssl_buffer = bytearray(TLS_READ_BYTES)  # noqa: SLF001
        protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)  # noqa: SLF001


def _bound(listener: Listener, port: int) -> socket.socket:
    """Return a socket that listens; raise OSError if the port is in use.

    Whether a port is free only binding it tells: between a look and the use of it another process may take it.
    """
    try:
        return socket.create_server((listener.host, port), backlog=BACKLOG)
    except OSError as error:
        if not listener.or_any_port or error.errno != errno.EADDRINUSE:
            raise
        return socket.create_server((listener.host, 0), backlog=BACKLOG)
