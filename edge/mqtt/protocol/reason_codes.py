"""What an MQTT 5 reason code means for us, by the packet that has it and by how we log in.

Which codes a packet may have is from MQTT 5: CONNACK 3.2.2.2, PUBACK 3.4.2.1, SUBACK 3.9.3, DISCONNECT 3.14.2.1, AUTH
3.15.2.1. What follows from them is that of the session clients of the Azure IoT Operations SDKs, but for what
docs/design.md explains: 0x87 on a connect with K8S-SAT is tried again with a fresh token, 0x87 in a DISCONNECT is left
for the next CONNACK to decide, and a broker that moves or drains is tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from edge.redaction import printable
from edge.settings.types import AuthMethod

NOT_AUTHORIZED, KEEP_ALIVE_TIMEOUT = 0x87, 0x8D
_REFUSED_FROM = 0x80


class Packet(StrEnum):
    """Packets of a broker that have a reason code."""

    CONNACK = "CONNACK"
    PUBACK = "PUBACK"
    SUBACK = "SUBACK"
    DISCONNECT = "DISCONNECT"
    AUTH = "AUTH"


class Outcome(StrEnum):
    """What we do about a reason code.

    TAKEN: it is a success.  FATAL: the same would be refused again, so the process ends (of PUBACK: the message is
    given up).  RETRY: connect again, after a pause.  WAIT: try the same again later: with K8S-SAT a token that may be
    newer then, of PUBACK the same message on the same connection, of AUTH the same token.
    """

    TAKEN = "taken"
    FATAL = "fatal"
    RETRY = "retry"
    WAIT = "wait"


TAKEN, FATAL, RETRY, WAIT = Outcome.TAKEN, Outcome.FATAL, Outcome.RETRY, Outcome.WAIT


class _Code(NamedTuple):
    """A reason code: its name, and what follows from it in each packet that may have it (None: in none)."""

    name: str
    connack: Outcome | None = None
    puback: Outcome | None = None
    suback: Outcome | None = None
    disconnect: Outcome | None = None
    auth: Outcome | None = None


CODES: Final[Mapping[int, _Code]] = {
    0x00: _Code("Success", TAKEN, TAKEN, TAKEN, RETRY, TAKEN),
    0x01: _Code("Granted QoS 1", suback=TAKEN),
    0x02: _Code("Granted QoS 2", suback=TAKEN),
    0x04: _Code("Disconnect with will message", disconnect=RETRY),
    0x10: _Code("No matching subscribers", puback=TAKEN),
    0x18: _Code("Continue authentication", auth=WAIT),
    0x80: _Code("Unspecified error", RETRY, FATAL, FATAL, RETRY),
    0x81: _Code("Malformed packet", FATAL, disconnect=FATAL),
    0x82: _Code("Protocol error", FATAL, disconnect=FATAL),
    0x83: _Code("Implementation specific error", FATAL, FATAL, FATAL, RETRY),
    0x84: _Code("Unsupported protocol version", FATAL),
    0x85: _Code("Client identifier not valid", FATAL),
    0x86: _Code("Bad user name or password", FATAL),
    0x87: _Code("Not authorized", FATAL, FATAL, FATAL, RETRY),
    0x88: _Code("Server unavailable", RETRY),
    0x89: _Code("Server busy", RETRY, disconnect=RETRY),
    0x8A: _Code("Banned", FATAL),
    0x8B: _Code("Server shutting down", disconnect=RETRY),
    0x8C: _Code("Bad authentication method", FATAL),
    0x8D: _Code("Keep alive timeout", disconnect=RETRY),
    0x8E: _Code("Session taken over", disconnect=FATAL),
    0x8F: _Code("Topic filter invalid", suback=FATAL, disconnect=FATAL),
    0x90: _Code("Topic name invalid", FATAL, FATAL, disconnect=FATAL),
    0x91: _Code("Packet identifier in use", puback=WAIT, suback=FATAL),
    0x92: _Code("Packet identifier not found"),
    0x93: _Code("Receive maximum exceeded", disconnect=RETRY),
    0x94: _Code("Topic alias invalid", disconnect=FATAL),
    0x95: _Code("Packet too large", FATAL, disconnect=FATAL),
    0x96: _Code("Message rate too high", disconnect=RETRY),
    0x97: _Code("Quota exceeded", RETRY, WAIT, FATAL, RETRY),
    0x98: _Code("Administrative action", disconnect=RETRY),
    0x99: _Code("Payload format invalid", FATAL, FATAL, disconnect=FATAL),
    0x9A: _Code("Retain not supported", FATAL, disconnect=FATAL),
    0x9B: _Code("QoS not supported", FATAL, disconnect=FATAL),
    0x9C: _Code("Use another server", RETRY, disconnect=RETRY),
    0x9D: _Code("Server moved", RETRY, disconnect=RETRY),
    0x9E: _Code("Shared subscriptions not supported", suback=FATAL, disconnect=FATAL),
    0x9F: _Code("Connection rate exceeded", RETRY, disconnect=RETRY),
    0xA0: _Code("Maximum connect time", disconnect=RETRY),
    0xA1: _Code("Subscription identifiers not supported", suback=FATAL, disconnect=FATAL),
    0xA2: _Code("Wildcard subscriptions not supported", suback=FATAL, disconnect=FATAL),
}

_UNKNOWN: Final = {
    Packet.CONNACK: RETRY,
    Packet.PUBACK: FATAL,
    Packet.SUBACK: FATAL,
    Packet.DISCONNECT: RETRY,
    Packet.AUTH: RETRY,
}
"""What follows from a code that a packet must not have, of 0x80 or more; of DISCONNECT and AUTH, any such code."""


def outcome(packet: Packet, code: int, method: AuthMethod | None = None) -> Outcome:
    """What to do about a reason code; `method` is how we log in."""
    if (packet, code, method) == (Packet.CONNACK, NOT_AUTHORIZED, AuthMethod.K8S_SAT):
        return WAIT
    known: Outcome | None = getattr(CODES[code], packet.lower()) if code in CODES else None
    means_success = code < _REFUSED_FROM and packet not in {Packet.DISCONNECT, Packet.AUTH}
    return known or (TAKEN if means_success else _UNKNOWN[packet])


_ANY: Final = None
_HINTS: Final[Mapping[tuple[Packet, int, AuthMethod | None], str]] = {
    (Packet.CONNACK, 0x84, _ANY): "the broker does not speak MQTT 5",
    (Packet.CONNACK, 0x85, _ANY): "the broker does not take this client id (MQTT_CLIENT_ID)",
    (Packet.CONNACK, 0x86, AuthMethod.USERPASS): (
        "the broker does not know this user name and password (MQTT_USERNAME, MQTT_PASSWORD_FILE)"
    ),
    (Packet.CONNACK, 0x86, _ANY): "the broker wants a user name and a password (MQTT_AUTH_METHOD=USERPASS)",
    (Packet.CONNACK, 0x87, AuthMethod.K8S_SAT): (
        "the broker does not accept the token: check its audience and the BrokerAuthentication"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.USERPASS): (
        "the broker does not let this user in: check MQTT_USERNAME, MQTT_PASSWORD_FILE, and whether the user may "
        "connect with this client id"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.X509): (
        "the broker does not let the holder of this certificate in: check MQTT_CERT_FILE, and whether it may connect "
        "with this client id"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.NONE): "the broker wants a login (MQTT_AUTH_METHOD)",
    (Packet.CONNACK, 0x87, _ANY): "the broker does not accept who we are",
    (Packet.CONNACK, 0x8A, _ANY): "an administrator has banned this client id or address",
    (Packet.CONNACK, 0x8C, _ANY): "the broker does not offer this login on this port (MQTT_AUTH_METHOD)",
    (Packet.CONNACK, 0x95, _ANY): "CONNECT is too long for the broker: shorten what we log in with",
    (Packet.CONNACK, 0x97, _ANY): "the broker is at its quota and asks us to come back later",
    (Packet.CONNACK, 0x9F, _ANY): "too many clients connect at once",
    (Packet.PUBACK, 0x87, _ANY): "we may not publish to this topic: check the broker's authorization",
    (Packet.PUBACK, 0x90, _ANY): "the broker takes no such topic (MQTT_TOPIC_PREFIX, `topic` in the plant's YAML)",
    (Packet.PUBACK, 0x97, _ANY): "the broker is at its quota and wants the message later",
    (Packet.SUBACK, 0x87, _ANY): "we may not subscribe to these topics: check the broker's authorization",
    (Packet.DISCONNECT, 0x87, AuthMethod.K8S_SAT): (
        "the broker no longer accepts the token, or does not allow what we did: check its authorization"
    ),
    (Packet.DISCONNECT, 0x87, _ANY): "the broker does not allow what we did: check its authorization",
    (Packet.DISCONNECT, 0x8D, _ANY): "nothing of ours has reached it for one and a half keep-alives (MQTT_KEEP_ALIVE)",
    (Packet.DISCONNECT, 0x8E, _ANY): "another client uses the same client id (MQTT_CLIENT_ID)",
    (Packet.DISCONNECT, 0x95, _ANY): "a message is longer than the broker takes",
    (Packet.DISCONNECT, 0x97, _ANY): "the broker is at its quota and asks us to come back later",
    (Packet.DISCONNECT, 0x9F, _ANY): "too many clients connect at once",
} | {
    (packet, code, _ANY): hint
    for packet in (Packet.CONNACK, Packet.DISCONNECT)
    for code, hint in {
        0x9C: "the broker wants us at another server for now; we do not follow by ourselves",
        0x9D: "the broker has moved: set MQTT_BROKER to where it is; we do not follow by ourselves",
    }.items()
}
"""What is likely behind a code, by packet and login; those for any login count where there is none of its own."""


def name_of(code: int) -> str:
    """A reason code by number and name: `0x87 Not authorized`."""
    return f"0x{code:02X} {CODES[code].name if code in CODES else 'reason code not in MQTT 5'}"


def explain(packet: Packet, code: int, method: AuthMethod | None = None, said: str = "", elsewhere: str = "") -> str:
    """A reason code as a person would want it: `0x87 Not authorized (the broker does not accept ...)`.

    said, elsewhere: what the broker adds, its Reason String and Server Reference. Whatever they hold becomes a short
    piece of one line.
    """
    hint = _HINTS.get((packet, code, method)) or _HINTS.get((packet, code, _ANY))
    more = f"; it names the server {printable(elsewhere)}" if elsewhere else ""
    more += f"; it says: {printable(said)}" if said else ""
    return f"{name_of(code)}{f' ({hint})' if hint else ''}{more}"
