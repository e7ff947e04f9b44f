"""States of machines: those that a machine enters by itself, and those that are imposed from outside."""

from __future__ import annotations

from typing import Final, NamedTuple

from plant.machines.jobs import json_text
from plant.random_stream import exponential, remaining_weibull, weibull
from plant.telemetry import PLANNED_STOP as PLANNED_STOP_NAME

NEVER: Final = 2**62
"""A time in milliseconds that no plant reaches."""


class State(NamedTuple):
    """A state of a machine.

    dwell_ms: mean length of a stay.  produces: whether jobs advance in it.  shape: of the stays' Weibull distribution.
    rank: of several imposed states, the machine is in the one of the lowest rank.
    """

    name: str
    json: bytes
    dwell_ms: float = 0.0
    produces: bool = False
    rank: int = 0
    shape: float = 1.0

    def stay_ms(self, uniform: float) -> int:
        """Return the length of a stay for a uniform number in [0, 1)."""
        if self.shape == 1.0:
            return exponential(self.dwell_ms, uniform)
        return weibull(self.dwell_ms, self.shape, uniform)

    def remaining_stay_ms(self, uniform: float) -> int:
        """Return how long a stay still lasts at a random moment of it."""
        if self.shape == 1.0:
            return exponential(self.dwell_ms, uniform)
        return remaining_weibull(self.dwell_ms, self.shape, uniform)


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
