"""What the edge's parts tell one another about themselves: frozen facts as of the moment they were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from plant.telemetry import MachineFilter

Span = Literal["run", "hour", "last_hour"]
"""Over what the truth of the machines is summed up."""


@dataclass(frozen=True, slots=True)
class OeeQuery:
    """What is asked for: over which span, and of which machines."""

    span: Span = "run"
    which: MachineFilter = field(default_factory=MachineFilter)


class BadQuery(Exception):
    """There are no such machines; the text says which of the parameters is wrong, and why."""


class Busy(Exception):
    """Too many ask for what costs much; worth another try in a moment."""


class PortError(Exception):
    """The HTTP port cannot be opened; the text says which, and why."""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The connection with the broker, or several together.

    clients: how many MQTT clients have been connected, where these facts are of several.
    connects: accepted connections so far.  token_renewals: AUTH exchanges that succeeded (MQTT 5, 4.12.1).
    token_expiry: the token's `exp` in Unix seconds.  last_reason: what last happened to the connection, in words.
    last_ack_age_seconds: time since the last acknowledgement, None before the first.
    waiting_seconds: for how long acknowledgements have been due and none has come; 0 when none is due.
    blocked: why no message has got through on this connection for a while though some were tried, or None.
    """

    connected: bool = False
    connects: int = 0
    token_renewals: int = 0
    token_expiry: float | None = None
    last_reason: str = "connecting"
    last_ack_age_seconds: float | None = None
    waiting_seconds: float = 0.0
    blocked: str | None = None
    clients: int = 1

    @property
    def reconnects(self) -> int:
        """Connections after the first of each client."""
        return max(0, self.connects - self.clients)


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """How plant time goes with the clock on the wall, where it does.

    steps: how often the wall clock was set while the process ran, or went on while the machine slept.
    ahead_seconds: by how much plant time is ahead of the wall clock; below 0 it lags behind.
    """

    steps: int = 0
    ahead_seconds: float = 0.0


NO_STEPS: Final = ClockStatus()
"""Of a clock that nobody has touched."""


@dataclass(frozen=True, slots=True)
class ReloadStatus:
    """How reloading the plant's file has gone: files accepted, refused, and the last acceptance in Unix seconds."""

    accepted: int = 0
    refused: int = 0
    last_success: float | None = None


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What one reload did: the machines now running by type, or the mistakes for which the old plant stays."""

    machines: Mapping[str, int] = field(default_factory=dict)
    mistakes: tuple[str, ...] = ()


def why_not_alive(facts: ConnectionStatus, *, turn_age_seconds: float, patience_seconds: float) -> str | None:
    """Say why the process should be restarted, or None while it does its work.

    turn_age_seconds: time since the run loop last turned.  patience_seconds: how long that, or a connection on which
    acknowledgements are due, may stand still. A broker that is away is no reason: a restart would not bring it back.
    """
    if turn_age_seconds > patience_seconds:
        return f"the run loop has not turned for {turn_age_seconds:.1f} s"
    if facts.connected and facts.waiting_seconds > patience_seconds:
        return f"connected, but acknowledgements have been due for {facts.waiting_seconds:.1f} s"
    return None


def why_not_ready(facts: ConnectionStatus) -> str | None:
    """Say why messages cannot be delivered now, or None while they can."""
    return facts.blocked if facts.connected else f"not connected to the broker: {facts.last_reason}"
