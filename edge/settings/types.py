"""Types of option values. A validator raises ValueError with its rule, which continues the words `must be`."""

from __future__ import annotations

import contextlib
import math
import os
import re
from enum import StrEnum
from pathlib import Path
from string import Formatter
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretBytes, ValidationInfo

from edge.settings.host_names import normal

STATS_INTERVAL_RULE: Final = "0, or a number from 0.1 to 86400"

_LONGEST = 65535  # bytes of any UTF-8 string in MQTT 5, 1.5.4
_LONGEST_CLIENT_ID = 65000  # workers, preflight and verify append a suffix to it
_LONGEST_PATH = 4095  # bytes: PATH_MAX of Linux without the NUL
_LONGEST_URI = 8000  # octets, as RFC 9110, 4.1 recommends to support
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")  # RFC 6454, 6.2
_USUAL_PORT = re.compile(r"(?<=^https)(://.*):443$|(?<=^http)(://.*):80$")
_PART = re.compile(r"(ordinal|[0-9]{1,6})/([0-9]{1,6})")
_ORDINAL = re.compile(r"-([0-9]{1,9})\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # MQTT 5, 1.5.4: U+0000 must not, the others should not be sent
_URI_REFERENCE = re.compile(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+")  # RFC 3986, 2


class AuthMethod(StrEnum):
    """How to log in at the broker."""

    K8S_SAT = "K8S-SAT"
    USERPASS = "USERPASS"
    X509 = "X509"
    NONE = "NONE"


class Connections(StrEnum):
    """One connection for all machines, or one for each."""

    SHARED = "shared"
    PER_MACHINE = "per_machine"


class MqttVersion(StrEnum):
    """The version of MQTT that is used with the broker."""

    V5 = "5"
    V3_1_1 = "3.1.1"


class TopicLayout(StrEnum):
    """One topic per machine type, or one per machine."""

    TYPE = "type"
    MACHINE = "machine"


class QueuePolicy(StrEnum):
    """What to do when the queue is full: drop its oldest message, drop the new one, or let the plant wait."""

    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"
    BLOCK = "block"


class CatchUp(StrEnum):
    """What to do with messages that became due while the process was stopped."""

    BURST = "burst"
    SKIP = "skip"
    STRETCH = "stretch"


class HttpCompat(StrEnum):
    """Another simulator whose HTTP calls are answered as well."""

    NONE = "none"
    ENMS = "enms"
    FLEET = "fleet"
    VF = "vf"


class LogFormat(StrEnum):
    """Text for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The lowest severity that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def number(text: str) -> float:
    """Parse a number; return NaN, which is within no range, where the text is none."""
    try:
        return float(text) if text.isascii() else math.nan
    except ValueError:
        return math.nan


def _text(most_bytes: int = _LONGEST) -> AfterValidator:
    """Return a validator for a string that is valid in MQTT: without control characters, not too long."""

    def check(value: str) -> str:
        if not value or _CONTROL.search(value) or len(value.encode()) > most_bytes:
            raise ValueError(f"1 to {most_bytes} bytes of text without control characters")
        return value

    return AfterValidator(check)


def file_path(value: str | Path) -> Path:
    """Return the path, if it can be opened and shown in a line; raise ValueError otherwise."""
    text = os.fspath(value)
    with contextlib.suppress(UnicodeEncodeError):
        if text and not _CONTROL.search(text) and len(os.fsencode(text)) <= _LONGEST_PATH:
            return Path(text)
    raise ValueError(f"a path of 1 to {_LONGEST_PATH} bytes without control characters")


def _secret(value: object) -> object:
    """Return the bytes of a secret as the environment has them (MQTT 5, 3.1.3.6: a password is binary data)."""
    secret = os.fsencode(value) if isinstance(value, str) else value
    if isinstance(secret, bytes) and not 1 <= len(secret) <= _LONGEST:
        raise ValueError(f"1 to {_LONGEST} bytes")
    return secret


def _qos(value: object) -> object:
    """Return the value; raise ValueError for the QoS that MQTT has and the simulator does not."""
    if str(value).strip() == "2":
        raise ValueError(
            "0 or 1 (QoS 2 is used with neither version of MQTT: to deliver exactly once costs two round trips a "
            "message; with MQTT 5 each message has an id and a sequence number instead, which show what came twice)"
        )
    return value


def _stats_interval(value: float) -> float:
    if value and not 0.1 <= value <= 86400:
        raise ValueError(STATS_INTERVAL_RULE)
    return value


def _topic_prefix(value: str) -> str:
    """Check a prefix of topics (MQTT 5, 4.7): no wildcards, and no empty level, which is legal, but always an error."""
    if any(character in value for character in "+#") or not all(value.split("/")):
        raise ValueError("topic levels joined by '/', none of them empty, without the wildcards + and #")
    return value


def _template(*names: str, needs: tuple[str, ...]) -> AfterValidator:
    """Return a validator for a text with the placeholders of these names, of which it needs one of `needs`."""
    known = " ".join(f"{{{name}}}" for name in names)
    rule = f"text with {' or '.join(f'{{{name}}}' for name in needs)} in it, and no other placeholders than {known}"

    def check(value: str) -> str:
        try:
            parts = [part for part in Formatter().parse(value) if part[1] is not None]
        except ValueError:
            raise ValueError(rule) from None
        found = {name for _, name, _, _ in parts}
        if not found <= set(names) or not found & set(needs) or any(form or turned for _, _, form, turned in parts):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def _status_topic(value: str) -> str:
    """Check that every level has something, and that no wildcard is in it (MQTT 5, 4.7)."""
    if any(character in value for character in "+#") or not all(value.split("/")) or value.startswith("$"):
        raise ValueError("topic levels joined by '/', none of them empty, without + and #, not starting with $")
    return value


def _uri_reference(value: str) -> str:
    if len(value) > _LONGEST_URI or not _URI_REFERENCE.fullmatch(value):
        raise ValueError(f"a URI reference (RFC 3986) such as aio://plant-1/factory, of {_LONGEST_URI} bytes at most")
    return value


def _origins(value: str) -> str:
    """Return web origins, separated by commas alone, in the form in which browsers send them."""
    origins = [each.strip().lower().removesuffix("/") for each in value.split(",")]
    if not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError(
            "origins of web pages such as https://app.example.com, comma-separated, without a path; * is not taken, "
            "as each page that a browser shows could then read the plant"
        )
    return ",".join(dict.fromkeys(_USUAL_PORT.sub(r"\1\2", each) for each in origins))


def _shard(value: str, info: ValidationInfo) -> str:
    """Return a part such as 2/4; `ordinal/4` is resolved by the context's `pod_name`: pod x-0 is the first of four."""
    found = _PART.fullmatch(value)
    if found is None:
        raise ValueError("a part such as 2/4, the second of four, or ordinal/4 in a StatefulSet; six digits at most")
    part, parts = found[1], int(found[2])
    number = _part_of_pod((info.context or {}).get("pod_name") or "", parts) if part == "ordinal" else int(part)
    if not 1 <= number <= parts:
        raise ValueError("a part such as 2/4: the second of four, counted from 1")
    return f"{number}/{parts}"


def _part_of_pod(pod_name: str, parts: int) -> int:
    """Return the part of the pod with this name; the pods of a StatefulSet have names that end in -0, -1, -2 ..."""
    found = _ORDINAL.search(pod_name)
    if found is None:
        name = f"{pod_name!r:.100}"
        ends = f", {name}, does not end in the number of a pod in a StatefulSet" if pod_name else " is not set"
        raise ValueError(f"a part such as 2/{parts}, as POD_NAME{ends}")
    if (ordinal := int(found[1])) >= parts:
        raise ValueError(f"at least ordinal/{ordinal + 1} in the pod {pod_name!r:.100}")
    return ordinal + 1


LOWER = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
UPPER = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
Host = Annotated[str, AfterValidator(normal)]
Text = Annotated[str, _text()]
ClientId = Annotated[str, _text(_LONGEST_CLIENT_ID)]
DeviceClientId = Annotated[ClientId, _template("client_id", "machine_id", needs=("machine_id",))]
StatusTopic = Annotated[
    Text,
    _template("prefix", "type", "machine_id", "station_id", needs=("machine_id", "station_id")),
    AfterValidator(_status_topic),
]
TopicPrefix = Annotated[Text, AfterValidator(_topic_prefix)]
FilePath = Annotated[Path, AfterValidator(file_path)]
Secret = Annotated[SecretBytes, BeforeValidator(_secret)]
StatsInterval = Annotated[float, AfterValidator(_stats_interval)]
UriReference = Annotated[str, AfterValidator(_uri_reference)]
Origins = Annotated[str, AfterValidator(_origins)]
Shard = Annotated[str, AfterValidator(_shard)]
Qos = Annotated[int, Field(ge=0, le=1), BeforeValidator(_qos)]
Port = Annotated[int, Field(ge=1, le=65535)]
TwoBytes = Annotated[int, Field(ge=1, le=65535)]
FourBytes = Annotated[int, Field(ge=0, le=4294967295)]
