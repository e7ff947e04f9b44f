"""Which broker to connect to and how, from flags, variables and defaults, in this order."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar

from cli.options.clients import KEEP_ALIVE, PORT, VERSIONS, ClientOptions, text_of_packet, topic_name
from edge.redaction import protect, shown
from edge.runtime.run_options import UsageError

T = TypeVar("T")

_PLAIN_PORT, _TLS_PORT = 1883, 8883
_KEEP_ALIVE_SECONDS: Final = 30
_PREFIX: Final = "factory"
_MOST_PASSWORD_BYTES: Final = 65_535
"""MQTT 5, 1.5.6."""
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, and how to get in.

    version: 5 or 3.1.1.  websocket: path of the URL, or None for plain TCP.  tls: None for none.
    prefix: first levels of the sandbox's topics.
    """

    host: str
    port: int
    version: str = VERSIONS[0]
    websocket: str | None = None
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keep_alive: int = _KEEP_ALIVE_SECONDS
    prefix: str = _PREFIX

    @property
    def is_5(self) -> bool:
        """Whether it is MQTT 5, whose acknowledgements have reason codes."""
        return self.version == VERSIONS[0]

    @property
    def address(self) -> str:
        """Host and port, for use in a line."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def logged_in_as(self, username: str | None, password_file: str | None, flag: str) -> Broker:
        """Return the same broker for another user; raises UsageError. flag: the flag of the file, for the error."""
        password = _password_in(password_file, flag) if password_file else None
        return replace(self, username=username, password=_checked_login(username, password))


def broker_of(options: ClientOptions, environ: Mapping[str, str]) -> Broker:
    """Return the broker that flags and variables describe; raises UsageError with the name of what is wrong."""
    read = _Variables(environ)
    tls = _tls(options, read)
    port = options.port or read("MQTT_PORT", PORT) or read("VF_BROKER_PORT", PORT)
    keep_alive = options.keep_alive
    if keep_alive is None:
        keep_alive = read("MQTT_KEEP_ALIVE", KEEP_ALIVE)
    if keep_alive is None:
        keep_alive = read("VF_KEEPALIVE", KEEP_ALIVE)
    username = options.username or read("MQTT_USERNAME", text_of_packet)
    return Broker(
        host=options.host or read("MQTT_BROKER", str) or read("VF_BROKER_HOST", str) or "localhost",
        port=port or (_TLS_PORT if tls else _PLAIN_PORT),
        version=options.mqtt_version or read("MQTT_VERSION", _version) or VERSIONS[0],
        websocket=_path(options.websocket),
        tls=tls,
        username=username,
        password=_checked_login(username, _password(options, read)),
        keep_alive=_KEEP_ALIVE_SECONDS if keep_alive is None else keep_alive,
        prefix=_prefix(options, read),
    )


class _Variables:
    """Reads variables; an empty one counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __call__(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Return the value of a variable, or None; raises UsageError."""
        text = self._environ.get(name, "").strip()
        if not text:
            return None
        try:
            return parse(text)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{name}: {error}") from None


def _version(text: str) -> str:
    if text not in VERSIONS:
        raise argparse.ArgumentTypeError(f"must be {' or '.join(VERSIONS)}, not {shown(text)}")
    return text


def _flag(text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise argparse.ArgumentTypeError(f"must be true or false, not {shown(text)}")
    return text.lower() in _TRUE


def _path(path: str | None) -> str | None:
    if path is None:
        return None
    if not path.isascii() or not path.isprintable() or " " in path:
        raise UsageError(f"--websocket: must be the path of a URL, such as /mqtt, not {shown(path)}")
    return path if path.startswith("/") else f"/{path}"


def _prefix(options: ClientOptions, read: _Variables) -> str:
    given = {
        "--topic-prefix": options.topic_prefix,
        "MQTT_TOPIC_PREFIX": read("MQTT_TOPIC_PREFIX", topic_name),
        "VF_BASE_TOPIC": read("VF_BASE_TOPIC", topic_name),
    }
    name, prefix = next(((name, text) for name, text in given.items() if text), ("", _PREFIX))
    if "" in prefix.split("/"):
        raise UsageError(f"{name}: must not have an empty level: no / at either end, and no //, not {shown(prefix)}")
    return prefix


def _password(options: ClientOptions, read: _Variables) -> str | None:
    if options.password_file:
        return _password_in(options.password_file, "--password-file")
    if path := read("MQTT_PASSWORD_FILE", str):
        return _password_in(path, "MQTT_PASSWORD_FILE")
    password = read("MQTT_PASSWORD", text_of_packet)
    if password:
        protect(password.encode(), for_good=True)
    return password


def _password_in(path: str, name: str) -> str:
    """Return the password in a file, without white space around it; raises UsageError, which never has the content."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_PASSWORD_BYTES + 1).strip()
        password = content.decode()
    except UnicodeDecodeError:
        raise UsageError(f"{name}: {path} must be UTF-8") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if not content or len(content) > _MOST_PASSWORD_BYTES:
        raise UsageError(f"{name}: {path} must have 1 to {_MOST_PASSWORD_BYTES:,} bytes")
    protect(content, for_good=True)
    return password


def _checked_login(username: str | None, password: str | None) -> str | None:
    """Return the password; raises UsageError if there is one without a user (MQTT 3.1.1, 3.1.2.9)."""
    if password and not username:
        raise UsageError("--username: must be set with a password")
    return password


def _tls(options: ClientOptions, read: _Variables) -> ssl.SSLContext | None:
    """Return how to use TLS, with the broker's certificate verified; None for plain TCP."""
    switch = read("MQTT_TLS", _flag)
    ca_file = options.ca_file or (None if switch is False else read("MQTT_CA_FILE", str))
    if not (options.tls or switch or ca_file):
        if options.cert_file or options.key_file:
            raise UsageError("--cert-file, --key-file: need --tls or --ca-file")
        return None
    context = _loaded("--ca-file, MQTT_CA_FILE", ca_file, lambda: ssl.create_default_context(cafile=ca_file))
    cert_file = options.cert_file or read("MQTT_CERT_FILE", str)
    key_file = options.key_file or read("MQTT_KEY_FILE", str)
    if key_file and not cert_file:
        raise UsageError("--key-file: needs --cert-file")
    if cert_file:
        files = f"{cert_file}{f', {key_file}' if key_file else ''}"
        # Without a password for the key here, OpenSSL would ask for one on the terminal.
        _loaded("--cert-file, --key-file", files, lambda: context.load_cert_chain(cert_file, key_file, lambda: ""))
    return context


def _loaded(names: str, files: str | None, load: Callable[[], T]) -> T:
    try:
        return load()
    except ssl.SSLError as error:
        raise UsageError(f"{names}: {files} is not PEM, or does not fit: {error.reason or error}") from None
    except OSError as error:
        raise UsageError(f"{names}: cannot read {files}: {error.strerror}") from None
