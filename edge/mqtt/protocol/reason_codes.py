"""MQTT 5 reason codes: their names, and what the simulator does about each, by packet and by login.

Which codes a packet may have is from MQTT 5: CONNACK 3.2.2.2, PUBACK 3.4.2.1, SUBACK 3.9.3, DISCONNECT 3.14.2.1, AUTH
3.15.2.1. The outcomes are those of the session clients of the Azure IoT Operations SDKs, with the exceptions that
docs/design.md explains: 0x87 on a connect with K8S-SAT is retried with a fresh token, 0x87 in a DISCONNECT is retried,
so that the next CONNACK decides, and so is a broker that moves or shuts down.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from edge.redaction import from_peer
from edge.settings.types import AuthMethod, MqttVersion

NOT_AUTHORIZED, KEEP_ALIVE_TIMEOUT = 0x87, 0x8D
_REFUSED_FROM = 0x80


class Packet(StrEnum):
    """Packets from a broker that have a reason code."""

    CONNACK = "CONNACK"
    PUBACK = "PUBACK"
    SUBACK = "SUBACK"
    DISCONNECT = "DISCONNECT"
    AUTH = "AUTH"


class Outcome(StrEnum):
    """What to do about a reason code.

    TAKEN: nothing, it is a success.  FATAL: end the process, as a retry would be refused again (PUBACK: count the
    message as refused).  RETRY: reconnect after a pause.  WAIT: retry later: CONNACK with K8S-SAT a token that may be
    newer then, PUBACK the same message on the same connection, AUTH the same token.
    """

    TAKEN = "taken"
    FATAL = "fatal"
    RETRY = "retry"
    WAIT = "wait"


TAKEN, FATAL, RETRY, WAIT = Outcome.TAKEN, Outcome.FATAL, Outcome.RETRY, Outcome.WAIT


class _Code(NamedTuple):
    """A reason code: its name, and its outcome by packet (None: the packet cannot have it)."""

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
"""Outcomes of codes that a packet must not have, of 0x80 or more; of DISCONNECT and AUTH, any such code."""


def outcome(packet: Packet, code: int, method: AuthMethod | None = None) -> Outcome:
    """Return what to do about a reason code.  method: the login that was used."""
    if (packet, code, method) == (Packet.CONNACK, NOT_AUTHORIZED, AuthMethod.K8S_SAT):
        return WAIT
    known: Outcome | None = getattr(CODES[code], packet.lower()) if code in CODES else None
    means_success = code < _REFUSED_FROM and packet not in {Packet.DISCONNECT, Packet.AUTH}
    return known or (TAKEN if means_success else _UNKNOWN[packet])


_ANY: Final = None
_HINTS: Final[Mapping[tuple[Packet, int, AuthMethod | None], str]] = {
    (Packet.CONNACK, 0x84, AuthMethod.K8S_SAT): "the broker does not support MQTT 5, which K8S-SAT needs",
    (Packet.CONNACK, 0x84, _ANY): "the broker does not support MQTT 5: set MQTT_VERSION=3.1.1",
    (Packet.CONNACK, 0x85, _ANY): "the broker does not accept this client id (MQTT_CLIENT_ID)",
    (Packet.CONNACK, 0x86, AuthMethod.USERPASS): (
        "the broker does not accept this user name and password (MQTT_USERNAME, MQTT_PASSWORD_FILE)"
    ),
    (Packet.CONNACK, 0x86, _ANY): "the broker requires a user name and a password (MQTT_AUTH_METHOD=USERPASS)",
    (Packet.CONNACK, 0x87, AuthMethod.K8S_SAT): (
        "the broker does not accept the token: check its audience and the BrokerAuthentication"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.USERPASS): (
        "the broker does not accept this user: check MQTT_USERNAME, MQTT_PASSWORD_FILE, and whether the user may "
        "connect with this client id"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.X509): (
        "the broker does not accept this client certificate: check MQTT_CERT_FILE, and whether it may connect "
        "with this client id"
    ),
    (Packet.CONNACK, 0x87, AuthMethod.NONE): "the broker requires a login (MQTT_AUTH_METHOD)",
    (Packet.CONNACK, 0x87, _ANY): "the broker does not accept the login",
    (Packet.CONNACK, 0x8A, _ANY): "an administrator has banned this client id or address",
    (Packet.CONNACK, 0x8C, _ANY): "the broker does not offer this login on this port (MQTT_AUTH_METHOD)",
    (Packet.CONNACK, 0x95, _ANY): "CONNECT is longer than the broker allows: use shorter credentials",
    (Packet.CONNACK, 0x97, _ANY): "the broker has reached a quota; it accepts connections again later",
    (Packet.CONNACK, 0x9F, _ANY): "too many clients connect at once",
    (Packet.PUBACK, 0x87, _ANY): "publishing to this topic is not allowed: check the broker's authorization",
    (Packet.PUBACK, 0x90, _ANY): "the broker rejects this topic name (MQTT_TOPIC_PREFIX, `topic` in the plant's YAML)",
    (Packet.PUBACK, 0x97, _ANY): "the broker has reached a quota; it accepts the message later",
    (Packet.SUBACK, 0x87, _ANY): "subscribing to these topics is not allowed: check the broker's authorization",
    (Packet.DISCONNECT, 0x87, AuthMethod.K8S_SAT): (
        "the broker no longer accepts the token, or does not allow an action: check its authorization"
    ),
    (Packet.DISCONNECT, 0x87, _ANY): "the broker does not allow an action: check its authorization",
    (Packet.DISCONNECT, 0x8D, _ANY): "the broker has received nothing for one and a half keep-alives (MQTT_KEEP_ALIVE)",
    (Packet.DISCONNECT, 0x8E, _ANY): "another client uses the same client id (MQTT_CLIENT_ID)",
    (Packet.DISCONNECT, 0x95, _ANY): "a message is longer than the broker allows",
    (Packet.DISCONNECT, 0x97, _ANY): "the broker has reached a quota; it accepts connections again later",
    (Packet.DISCONNECT, 0x9F, _ANY): "too many clients connect at once",
} | {
    (packet, code, _ANY): hint
    for packet in (Packet.CONNACK, Packet.DISCONNECT)
    for code, hint in {
        0x9C: "the broker redirects clients to another server for now; the simulator does not follow redirects",
        0x9D: "the broker has moved: set MQTT_BROKER to its new address; the simulator does not follow redirects",
    }.items()
}
"""The likely cause of a code, by packet and login; `_ANY` applies where the login has no hint of its own."""


_OLD: Final = MqttVersion.V3_1_1
_OLD_NAMES: Final[Mapping[tuple[Packet, int], str]] = {
    (Packet.CONNACK, 0x84): "1 Unacceptable protocol version",
    (Packet.CONNACK, 0x85): "2 Identifier rejected",
    (Packet.CONNACK, 0x88): "3 Server unavailable",
    (Packet.CONNACK, 0x86): "4 Bad user name or password",
    (Packet.CONNACK, NOT_AUTHORIZED): "5 Not authorized",
    (Packet.SUBACK, 0x80): "0x80 Failure",
}
"""Return codes of MQTT 3.1.1 (3.2.2.3, 3.9.3), by the reason code of MQTT 5 that they are mapped to."""

_OLD_HINTS: Final[Mapping[tuple[Packet, int], str]] = {
    (Packet.CONNACK, 0x84): "the broker does not support MQTT 3.1.1: set MQTT_VERSION=5",
    (Packet.CONNACK, 0x85): (
        "the broker does not accept this client id (MQTT_CLIENT_ID); every broker takes 1 to 23 letters and digits"
    ),
    (Packet.SUBACK, 0x80): "the broker does not say why: check its authorization",
}


def name_of(code: int) -> str:
    """Return a reason code by number and name: `0x87 Not authorized`."""
    return f"0x{code:02X} {CODES[code].name if code in CODES else 'reason code not in MQTT 5'}"


def explain(
    packet: Packet,
    code: int,
    method: AuthMethod | None = None,
    reason_string: str = "",
    server_reference: str = "",
    *,
    version: MqttVersion = MqttVersion.V5,
) -> str:
    """Return a reason code with its likely cause: `0x87 Not authorized (the broker does not accept ...)`.

    reason_string, server_reference: properties of the broker's packet, which it may fill with anything.
    version: of MQTT; 3.1.1 has other names for some: `return code 5 Not authorized (the broker does not accept ...)`.
    """
    own = _OLD_HINTS.get((packet, code)) if version is _OLD else None
    hint = own or _HINTS.get((packet, code, method)) or _HINTS.get((packet, code, _ANY))
    more = f"; server reference: {from_peer(server_reference)}" if server_reference else ""
    more += f"; reason string: {from_peer(reason_string)}" if reason_string else ""
    old = _OLD_NAMES.get((packet, code)) if version is _OLD else None
    name = f"return code {old}" if old else name_of(code)
    return f"{name}{f' ({hint})' if hint else ''}{more}"
