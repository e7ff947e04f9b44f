"""The rules of MQTT about single packets that the codec leaves to the broker.

For demos and tests, not for production.
"""

from __future__ import annotations

from collections.abc import Callable

from mqtt5 import PublishPacket, SubscribePacket, UnsubscribePacket

from sandbox.limits import Limits
from sandbox.protocol.wire import Reason, Violation


def is_topic(name: str) -> bool:
    """Return whether a text is a topic name: no wildcards, no NUL (MQTT 5, 4.7)."""
    return bool(name) and "#" not in name and "+" not in name and "\0" not in name


def is_filter(pattern: str) -> bool:
    """Return whether a text is a topic filter: a wildcard is a whole level, `#` the last (MQTT 5, 4.7.1)."""
    levels = pattern.split("/")
    whole = all(level in {"+", "#"} or not set(level) & set("+#\0") for level in levels)
    return bool(pattern) and whole and "#" not in levels[:-1]


_MESSAGE_RULES: tuple[tuple[Callable[[PublishPacket], object], Reason], ...] = (
    (lambda packet: packet.topic_alias is not None, Reason.TOPIC_ALIAS_INVALID),
    (lambda packet: packet.duplicate and packet.packet_id is None, Reason.MALFORMED_PACKET),
    (lambda packet: packet.packet_id == 0 or packet.subscription_ids, Reason.PROTOCOL_ERROR),
    (lambda packet: packet.payload_format_indicator > 1, Reason.PROTOCOL_ERROR),
    (lambda packet: packet.response_topic is not None and not is_topic(packet.response_topic), Reason.PROTOCOL_ERROR),
    (lambda packet: not is_topic(packet.topic), Reason.TOPIC_NAME_INVALID),
)


def check_message(packet: PublishPacket, limits: Limits) -> None:
    """Raise Violation for a message, or a will, that a client may not send (MQTT 5, 3.3)."""
    for broken, reason in _MESSAGE_RULES:
        if broken(packet):
            raise Violation(reason)
    if int(packet.qos) > limits.maximum_qos:
        raise Violation(Reason.QOS_NOT_SUPPORTED)


def require_packet_id(packet: SubscribePacket | UnsubscribePacket) -> None:
    """Raise Violation for packet id 0 (MQTT 5, 2.2.1)."""
    if packet.packet_id == 0:
        raise Violation(Reason.PROTOCOL_ERROR)
