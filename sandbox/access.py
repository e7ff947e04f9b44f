"""Who may connect to a listener.

For trying things out and for tests, not for production.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jwt
from mqtt5 import AuthPacket, ConnectPacket

from sandbox.credentials import TokenIssuer
from sandbox.protocol.wire import Reason, Violation

Certificate = Mapping[str, Any]
"""A client's verified certificate as `ssl.SSLSocket.getpeercert` gives it."""


class Admission(NamedTuple):
    """Who was let in. `method`: authentication method, or None.  `seconds`: how long it holds, or None for ever."""

    identity: str | None = None
    method: str | None = None
    seconds: float | None = None


class Access(Protocol):
    """Decides on CONNECT and on re-authentication. Both raise Violation."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:
        """Let a new connection in."""

    def readmit(self, auth: AuthPacket) -> Admission:
        """Let a connection stay that was admitted with an authentication method."""


class _WithoutMethod:
    """Common to listeners without enhanced authentication (MQTT 5, 4.12)."""

    def readmit(self, auth: AuthPacket) -> Admission:  # noqa: ARG002
        """Nobody was admitted with a method here."""
        raise Violation(Reason.PROTOCOL_ERROR)


class Anyone(_WithoutMethod):
    """No credentials needed; a name and a password are taken and not looked at."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Let everybody in who does not ask for enhanced authentication."""
        _refuse_methods(connect)
        return Admission(connect.username)


class Passwords(_WithoutMethod):
    """User name and password out of a given table."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = {name: password.encode() for name, password in users.items()}

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Let in whoever knows the password; else 0x86."""
        _refuse_methods(connect)
        expected = self._users.get(connect.username or "")
        # In constant time out of habit: this code may be read as an example.
        if expected is None or not hmac.compare_digest(expected, connect.password or b""):
            raise Violation(Reason.BAD_USER_NAME_OR_PASSWORD)
        return Admission(connect.username)


class Certificates(_WithoutMethod):
    """X.509 client certificates, verified by the listener's TLS context against its client CA."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:
        """Let in whoever showed a certificate; its common name is the identity. Else 0x87."""
        _refuse_methods(connect)
        if not certificate:
            raise Violation(Reason.NOT_AUTHORIZED)
        subject = dict(pair for names in certificate["subject"] for pair in names)
        return Admission(subject.get("commonName"))


class ServiceAccountTokens:
    """Enhanced authentication `K8S-SAT` of Azure IoT Operations: a service account's token as data, in one step."""

    method = "K8S-SAT"

    def __init__(self, issuer: TokenIssuer, audience: str = "aio-internal") -> None:
        self._issuer = issuer
        self._audience = audience

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Let in who has a valid token: 0x87 without a method or with a bad token, 0x8C for another method."""
        # A token as a password is a mistake of old examples; it is not looked at.
        if connect.authentication_method is None:
            raise Violation(Reason.NOT_AUTHORIZED)
        if connect.authentication_method != self.method:
            raise Violation(Reason.BAD_AUTHENTICATION_METHOD)
        return self._check(connect.authentication_data)

    def readmit(self, auth: AuthPacket) -> Admission:
        """Let stay who has a new valid token. Another method than before is a protocol error (MQTT 5, 4.12.1)."""
        if auth.authentication_method != self.method:
            raise Violation(Reason.PROTOCOL_ERROR)
        return self._check(auth.authentication_data)

    def _check(self, token: bytes | None) -> Admission:
        try:
            claims = self._issuer.verify(token or b"", self._audience)
        except jwt.InvalidTokenError:
            # From None: the cause would carry parts of the token into a traceback.
            raise Violation(Reason.NOT_AUTHORIZED) from None
        return Admission(claims["sub"], self.method, claims["exp"] - self._issuer.clock())


def _refuse_methods(connect: ConnectPacket) -> None:
    if connect.authentication_method is not None:
        raise Violation(Reason.BAD_AUTHENTICATION_METHOD)
