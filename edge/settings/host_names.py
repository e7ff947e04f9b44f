"""Host names and broker addresses in the forms in which people write them, normalized.

The normal form is that of DNS and sockets: without brackets, in lower case, as A-labels (RFC 5890). A validator raises
ValueError with its rule, which continues the words `must be`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_][a-z0-9_-]{0,62}(?:\.|\Z))+")  # RFC 1035, 2.3.4; `_` is seen
_ZONE = re.compile(r"[A-Za-z0-9._~-]{1,32}")
_PORT = re.compile(r"[0-9]{1,5}")
_MOST_LETTERS: Final = 253
_SCHEMES: Final = {"mqtt": False, "tcp": False, "mqtts": True, "ssl": True, "tls": True}
"""The scheme of a URL -> whether it means TLS."""

_HOST_RULE: Final = "a host name or an IP address"
_BROKER_RULE: Final = "a host, host:port, mqtt://host:port or mqtts://host:port"


class BrokerAddress(NamedTuple):
    """The address of a broker; None is what the text does not contain."""

    host: str
    port: int | None = None
    tls: bool | None = None

    @property
    def usual_port(self) -> int | None:
        """The port of the URL's scheme, as registered with IANA."""
        return None if self.tls is None else 8883 if self.tls else 1883


def normal(host: str) -> str:
    """Return the host in its normal form; a dot at its end stays, as it prevents a search in other domains."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    address = _address(bare)
    if address is not None:
        return address
    name = bare.lower() if bare.isascii() else _a_labels(bare)
    if bare != host or not _HOST_NAME.fullmatch(name):
        raise ValueError(_HOST_RULE)
    return name


def certificate_name(host: str) -> str:
    """Return the host as in certificates and SNI: without final dot (RFC 6066, 3) and zone (RFC 4007, 11)."""
    return host.partition("%")[0].removesuffix(".")


def joined(host: str, port: int) -> str:
    """Return host and port as one text: `[::1]:1883`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(text: str) -> BrokerAddress:
    """Parse a broker's address: a URL, `host:port`, or only a host. The host is in its normal form."""
    scheme, has_scheme, rest = text.partition("://") if "://" in text else ("", "", text)
    if "@" in text:
        raise ValueError(f"{_BROKER_RULE} without user and password: see MQTT_USERNAME and MQTT_PASSWORD_FILE")
    if not has_scheme:
        host, port = _host_and_port(rest)
        return BrokerAddress(normal(host), port)
    tls = _tls_of(scheme.lower())
    host, port = _host_and_port(rest.removesuffix("/").replace("%25", "%"))  # RFC 6874, 2
    return BrokerAddress(normal(host), port, tls)


def _tls_of(scheme: str) -> bool:
    if scheme in ("ws", "wss"):
        raise ValueError(f"{_BROKER_RULE}, as WebSockets are not supported")
    if scheme not in _SCHEMES:
        raise ValueError(_BROKER_RULE)
    return _SCHEMES[scheme]


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Split host and port, if there is one: `::1` is an address, `[::1]:1883` one with a port."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]") or (":" in host and not host.endswith("]")):
        return text, None
    if not (_PORT.fullmatch(port) and 1 <= int(port) <= 65535):
        raise ValueError(f"{_BROKER_RULE}, with a port from 1 to 65535")
    return host, int(port)


def _address(text: str) -> str | None:
    """Return the address in its shortest form, or None; a zone names the interface (RFC 4007, 11)."""
    plain, percent, zone = text.partition("%")
    if percent and not _ZONE.fullmatch(zone):
        return None
    try:
        return f"{ipaddress.ip_address(plain) if not percent else ipaddress.IPv6Address(plain)}{percent}{zone}"
    except ValueError:
        return None


def _a_labels(name: str) -> str:
    """Return the name as in DNS (IDNA 2008, mapped as browsers do: UTS 46)."""
    import idna  # noqa: PLC0415 - its tables are large, and few names need them

    try:
        if len(name) > _MOST_LETTERS:
            raise ValueError(_HOST_RULE)
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError(f"{_HOST_RULE}; letters other than a to z must be allowed by IDNA 2008") from None
