"""The versions of MQTT: which one a client uses, and how its packets are decoded and answered.

For demos and tests, not for production.
"""

from __future__ import annotations

from typing import Protocol

from mqtt5 import ConnAckPacket, Packet, PublishPacket, SubAckReasonCode

from sandbox.protocol.version5 import Version5
from sandbox.protocol.version311 import Version311
from sandbox.protocol.wire import Header


class Dialect(Protocol):
    """How packets of one version are decoded and answered.

    An answer that the version does not have, or cannot give, is empty bytes: the connection is closed without it.
    """

    @property
    def version(self) -> str:
        """Its name: "5" or "3.1.1"."""

    @property
    def announces_limits(self) -> bool:
        """Whether CONNACK tells the client the broker's limits, so that it can keep them."""

    def decode(self, frame: memoryview) -> Packet:
        """Decode the packet in one frame; raise Violation where it is malformed."""

    def connack(self, packet: ConnAckPacket) -> bytes:
        """Encode a CONNACK that accepts."""

    def refusal(self, code: int) -> bytes:
        """Encode a CONNACK that refuses with a reason code of MQTT 5."""

    def disconnect(self, code: int) -> bytes:
        """Encode DISCONNECT with a reason code."""

    def puback(self, packet_id: int, code: int) -> bytes:
        """Encode PUBACK with a reason code."""

    def suback(self, packet_id: int, codes: list[SubAckReasonCode]) -> bytes:
        """Encode SUBACK with a code for each filter."""

    def unsuback(self, packet_id: int, removed: list[bool]) -> bytes:
        """Encode UNSUBACK; `removed` says of each filter whether there was a subscription."""

    def publish(self, packet: PublishPacket, header: Header) -> bytes:
        """Encode a PUBLISH to a subscriber."""


VERSION_5: Dialect = Version5()
VERSION_311: Dialect = Version311()


def dialect_of(frame: memoryview) -> Dialect:
    """Return the dialect in which to decode and answer a client's first frame.

    A version that is not served is refused by the dialect that is closest to it, as its client may understand that.
    """
    # After the length of up to four bytes: the length of the protocol's name, the name, and the level (3.1.2).
    outline = bytes(frame[:16])
    for name in (b"\x00\x04MQTT", b"\x00\x06MQIsdp"):
        at = outline.find(name, 2, 5 + len(name))
        if outline[:1] == b"\x10" and at > 0 and outline[at + len(name) : at + len(name) + 1] in {b"\x03", b"\x04"}:
            return VERSION_311
    return VERSION_5
