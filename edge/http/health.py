"""How the process is, in a word and a reason: what the probes answer by."""

from __future__ import annotations

from typing import NamedTuple

from edge.status import why_not_alive, why_not_ready
from edge.status_source import StatusSource


class Health(NamedTuple):
    """status: `ok`, `degraded` where messages cannot be delivered, `failing` where it should be restarted.

    reason: why it is not `ok`.
    """

    status: str
    reason: str | None


def why_dead(source: StatusSource, patience_seconds: float) -> str | None:
    """Return why the process should be restarted, or None while it works. patience_seconds: see why_not_alive."""
    age = source.turn_age_seconds()
    return source.why_stuck() or why_not_alive(
        source.connection(), turn_age_seconds=age, patience_seconds=patience_seconds
    )


def health(source: StatusSource, patience_seconds: float) -> Health:
    """Return how a simulator is."""
    dead, unready = why_dead(source, patience_seconds), why_not_ready(source.connection())
    return Health("failing" if dead else "degraded" if unready else "ok", dead or unready)
