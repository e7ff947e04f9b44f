"""States of machines: those that a machine enters by itself, and those that are imposed from outside."""

from __future__ import annotations

from typing import Final, NamedTuple

from plant.machines.jobs import JobFate, json_text
from plant.machines.stays import Exponential, Stays
from plant.telemetry import PLANNED_STOP as PLANNED_STOP_NAME

NEVER: Final = 2**62
"""A time in milliseconds that no plant reaches."""


_ENDED_FROM_OUTSIDE: Final = Exponential(0.0)


class State(NamedTuple):
    """A state of a machine.

    stays: how long it lasts.  produces: whether jobs advance in it.
    fate: of a job in work when the machine enters it; None: it continues after the stop.
    rank: of several imposed states, the machine is in the one of the lowest rank.
    """

    name: str
    json: bytes
    stays: Stays = _ENDED_FROM_OUTSIDE
    produces: bool = False
    rank: int = 0
    fate: JobFate | None = None


def imposed_state(name: str, rank: int) -> State:
    """Return a state that is imposed on a machine from outside; it lasts until it is lifted from outside."""
    return State(name, json_text(name), rank=rank)


PLANNED_STOP: Final = imposed_state(PLANNED_STOP_NAME, 1)
BLOCKED: Final = imposed_state("blocked", 2)
STARVED: Final = imposed_state("starved", 3)


class Suspension(NamedTuple):
    """The state of a machine before it was stopped from outside, and the reasons of the stop, lowest rank first."""

    state: State
    stay_remaining_ms: int
    reasons: tuple[State, ...]
