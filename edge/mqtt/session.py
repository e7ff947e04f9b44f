"""paho's MQTT session, carried by an asyncio transport, with the AUTH packet that paho lacks.

paho keeps CONNECT, keep-alive and DISCONNECT. Telemetry bypasses it as whole frames: outgoing ones are written between
paho's, incoming PUBACKs never reach it. Nor does anything else that a broker sends: packet_reader.py parses it, and
paho reads frames of our own, which report that it is connected, or that its ping was answered. So nothing that a broker
sends can confuse paho or fill its memory. The one private method of paho that this relies on is overridden here and
nowhere else, and so is the one private attribute that it sets; tests/edge/mqtt/test_session.py fails when paho changes
either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.protocol import packet_reader
from edge.mqtt.protocol.codec import PROTOCOL_ERROR, Violation, varint
from edge.mqtt.protocol.packet_reader import (
    AUTH,
    CONNACK,
    DISCONNECT,
    NAMES,
    PINGRESP,
    Answer,
    kind_of,
)
from edge.mqtt.protocol.properties import SERVER_KEEP_ALIVE
from edge.mqtt.protocol.versions import MQTT_5, Rules
from edge.mqtt.transport import Transport
from edge.redaction import printable

log = logging.getLogger("broker")

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

FIRST_OWN_ID, LAST_OWN_ID = 1024, 65_535
"""Packet ids of telemetry. Those below are of the subscription to commands, of their answers, and of announcements."""
ANNOUNCEMENT_IDS = 1022, 1023
"""Packet ids of the announcements of a machine: that it is online, that its connection ends."""

RE_AUTHENTICATE = 0x19
REFUSED_FROM = 0x80
"""The lowest reason code that is no success (MQTT 5, 2.4)."""


def make_properties(packet_type: int, **values: object) -> Properties:
    """Return the MQTT properties of a packet, given by paho's names for them."""
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


class Will(NamedTuple):
    """A message that the broker publishes where a connection ends without DISCONNECT: retained, at QoS 1."""

    topic: str
    payload: bytes


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

    on_pubacks, on_room: as for Transport.  subscription: packets that are expected because of a subscription: what
    processes each, by its first four bits.  rules: of the version of MQTT.
    """

    def __init__(
        self,
        client_id: str,
        listener: SessionListener,
        on_pubacks: Callable[[Sequence[int], int], int],
        on_room: Callable[[], None],
        subscription: Mapping[int, Callable[[bytes], None]] = MappingProxyType({}),
        rules: Rules = MQTT_5,
    ) -> None:
        super().__init__(
            callback_api_version=CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion(rules.level),
            reconnect_on_failure=False,
        )
        self.channel = Transport(on_pubacks, on_room, self._receive, self.loop_read, rules)
        self._rules, self._name = rules, printable(client_id)
        self._listener = listener
        self._accepted = self._authenticating = False
        self._frames: dict[int, Callable[[bytes], None]] = {
            CONNACK: self._connack,
            PINGRESP: self._pingresp,
        }
        if rules.has_properties:
            self._frames |= {AUTH: self._auth, DISCONNECT: self._server_disconnect}
        self._subscription = subscription
        self.on_socket_register_write = self._write_now
        self.on_disconnect = self._on_paho_disconnect

    def open(
        self,
        host: str,
        port: int,
        keep_alive: int,
        *,
        clean_start: bool,
        properties: Properties,
        will: Will | None = None,
    ) -> None:
        """Send CONNECT.  clean_start: Clean Session in MQTT 3.1.1.  properties: paho does not send them there."""
        self._clean_session = clean_start  # paho takes it only when a client is made, and only for 3.1.1
        if will is not None:
            about = make_properties(PacketTypes.WILLMESSAGE, PayloadFormatIndicator=1, ContentType="application/json")
            self.will_set(
                will.topic, will.payload, qos=1, retain=True, properties=about if self._rules.has_properties else None
            )
        self.connect_async(host, port, keep_alive, clean_start=clean_start, properties=properties)
        self.reconnect()

    def authenticate_again(self, method: str, data: bytes) -> None:
        """Send AUTH with reason Re-authenticate (MQTT 5, 4.12.1)."""
        properties = make_properties(PacketTypes.AUTH, AuthenticationMethod=method, AuthenticationData=data)
        body = bytes((RE_AUTHENTICATE,)) + properties.pack()  # type: ignore[no-untyped-call]
        self._authenticating = True
        frame = bytes((AUTH,)) + varint(len(body)) + body
        # The length alone: the data are the token.
        log.debug(
            "sent AUTH reason=0x%02X method=%s bytes=%d client_id=%s", RE_AUTHENTICATE, method, len(frame), self._name
        )
        self.channel.write(frame)

    def send_disconnect(self, *, session_expiry_seconds: int | None = None) -> None:
        """Send DISCONNECT; an expiry of 0 ends the session at the server, None keeps it (MQTT 5, 3.14).

        In MQTT 3.1.1 it has no expiry: what happens to the session was decided by CONNECT.
        """
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
        answer = self._rules.connack(frame)
        if self._accepted and answer.code >= REFUSED_FROM:
            self._listener.on_server_disconnect(answer)
            self.channel.close()
            return
        if self._accepted:
            raise Violation(PROTOCOL_ERROR, "sent a second CONNACK")
        self._listener.on_connack(answer)
        if answer.code < REFUSED_FROM:
            self._accepted = True
            self._frames |= self._subscription
            self.channel.pass_to_paho(self._canonical(answer))

    def _canonical(self, answer: Answer) -> bytes:
        """Return what paho needs of CONNACK: that the connection is accepted, and the keep-alive.

        0 would turn the keep-alive off (MQTT 5, 3.2.2.3.14), and with it our only way to notice that an idle connection
        is dead; and a client may ping more often than it must. So the broker's number counts only where it is less.
        """
        seconds = answer.number(SERVER_KEEP_ALIVE) or self.keepalive
        return self._rules.connected(min(seconds, self.keepalive))

    def _auth(self, frame: bytes) -> None:
        answer = packet_reader.auth(frame)
        log.debug("received AUTH reason=0x%02X client_id=%s", answer.code, self._name)
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
