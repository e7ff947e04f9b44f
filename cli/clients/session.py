"""A connection to a broker by paho-mqtt, driven step by step by its caller: no thread, and no callback of the caller's.

MQTT 5 or 3.1.1, over TCP or WebSocket, with TLS or without. A message is acknowledged as it is received.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cli.clients.broker import Broker
from cli.clients.reasons import REFUSED_FROM, TAKEN_OVER, is_final, words
from edge.mqtt.protocol.reason_codes import Packet
from edge.redaction import from_peer

SESSION_EXPIRY_SECONDS: Final = 3600
"""For which the broker keeps a persistent session (MQTT 5, 3.1.2.11.2)."""

_ANSWER_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 1.0
"""The library looks at its keep-alive once a step."""
_WINDOW: Final = 20
"""Messages in flight: the library queues further ones, and after a reconnect sends all of them at once."""


class Dropped(Exception):
    """There is no connection; the text says why, in words. final: whether another try would end the same way."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class Accepted(NamedTuple):
    """What CONNACK says.  session_present: whether the broker still had the session (MQTT 5, 3.2.2.1.1)."""

    session_present: bool


class Received(NamedTuple):
    """A message from the broker.  properties: those of MQTT 5 that it has, by name."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool = False
    properties: Mapping[str, object] = {}


class Answer(NamedTuple):
    """The answer to a packet of ours.  code: reason code; of MQTT 3.1.1 always 0 for PUBACK, which has none there."""

    packet: Packet
    code: int
    version: str
    reason_string: str = ""

    @property
    def refused(self) -> bool:
        """Whether the broker has refused it."""
        return self.code >= REFUSED_FROM

    def __str__(self) -> str:
        return words(self.packet, self.code, self.version, self.reason_string)


class Session:
    """One client of a broker; it may be opened again after it was dropped.

    elapsed: seconds, monotonic.  persistent: the broker keeps the session while the client is away.
    received: messages that the caller has not taken yet, in order.
    give_up: returns whether the caller's time is over, so that no answer is waited for any longer.
    """

    def __init__(
        self, broker: Broker, client_id: str, elapsed: Callable[[], float], *, persistent: bool = False
    ) -> None:
        self.broker, self.client_id = broker, client_id
        self.received: deque[Received] = deque()
        self.give_up: Callable[[], bool] = lambda: False
        self._elapsed, self._persistent = elapsed, persistent
        self._connack: tuple[Accepted, Answer] | None = None
        self._window = _WINDOW
        self._dropped: Dropped | None = None
        self._pubacks: dict[int, Answer] = {}
        self._subacks: dict[int, list[Answer]] = {}
        self._unanswered: set[int] = set()
        self._client = self._new_client()

    def open(self) -> Accepted:
        """Connect, and return what the broker says; raises Dropped."""
        self._connack, self._dropped = None, None
        try:
            self._client.may_connect = True
            self._connect()
        except (OSError, ValueError) as error:
            raise Dropped(f"cannot connect to {self.broker.address}: {_why(error, self.broker)}") from None
        self._wait(lambda: self._connack is not None, "CONNECT")
        return self._accepted()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connack is not None and self._dropped is None

    def step(self, seconds: float) -> None:
        """Wait for at most so many seconds for something to happen; raises Dropped."""
        if self._dropped is not None:
            raise self._dropped
        code = self._client.loop(max(0.0, min(seconds, _STEP_SECONDS)))
        if self._dropped is not None:
            raise self._dropped
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._dropped = self._lost(code)
            raise self._dropped

    def subscribe(self, filters: Sequence[str], qos: int) -> list[Answer]:
        """Subscribe, and return the answer for each filter; raises Dropped. Messages may come before it returns."""
        if self.broker.is_5:
            _, packet_id = self._client.subscribe([(each, SubscribeOptions(qos=qos)) for each in filters])
        else:
            _, packet_id = self._client.subscribe([(each, qos) for each in filters])
        self._wait(lambda: packet_id in self._subacks, "SUBSCRIBE")
        return self._subacks.pop(packet_id or 0)

    def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool = False) -> int:
        """Publish once there is room in the window, and return the packet's id for `answer`; raises Dropped."""
        self.wait_for_room()
        packet_id = self._client.publish(topic, payload, qos, retain).mid
        if qos:
            self._unanswered.add(packet_id)
        return packet_id

    def wait_for_room(self) -> None:
        """Wait until a message can be published at once; raises Dropped."""
        while len(self._unanswered) >= self._window:
            self.step(_STEP_SECONDS)

    def answer(self, packet_id: int) -> Answer:
        """Wait for the PUBACK of a message at QoS 1, and return it; raises Dropped."""
        self._wait(lambda: packet_id in self._pubacks, "PUBLISH")
        return self._pubacks.pop(packet_id)

    def answers(self) -> dict[int, Answer]:
        """Return the PUBACKs that have come and were not asked for yet, by the ids of their messages."""
        found, self._pubacks = self._pubacks, {}
        return found

    def close(self) -> None:
        """Send what is left and DISCONNECT, if there is a connection."""
        if self._dropped is None and self._connack is not None:
            self._client.disconnect()
            deadline = self._elapsed() + 1.0
            while self._client.socket() is not None and self._elapsed() < deadline:
                self._client.loop(0.05)
        self._dropped = self._dropped or Dropped("the connection is closed")

    def _connect(self) -> None:
        broker = self.broker
        if not broker.is_5:
            self._client.connect(broker.host, broker.port, broker.keep_alive)
            return
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        if self._persistent:
            connect.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
        clean = not self._persistent
        self._client.connect(broker.host, broker.port, broker.keep_alive, clean_start=clean, properties=connect)

    def _accepted(self) -> Accepted:
        if self._connack is None:
            raise self._lost(MQTTErrorCode.MQTT_ERR_NO_CONN)
        accepted, answer = self._connack
        if answer.refused:
            raise Dropped(f"{self.broker.address} refused the connection: {answer}", final=_is_final(answer))
        return accepted

    def _wait(self, is_there: Callable[[], bool], packet: str) -> None:
        began = self._elapsed()
        deadline = began + _ANSWER_SECONDS
        while not is_there():
            if (now := self._elapsed()) > deadline or self.give_up():
                waited = min(now - began, _ANSWER_SECONDS)
                raise Dropped(f"{self.broker.address} has not answered {packet} within {waited:.2g} s")
            try:
                self.step(deadline - self._elapsed())
            except Dropped:
                if not is_there():
                    raise

    def _lost(self, code: MQTTErrorCode) -> Dropped:
        address = self.broker.address
        if self._client.fell_back:
            return Dropped(f"{address} refused the connection: {self._as_answer(Packet.CONNACK, 0x84)}", final=True)
        if self._connack is None:
            return Dropped(f"{address} has not answered CONNECT as a broker does: does it speak MQTT?")
        if code == MQTTErrorCode.MQTT_ERR_KEEPALIVE:
            return Dropped(f"{address} no longer answers: nothing within the keep-alive of {self.broker.keep_alive} s")
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            return Dropped(f"{address} has sent what is no packet of MQTT {self.broker.version}")
        # MQTT 3.1.1 has no DISCONNECT from a broker, and mosquitto 2.0 sends none where another client takes over.
        hint = f"is another client connected with the client id {self.client_id}?"
        return Dropped(f"{address} closed the connection without DISCONNECT; {hint}")

    def _new_client(self) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            self.client_id,
            clean_session=None if self.broker.is_5 else not self._persistent,
            protocol=MQTTProtocolVersion.MQTTv5 if self.broker.is_5 else MQTTProtocolVersion.MQTTv311,
            transport="tcp" if self.broker.websocket is None else "websockets",
        )
        if self.broker.websocket is not None:
            client.ws_set_options(self.broker.websocket)
        if self.broker.tls is not None:
            client.tls_set_context(self.broker.tls)
        if self.broker.username is not None:
            client.username_pw_set(self.broker.username, self.broker.password)
        client.connect_timeout = _ANSWER_SECONDS
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _as_answer(self, packet: Packet, code: int, properties: Properties | None = None) -> Answer:
        return Answer(packet, code, self.broker.version, str(getattr(properties, "ReasonString", "")))

    def _on_connect(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        answer = self._as_answer(Packet.CONNACK, reason.value, properties)
        self._connack = Accepted(flags.session_present), answer
        # MQTT 5, 3.3.4: a client must not have more unacknowledged messages than the broker's Receive Maximum.
        self._window = min(_WINDOW, int(getattr(properties, "ReceiveMaximum", _WINDOW)))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            answer = self._as_answer(Packet.DISCONNECT, reason.value, properties)
            text = f"{self.broker.address} ended the connection: {answer}"
            self._dropped = Dropped(text, final=answer.code == TAKEN_OVER or _is_final(answer))

    def _on_publish(
        self, _client: Client, _data: Any, packet_id: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if packet_id in self._unanswered:
            self._unanswered.discard(packet_id)
            self._pubacks[packet_id] = self._as_answer(Packet.PUBACK, reason.value, properties)

    def _on_subscribe(
        self, _client: Client, _data: Any, packet_id: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._subacks[packet_id] = [self._as_answer(Packet.SUBACK, each.value, properties) for each in reasons]

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        properties: dict[str, object] = message.properties.json() if message.properties else {}  # type: ignore[no-untyped-call]
        payload = bytes(message.payload)
        self.received.append(Received(topic, payload, message.qos, message.retain, message.dup, properties))


class _Client(Client):
    """A client that connects only on request: not again with MQTT 3.1 where a broker refuses MQTT 3.1.1.

    fell_back: whether it would have done so.
    """

    may_connect = fell_back = False

    def reconnect(self) -> MQTTErrorCode:
        """Connect, once for each permission."""
        if not self.may_connect:
            self.fell_back = True
            return MQTTErrorCode.MQTT_ERR_CONN_REFUSED
        self.may_connect = False
        return super().reconnect()


def _is_final(answer: Answer) -> bool:
    return is_final(answer.packet, answer.code)


_NO_TLS: Final = "; is there TLS at this port?"
_WHY: Final[Sequence[tuple[type[Exception], Callable[[Any, Broker], str]]]] = (
    (WebsocketConnectionError, lambda _, broker: f"it does not accept WebSocket at the path {broker.websocket}"),
    (ConnectionRefusedError, lambda *_: "nothing listens there; is the broker running? --host and --port name another"),
    (socket.gaierror, lambda error, _: f"the name is not known: {error.strerror}"),
    (ssl.SSLCertVerificationError, lambda error, _: f"certificate not trusted: {error.verify_message} (--ca-file)"),
    (ssl.SSLError, lambda error, _: f"no TLS there: {error.reason or error}"),
    (ConnectionResetError, lambda _, broker: f"it broke the connection{_NO_TLS if broker.tls else ''}"),
    (TimeoutError, lambda *_: f"no answer within {_ANSWER_SECONDS:g} s"),
    (UnicodeError, lambda *_: "this is no name of a host"),
    (Exception, lambda error, _: from_peer(getattr(error, "strerror", None) or str(error))),
)
"""Errors of connecting, the special ones first -> why there is no connection, in words."""


def _why(error: Exception, broker: Broker) -> str:
    return next(words_of for kind, words_of in _WHY if isinstance(error, kind))(error, broker)
