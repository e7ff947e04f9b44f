"""MQTT 5: packets by the codec `mqtt5`, and the frames to which a fault may give any reason code.

For demos and tests, not for production.
"""

from __future__ import annotations

import mqtt5
from mqtt5 import ConnAckPacket, Packet, PublishPacket, QoS, SubAckPacket, SubAckReasonCode, UnsubAckPacket
from mqtt5 import UnsubAckReasonCode as Removal

from sandbox.protocol.wire import Header, Reason, Violation


class Version5:
    """Decodes and encodes MQTT 5. Frames whose reason codes the codec's enumerations reject are encoded here."""

    version = "5"
    announces_limits = True

    def decode(self, frame: memoryview) -> Packet:
        """Decode the packet in one frame; raise Violation where it is malformed."""
        if frame[0] == 0x10:
            _check_connect(bytes(frame))
        try:
            return mqtt5.read(frame)[0]
        except (ValueError, IndexError) as error:
            raise Violation(Reason.MALFORMED_PACKET) from error
        except BaseException as error:
            # The codec panics on text that is not UTF-8, and its PanicException is no Exception.
            if type(error).__name__ != "PanicException":
                raise
            raise Violation(Reason.MALFORMED_PACKET) from None

    def connack(self, packet: ConnAckPacket) -> bytes:
        """Encode a CONNACK that accepts, with the broker's limits (MQTT 5, 3.2)."""
        return packet.write()

    def refusal(self, code: int) -> bytes:
        """Encode a CONNACK that refuses, with no properties (MQTT 5, 3.2)."""
        return bytes((0x20, 3, 0, code, 0))

    def disconnect(self, code: int) -> bytes:
        """Encode DISCONNECT with a reason code and no properties (MQTT 5, 3.14)."""
        return bytes((0xE0, 1, code))

    def puback(self, packet_id: int, code: int) -> bytes:
        """Encode PUBACK; without the reason code if it is 0 (MQTT 5, 3.4.2.1)."""
        # Short, and without a Reason String: most of what a broker sends to a publisher are these frames.
        if code == 0:
            return b"\x40\x02" + packet_id.to_bytes(2, "big")
        return b"\x40\x03" + packet_id.to_bytes(2, "big") + bytes((code,))

    def suback(self, packet_id: int, codes: list[SubAckReasonCode]) -> bytes:
        """Encode SUBACK (MQTT 5, 3.9)."""
        return SubAckPacket(packet_id, codes).write()

    def unsuback(self, packet_id: int, removed: list[bool]) -> bytes:
        """Encode UNSUBACK (MQTT 5, 3.11)."""
        codes = (Removal.NO_SUBSCRIPTION_EXISTED, Removal.SUCCESS)
        return UnsubAckPacket(packet_id, [codes[one] for one in removed]).write()

    def publish(self, packet: PublishPacket, header: Header) -> bytes:
        """Encode a PUBLISH with the publisher's properties (MQTT 5, 3.3.2.3)."""
        return PublishPacket(
            packet.topic,
            packet.payload,
            qos=QoS(header.qos),
            retain=header.retain,
            packet_id=header.packet_id,
            duplicate=header.duplicate,
            payload_format_indicator=packet.payload_format_indicator,
            message_expiry_interval=header.expiry_seconds,
            content_type=packet.content_type,
            response_topic=packet.response_topic,
            correlation_data=packet.correlation_data,
            subscription_ids=header.subscription_ids,
            user_properties=packet.user_properties,
        ).write()


def _check_connect(frame: bytes) -> None:
    """Reject other protocol levels than 5 and the reserved flag, which the codec ignores (MQTT 5, 3.1.2)."""
    level, flags = _level_and_flags(frame)
    if level != 5:
        raise Violation(Reason.UNSUPPORTED_PROTOCOL_VERSION)
    if flags & 0x01:
        raise Violation(Reason.MALFORMED_PACKET)


def _level_and_flags(frame: bytes) -> tuple[int, int]:
    """Return protocol level and connect flags: the two bytes after the protocol name."""
    name = b"\x00\x04MQTT"
    at = frame.find(name, 2, 5 + len(name))
    if at < 0 or len(frame) <= at + len(name) + 1:
        raise Violation(Reason.MALFORMED_PACKET)
    return frame[at + len(name)], frame[at + len(name) + 1]
