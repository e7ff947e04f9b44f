"""What differs between the two versions of MQTT, as a table: whoever needs it asks the rules of its version."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from edge.mqtt.protocol import packet_reader, packet_writer, packets_3_1_1, publish_reader
from edge.mqtt.protocol.codec import Splitter
from edge.mqtt.protocol.packet_reader import CONNACK, DISCONNECT, Answer
from edge.mqtt.protocol.packets_3_1_1 import CuttingSplitter
from edge.mqtt.protocol.properties import SERVER_KEEP_ALIVE
from edge.mqtt.protocol.publish_reader import Publish
from edge.settings.options import Options
from edge.settings.types import MqttVersion

_ALL_PACKET_IDS: Final = 65_535
_COMMANDS_AT_ONCE: Final = 32


@dataclass(frozen=True)
class Rules:
    """The rules of a version of MQTT.

    level: the protocol level of CONNECT (MQTT 5, 3.1.2.2).
    has_properties: whether packets have properties and reason codes; without them there is no AUTH, and no DISCONNECT
    from a broker.
    splitter: makes what splits the bytes of a connection into frames.
    connack, puback, suback, publish: parse these packets; they raise Violation.  subscribe, unsubscribe: make these.
    receive_maximum: how many messages the broker may send without acknowledgement (MQTT 5, 3.1.2.11.3).
    closed: what to report where a broker has closed the connection and nothing else is known.
    """

    version: MqttVersion
    level: int
    has_properties: bool
    splitter: Callable[[], Splitter]
    connack: Callable[[bytes], Answer]
    puback: Callable[[bytes], tuple[int, int]]
    suback: Callable[[str, bytes], tuple[int, Answer]]
    publish: Callable[[bytes], Publish]
    subscribe: Callable[[int, str], bytes]
    unsubscribe: Callable[[int, str], bytes]
    receive_maximum: int
    closed: str

    @property
    def name(self) -> str:
        """The version in words: `MQTT 5`."""
        return f"MQTT {self.version}"

    def connected(self, keep_alive: int) -> bytes:
        """Return a CONNACK that accepts the connection; keep_alive: of the server, where the version has that."""
        if not self.has_properties:
            return bytes((CONNACK, 2, 0, 0))
        properties = bytes((SERVER_KEEP_ALIVE,)) + keep_alive.to_bytes(2, "big")
        return bytes((CONNACK, 3 + len(properties), 0, 0, len(properties))) + properties

    def disconnect_for(self, code: int) -> bytes:
        """Return DISCONNECT with a reason code (MQTT 5, 4.13.1).

        Nothing in MQTT 3.1.1, where DISCONNECT means that all is well: who ends a connection for a violation only
        closes it (MQTT 3.1.1, 4.8).
        """
        return bytes((DISCONNECT, 2, code, 0)) if self.has_properties else b""

    def is_clean(self, session_expiry_seconds: int, *, clean_start: bool) -> bool:
        """Return whether CONNECT asks for a new session: Clean Start, or Clean Session in MQTT 3.1.1.

        Clean Session also has the session end with the connection (MQTT 3.1.1, 3.1.2.4), which in MQTT 5 an expiry of
        0 says (MQTT 5, 3.1.2.11.2).
        """
        return clean_start or (not self.has_properties and not session_expiry_seconds)


MQTT_5: Final = Rules(
    MqttVersion.V5,
    5,
    has_properties=True,
    splitter=Splitter,
    connack=packet_reader.connack,
    puback=packet_reader.puback,
    suback=packet_reader.suback,
    publish=publish_reader.read_publish,
    subscribe=packet_writer.subscribe,
    unsubscribe=packet_writer.unsubscribe,
    receive_maximum=_COMMANDS_AT_ONCE,
    closed="the broker closed the connection without DISCONNECT",
)
MQTT_3_1_1: Final = Rules(
    MqttVersion.V3_1_1,
    4,
    has_properties=False,
    splitter=CuttingSplitter,
    connack=packets_3_1_1.connack,
    puback=packets_3_1_1.puback,
    suback=packets_3_1_1.suback,
    publish=packets_3_1_1.read_publish,
    subscribe=packets_3_1_1.subscribe,
    unsubscribe=packets_3_1_1.unsubscribe,
    receive_maximum=_ALL_PACKET_IDS,
    closed="the broker closed the connection, and MQTT 3.1.1 cannot say why",
)

_RULES: Final[Mapping[MqttVersion, Rules]] = {each.version: each for each in (MQTT_5, MQTT_3_1_1)}


def rules_of(version: MqttVersion) -> Rules:
    """Return the rules of a version."""
    return _RULES[version]


def left_out(settings: Options) -> Iterator[str]:
    """Yield a line for everything that is different because the version has no properties; none with MQTT 5."""
    if rules_of(settings.mqtt_version).has_properties:
        return
    parts = {
        "CloudEvents attributes": settings.mqtt_cloud_events,
        "message expiry": settings.mqtt_message_expiry > 0,
        "content type": True,
        "trigger": True,
        "trace context": True,
    }
    named = ", ".join(name for name, is_used in parts.items() if is_used)
    yield f"MQTT 3.1.1 has no properties, left out of all messages: {named}"
    yield "MQTT 3.1.1 has no reason codes: a message that the broker refuses counts as acknowledged"
    if settings.mqtt_commands:
        yield "MQTT 3.1.1 has no Response Topic: commands over MQTT are executed and not answered"
    if settings.mqtt_session_expiry:
        yield "MQTT 3.1.1 has no session expiry: the broker keeps the session until this client id takes a new one"
