"""Who we are and whom we trust: tokens, passwords and TLS, read anew from their files at every connect."""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.settings import AuthMethod, Settings


class CredentialsUnavailable(Exception):
    """A file of credentials is missing, empty or unreadable now; the text names the file, never what it holds."""


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token: opaque to us but for its claims, which the broker checks and we only read.

    expires_at, not_before: the JWT's `exp` and `nbf` in Unix seconds, None where the text is no JWT.
    audience, subject: its `aud` and `sub`.
    """

    raw: bytes = field(repr=False)
    expires_at: float | None = None
    audience: tuple[str, ...] = ()
    not_before: float | None = None
    subject: str = ""

    @classmethod
    def parse(cls, raw: bytes) -> Token:
        """Read the claims of `raw` without verifying its signature, which is the broker's task."""
        claims = _claims(raw)
        expiry, audience = claims.get("exp"), claims.get("aud", ())
        names = (audience,) if isinstance(audience, str) else tuple(audience) if isinstance(audience, list) else ()
        subject = str(claims.get("sub", ""))
        return cls(raw, _seconds(expiry), tuple(map(str, names)), _seconds(claims.get("nbf")), subject)


def _seconds(claim: object) -> float | None:
    try:
        return float(claim) if isinstance(claim, int | float) else None
    except OverflowError:
        return None


def _claims(raw: bytes) -> dict[str, Any]:
    """The payload of a JWT (RFC 7519, 3), or nothing where `raw` is none."""
    parts = raw.split(b".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def read_secret(path: Path, what: str) -> bytes:
    """The content of a secret file, stripped of white space around it; CredentialsUnavailable where there is none."""
    try:
        secret = path.read_bytes().strip()
    except FileNotFoundError:
        raise CredentialsUnavailable(f"{what} {path} is missing") from None
    except OSError as error:
        raise CredentialsUnavailable(f"{what} {path} cannot be read: {error.strerror}") from None
    if not secret:
        raise CredentialsUnavailable(f"{what} {path} is empty")
    return secret


def read_password(settings: Settings) -> bytes | None:
    """The password of now, from its file or as it was set; CredentialsUnavailable where the file has none."""
    if settings.mqtt_password_file is not None:
        return read_secret(settings.mqtt_password_file, "password file")
    return settings.mqtt_password.get_secret_value() if settings.mqtt_password else None


def read_token(path: Path) -> Token:
    """The service account token of now; CredentialsUnavailable where there is none."""
    return Token.parse(read_secret(path, "token file"))


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as the settings ask for it, with the CA file as it is now; None where TLS is off.

    Raises CredentialsUnavailable where a file is missing or holds no certificate.
    """
    if not settings.mqtt_tls:
        return None
    context = ssl.create_default_context()
    if settings.mqtt_ca_file is not None:
        context = _trusting(settings.mqtt_ca_file)
    if settings.mqtt_tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.mqtt_auth_method is AuthMethod.X509:
        _load_client_certificate(context, settings)
    return context


def _trusting(ca_file: Path) -> ssl.SSLContext:
    pem = read_secret(ca_file, "CA file")
    try:
        return ssl.create_default_context(cadata=pem.decode("ascii", "ignore"))
    except ssl.SSLError:
        raise CredentialsUnavailable(f"CA file {ca_file} holds no certificate in PEM form") from None


def _load_client_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Have the context show our certificate (X509)."""
    certificate, key = settings.mqtt_cert_file, settings.mqtt_key_file
    if certificate is None or key is None:
        raise CredentialsUnavailable("X509 needs MQTT_CERT_FILE and MQTT_KEY_FILE")
    for path, what in ((certificate, "certificate file"), (key, "key file")):
        read_secret(path, what)
    password = settings.mqtt_key_password_file and read_secret(settings.mqtt_key_password_file, "key password file")
    try:
        context.load_cert_chain(certificate, key, password or b"")
    except (ssl.SSLError, ValueError):
        raise CredentialsUnavailable(
            f"certificate {certificate} and key {key} do not load: not PEM, not a pair, or a wrong key password"
        ) from None
