"""Credentials and trust: tokens, passwords and TLS, read from their files again at every connect."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, Self, TypeVar

from edge.blocking import read_small, run_aside
from edge.redaction import protect
from edge.settings.loader import AuthMethod, Settings

_LONGEST_SECRET = 65_535
"""Bytes of the longest password and of the longest authentication data (MQTT 5, 1.5.6)."""

_LONGEST_PEM = 4 * 1024 * 1024
_READ_SECONDS = 10.0
_LAST_SECOND: Final = 253_402_300_800
"""The year 10000: later times are rejected."""

_Read = TypeVar("_Read")


class CredentialsUnavailable(Exception):
    """A file of credentials is missing, empty or unreadable; the text names the file, never its content."""


class SecretFile(NamedTuple):
    """A file of credentials.  what: its kind.  option: the variable that names it.  most_bytes: its limit."""

    path: Path
    what: str
    option: str
    most_bytes: int = _LONGEST_SECRET

    def error(self, problem: str) -> CredentialsUnavailable:
        """Return the error for a problem of the file."""
        return CredentialsUnavailable(f"{self.what} {self.path} {problem} (see {self.option})")


Note = Callable[[SecretFile], object]
"""Called with the file that is about to be read, so that an error can name it if the read hangs."""


def token_file(settings: Settings) -> SecretFile:
    """Return the file of the service account token."""
    return SecretFile(settings.sat_token_path, "token file", "SAT_TOKEN_PATH")


def password_file(settings: Settings) -> SecretFile | None:
    """Return the file of the password, or None where there is none."""
    path = settings.mqtt_password_file
    return SecretFile(path, "password file", "MQTT_PASSWORD_FILE") if path else None


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token with those claims that the simulator uses; the broker checks them.

    expires_at, not_before: the JWT's `exp` and `nbf` in Unix seconds; None where it is no JWT, or they are no times.
    audience, subject: its `aud` and `sub`.
    """

    raw: bytes = field(repr=False)
    expires_at: float | None = None
    audience: tuple[str, ...] = ()
    not_before: float | None = None
    subject: str = ""

    @classmethod
    def parse(cls, raw: bytes) -> Token:
        """Parse the claims of `raw`; the broker verifies the signature."""
        claims = _claims(raw)
        audience, subject = claims.get("aud"), claims.get("sub")
        names = audience if isinstance(audience, list) else [audience]
        return cls(
            raw,
            _seconds(claims.get("exp")),
            tuple(name for name in names if isinstance(name, str)),
            _seconds(claims.get("nbf")),
            subject if isinstance(subject, str) else "",
        )


def _seconds(claim: object) -> float | None:
    """Return a NumericDate (RFC 7519, 2), or None: not a number, infinite, or after the year 9999."""
    if not isinstance(claim, int | float) or isinstance(claim, bool):
        return None
    return float(claim) if 0 < claim < _LAST_SECOND else None


def _claims(raw: bytes) -> dict[str, Any]:
    """Return the payload of a JWT (RFC 7519, 3); empty where `raw` is none."""
    parts = raw.split(b".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def read_secret(file: SecretFile, note: Note = lambda _file: None) -> bytes:
    """Return the content of a secret file, stripped of white space; raise CredentialsUnavailable if there is none."""
    note(file)
    try:
        secret = read_small(file.path, file.most_bytes).strip()
    except FileNotFoundError:
        raise file.error("is missing") from None
    except OSError as error:
        raise file.error(f"cannot be read: {error.strerror}") from None
    if not secret:
        raise file.error("is empty")
    return secret


def read_password(settings: Settings, note: Note = lambda _file: None) -> bytes | None:
    """Return the password, from its file or as it was set; raise CredentialsUnavailable if the file has none."""
    file, given = password_file(settings), settings.mqtt_password
    password = read_secret(file, note) if file else given.get_secret_value() if given else None
    if password is not None:
        protect(password)
    return password


def read_token(file: SecretFile, note: Note = lambda _file: None) -> Token:
    """Return the service account token from its file; raise CredentialsUnavailable if there is none."""
    token = Token.parse(read_secret(file, note))
    protect(token.raw)
    return token


@dataclass(frozen=True, slots=True)
class Login:
    """The credentials for one connect, read from their files.

    context: TLS, or None for plain TCP.  token: for K8S-SAT.  password: for USERPASS.
    username: for USERPASS, where it is not that of the settings.
    """

    context: ssl.SSLContext | None
    token: Token | None = None
    password: bytes | None = field(default=None, repr=False)
    username: str | None = None

    @classmethod
    def of(cls, settings: Settings, note: Note = lambda _file: None) -> Self:
        """Read the credentials that the settings name; raise CredentialsUnavailable if a file is missing."""
        method = settings.mqtt_auth_method
        token = read_token(token_file(settings), note) if method is AuthMethod.K8S_SAT else None
        password = read_password(settings, note) if method is AuthMethod.USERPASS else None
        return cls(tls_context(settings, note), token, password)


class Reader(Generic[_Read]):
    """Reads files in a thread, one read at a time however long it takes: a network mount may hang.

    read: reads, and calls its argument with each file first.  seconds: how long to wait for it.
    """

    def __init__(self, read: Callable[[Note], _Read], seconds: float = _READ_SECONDS) -> None:
        self._read, self._seconds = read, seconds
        self._file: SecretFile | None = None
        self._task: asyncio.Task[_Read] | None = None

    async def now(self) -> _Read:
        """Return what is read now; raise CredentialsUnavailable if that fails, or takes too long."""
        task = self._running()
        await asyncio.wait([task], timeout=self._seconds)
        if task.done():
            return self._finish(task)
        problem = f"cannot be read: no answer within {self._seconds:g} s"
        raise self._file.error(problem) if self._file else CredentialsUnavailable(problem)

    def latest(self) -> _Read | None:
        """Return what was read since the last call and start another read; None while there is no result."""
        task = self._running()
        try:
            return self._finish(task) if task.done() else None
        except CredentialsUnavailable:
            return None

    def _running(self) -> asyncio.Task[_Read]:
        if self._task is None:
            self._task = asyncio.create_task(run_aside(lambda: self._read(self._note)))
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task

    def _finish(self, task: asyncio.Task[_Read]) -> _Read:
        self._task = None
        return task.result()

    def _note(self, file: SecretFile) -> None:
        self._file = file


def tls_context(settings: Settings, note: Note = lambda _file: None) -> ssl.SSLContext | None:
    """Return the TLS context of the settings, with the CA file as it is now; None where TLS is off.

    Raises CredentialsUnavailable where a file is missing or contains no certificate.
    """
    if not settings.mqtt_tls:
        return None
    if settings.mqtt_ca_file is not None:
        context = _trusting(SecretFile(settings.mqtt_ca_file, "CA file", "MQTT_CA_FILE", _LONGEST_PEM), note)
    else:
        context = _default_context()
    if settings.mqtt_tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.mqtt_auth_method is AuthMethod.X509:
        _load_client_certificate(context, settings, note)
    return context


def _trusting(ca_file: SecretFile, note: Note) -> ssl.SSLContext:
    pem = read_secret(ca_file, note).decode("ascii", "ignore")
    try:
        # With an empty text it would trust the system's authorities instead.
        return _default_context(pem or "no text")
    except (ssl.SSLError, ValueError):
        raise ca_file.error(_damaged(pem) or "contains no certificate in PEM form") from None


_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def _damaged(pem: str) -> str | None:
    """Return which one of several certificates is damaged, or None where there is only one, or none."""
    before, *certificates = pem.split(_BEGIN)
    line = before.count("\n") + 1
    for number, body in enumerate(certificates, 1):
        certificate, end, _ = body.partition(_END)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=f"{_BEGIN}{certificate}{end}\n")
        except (ssl.SSLError, ValueError):
            which = f"certificate {number} of {len(certificates)}, which begins in line {line}, is damaged"
            return f"cannot be used: {which}" if len(certificates) > 1 else None
        line += body.count("\n")
    return None


def _default_context(cadata: str | None = None) -> ssl.SSLContext:
    """Return Python's default context, which also opens the file that the variable SSLKEYLOGFILE names, if any."""
    try:
        return ssl.create_default_context(cadata=cadata)
    except ssl.SSLError:
        raise
    except OSError as error:
        raise CredentialsUnavailable(
            f"cannot write to {error.filename} (see SSLKEYLOGFILE): {error.strerror}"
        ) from None


def _load_client_certificate(context: ssl.SSLContext, settings: Settings, note: Note) -> None:
    """Load our certificate into the context (X509)."""
    certificate, key, secret = settings.mqtt_cert_file, settings.mqtt_key_file, settings.mqtt_key_password_file
    if certificate is None or key is None:
        raise CredentialsUnavailable("X509 needs MQTT_CERT_FILE and MQTT_KEY_FILE")
    files = (
        SecretFile(certificate, "certificate file", "MQTT_CERT_FILE", _LONGEST_PEM),
        SecretFile(key, "key file", "MQTT_KEY_FILE", _LONGEST_PEM),
    )
    for file in files:
        read_secret(file, note)
    password = b""
    if secret is not None:
        password = read_secret(SecretFile(secret, "key password file", "MQTT_KEY_PASSWORD_FILE"), note)
    try:
        context.load_cert_chain(certificate, key, password)
    except (ssl.SSLError, ValueError, OSError):
        raise CredentialsUnavailable(
            f"cannot load certificate {certificate} and key {key}: not PEM, not a pair, or a wrong key password "
            "(see MQTT_CERT_FILE, MQTT_KEY_FILE, MQTT_KEY_PASSWORD_FILE)"
        ) from None
