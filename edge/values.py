"""The kinds of values that options take. A check raises ValueError with its rule, to be read after `must be`."""

from __future__ import annotations

import ipaddress
import math
import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

_LONGEST = 65535  # bytes of any UTF-8 string in MQTT 5, 1.5.4
_LONGEST_HEAD = 65000  # of one to which more is appended, such as a sender's id
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(?:\.|\Z))+")  # RFC 1035, 2.3.4; `_` is seen
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # MQTT 5, 1.5.4: U+0000 must not, the others should not be sent
_URI_REFERENCE = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")  # RFC 3986, 2


class AuthMethod(StrEnum):
    """How to log in at the broker."""

    K8S_SAT = "K8S-SAT"
    USERPASS = "USERPASS"
    X509 = "X509"
    NONE = "NONE"


class TopicLayout(StrEnum):
    """One topic per machine type, or one per machine."""

    TYPE = "type"
    MACHINE = "machine"


class CatchUp(StrEnum):
    """What becomes of rows that fell due while the process was held up."""

    BURST = "burst"
    SKIP = "skip"
    STRETCH = "stretch"


class LogFormat(StrEnum):
    """One line for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def number(text: str) -> float:
    """The number that a text says; NaN, which is within no bounds, where it says none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _host(value: str) -> str:
    if not (_HOST_NAME.fullmatch(value) or _is_address(value)):
        raise ValueError("a host name or an IP address, without scheme, port or brackets")
    return value


def _text(value: str) -> str:
    """A string that MQTT can carry: without control characters, not too long."""
    if not value or _CONTROL.search(value) or len(value.encode()) > _LONGEST:
        raise ValueError("1 to 65535 bytes of text without control characters")
    return value


def _topic_prefix(value: str) -> str:
    """MQTT 5, 4.7: no wildcards in a topic that is published to; empty levels are legal there but always a slip."""
    if any(character in value for character in "+#") or not all(value.split("/")):
        raise ValueError("topic levels joined by '/', none of them empty, without the wildcards + and #")
    return value


def _uri_reference(value: str) -> str:
    """What names the factory; the sender's id is appended to it."""
    if not _URI_REFERENCE.fullmatch(value) or len(value) > _LONGEST_HEAD:
        raise ValueError(f"a URI reference (RFC 3986) such as aio://plant-1/factory, of at most {_LONGEST_HEAD} bytes")
    return value


def _client_id(value: str) -> str:
    """A client id; those of parts, of `preflight` and of `verify` have more at their end."""
    if not value or _CONTROL.search(value) or len(value.encode()) > _LONGEST_HEAD:
        raise ValueError(f"1 to {_LONGEST_HEAD} bytes of text without control characters")
    return value


def _shard(value: str, info: ValidationInfo) -> str:
    """A part such as 2/4. `ordinal/4` becomes one by the context's `pod_name`: pod x-0 is the first of four."""
    part, _, parts = value.partition("/")
    if not (parts.isdecimal() and int(parts) and (part == "ordinal" or part.isdecimal())):
        raise ValueError("a part such as 2/4, the second of four, or ordinal/4 in a StatefulSet")
    if part == "ordinal":
        part = _after_ordinal((info.context or {}).get("pod_name") or "", int(parts))
    if not 1 <= int(part) <= int(parts):
        raise ValueError("a part such as 2/4: the second of four, counted from 1")
    return f"{int(part)}/{int(parts)}"


def _after_ordinal(pod_name: str, parts: int) -> str:
    """The part of the pod with this name; a StatefulSet ends the names of its pods in -0, -1, -2 ..."""
    _, _, ordinal = pod_name.rpartition("-")
    if not ordinal.isdecimal():
        ends = f", {pod_name!r}, does not end in the number of a pod in a StatefulSet" if pod_name else " is not set"
        raise ValueError(f"a part such as 2/{parts}, as POD_NAME{ends}")
    if int(ordinal) >= parts:
        raise ValueError(f"at least ordinal/{int(ordinal) + 1} in the pod {pod_name!r}")
    return str(int(ordinal) + 1)


LOWER = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
Host = Annotated[str, AfterValidator(_host)]
Text = Annotated[str, AfterValidator(_text)]
ClientId = Annotated[str, AfterValidator(_client_id)]
TopicPrefix = Annotated[Text, AfterValidator(_topic_prefix)]
UriReference = Annotated[str, AfterValidator(_uri_reference)]
Shard = Annotated[str, AfterValidator(_shard)]
Port = Annotated[int, Field(ge=1, le=65535)]
TwoBytes = Annotated[int, Field(ge=1, le=65535)]
FourBytes = Annotated[int, Field(ge=0, le=4294967295)]
