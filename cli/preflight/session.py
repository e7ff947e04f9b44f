"""A preflight's own MQTT sessions: the daemon's connection, with a client id of its own, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from cli.preflight.findings import Case
from edge.mqtt.auth.credentials import Login, Reader
from edge.mqtt.connack import Accepted
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.protocol.codec import PUBLISH, QOS_1, text, user_property, varint
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID
from edge.settings.loader import AuthMethod, Settings

CLIENT_ID_SUFFIX: Final = "-preflight"
"""Keeps a preflight from taking over the session of the replica beside which it runs."""

TOO_LARGE: Final = 0x95
"""The reason code for what is longer than the broker's Maximum Packet Size."""

SIGN: Final = ("edgemqttsim", "preflight")
"""The user property of a test message."""

_EXPIRY: Final = b"\x02" + (1).to_bytes(4, "big")
"""Message expiry interval: nobody who is away now shall find a test in the queue (MQTT 5, 3.3.2.3.3)."""

_MOST_IN_FLIGHT = 100
_FAREWELL_SECONDS = 1.0


class Probe:
    """Publishes one empty message to each topic, within the broker's window, and notes how each is answered.

    answers: reason codes of PUBACK by topic.  answered: set once there is nothing more to come.
    begun: the broker has let us in.  certain: it answers; at QoS 0 it does not.
    """

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self.answers: dict[str, int] = {}
        self.answered = asyncio.Event()
        self.begun, self.certain = False, True
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
        """Nothing for the connection to watch: a preflight has a patience of its own."""
        return 0.0

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:  # noqa: ARG002
        """The connection is up."""
        self.begun, self.certain = True, bool(limits.qos)
        self._wire, self._window, self._most_bytes = wire, min(limits.window, _MOST_IN_FLIGHT), limits.frame_bytes
        self.fill()

    def close(self) -> None:
        """The connection is gone."""
        self._wire = None

    def fill(self) -> None:
        """Publish as much as window and wire allow."""
        while self._wire and self._wire.writable and self._waiting and len(self._unanswered) < self._window:
            self._publish(self._wire, self._waiting.popleft())
        if not self.missing:
            self.answered.set()

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """The broker has answered all these alike (MQTT 5, 3.4); how many of them were in flight."""
        topics = [self._unanswered.pop(packet_id) for packet_id in packet_ids if packet_id in self._unanswered]
        self.answers.update(dict.fromkeys(topics, code))
        return len(topics)

    def _publish(self, wire: FrameWriter, topic: str) -> None:
        packet_id = self._next_id if self.certain else None
        frame = empty_message(topic, packet_id)
        if self._most_bytes is not None and len(frame) > self._most_bytes:
            # The broker has said so before: it would close the connection (MQTT 5, 3.2.2.3.6).
            self.answers[topic] = TOO_LARGE
            return
        if packet_id is not None:
            self._unanswered[packet_id] = topic
            self._next_id = packet_id + 1 if packet_id < LAST_OWN_ID else FIRST_OWN_ID
        wire.write(frame)


def empty_message(topic: str, packet_id: int | None) -> bytes:
    """PUBLISH without payload, never retained: QoS 1 under `packet_id`, QoS 0 where that is None (MQTT 5, 3.3).

    An empty message cannot be taken for a row by any consumer, and no connector finds data points in it.
    """
    properties = _EXPIRY + user_property(*SIGN)
    head, identifier = (PUBLISH, b"") if packet_id is None else (PUBLISH | QOS_1, packet_id.to_bytes(2, "big"))
    body = text(topic) + identifier + varint(len(properties)) + properties
    return bytes((head,)) + varint(len(body)) + body


@asynccontextmanager
async def session(case: Case, probe: Probe, **changes: object) -> AsyncIterator[tuple[Connection, Accepted]]:
    """A session that is ended at the broker on leaving; ConnectionEnded or BrokerRefused where there is none.

    changes: settings that differ from the daemon's.  CredentialsUnavailable where a file of the login is not there.
    """
    ours = {"mqtt_client_id": case.settings.mqtt_client_id + CLIENT_ID_SUFFIX, "mqtt_qos": 1}
    settings: Settings = case.settings.model_copy(update=ours | changes)
    connection = Connection(settings, probe, on_auth=lambda _code: None)
    try:
        accepted = await _opened(case, connection, settings)
        try:
            yield connection, accepted
        finally:
            connection.disconnect(session_expiry_seconds=0)
            await connection.closed(_FAREWELL_SECONDS)
    finally:
        connection.close()


async def _opened(case: Case, connection: Connection, settings: Settings) -> Accepted:
    login = await Reader(partial(Login.of, settings), case.timeout_seconds).now()
    try:
        async with asyncio.timeout(case.timeout_seconds):
            return await connection.open(login, clean_start=True)
    except TimeoutError:
        raise ConnectionEnded(f"{case.where} did not answer within {case.timeout_seconds:g} s") from None


async def speaks_plain_mqtt(case: Case) -> bool:
    """Whether the port answers an anonymous CONNECT without TLS, be it by a refusal. No credentials are sent."""
    plain: Mapping[str, object] = {"mqtt_tls": False, "mqtt_auth_method": AuthMethod.NONE, "mqtt_session_expiry": 0}
    try:
        async with session(case, Probe(), **plain):
            return True
    except BrokerRefused:
        return True
    except ConnectionEnded:
        return False
