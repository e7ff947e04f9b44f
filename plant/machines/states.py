"""States of machines: those that a machine enters by itself, and those that are imposed from outside."""

from __future__ import annotations

from typing import Final, NamedTuple

from plant.definition.jobs.variation import CHANGEOVER as CHANGEOVER_NAME
from plant.definition.jobs.variation import LATE_START as LATE_START_NAME
from plant.definition.jobs.variation import WAITING as WAITING_NAME
from plant.jobs.jobs import JobFate, json_text
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
    interrupted: the stay to which the machine returns at the end of this one, which has interrupted it.
    """

    name: str
    json: bytes
    stays: Stays = _ENDED_FROM_OUTSIDE
    produces: bool = False
    rank: int = 0
    interrupted: Rest | None = None
    fate: JobFate | None = None


class Rest(NamedTuple):
    """What is left of a stay."""

    state: State
    left_ms: int


def imposed_state(name: str, rank: int) -> State:
    """Return a state that is imposed on a machine from outside; it lasts until it is lifted from outside."""
    return State(name, json_text(name), rank=rank)


STOPPED: Final = imposed_state("stopped", 0)
PLANNED_STOP: Final = imposed_state(PLANNED_STOP_NAME, 1)
BLOCKED: Final = imposed_state("blocked", 2)
STARVED: Final = imposed_state("starved", 3)
CHANGEOVER: Final = imposed_state(CHANGEOVER_NAME, 4)
LATE_START: Final = imposed_state(LATE_START_NAME, 5)
WAITING: Final = imposed_state(WAITING_NAME, 6)


def innermost(rest: Rest) -> Rest:
    """Return the stay to which a machine returns after all interruptions."""
    return rest if rest.state.interrupted is None else innermost(rest.state.interrupted)


def interrupting(state: State, rest: Rest) -> State:
    """Return an interruption that ends by a return to another rest, also where it interrupts another interruption."""
    if state.interrupted is None or state.interrupted.state.interrupted is None:
        return state._replace(interrupted=rest)
    inner, left_ms = state.interrupted
    return state._replace(interrupted=Rest(interrupting(inner, rest), left_ms))


def interrupted_by(state: State) -> State:
    """Return the state of the stay that a state has interrupted, through all interruptions; itself if it is none."""
    while state.interrupted is not None:
        state = state.interrupted.state
    return state


class Suspension(NamedTuple):
    """The state of a machine before it was stopped from outside, and the reasons of the stop, lowest rank first.

    fate: of a job in work at the end of the stop; None unless the state is one that was set meanwhile.
    """

    state: State
    stay_remaining_ms: int
    reasons: tuple[State, ...]
    fate: JobFate | None = None
