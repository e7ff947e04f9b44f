"""A controller on the broker: publishes commands with a response topic, and waits for the answers."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.brokers.subscriber import end_loop

_SECONDS = 10.0


class Reply(NamedTuple):
    """An answer as received."""

    topic: str
    content: Any
    correlation: bytes | None
    content_type: str | None
    qos: int
    user_properties: tuple[tuple[str, str], ...]


class Requester:
    """Context manager: connected, and subscribed to its own response topic. replies: all so far, in order."""

    def __init__(self, port: int, name: str = "hmi") -> None:
        self.name, self._port = name, port
        self.response_topic = f"replies/{uuid.uuid4()}"
        self.replies: list[Reply] = []
        self._arrived = threading.Condition()
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, f"requester-{uuid.uuid4()}", protocol=MQTTv5)
        self._client.max_queued_messages_set(0)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()

    def __enter__(self) -> Self:
        self._client.connect("localhost", self._port)
        self._no_delay()
        self._client.loop_start()
        self._client.subscribe(self.response_topic, qos=1)
        assert self._ready.wait(_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        end_loop(self._client)

    def _no_delay(self) -> None:
        """Have the kernel send each packet at once, so that waiting for an answer is waiting for the simulator."""
        connection = self._client.socket()
        assert isinstance(connection, socket.socket)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, target: str, command: object, **options: object) -> Reply:
        """Send a command and return the answer to it, found by its correlation data."""
        correlation = uuid.uuid4().bytes
        self.send(target, command, correlation=correlation, **options)  # type: ignore[arg-type]
        return self.answer_to(correlation)

    def answer_to(self, correlation: bytes, seconds: float = _SECONDS) -> Reply:
        """Wait for the answer with some correlation data."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: self._with(correlation), seconds)
            assert found, f"no answer within {seconds} s; {len(self.replies)} others"
            return found

    def send(
        self,
        target: str,
        command: object,
        *,
        correlation: bytes | None = None,
        retain: bool = False,
        qos: int = 1,
        response: str | None = "",
        topic: str | None = None,
        properties: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Publish a command, and return when the broker has it. response: "" is our own topic."""
        wanted = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        values = {"CorrelationData": correlation, "ResponseTopic": self.response_topic if response == "" else response}
        for name, value in (values | dict(properties)).items():
            if value is not None:
                setattr(wanted, name, value)
        payload = command if isinstance(command, bytes) else json.dumps(command).encode()
        where = topic or f"factory/commands/{self.name}/{target}"
        self._client.publish(where, payload, qos, retain, wanted).wait_for_publish(_SECONDS)

    def wait_for(self, count: int, seconds: float = _SECONDS) -> list[Reply]:
        """Wait for so many answers."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.replies) >= count, seconds)
            assert enough, f"{len(self.replies)} of {count} answers within {seconds} s"
            return list(self.replies)

    def _with(self, correlation: bytes) -> Reply | None:
        return next((each for each in self.replies if each.correlation == correlation), None)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        properties = message.properties
        reply = Reply(
            message.topic,
            json.loads(message.payload),
            getattr(properties, "CorrelationData", None),
            getattr(properties, "ContentType", None),
            message.qos,
            tuple(getattr(properties, "UserProperty", ())),
        )
        with self._arrived:
            self.replies.append(reply)
            self._arrived.notify_all()
