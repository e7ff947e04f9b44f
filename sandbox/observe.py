"""What a test can observe of the broker: counters, and the CONNECT and AUTH packets received.

For demos and tests, not for production. Tokens and passwords are never kept, only a token's hash.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar

from mqtt5 import AuthPacket, ConnectPacket

from sandbox.lessons import Lessons

KEPT_PACKETS = 10_000
COUNTED_CLIENTS = 100_000
OTHERS = "(others)"


@dataclass(slots=True)
class Counters:
    """Counts since the broker was made; they survive `kill` and `start`.

    connects, publishes: packets received, by client id; those of all ids beyond the first 100,000 as "(others)".
    delivered: PUBLISH packets sent.
    acknowledged: PUBACKs sent, by reason code.  refused: CONNECTs refused, by reason code.
    disconnected: DISCONNECTs sent, by reason code.  dropped: messages not delivered, by reason.
    reauthentications: AUTH answered with success.  expiries: connections closed because their token expired.
    handshake_failures: connections whose TLS handshake failed.
    """

    connects: Counter[str] = field(default_factory=Counter)
    publishes: Counter[str] = field(default_factory=Counter)
    delivered: int = 0
    acknowledged: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    disconnected: Counter[int] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    reauthentications: int = 0
    expiries: int = 0
    handshake_failures: int = 0

    def count_connect(self, client_id: str) -> str:
        """Count a CONNECT; return under which name, as clients with a random id each time must not fill the memory."""
        known = client_id in self.connects or len(self.connects) < COUNTED_CLIENTS
        name = client_id if known else OTHERS
        self.connects[name] += 1
        return name


def fingerprint(secret: bytes | None) -> str | None:
    """Return the SHA-256 of a token in hexadecimal digits, or None: enough to distinguish tokens."""
    return None if secret is None else hashlib.sha256(secret).hexdigest()


@dataclass(slots=True)
class SeenConnect:
    """One CONNECT, with reason code and session present of its CONNACK, None if none was sent."""

    client_id: str
    clean_start: bool
    keep_alive: int
    session_expiry_interval: int
    receive_maximum: int
    user_properties: list[tuple[str, str]]
    username: str | None
    authentication_method: str | None
    token_sha256: str | None
    will_topic: str | None
    version: str = "5"
    reason_code: int | None = None
    session_present: bool | None = None

    @classmethod
    def of(cls, packet: ConnectPacket, version: str) -> SeenConnect:
        """Record a CONNECT, without its secrets."""
        return cls(
            client_id=packet.client_id,
            clean_start=packet.clean_start,
            keep_alive=packet.keep_alive,
            session_expiry_interval=packet.session_expiry_interval,
            receive_maximum=packet.receive_max,
            user_properties=packet.user_properties,
            username=packet.username,
            authentication_method=packet.authentication_method,
            token_sha256=fingerprint(packet.authentication_data),
            will_topic=None if packet.will is None else packet.will.topic,
            version=version,
        )


@dataclass(slots=True)
class SeenAuth:
    """One AUTH from a client."""

    client_id: str
    reason_code: int
    authentication_method: str | None
    token_sha256: str | None

    @classmethod
    def of(cls, client_id: str, packet: AuthPacket) -> SeenAuth:
        """Record an AUTH, without its secrets."""
        data = fingerprint(packet.authentication_data)
        return cls(client_id, int(packet.reason_code), packet.authentication_method, data)


@dataclass(slots=True)
class Observations:
    """Counters, the newest CONNECT and AUTH packets in order of arrival, and what the exercises are about."""

    counters: Counters = field(default_factory=Counters)
    connects: list[SeenConnect] = field(default_factory=list)
    auths: list[SeenAuth] = field(default_factory=list)
    lessons: Lessons = field(default_factory=Lessons)


SeenT = TypeVar("SeenT")


def note(seen: list[SeenT], packet: SeenT) -> None:
    """Append a packet, and forget the older half of more than 10,000: a broker that runs for days must not grow."""
    if len(seen) >= KEPT_PACKETS:
        del seen[: KEPT_PACKETS // 2]
    seen.append(packet)
