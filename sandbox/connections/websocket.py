"""MQTT over WebSocket (MQTT 5, 6): what a page in a browser speaks, as the byte stream that a channel reads.

For demos and tests, not for production.

Binary frames of the subprotocol `mqtt`; a packet may span frames, and a frame may have several packets. By RFC 6455,
without extensions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import singledispatchmethod
from typing import Any, cast
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from sandbox.connections.channel import Channel

log = logging.getLogger(__name__)

SUBPROTOCOL = "mqtt"
ANY_ORIGIN = "*"
OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
STATUS = {400: "Bad Request", 403: "Forbidden"}


class WebSocket(asyncio.Protocol):
    """The server's end of one WebSocket; the channel behind it sees a transport of plain bytes.

    origins: of the pages that may connect, beside those of this machine; ANY_ORIGIN is all.
    """

    def __init__(self, make_channel: Callable[[], Channel], origins: frozenset[str]) -> None:
        self._channel = make_channel()
        self._origins = origins
        self._protocol = WSConnection(ConnectionType.SERVER)
        self._transport: asyncio.Transport
        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on the connection at once, so that the time for CONNECT includes the handshake; called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._channel.connection_made(_Payload(self, self._transport))

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on the end of the connection; called by asyncio."""
        self._channel.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on; called by asyncio."""
        self._channel.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on; called by asyncio."""
        self._channel.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Process the bytes of one read; called by asyncio."""
        if self._refused or self._protocol.state is ConnectionState.CLOSED:
            return
        try:
            self._protocol.receive_data(data)
            for event in self._protocol.events():
                self._handle(event)
        except RemoteProtocolError:
            # Raised for requests alone: a wrong frame is reported as the close frame to send.
            self._refuse(400, "this port is for MQTT over WebSocket")

    def write(self, data: bytes) -> None:
        """Send bytes as one binary frame; nothing before the handshake, or once either end has closed."""
        if self._protocol.state is ConnectionState.OPEN:
            self._transport.write(self._protocol.send(BytesMessage(data)))

    def close(self) -> None:
        """Send a close frame, and close when the client has answered it: closing at once would break its last write."""
        self.say_close()
        if self._protocol.state is not ConnectionState.LOCAL_CLOSING:
            self._transport.close()

    def say_close(self, reason: CloseReason = CloseReason.NORMAL_CLOSURE) -> None:
        """Send a close frame, if none was sent."""
        if self._protocol.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
            self._transport.write(self._protocol.send(CloseConnection(reason)))

    @singledispatchmethod
    def _handle(self, event: Event) -> None:
        """Ignore what needs no answer, such as a pong."""

    @_handle.register
    def _(self, event: Request) -> None:
        origin = next(
            (value.decode("latin-1") for name, value in event.extra_headers if name.lower() == b"origin"), None
        )
        if not self._is_welcome(origin):
            log.warning("refused a page's WebSocket origin=%r", origin)
            self._refuse(403, f"pages of {origin} may not connect to this broker")
        elif SUBPROTOCOL not in event.subprotocols:
            # A server that chose none would leave the client to find out what is spoken (MQTT 5, 6.0).
            self._refuse(400, f"this port is for MQTT over WebSocket: ask for the subprotocol {SUBPROTOCOL}")
        else:
            self._transport.write(self._protocol.send(AcceptConnection(subprotocol=SUBPROTOCOL)))

    @_handle.register
    def _(self, event: BytesMessage) -> None:
        self._channel.data_received(bytes(event.data))

    @_handle.register
    def _(self, event: TextMessage) -> None:  # noqa: ARG002
        # MQTT 5, 6.0: anything but binary frames ends the connection.
        self.say_close(CloseReason.UNSUPPORTED_DATA)
        self._channel.hang_up()

    @_handle.register
    def _(self, event: Ping) -> None:
        self._transport.write(self._protocol.send(event.response()))

    @_handle.register
    def _(self, event: CloseConnection) -> None:
        # In answer to the client's, or because of a frame that breaks the rules.
        if self._protocol.state in {ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING}:
            self._transport.write(self._protocol.send(event.response()))
        self._transport.close()

    def _is_welcome(self, origin: str | None) -> bool:
        """Return whether the page of an Origin header may connect; programs send none.

        A browser lets every page of the Internet connect to ports of this machine, so that it needs more than being
        here. The name in the Host header proves nothing: it is the page's own, whatever address it resolves to.
        """
        if origin is None or not self._origins.isdisjoint({origin, ANY_ORIGIN}):
            return True
        try:
            return urlsplit(origin).hostname in OWN_HOSTS
        except ValueError:
            return False

    def _refuse(self, status: int, text: str) -> None:
        """Answer by HTTP and close."""
        self._refused = True
        body = f"{text}\n".encode("utf-8", "replace")
        head = (
            f"HTTP/1.1 {status} {STATUS[status]}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"X-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        self._transport.close()


class _Payload(asyncio.Transport):
    """A transport whose bytes are those inside the frames."""

    def __init__(self, socket: WebSocket, below: asyncio.Transport) -> None:
        super().__init__()
        self._socket = socket
        self._below = below

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._below.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._below.get_write_buffer_size()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._socket.write(bytes(data))

    def write_eof(self) -> None:
        self._socket.say_close()

    def close(self) -> None:
        self._socket.close()

    def abort(self) -> None:
        self._below.abort()
