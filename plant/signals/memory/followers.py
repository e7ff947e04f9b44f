"""Signals that follow a value which differs from step to step: as a first-order lag, or no faster than at a rate.

Within a step the value that is followed is constant, and the law is solved exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from plant.signals.laws.frame import State
from plant.signals.row_arithmetic import decay


@dataclass(frozen=True, slots=True)
class _Follower:
    """A value that follows another one. starts: where it begins; None for the value that is followed then."""

    signal: str
    number: int
    first: int
    starts: float | None

    @property
    def keys(self) -> tuple[str, ...]:
        """What is kept over a reload that lets the signal follow in another way, or something else."""
        return ("followed",)

    def begins(self, inputs: State) -> State:
        """Return where the value is as its machine begins."""
        return inputs if self.starts is None else (self.starts,)


@dataclass(frozen=True, slots=True)
class LagSteps(_Follower):
    """A first-order lag: x(t) = to + (x0 - to) e^(-t / tau)."""

    per_ms: float

    def after(self, state: State, elapsed_ms: int, inputs: State) -> State:
        """Return where the value is after a time."""
        (target,) = inputs
        return (target + (state[0] - target) * decay(elapsed_ms * self.per_ms),)

    between = after


@dataclass(frozen=True, slots=True)
class SlewSteps(_Follower):
    """A value that changes by no more than a rate."""

    per_ms: float

    def after(self, state: State, elapsed_ms: int, inputs: State) -> State:
        """Return where the value is after a time."""
        (value,), (target,) = state, inputs
        most = elapsed_ms * self.per_ms
        return (min(max(target, value - most), value + most),)

    between = after
