"""paho's MQTT 5 session, carried by an asyncio transport, with the AUTH packet that paho lacks.

paho keeps CONNECT, keep-alive and DISCONNECT. Telemetry bypasses it as whole frames: outgoing ones are written between
paho's, incoming PUBACKs never reach it. Nor does anything else that a broker sends: packet_reader.py parses it, and
paho reads frames of our own, which report that it is connected, or that its ping was answered. So nothing that a broker
sends can confuse paho or fill its memory. The one private method of paho that this relies on is overridden here and
nowhere else; tests/edge/mqtt/test_session.py fails when paho changes it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.protocol import packet_reader
from edge.mqtt.protocol.codec import PROTOCOL_ERROR, PUBACK, Splitter, Violation, varint
from edge.mqtt.protocol.packet_reader import (
    AUTH,
    CONNACK,
    DISCONNECT,
    NAMES,
    PINGRESP,
    SERVER_KEEP_ALIVE,
    Answer,
    kind_of,
    puback,
)

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

FIRST_OWN_ID, LAST_OWN_ID = 1024, 65_535
"""Packet ids of telemetry. paho uses those below: it counts its few subscriptions up from 1."""

RE_AUTHENTICATE = 0x19
REFUSED_FROM = 0x80
"""The lowest reason code that is no success (MQTT 5, 2.4)."""

_PINGREQ = 0xC0
_CLOSE_SECONDS = 1.0
_MOST_STRAYS = 1000
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", 0)
"""Linux: acknowledge received data at once (tcp(7)); the option has to be set again each time.

A broker that writes each PUBACK by itself, with Nagle's algorithm on, as mosquitto does, otherwise keeps all but the
first until we acknowledge that, up to 40 ms later. Data that we write carry the acknowledgement with them; setting the
option then as well makes the broker send smaller pieces, which costs it up to a third of its throughput.
"""


def make_properties(packet_type: int, **values: object) -> Properties:
    """Return the MQTT properties of a packet, given by paho's names for them."""
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Transport(asyncio.Protocol):
    """One network connection: splits incoming bytes into frames, and stands in for paho's socket.

    on_pubacks: called with acknowledgements of telemetry: packet ids and the reason code that all of them have; returns
    how many of the ids were in flight.
    on_room: called once after all frames of one read, and when the transport accepts bytes again after it was full.
    on_frame: called with each frame except PUBACKs; may raise Violation, which ends the connection.
    read_by_paho: called when there are bytes for paho.
    fault: why we ended the connection ourselves: a Violation, or an error of our own.
    """

    def __init__(
        self,
        on_pubacks: Callable[[Sequence[int], int], int],
        on_room: Callable[[], None],
        on_frame: Callable[[bytes], None],
        read_by_paho: Callable[[], object],
    ) -> None:
        self.writable = True
        self.fault: Exception | None = None
        self._wrote = self._closing = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[Exception | None] = self._loop.create_future()
        self._on_pubacks, self._on_room = on_pubacks, on_room
        self._on_frame, self._read_by_paho = on_frame, read_by_paho
        self._splitter = Splitter()
        self._inbox = b""
        self._expected = self._strays = self._pings = 0
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._wrote = True
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    def pass_to_paho(self, frame: bytes) -> None:
        """Let paho read this frame."""
        self._inbox = frame
        self._read_by_paho()

    def close_for(self, violation: Violation) -> None:
        """Send DISCONNECT with the reason code, and close (MQTT 5, 4.13.1)."""
        self.fault = self.fault or violation
        self.write(bytes((DISCONNECT, 2, violation.code, 0)))
        self.close()

    def abort(self) -> None:
        """Drop the connection at once, without DISCONNECT."""
        self._closing, self.writable = True, False
        if self._transport is not None:
            self._transport.abort()

    def ping_answered(self) -> None:
        """Count a PINGRESP; raise Violation where too many come without a ping."""
        self._expected += bool(self._pings)
        if not self._pings:
            self._tolerate(1)
        self._pings = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the open transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = self._transport.get_extra_info("socket") if _QUICK_ACK else None

    def data_received(self, data: bytes) -> None:
        """Dispatch the frames: acknowledgements to the publisher, the rest to the session."""
        if self._closing:
            return
        try:
            alike = self._splitter.pubacks(data)
            if alike is not None:
                packet_ids, code = alike
                expected = self._on_pubacks(packet_ids, code)
                self._expected += expected
                if expected != len(packet_ids):
                    self._tolerate(len(packet_ids) - expected)
            else:
                self._dispatch(data)
            self._wrote = False
            self._on_room()
        except Violation as violation:
            self.close_for(violation)
        except Exception as error:  # noqa: BLE001 - an error of ours ends this connection, not the process
            self.fault = error
            self.abort()
        if not self._wrote and self._socket is not None and not self._closing:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def pause_writing(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """Write again: the transport's buffer has drained."""
        if not self._closing:
            self.writable = True
            self._on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed; paho reads the end of its bytes."""
        self._transport, self._socket, self.writable = None, None, False
        self._closing = True
        self._read_by_paho()
        if not self.closed.done():
            self.closed.set_result(exc)

    def _dispatch(self, data: bytes) -> None:
        for frame in self._splitter.split(data):
            if self._closing:
                return
            if frame[0] & 0xF0 == PUBACK:
                packet_id, code = puback(frame)
                expected = self._on_pubacks([packet_id], code)
                self._expected += expected
                if not expected:
                    self._tolerate(1)
            else:
                self._on_frame(frame)

    def _tolerate(self, strays: int) -> None:
        """Count answers to packets that we have not sent; raise Violation where they are many more than the others."""
        self._strays += strays
        if self._strays > _MOST_STRAYS + self._expected:
            raise Violation(PROTOCOL_ERROR, f"sent {self._strays:,} answers to packets that we had not sent")

    # paho's socket

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes for paho; b"" at the end of the connection."""
        if not self._inbox:
            if self._transport is None:
                return b""
            raise BlockingIOError
        taken, self._inbox = self._inbox[:size], self._inbox[size:]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Write one whole frame of paho's."""
        if self._transport is None or self._closing:
            raise ConnectionError("the connection is closed")
        self._pings += data[0] == _PINGREQ
        self._transport.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close when all bytes are sent, at the latest after a second: a dead peer does not answer the end of TLS."""
        self._closing, self.writable = True, False
        if self._transport is not None and not self._loop.is_closed():
            self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
            self._transport.close()

    def fileno(self) -> int:
        """Return -1: the event loop has the file descriptor."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """Do nothing: it never blocks."""


class SessionListener(Protocol):
    """Receives the events of a session."""

    def on_connack(self, answer: Answer) -> None:
        """Process CONNACK. May raise Violation."""

    def on_auth(self, code: int) -> None:
        """Process the broker's answer to our AUTH (MQTT 5, 4.12.1)."""

    def on_server_disconnect(self, answer: Answer) -> None:
        """Process DISCONNECT, or a CONNACK that ends the connection."""

    def on_closed(self, code: int) -> None:
        """Note that paho has closed its socket, with a reason code."""


class Session(paho.Client):
    """paho's client on a Transport, with AUTH (MQTT 5, 3.15). Unexpected packets end the connection.

    on_pubacks, on_room: as for Transport.
    """

    def __init__(
        self,
        client_id: str,
        listener: SessionListener,
        on_pubacks: Callable[[Sequence[int], int], int],
        on_room: Callable[[], None],
    ) -> None:
        super().__init__(
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        self.channel = Transport(on_pubacks, on_room, self._receive, self.loop_read)
        self._listener = listener
        self._accepted = self._authenticating = False
        self._frames: dict[int, Callable[[bytes], None]] = {
            CONNACK: self._connack,
            AUTH: self._auth,
            PINGRESP: self._pingresp,
            DISCONNECT: self._server_disconnect,
        }
        self.on_socket_register_write = self._write_now
        self.on_disconnect = self._on_paho_disconnect

    def open(self, host: str, port: int, keep_alive: int, *, clean_start: bool, properties: Properties) -> None:
        """Send CONNECT."""
        self.connect_async(host, port, keep_alive, clean_start=clean_start, properties=properties)
        self.reconnect()

    def authenticate_again(self, method: str, data: bytes) -> None:
        """Send AUTH with reason Re-authenticate (MQTT 5, 4.12.1)."""
        properties = make_properties(PacketTypes.AUTH, AuthenticationMethod=method, AuthenticationData=data)
        body = bytes((RE_AUTHENTICATE,)) + properties.pack()  # type: ignore[no-untyped-call]
        self._authenticating = True
        self.channel.write(bytes((AUTH,)) + varint(len(body)) + body)

    def send_disconnect(self, *, session_expiry_seconds: int | None = None) -> None:
        """Send DISCONNECT; an expiry of 0 ends the session at the server, None keeps it (MQTT 5, 3.14)."""
        properties = None
        if session_expiry_seconds is not None:
            properties = make_properties(PacketTypes.DISCONNECT, SessionExpiryInterval=session_expiry_seconds)
        self.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=0), properties)

    def _receive(self, frame: bytes) -> None:
        kind = kind_of(frame)
        if kind not in self._frames:
            raise Violation(PROTOCOL_ERROR, f"sent an unexpected {NAMES[kind]}")
        self._frames[kind](frame)

    def _connack(self, frame: bytes) -> None:
        """Process the answer to CONNECT; mosquitto refuses AUTH by a second one."""
        answer = packet_reader.connack(frame)
        if self._accepted and answer.code >= REFUSED_FROM:
            self._listener.on_server_disconnect(answer)
            self.channel.close()
            return
        if self._accepted:
            raise Violation(PROTOCOL_ERROR, "sent a second CONNACK")
        self._listener.on_connack(answer)
        if answer.code < REFUSED_FROM:
            self._accepted = True
            self.channel.pass_to_paho(self._canonical(answer))

    def _canonical(self, answer: Answer) -> bytes:
        """Return what paho needs of CONNACK: that the connection is accepted, and the keep-alive.

        0 would turn the keep-alive off (MQTT 5, 3.2.2.3.14), and with it our only way to notice that an idle connection
        is dead; and a client may ping more often than it must. So the broker's number counts only where it is less.
        """
        seconds = answer.number(SERVER_KEEP_ALIVE) or self.keepalive
        properties = bytes((SERVER_KEEP_ALIVE,)) + min(seconds, self.keepalive).to_bytes(2, "big")
        return bytes((CONNACK, 3 + len(properties), 0, 0, len(properties))) + properties

    def _auth(self, frame: bytes) -> None:
        answer = packet_reader.auth(frame)
        if not self._authenticating or answer.code == RE_AUTHENTICATE:
            raise Violation(PROTOCOL_ERROR, "sent an unexpected AUTH")
        self._authenticating = False
        self._listener.on_auth(answer.code)

    def _pingresp(self, frame: bytes) -> None:
        packet_reader.pingresp(frame)
        self.channel.ping_answered()
        self.channel.pass_to_paho(frame)

    def _server_disconnect(self, frame: bytes) -> None:
        self._listener.on_server_disconnect(packet_reader.disconnect(frame))
        self.channel.close()

    def _on_paho_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode | int | None,
        _properties: Properties | None,
    ) -> None:
        self._listener.on_closed(reason.value if isinstance(reason, ReasonCode) else reason or 0)

    def _write_now(self, *_: Any) -> None:
        asyncio.get_running_loop().call_soon(self.loop_write)

    def _create_socket(self) -> SocketLike:
        return self.channel
