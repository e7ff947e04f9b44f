"""The results of preflight steps: findings with a severity, failures with a fix, and the exit codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from cli.options.preflight import ExitCode
from edge.mqtt.protocol.versions import Rules, rules_of
from edge.settings.host_names import joined
from edge.settings.loader import Settings


class Severity(StrEnum):
    """The first word of a line. A warning may explain a later failure; it is not one itself."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"


class Finding(NamedTuple):
    """One line of the output."""

    severity: Severity
    text: str


class Failure(Exception):
    """A failed step, which ends the attempt.  fix: what to do, one sentence or command a line."""

    def __init__(self, code: ExitCode, problem: str, *fix: str) -> None:
        super().__init__(problem)
        self.code, self.fix = code, fix


class PreflightInputs(NamedTuple):
    """The configuration that a preflight tests.

    topics: every topic that the plant publishes to.  mistakes: errors in its YAML.  warnings: about the settings.
    commands: the topic filter of its commands; None where MQTT_COMMANDS is off.
    """

    settings: Settings
    topics: tuple[str, ...]
    mistakes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    commands: str | None = None


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What every check gets: the configuration, and the options of the run.

    timeout_seconds: longest wait for a single answer.  audience: that the broker is assumed to expect in a token.
    wall_clock: returns Unix seconds.  publish: whether to send test messages.
    """

    inputs: PreflightInputs
    wall_clock: Callable[[], float]
    timeout_seconds: float = 10.0
    audience: str = "aio-internal"
    publish: bool = True

    @property
    def settings(self) -> Settings:
        """The settings to test."""
        return self.inputs.settings

    @property
    def rules(self) -> Rules:
        """The rules of the version of MQTT."""
        return rules_of(self.settings.mqtt_version)

    @property
    def where(self) -> str:
        """The broker as host and port."""
        return joined(self.settings.mqtt_broker, self.settings.mqtt_port)


def ok(text: str) -> Finding:
    """Return a finding that something is correct."""
    return Finding(Severity.OK, text)


def note(text: str) -> Finding:
    """Return a finding that only informs."""
    return Finding(Severity.NOTE, text)


def warn(text: str) -> Finding:
    """Return a finding that something may be wrong."""
    return Finding(Severity.WARN, text)


def utc_text(unix_seconds: float) -> str:
    """Return a time as readable text in UTC, to the second."""
    try:
        return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return f"{unix_seconds:g} s after 1970"


def kubectl_get(resource: str) -> str:
    """Return the command that lists resources of Azure IoT Operations."""
    return f"kubectl get {resource} -n azure-iot-operations"


def abbreviated(names: Sequence[str], most: int = 8) -> str:
    """Return the first names as one text, with the number of the others."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")
