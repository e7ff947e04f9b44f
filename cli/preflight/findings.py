"""What a preflight finds: lines with a mark, a failure with its fix, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from edge.settings.host_names import joined
from edge.settings.loader import Settings


class ExitCode(IntEnum):
    """Exit codes of `preflight`: what failed first. 0, 2 and 3 mean what they mean for `run`."""

    WELL = 0
    INTERRUPTED = 1
    CONFIGURATION = 2
    REFUSED = 3
    NO_ADDRESS = 4
    UNREACHABLE = 5
    CA_FILE = 6
    TLS = 7
    CREDENTIALS = 8
    NO_SESSION = 9
    PUBLISH = 10


MEANINGS: Final = {
    ExitCode.WELL: "all is well; notes and warnings do not count",
    ExitCode.INTERRUPTED: "interrupted, or preflight itself has failed",
    ExitCode.CONFIGURATION: "settings, flags or the plant's YAML",
    ExitCode.REFUSED: "the broker refuses the connection for good",
    ExitCode.NO_ADDRESS: "DNS: no address for the broker's name",
    ExitCode.UNREACHABLE: "TCP: nobody answers there",
    ExitCode.CA_FILE: "the CA file is missing, or holds no certificate",
    ExitCode.TLS: "TLS: another authority or name, a certificate out of date, or no TLS there",
    ExitCode.CREDENTIALS: "token, password or certificate: missing, unreadable, expired, for another audience",
    ExitCode.NO_SESSION: "no MQTT answer, or the broker asks to come back later",
    ExitCode.PUBLISH: "a topic is refused, or its message is not acknowledged",
}


class Severity(StrEnum):
    """How a line is to be taken. A warning may explain a later failure; by itself it is none."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """One line."""

    mark: Severity
    text: str


class Failure(Exception):
    """A check has failed, so that later ones make no sense.  fix: what to do, in sentences, one a line."""

    def __init__(self, code: ExitCode, what: str, *fix: str) -> None:
        super().__init__(what)
        self.code, self.fix = code, fix


class Plan(NamedTuple):
    """What is to be checked.

    topics: all that the plant publishes to.  mistakes: those in its YAML, or none.  warnings: of the settings.
    """

    settings: Settings
    topics: tuple[str, ...]
    mistakes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A plan and how to go about it.

    timeout_seconds: how long each single answer may take.  audience: what the broker is thought to want in a token.
    wall_clock: Unix seconds.  publish: whether to publish at all.
    """

    plan: Plan
    wall_clock: Callable[[], float]
    timeout_seconds: float = 10.0
    audience: str = "aio-internal"
    publish: bool = True

    @property
    def settings(self) -> Settings:
        """The settings of the plan."""
        return self.plan.settings

    @property
    def where(self) -> str:
        """The broker as host and port."""
        return joined(self.settings.mqtt_broker, self.settings.mqtt_port)


def ok(text: str) -> Finding:
    """Something is as it should be."""
    return Finding(Severity.OK, text)


def note(text: str) -> Finding:
    """Something is worth knowing."""
    return Finding(Severity.NOTE, text)


def warn(text: str) -> Finding:
    """Something may turn out to be wrong."""
    return Finding(Severity.WARN, text)


def moment(unix_seconds: float) -> str:
    """A time as people write it, in UTC."""
    try:
        return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{unix_seconds:g} s after 1970"


def get(what: str) -> str:
    """The command that shows something of Azure IoT Operations."""
    return f"kubectl get {what} -n azure-iot-operations"


def some(names: Sequence[str], most: int = 8) -> str:
    """A list for a line: the first names, and how many more there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")
