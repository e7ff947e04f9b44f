"""States of machines: those that a machine enters by itself, and those that something outside imposes."""

from __future__ import annotations

from typing import Final, NamedTuple

from plant.machines.jobs import json_text
from plant.telemetry import PLANNED_STOP as PLANNED_STOP_NAME

NEVER: Final = 2**62
"""A time in milliseconds that no plant reaches."""


class State(NamedTuple):
    """A state of a machine; `dwell_ms` is the mean of a stay. Of states imposed from outside the least `rank` shows."""

    name: str
    json: bytes
    dwell_ms: float = 0.0
    produces: bool = False
    rank: int = 0


def imposed(name: str, rank: int) -> State:
    """A state that something outside a machine puts it into; it lasts until that lets go."""
    return State(name, json_text(name), rank=rank)


PLANNED_STOP: Final = imposed(PLANNED_STOP_NAME, 1)
BLOCKED: Final = imposed("blocked", 2)
STARVED: Final = imposed("starved", 3)


class Suspension(NamedTuple):
    """What a machine was at when it was stopped from outside, and why it is: reasons in the order of their rank."""

    state: State
    stay_left_ms: int
    reasons: tuple[State, ...]
