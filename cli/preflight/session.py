"""MQTT sessions of a preflight: the simulator's own connection code under another client id, ended without a trace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from cli.preflight.findings import CheckContext
from edge.mqtt.auth.credentials import Login, Reader
from edge.mqtt.connack import Accepted
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.protocol.codec import PUBLISH, QOS_1, text, user_property, varint
from edge.mqtt.protocol.packet_writer import framed
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.sending import Subscriber
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID
from edge.settings.loader import AuthMethod, Settings

CLIENT_ID_SUFFIX: Final = "-preflight"
"""Prevents a preflight from taking over the session of a running replica."""

TOO_LARGE: Final = 0x95
"""Reason code Packet too large, for frames above the broker's Maximum Packet Size (MQTT 5, 3.2.2.3.6)."""

TEST_PROPERTY: Final = ("edgemqttsim", "preflight")
"""The user property of a test message."""

_ONE_SECOND_EXPIRY: Final = b"\x02" + (1).to_bytes(4, "big")
"""Message Expiry Interval, so that no offline subscriber gets a test message later (MQTT 5, 3.3.2.3.3)."""

_MOST_IN_FLIGHT = 100
_DISCONNECT_SECONDS = 1.0


class Probe:
    """A publisher of one empty message a topic, within the broker's window, that records the answers.

    answers: reason codes of PUBACK by topic.  answered: set when no answer is missing.
    is_connected: whether the broker has accepted the connection.  expects_answers: false at QoS 0, which has none.
    has_properties: whether the version of MQTT has them.
    """

    def __init__(self, topics: Iterable[str] = (), *, has_properties: bool = True) -> None:
        self._has_properties = has_properties
        self.answers: dict[str, int] = {}
        self.answered = asyncio.Event()
        self.is_connected, self.expects_answers = False, True
        self._waiting = deque(topics)
        self._unanswered: dict[int, str] = {}
        self._window = 1
        self._most_bytes: int | None = None
        self._wire: FrameWriter | None = None
        self._next_id = FIRST_OWN_ID

    @property
    def missing(self) -> list[str]:
        """Topics without an answer, in the order of publishing."""
        return [*self._unanswered.values(), *self._waiting]

    @property
    def waiting_seconds(self) -> float:
        """Return 0, as a preflight has a timeout of its own instead of the connection's."""
        return 0.0

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:  # noqa: ARG002
        """Begin to publish on an established connection."""
        self.is_connected, self.expects_answers = True, bool(limits.qos)
        self._wire, self._window, self._most_bytes = wire, min(limits.window, _MOST_IN_FLIGHT), limits.frame_bytes
        self.fill()

    def close(self) -> None:
        """Stop publishing, as the connection has ended."""
        self._wire = None

    def fill(self) -> None:
        """Publish as many messages as the window and the transport allow."""
        while self._wire and self._wire.writable and self._waiting and len(self._unanswered) < self._window:
            self._publish(self._wire, self._waiting.popleft())
        if not self.missing:
            self.answered.set()

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """Record one reason code for several packets (MQTT 5, 3.4), and return how many of them were in flight."""
        topics = [self._unanswered.pop(packet_id) for packet_id in packet_ids if packet_id in self._unanswered]
        self.answers.update(dict.fromkeys(topics, code))
        return len(topics)

    def _publish(self, wire: FrameWriter, topic: str) -> None:
        packet_id = self._next_id if self.expects_answers else None
        frame = empty_message(topic, packet_id, has_properties=self._has_properties)
        if self._most_bytes is not None and len(frame) > self._most_bytes:
            # The broker has said so before: it would close the connection (MQTT 5, 3.2.2.3.6).
            self.answers[topic] = TOO_LARGE
            return
        if packet_id is not None:
            self._unanswered[packet_id] = topic
            self._next_id = packet_id + 1 if packet_id < LAST_OWN_ID else FIRST_OWN_ID
        wire.write(frame)


def empty_message(topic: str, packet_id: int | None, *, has_properties: bool = True) -> bytes:
    """Return a PUBLISH without payload and not retained: QoS 1 under `packet_id`, QoS 0 if that is None (MQTT 5, 3.3).

    No consumer can count an empty message as production, and no connector finds data points in it.
    has_properties: whether the version of MQTT has them.
    """
    properties = _ONE_SECOND_EXPIRY + user_property(*TEST_PROPERTY)
    head, identifier = (PUBLISH, b"") if packet_id is None else (PUBLISH | QOS_1, packet_id.to_bytes(2, "big"))
    marked = varint(len(properties)) + properties if has_properties else b""
    return framed(head, text(topic) + identifier + marked)


@asynccontextmanager
async def session(
    context: CheckContext, probe: Probe, subscriber: Subscriber | None = None, **changes: object
) -> AsyncIterator[tuple[Connection, Accepted]]:
    """Connect, and end the session at the broker on exit.

    changes: settings that differ from the simulator's.  Raise ConnectionEnded or BrokerRefused if there is no session,
    and CredentialsUnavailable if a file of the login cannot be read.
    """
    ours = {"mqtt_client_id": context.settings.mqtt_client_id + CLIENT_ID_SUFFIX, "mqtt_qos": 1}
    settings: Settings = context.settings.model_copy(update=ours | changes)
    connection = Connection(settings, probe, on_auth=lambda _code: None, subscriber=subscriber)
    try:
        accepted = await _connect(context, connection, settings)
        try:
            yield connection, accepted
        finally:
            connection.disconnect(session_expiry_seconds=0)
            await connection.closed(_DISCONNECT_SECONDS)
    finally:
        connection.close()


async def _connect(context: CheckContext, connection: Connection, settings: Settings) -> Accepted:
    login = await Reader(partial(Login.of, settings), context.timeout_seconds).now()
    try:
        async with asyncio.timeout(context.timeout_seconds):
            return await connection.open(login, clean_start=True)
    except TimeoutError:
        raise ConnectionEnded(f"{context.where} did not answer within {context.timeout_seconds:g} s") from None


async def answers_plain_mqtt(context: CheckContext) -> bool:
    """Return whether the port answers a CONNECT without TLS, also by a rejection. No credentials are sent."""
    plain: Mapping[str, object] = {"mqtt_tls": False, "mqtt_auth_method": AuthMethod.NONE, "mqtt_session_expiry": 0}
    try:
        async with session(context, Probe(), None, **plain):
            return True
    except BrokerRefused:
        return True
    except ConnectionEnded:
        return False
