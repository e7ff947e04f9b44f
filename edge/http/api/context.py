"""What the control API needs of the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from fastapi import Request
from prometheus_client import CollectorRegistry

from edge.control.control import Control
from edge.control.idempotency import Idempotency
from edge.status import CheckOutcome
from edge.status_source import StatusSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiContext:
    """What the control API needs of the process.

    control: executes commands, and applies a YAML.  check: checks one.  idempotency: the requests with a key.
    settings: the options in force, without secrets.  wall_clock: Unix seconds.
    uptime_seconds: how long the process has run.
    authorize: raises HTTPException unless the caller may change things.
    registry: the metrics.  began: when the process began, in Unix seconds, if known.
    max_devices: the most machines that the calls of HTTP_COMPAT=fleet give.
    origins: those of web pages that may read the answers.
    wire: what has happened on the wire as the embedded broker saw it, or None for another broker.
    """

    source: StatusSource
    control: Control
    check: Callable[[bytes], Awaitable[CheckOutcome]]
    idempotency: Idempotency
    settings: Mapping[str, object]
    authorize: Callable[[Request], Awaitable[None]]
    wall_clock: Callable[[], float]
    uptime_seconds: Callable[[], float]
    registry: CollectorRegistry
    began: float | None
    max_devices: int
    origins: Collection[str] = ()
    wire: Callable[[], Mapping[str, object]] | None = None
