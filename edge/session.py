"""paho's MQTT 5 session, carried by an asyncio transport, with the AUTH packet that paho lacks.

paho keeps CONNECT, CONNACK, keep-alive, subscriptions, AUTH and DISCONNECT. Telemetry goes past it as whole frames:
outgoing ones are written between paho's, incoming PUBACKs never reach it. The three private methods of paho that
this rests on are overridden here and nowhere else; tests/test_session.py fails when paho changes underneath.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.wire import AUTH, CONNACK, PUBACK, MalformedFrame, Splitter, puback, varint

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

FIRST_OWN_ID, LAST_OWN_ID = 1024, 65_535
"""Packet ids of telemetry. Those below are paho's: it counts its few subscriptions up from 1."""

RE_AUTHENTICATE = 0x19
_REFUSED_FROM = 0x80
_CLOSE_SECONDS = 1.0
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", 0)
"""Linux: acknowledge at once what has come (tcp(7)); it has to be said anew each time.

A broker that writes each PUBACK by itself, with Nagle's algorithm on, as mosquitto does, else holds all but the first
until we acknowledge that, up to 40 ms later. What we write carries the acknowledgement with it, and saying it as well
would have the broker send smaller pieces: that costs it up to a third of its throughput.
"""


def make_properties(packet_type: int, **values: object) -> Properties:
    """MQTT properties of a packet, by the names paho gives them."""
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Link(asyncio.Protocol):
    """One network connection: splits what comes in, and is the socket that paho believes it has.

    on_pubacks: called with acknowledgements of telemetry: packet ids, and the reason code that all of them have.
    on_batch: called once after all frames of one read.
    on_writable: called when the transport takes bytes again after it was full.
    """

    def __init__(
        self,
        on_pubacks: Callable[[Sequence[int], int], None],
        on_batch: Callable[[], None],
        on_writable: Callable[[], None],
    ) -> None:
        self.writable = True
        self._wrote = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[Exception | None] = self._loop.create_future()
        self._on_pubacks, self._on_batch, self._on_writable = on_pubacks, on_batch, on_writable
        self._splitter = Splitter()
        self._inbox = b""
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._read_by_paho: Callable[[], object] = lambda: None

    def attach(self, read_by_paho: Callable[[], object]) -> None:
        """Have `read_by_paho` called whenever there are bytes for paho, or the end of them."""
        self._read_by_paho = read_by_paho

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._wrote = True
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Drop the connection at once, without a word."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = self._transport.get_extra_info("socket") if _QUICK_ACK else None

    def data_received(self, data: bytes) -> None:
        """Deal out the frames: acknowledgements to the delivery, the rest to paho."""
        alike = self._splitter.pubacks(data)
        if alike is not None:
            self._on_pubacks(*alike)
        else:
            self._deal_out(data)
        self._wrote = False
        self._on_batch()
        if not self._wrote and self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        self.writable = True
        self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; paho reads the end of its bytes."""
        self._transport, self._socket, self.writable = None, None, False
        self._read_by_paho()
        if not self.closed.done():
            self.closed.set_result(exc)

    def _deal_out(self, data: bytes) -> None:
        try:
            for frame in self._splitter.feed(data):
                if frame[0] & 0xF0 == PUBACK:
                    packet_id, code = puback(frame)
                    self._on_pubacks([packet_id], code)
                else:
                    self._inbox += frame
                    self._read_by_paho()
        except MalformedFrame:
            self.abort()

    # what paho calls on its socket

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes for paho; b"" at the end of the connection."""
        if not self._inbox:
            if self._transport is None:
                return b""
            raise BlockingIOError
        taken, self._inbox = self._inbox[:size], self._inbox[size:]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Take one whole frame of paho's."""
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._transport.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close once all that was written has left; at once after a second, for a dead peer answers no end of TLS."""
        if self._transport is not None and not self._loop.is_closed():
            self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
            self._transport.close()

    def fileno(self) -> int:
        """No file descriptor: the event loop has it."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """Never blocks, whatever `flag` says."""


class Session(paho.Client):
    """paho's client on a Link, with AUTH (MQTT 5, 3.15).

    on_auth: called with the reason code of each AUTH the server sends.
    on_refused: called with the reason code of each CONNACK that is a refusal (MQTT 5, 3.2.2.2).
    """

    def __init__(
        self,
        link: Link,
        client_id: str,
        on_auth: Callable[[int], None],
        on_refused: Callable[[int], None] = lambda _code: None,
    ) -> None:
        super().__init__(
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        self._link = link
        self._on_auth, self._on_refused = on_auth, on_refused
        self.on_socket_register_write = self._write_now
        link.attach(self.loop_read)

    def open(self, host: str, port: int, keep_alive: int, *, clean_start: bool, properties: Properties) -> None:
        """Send CONNECT over the link."""
        self.connect_async(host, port, keep_alive, clean_start=clean_start, properties=properties)
        self.reconnect()

    def authenticate_again(self, method: str, data: bytes) -> None:
        """Send AUTH with reason Re-authenticate (MQTT 5, 4.12.1)."""
        properties = make_properties(PacketTypes.AUTH, AuthenticationMethod=method, AuthenticationData=data)
        body = bytes((RE_AUTHENTICATE,)) + properties.pack()  # type: ignore[no-untyped-call]
        self._packet_queue(AUTH, bytes((AUTH,)) + varint(len(body)) + body, 0, 0)

    def leave(self, *, session_expiry_seconds: int | None = None) -> None:
        """Send DISCONNECT; an expiry of 0 ends the session at the server, None keeps it (MQTT 5, 3.14)."""
        properties = None
        if session_expiry_seconds is not None:
            properties = make_properties(PacketTypes.DISCONNECT, SessionExpiryInterval=session_expiry_seconds)
        self.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=0), properties)

    def _write_now(self, *_: Any) -> None:
        asyncio.get_running_loop().call_soon(self.loop_write)

    def _create_socket(self) -> SocketLike:
        return self._link

    def _packet_handle(self) -> MQTTErrorCode:
        command, body = self._in_packet["command"] & 0xF0, self._in_packet["packet"]
        if command == AUTH:
            self._on_auth(body[0] if body else 0)
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        if command == CONNACK and len(body) > 1 and body[1] >= _REFUSED_FROM:
            # Read here, because paho 2.2.0 takes a CONNACK with 0x99 for malformed.
            self._on_refused(body[1])
        return super()._packet_handle()
