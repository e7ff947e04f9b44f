"""Reason codes of the broker in words, for MQTT 5 and for MQTT 3.1.1, which has few of them."""

from __future__ import annotations

from typing import Final

from edge.mqtt.protocol.reason_codes import FATAL, Packet, name_of, outcome
from edge.redaction import from_peer

REFUSED_FROM: Final = 0x80
"""Reason codes from here on mean failure (MQTT 5, 2.4)."""
TAKEN_OVER: Final = 0x8E

_RETURN_CODES: Final = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}
"""Reason codes of MQTT 5 -> return codes of CONNACK in MQTT 3.1.1 (3.2.2.3), which the library has translated."""

_HINTS: Final = {
    (Packet.CONNACK, 0x84): "the broker does not take this version: --mqtt-version has another",
    (Packet.CONNACK, 0x85): "the broker does not accept this client id: --client-id has another",
    (Packet.CONNACK, 0x86): "the broker does not accept this login: --username, --password-file",
    (Packet.CONNACK, 0x87): "the broker does not accept this client: its login, or its client id",
    (Packet.CONNACK, 0x8C): "the broker does not offer a login of this kind on this port",
    (Packet.PUBACK, 0x10): "nobody receives it",
    (Packet.PUBACK, 0x87): "this client may not publish to this topic",
    (Packet.SUBACK, 0x87): "this client may not subscribe to this",
    (Packet.DISCONNECT, 0x87): "the broker does not allow what this client did",
    (Packet.DISCONNECT, TAKEN_OVER): "another client has connected with the same client id",
}


def words(packet: Packet, code: int, version: str, reason_string: str = "") -> str:
    """Return a reason code as `PUBACK 0x87 Not authorized (this client may not publish to this topic)`.

    reason_string: text of the broker, which it may fill with anything (MQTT 5, 3.2.2.3.9).
    """
    hint = _HINTS.get((packet, code))
    more = f" ({hint})" if hint else ""
    more += f"; the broker says: {from_peer(reason_string)}" if reason_string else ""
    return f"{packet} {_name(packet, code, version)}{more}"


def is_final(packet: Packet, code: int) -> bool:
    """Return whether another try would be refused, too."""
    return outcome(packet, code) is FATAL


def _name(packet: Packet, code: int, version: str) -> str:
    if packet is Packet.SUBACK and code == 0:
        return "0x00 Granted QoS 0"
    if version == "5":
        return name_of(code)
    if packet is Packet.CONNACK and code in _RETURN_CODES:
        return f"return code {_RETURN_CODES[code]} {name_of(code)[5:]}"
    # MQTT 3.1.1, 3.9.3: the one failure that SUBACK has.
    return "0x80 Failure" if packet is Packet.SUBACK and code >= REFUSED_FROM else name_of(code)
