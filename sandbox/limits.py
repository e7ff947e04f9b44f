"""The limits of the embedded broker for its clients.

For demos and tests, not for production.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the broker allows each client; the first five are announced in CONNACK (MQTT 5, 3.2.2.3).

    receive_maximum: unacknowledged QoS 1 messages from one client.
    maximum_qos: 0 or 1; QoS 2 is not offered.
    maximum_packet_size: bytes of the largest frame accepted from a client.
    server_keep_alive_seconds: replaces the client's keep-alive, or None.
    session_expiry_maximum_seconds: longest session expiry granted, or None for any.
    outgoing_window: unacknowledged QoS 1 messages sent to one client, below its own Receive Maximum.
    queue_messages, queue_bytes: messages, and bytes of payload, queued for one client; the oldest is dropped first.
    connect_seconds: time within which a new connection must send CONNECT.
    """

    receive_maximum: int = 1_000
    maximum_qos: Literal[0, 1] = 1
    maximum_packet_size: int = 262_144
    server_keep_alive_seconds: int | None = None
    session_expiry_maximum_seconds: int | None = None
    outgoing_window: int = 1_000
    queue_messages: int = 10_000
    queue_bytes: int = 64 * 1024 * 1024
    connect_seconds: float = 10.0
