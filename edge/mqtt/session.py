"""paho's MQTT 5 session, carried by an asyncio transport, with the AUTH packet that paho lacks.

paho keeps CONNECT, keep-alive and DISCONNECT. Telemetry goes past it as whole frames: outgoing ones are written between
paho's, incoming PUBACKs never reach it. Nor does anything else that a broker sends: packet_reader.py reads it, and
paho is told in frames of our own that it is connected, or that its ping was answered. So what a broker sends cannot
make it stumble or hold anything. The one private method of paho that this rests on is overridden here and nowhere
else; tests/edge/mqtt/test_session.py fails when paho changes underneath.
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
"""Packet ids of telemetry. Those below are paho's: it counts its few subscriptions up from 1."""

RE_AUTHENTICATE = 0x19
REFUSED_FROM = 0x80
"""The least reason code that is no success (MQTT 5, 2.4)."""

_PINGREQ = 0xC0
_CLOSE_SECONDS = 1.0
_MOST_STRAYS = 1000
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


class Transport(asyncio.Protocol):
    """One network connection: splits what comes in, and is the socket that paho believes it has.

    on_pubacks: called with acknowledgements of telemetry, packet ids and the reason code that all of them have; returns
    how many of the ids were in flight.
    on_batch: called once after all frames of one read.
    on_writable: called when the transport takes bytes again after it was full.
    fault: why we ended the connection ourselves: a Violation, or an error of our own.
    """

    def __init__(
        self,
        on_pubacks: Callable[[Sequence[int], int], int],
        on_batch: Callable[[], None],
        on_writable: Callable[[], None],
    ) -> None:
        self.writable = True
        self.fault: Exception | None = None
        self._wrote = self._closing = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[Exception | None] = self._loop.create_future()
        self._on_pubacks, self._on_batch, self._on_writable = on_pubacks, on_batch, on_writable
        self._splitter = Splitter()
        self._inbox = b""
        self._expected = self._strays = self._pings = 0
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._read_by_paho: Callable[[], object] = lambda: None
        self._on_frame: Callable[[bytes], None] = lambda _frame: None

    def attach(self, on_frame: Callable[[bytes], None], read_by_paho: Callable[[], object]) -> None:
        """Have `on_frame` called with each frame but PUBACKs, and `read_by_paho` when there are bytes for paho.

        `on_frame` may raise Violation, which ends the connection.
        """
        self._on_frame, self._read_by_paho = on_frame, read_by_paho

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._wrote = True
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    def tell_paho(self, frame: bytes) -> None:
        """Have paho read this frame."""
        self._inbox = frame
        self._read_by_paho()

    def end(self, violation: Violation) -> None:
        """Say DISCONNECT with the reason, and close (MQTT 5, 4.13.1)."""
        self.fault = self.fault or violation
        self.write(bytes((DISCONNECT, 2, violation.code, 0)))
        self.close()

    def abort(self) -> None:
        """Drop the connection at once, without DISCONNECT."""
        self._closing, self.writable = True, False
        if self._transport is not None:
            self._transport.abort()

    def expected_ping(self) -> None:
        """A ping has been answered; Violation where that happens too often without one."""
        self._expected += bool(self._pings)
        if not self._pings:
            self._bear_with(1)
        self._pings = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = self._transport.get_extra_info("socket") if _QUICK_ACK else None

    def data_received(self, data: bytes) -> None:
        """Deal out the frames: acknowledgements to the delivery, the rest to the session."""
        if self._closing:
            return
        try:
            alike = self._splitter.pubacks(data)
            if alike is not None:
                packet_ids, code = alike
                expected = self._on_pubacks(packet_ids, code)
                self._expected += expected
                if expected != len(packet_ids):
                    self._bear_with(len(packet_ids) - expected)
            else:
                self._deal_out(data)
            self._wrote = False
            self._on_batch()
        except Violation as violation:
            self.end(violation)
        except Exception as error:  # noqa: BLE001 - a mistake of ours costs this connection, not the process
            self.fault = error
            self.abort()
        if not self._wrote and self._socket is not None and not self._closing:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """The transport's buffer has drained."""
        if not self._closing:
            self.writable = True
            self._on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; paho reads the end of its bytes."""
        self._transport, self._socket, self.writable = None, None, False
        self._closing = True
        self._read_by_paho()
        if not self.closed.done():
            self.closed.set_result(exc)

    def _deal_out(self, data: bytes) -> None:
        for frame in self._splitter.feed(data):
            if self._closing:
                return
            if frame[0] & 0xF0 == PUBACK:
                packet_id, code = puback(frame)
                expected = self._on_pubacks([packet_id], code)
                self._expected += expected
                if not expected:
                    self._bear_with(1)
            else:
                self._on_frame(frame)

    def _bear_with(self, strays: int) -> None:
        """Bear with answers to nothing we have sent, as long as they are not many more than the others."""
        self._strays += strays
        if self._strays > _MOST_STRAYS + self._expected:
            raise Violation(PROTOCOL_ERROR, f"sent {self._strays:,} answers to nothing that we had sent")

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
        if self._transport is None or self._closing:
            raise ConnectionError("the connection is closed")
        self._pings += data[0] == _PINGREQ
        self._transport.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close once all that was written has left; at once after a second, for a dead peer answers no end of TLS."""
        self._closing, self.writable = True, False
        if self._transport is not None and not self._loop.is_closed():
            self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
            self._transport.close()

    def fileno(self) -> int:
        """No file descriptor: the event loop has it."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """Never blocks, whatever `flag` says."""


class Hears(Protocol):
    """Who is told what the broker says."""

    def on_connack(self, answer: Answer) -> None:
        """The broker has let us in, or refused to. May raise Violation."""

    def on_auth(self, code: int) -> None:
        """The broker has answered our AUTH (MQTT 5, 4.12.1)."""

    def on_farewell(self, answer: Answer) -> None:
        """The broker ends the connection."""


class Session(paho.Client):
    """paho's client on a Link, with AUTH (MQTT 5, 3.15). Packets that nobody has asked for end the connection."""

    def __init__(self, link: Transport, client_id: str, hears: Hears) -> None:
        super().__init__(
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        self._link, self._hears = link, hears
        self._accepted = self._authenticating = False
        self._frames: dict[int, Callable[[bytes], None]] = {
            CONNACK: self._connack,
            AUTH: self._auth,
            PINGRESP: self._pingresp,
            DISCONNECT: self._farewell,
        }
        self.on_socket_register_write = self._write_now
        link.attach(self._hear, self.loop_read)

    def open(self, host: str, port: int, keep_alive: int, *, clean_start: bool, properties: Properties) -> None:
        """Send CONNECT over the link."""
        self.connect_async(host, port, keep_alive, clean_start=clean_start, properties=properties)
        self.reconnect()

    def authenticate_again(self, method: str, data: bytes) -> None:
        """Send AUTH with reason Re-authenticate (MQTT 5, 4.12.1)."""
        properties = make_properties(PacketTypes.AUTH, AuthenticationMethod=method, AuthenticationData=data)
        body = bytes((RE_AUTHENTICATE,)) + properties.pack()  # type: ignore[no-untyped-call]
        self._authenticating = True
        self._link.write(bytes((AUTH,)) + varint(len(body)) + body)

    def leave(self, *, session_expiry_seconds: int | None = None) -> None:
        """Send DISCONNECT; an expiry of 0 ends the session at the server, None keeps it (MQTT 5, 3.14)."""
        properties = None
        if session_expiry_seconds is not None:
            properties = make_properties(PacketTypes.DISCONNECT, SessionExpiryInterval=session_expiry_seconds)
        self.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=0), properties)

    def _hear(self, frame: bytes) -> None:
        kind = kind_of(frame)
        if kind not in self._frames:
            raise Violation(PROTOCOL_ERROR, f"sent {NAMES[kind]}, which we have not asked for")
        self._frames[kind](frame)

    def _connack(self, frame: bytes) -> None:
        """The answer to CONNECT; a second one is mosquitto's way to refuse AUTH."""
        answer = packet_reader.connack(frame)
        if self._accepted and answer.code >= REFUSED_FROM:
            self._hears.on_farewell(answer)
            self._link.close()
            return
        if self._accepted:
            raise Violation(PROTOCOL_ERROR, "sent a second CONNACK")
        self._hears.on_connack(answer)
        if answer.code < REFUSED_FROM:
            self._accepted = True
            self._link.tell_paho(self._canonical(answer))

    def _canonical(self, answer: Answer) -> bytes:
        """What paho needs of CONNACK: that we are in, and how often to ping.

        0 would turn the keep-alive off (MQTT 5, 3.2.2.3.14), and with it our only way to notice that an idle link is
        dead; and to ping more often than we must is no offence. So the broker's number counts where it is less.
        """
        seconds = answer.number(SERVER_KEEP_ALIVE) or self.keepalive
        properties = bytes((SERVER_KEEP_ALIVE,)) + min(seconds, self.keepalive).to_bytes(2, "big")
        return bytes((CONNACK, 3 + len(properties), 0, 0, len(properties))) + properties

    def _auth(self, frame: bytes) -> None:
        answer = packet_reader.auth(frame)
        if not self._authenticating or answer.code == RE_AUTHENTICATE:
            raise Violation(PROTOCOL_ERROR, "sent AUTH, which we have not asked for")
        self._authenticating = False
        self._hears.on_auth(answer.code)

    def _pingresp(self, frame: bytes) -> None:
        packet_reader.pingresp(frame)
        self._link.expected_ping()
        self._link.tell_paho(frame)

    def _farewell(self, frame: bytes) -> None:
        self._hears.on_farewell(packet_reader.disconnect(frame))
        self._link.close()

    def _write_now(self, *_: Any) -> None:
        asyncio.get_running_loop().call_soon(self.loop_write)

    def _create_socket(self) -> SocketLike:
        return self._link
