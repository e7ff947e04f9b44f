"""Authentication of clients, by listener.

For demos and tests, not for production.
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
"""A client's verified certificate as `ssl.SSLSocket.getpeercert` returns it."""


class Admission(NamedTuple):
    """An accepted login.  method: authentication method, or None.  seconds: until it expires, or None for never."""

    identity: str | None = None
    method: str | None = None
    seconds: float | None = None


class Access(Protocol):
    """Checks the login in CONNECT, and re-authentication. Both raise Violation."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:
        """Accept a new connection."""

    def readmit(self, auth: AuthPacket) -> Admission:
        """Accept a new login on a connection with an authentication method."""


class _WithoutMethod:
    """Base of listeners without enhanced authentication (MQTT 5, 4.12)."""

    def readmit(self, auth: AuthPacket) -> Admission:  # noqa: ARG002
        """Reject AUTH: no connection has an authentication method."""
        raise Violation(Reason.PROTOCOL_ERROR)


class Anyone(_WithoutMethod):
    """Accepts every client; user name and password are not checked, so a client of it has no identity."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Accept every client without enhanced authentication."""
        _reject_methods(connect)
        return Admission()


class ClientIds(_WithoutMethod):
    """Accepts every client, and takes its client id for its identity, which anybody can claim.

    Only to show what goes wrong so: whoever calls himself `controller` is one.
    """

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Accept every client without enhanced authentication, under its client id."""
        _reject_methods(connect)
        return Admission(connect.client_id or None)


class Passwords(_WithoutMethod):
    """Accepts user names with their passwords.  anonymous: whether a client may also come without a name."""

    def __init__(self, users: Mapping[str, str], *, anonymous: bool = False) -> None:
        self._users = {name: password.encode() for name, password in users.items()}
        self._anonymous = anonymous

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Accept a user with the right password; reject others with 0x86."""
        _reject_methods(connect)
        if self._anonymous and connect.username is None:
            return Admission()
        expected = self._users.get(connect.username or "")
        # In constant time: this code may be read as an example.
        if expected is None or not hmac.compare_digest(expected, connect.password or b""):
            raise Violation(Reason.BAD_USER_NAME_OR_PASSWORD)
        return Admission(connect.username)


class Certificates(_WithoutMethod):
    """X.509 client certificates, verified by the listener's TLS context against its client CA."""

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:
        """Accept a client with a certificate, identified by its common name; reject others with 0x87."""
        _reject_methods(connect)
        if not certificate:
            raise Violation(Reason.NOT_AUTHORIZED)
        subject = dict(pair for names in certificate["subject"] for pair in names)
        return Admission(subject.get("commonName"))


class ServiceAccountTokens:
    """Enhanced authentication `K8S-SAT` of Azure IoT Operations: a service account token as data, in one step."""

    method = "K8S-SAT"

    def __init__(self, issuer: TokenIssuer, audience: str = "aio-internal") -> None:
        self._issuer = issuer
        self._audience = audience

    def admit(self, connect: ConnectPacket, certificate: Certificate | None) -> Admission:  # noqa: ARG002
        """Accept a valid token; reject with 0x87 without a method or with a bad token, 0x8C with another method."""
        # A token as a password is an error in old examples; it is ignored.
        if connect.authentication_method is None:
            raise Violation(Reason.NOT_AUTHORIZED)
        if connect.authentication_method != self.method:
            raise Violation(Reason.BAD_AUTHENTICATION_METHOD)
        return self._check(connect.authentication_data)

    def readmit(self, auth: AuthPacket) -> Admission:
        """Accept a new valid token. Another method than before is a protocol error (MQTT 5, 4.12.1)."""
        if auth.authentication_method != self.method:
            raise Violation(Reason.PROTOCOL_ERROR)
        return self._check(auth.authentication_data)

    def _check(self, token: bytes | None) -> Admission:
        try:
            claims = self._issuer.verify(token or b"", self._audience)
        except jwt.InvalidTokenError:
            # From None: the cause would show parts of the token in a traceback.
            raise Violation(Reason.NOT_AUTHORIZED) from None
        return Admission(claims["sub"], self.method, claims["exp"] - self._issuer.clock())


def _reject_methods(connect: ConnectPacket) -> None:
    if connect.authentication_method is not None:
        raise Violation(Reason.BAD_AUTHENTICATION_METHOD)
