"""What an MQTT 5 reason code means for us: try again, or give up. The lists follow the session clients of the
Azure IoT Operations SDKs, with two deviations that docs/design.md explains: 0x87 on a connect with K8S-SAT is tried
again with a fresh token, and 0x87 in a DISCONNECT is left for the next CONNACK to decide."""

from __future__ import annotations

NOT_AUTHORIZED, KEEP_ALIVE_TIMEOUT = 0x87, 0x8D

FATAL_ON_CONNECT = frozenset(
    {0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9C, 0x9D}
)
"""CONNACK codes after which the same CONNECT would be refused again (MQTT 5, 3.2.2.2)."""

FATAL_ON_DISCONNECT = frozenset({0x81, 0x82, 0x8E, 0x8F, 0x90, 0x94, 0x95, 0x99, 0x9A, 0x9B, 0x9D, 0x9E, 0xA1, 0xA2})
"""DISCONNECT codes after which reconnecting would end the same way (MQTT 5, 3.14.2.1)."""

_HINTS = {
    0x84: "the broker does not speak MQTT 5",
    0x85: "the broker does not take this client id (MQTT_CLIENT_ID)",
    0x86: "the broker does not know this user name and password (MQTT_USERNAME, MQTT_PASSWORD_FILE)",
    0x87: "the broker does not accept who we are: check token, audience and BrokerAuthentication",
    0x8C: "the broker does not offer this authentication method on this port (MQTT_AUTH_METHOD)",
    0x8E: "another client uses the same client id (MQTT_CLIENT_ID)",
    0x97: "the broker is at its quota and asks us to come back later",
    0x9F: "too many connections at once",
}

_NAMES = {
    0x00: "Success",
    0x04: "Disconnect with will message",
    0x10: "No matching subscribers",
    0x80: "Unspecified error",
    0x81: "Malformed packet",
    0x82: "Protocol error",
    0x83: "Implementation specific error",
    0x84: "Unsupported protocol version",
    0x85: "Client identifier not valid",
    0x86: "Bad user name or password",
    0x87: "Not authorized",
    0x88: "Server unavailable",
    0x89: "Server busy",
    0x8A: "Banned",
    0x8B: "Server shutting down",
    0x8C: "Bad authentication method",
    0x8D: "Keep alive timeout",
    0x8E: "Session taken over",
    0x8F: "Topic filter invalid",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x92: "Packet identifier not found",
    0x93: "Receive maximum exceeded",
    0x94: "Topic alias invalid",
    0x95: "Packet too large",
    0x96: "Message rate too high",
    0x97: "Quota exceeded",
    0x98: "Administrative action",
    0x99: "Payload format invalid",
    0x9A: "Retain not supported",
    0x9B: "QoS not supported",
    0x9C: "Use another server",
    0x9D: "Server moved",
    0x9E: "Shared subscriptions not supported",
    0x9F: "Connection rate exceeded",
    0xA0: "Maximum connect time",
    0xA1: "Subscription identifiers not supported",
    0xA2: "Wildcard subscriptions not supported",
}


def name_of(code: int) -> str:
    """A reason code by number and name: `0x87 Not authorized`."""
    return f"0x{code:02X} {_NAMES.get(code, 'reason code not in MQTT 5')}"


def explain(code: int) -> str:
    """A reason code as a person would want it: `0x87 Not authorized (the broker does not accept ...)`."""
    hint = f" ({_HINTS[code]})" if code in _HINTS else ""
    return f"{name_of(code)}{hint}"
