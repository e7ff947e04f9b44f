"""Who we are and whom we trust: tokens, passwords and TLS, read anew from their files at every connect."""

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
from edge.settings.loader import AuthMethod, Settings

_LONGEST_SECRET = 65_535
"""Bytes of the longest password and of the longest authentication data (MQTT 5, 1.5.6)."""

_LONGEST_PEM = 4 * 1024 * 1024
_READ_SECONDS = 10.0
_LAST_SECOND: Final = 253_402_300_800
"""The year 10000: a time from then on is none."""

_Read = TypeVar("_Read")


class CredentialsUnavailable(Exception):
    """A file of credentials is missing, empty or unreadable now; the text names the file, never what it holds."""


class SecretFile(NamedTuple):
    """A file of credentials.  what: it is, in words.  option: that names it.  most_bytes: it may have."""

    path: Path
    what: str
    option: str
    most_bytes: int = _LONGEST_SECRET

    def trouble(self, trouble: str) -> CredentialsUnavailable:
        """The error that says what is wrong with the file."""
        return CredentialsUnavailable(f"{self.what} {self.path} {trouble} (see {self.option})")


Note = Callable[[SecretFile], object]
"""Is told which file is being read, so that it can be named if that never ends."""


def token_file(settings: Settings) -> SecretFile:
    """The file of the service account token."""
    return SecretFile(settings.sat_token_path, "token file", "SAT_TOKEN_PATH")


def password_file(settings: Settings) -> SecretFile | None:
    """The file of the password, where there is one."""
    path = settings.mqtt_password_file
    return SecretFile(path, "password file", "MQTT_PASSWORD_FILE") if path else None


@dataclass(frozen=True, slots=True)
class Token:
    """A service account token: opaque to us but for its claims, which the broker checks and we only read.

    expires_at, not_before: the JWT's `exp` and `nbf` in Unix seconds, None where they are no times, or it is no JWT.
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
    """A time as tokens give it (RFC 7519, 2), or None: not a number, infinite, or beyond every calendar."""
    if not isinstance(claim, int | float) or isinstance(claim, bool):
        return None
    return float(claim) if 0 < claim < _LAST_SECOND else None


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


def read_secret(file: SecretFile, note: Note = lambda _file: None) -> bytes:
    """The content of a secret file, stripped of white space around it; CredentialsUnavailable where there is none."""
    note(file)
    try:
        secret = read_small(file.path, file.most_bytes).strip()
    except FileNotFoundError:
        raise file.trouble("is missing") from None
    except OSError as error:
        raise file.trouble(f"cannot be read: {error.strerror}") from None
    if not secret:
        raise file.trouble("is empty")
    return secret


def read_password(settings: Settings, note: Note = lambda _file: None) -> bytes | None:
    """The password of now, from its file or as it was set; CredentialsUnavailable where the file has none."""
    file = password_file(settings)
    if file is not None:
        return read_secret(file, note)
    return settings.mqtt_password.get_secret_value() if settings.mqtt_password else None


def read_token(file: SecretFile, note: Note = lambda _file: None) -> Token:
    """The service account token of now; CredentialsUnavailable where there is none."""
    return Token.parse(read_secret(file, note))


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are at this connect, fresh from the files.

    context: TLS, or None for plain TCP.  token: for K8S-SAT.  password: for USERPASS.
    """

    context: ssl.SSLContext | None
    token: Token | None = None
    password: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, settings: Settings, note: Note = lambda _file: None) -> Self:
        """Who the settings say we are, read now; CredentialsUnavailable where a file is not there."""
        method = settings.mqtt_auth_method
        token = read_token(token_file(settings), note) if method is AuthMethod.K8S_SAT else None
        password = read_password(settings, note) if method is AuthMethod.USERPASS else None
        return cls(tls_context(settings, note), token, password)


class Reader(Generic[_Read]):
    """Reads files away from the event loop, one reading at a time however long it takes: a network mount may hang.

    read: does it, and notes each file that it begins with.  seconds: how long to wait for it.
    """

    def __init__(self, read: Callable[[Note], _Read], seconds: float = _READ_SECONDS) -> None:
        self._read, self._seconds = read, seconds
        self._file: SecretFile | None = None
        self._task: asyncio.Task[_Read] | None = None

    async def now(self) -> _Read:
        """What is read now; CredentialsUnavailable where it cannot be, or not in time."""
        task = self._begun()
        await asyncio.wait([task], timeout=self._seconds)
        if task.done():
            return self._over(task)
        trouble = f"cannot be read: no answer within {self._seconds:g} s"
        raise self._file.trouble(trouble) if self._file else CredentialsUnavailable(trouble)

    def latest(self) -> _Read | None:
        """What was read since the last call, which begins another reading; None while there is nothing to be had."""
        task = self._begun()
        try:
            return self._over(task) if task.done() else None
        except CredentialsUnavailable:
            return None

    def _begun(self) -> asyncio.Task[_Read]:
        if self._task is None:
            self._task = asyncio.create_task(run_aside(lambda: self._read(self._note)))
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task

    def _over(self, task: asyncio.Task[_Read]) -> _Read:
        self._task = None
        return task.result()

    def _note(self, file: SecretFile) -> None:
        self._file = file


def tls_context(settings: Settings, note: Note = lambda _file: None) -> ssl.SSLContext | None:
    """TLS as the settings ask for it, with the CA file as it is now; None where TLS is off.

    Raises CredentialsUnavailable where a file is missing or holds no certificate.
    """
    if not settings.mqtt_tls:
        return None
    if settings.mqtt_ca_file is not None:
        context = _trusting(SecretFile(settings.mqtt_ca_file, "CA file", "MQTT_CA_FILE", _LONGEST_PEM), note)
    else:
        context = ssl.create_default_context()
    if settings.mqtt_tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.mqtt_auth_method is AuthMethod.X509:
        _load_client_certificate(context, settings, note)
    return context


def _trusting(ca_file: SecretFile, note: Note) -> ssl.SSLContext:
    pem = read_secret(ca_file, note).decode("ascii", "ignore")
    try:
        # Without any text it would trust the system's authorities instead.
        return ssl.create_default_context(cadata=pem or "no text")
    except (ssl.SSLError, ValueError):
        raise ca_file.trouble("holds no certificate in PEM form") from None


def _load_client_certificate(context: ssl.SSLContext, settings: Settings, note: Note) -> None:
    """Have the context show our certificate (X509)."""
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
            f"certificate {certificate} and key {key} do not load: not PEM, not a pair, or a wrong key password "
            "(see MQTT_CERT_FILE, MQTT_KEY_FILE, MQTT_KEY_PASSWORD_FILE)"
        ) from None
