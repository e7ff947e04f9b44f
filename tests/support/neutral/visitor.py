"""A client that tries what it may and may not do, one thing at a time, and tells what the broker answers."""

from __future__ import annotations

import queue
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.support.brokers.subscriber import end_loop

GRANTED, NOT_AUTHORIZED = 0x80, 0x87
"""Reason codes below GRANTED mean success (MQTT 5, 2.4)."""

_ANSWER_SECONDS = 20.0


class NotLetIn(ConnectionError):
    """The broker refused CONNECT; `code` is the reason code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CONNACK 0x{code:02X}")
        self.code = code


class Received(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Visitor:
    """Context manager: connected on entering, or NotLetIn. received: all messages so far, in order."""

    def __init__(
        self,
        port: int,
        name: str | None,
        password: str | None,
        client_id: str = "",
        *,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
    ) -> None:
        self._port = port
        self._answers: queue.Queue[int] = queue.Queue()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version)
        if name is not None:
            self._client.username_pw_set(name, password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.on_unsubscribe = self._on_unsubscribe
        self.received: list[Received] = []

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        if (code := self._answer()) >= GRANTED:
            self.__exit__()
            raise NotLetIn(code)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        end_loop(self._client)

    def publish(self, topic: str, payload: bytes = b"x", *, retain: bool = False) -> int:
        """Publish at QoS 1; the reason code of the PUBACK."""
        self._client.publish(topic, payload, qos=1, retain=retain)
        return self._answer()

    def subscribe(self, topic_filter: str) -> int:
        """Subscribe at QoS 1; the reason code of the SUBACK."""
        self._client.subscribe(topic_filter, qos=1)
        return self._answer()

    def caught_up(self) -> list[Received]:
        """All that the broker has sent before it answers once more: messages come in order (MQTT 5, 4.6)."""
        self._client.unsubscribe("never/subscribed")
        self._answer()
        return self.received

    def _answer(self) -> int:
        return self._answers.get(timeout=_ANSWER_SECONDS)

    def _on_connect(self, _c: Client, _u: Any, _f: ConnectFlags, reason: ReasonCode, _p: Properties | None) -> None:
        self._answers.put(reason.value)

    def _on_disconnect(
        self, _c: Client, _u: Any, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self._answers.put(reason.value)

    def _on_subscribe(self, _c: Client, _u: Any, _mid: int, reasons: list[ReasonCode], _p: Properties | None) -> None:
        self._answers.put(reasons[0].value)

    def _on_unsubscribe(self, _c: Client, _u: Any, _mid: int, _r: list[ReasonCode], _p: Properties | None) -> None:
        self._answers.put(0)

    def _on_publish(self, _c: Client, _u: Any, _mid: int, reason: ReasonCode, _p: Properties) -> None:
        self._answers.put(reason.value)

    def _on_message(self, _c: Client, _u: Any, message: MQTTMessage) -> None:
        self.received.append(Received(message.topic, bytes(message.payload), message.qos, message.retain))
