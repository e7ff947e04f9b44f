"""Two-position control: a value that rises until it is switched off, and falls until it is switched on again."""

from __future__ import annotations

from dataclasses import dataclass
from math import fmod, inf
from typing import Final

from plant.signals.laws.frame import State

SHARE: Final = 2
"""The place of the share of the time in which it was on, in the state of a switch."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A value that switches itself: its state is the value, 1 while it is on, and for how much of the last step it was.

    low, high: where it comes on and goes off.  least, most: the limits of the value.
    starts: its value as the machine begins; None for one between low and high.
    """

    signal: str
    number: int
    first: int
    low: float
    high: float
    least: float
    most: float
    starts: float | None
    starts_on: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """What is kept over a reload, also with other thresholds and rates."""
        return ("switched", "is on", "on share")

    def begins(self, inputs: State) -> State:
        """Return the state as the machine begins. inputs: the rates, and a draw in [0, 1)."""
        value = self.low + (self.high - self.low) * inputs[2] if self.starts is None else self.starts
        is_on = float(self.starts_on)
        return (value, is_on, is_on)

    def after(self, state: State, elapsed_ms: int, inputs: State) -> State:
        """Return the state after a time with constant rates, by which it changes in a second."""
        value, is_on, _ = state
        seconds = elapsed_ms * 0.001
        if is_on:
            moved = value + inputs[0] * seconds
            if elapsed_ms and moved < self.high > value:
                return (max(moved, self.least), 1.0, 1.0)
        else:
            moved = value - inputs[1] * seconds
            if elapsed_ms and moved > self.low < value:
                return (min(moved, self.most), 0.0, 0.0)
        return self._switched(state, seconds, inputs[0], inputs[1]) if elapsed_ms else state

    between = after

    def _switched(self, state: State, seconds: float, rises: float, falls: float) -> State:
        """Return the state after seconds in which it switches at least once, or begins beyond where it does."""
        left, on_seconds, value = seconds, 0.0, state[0]
        is_on = value < self.high if state[1] else value <= self.low
        cycles_are_left = rises > 0.0 and falls > 0.0
        while (switches_in := self._seconds_to_switch(value, is_on, rises, falls)) <= left:
            left -= switches_in
            on_seconds += switches_in * is_on
            value, is_on = (self.high, False) if is_on else (self.low, True)
            if cycles_are_left:
                cycles_are_left = False
                rest = fmod(left, (self.high - self.low) / rises + (self.high - self.low) / falls)
                on_seconds += (left - rest) * (falls / (rises + falls))
                left = rest
        on_seconds += left * is_on
        if is_on:
            value = max(min(value + rises * left, self.high), self.least)
        else:
            value = min(max(value - falls * left, self.low), self.most)
        return (value, float(is_on), min(on_seconds / seconds, 1.0))

    def _seconds_to_switch(self, value: float, is_on: bool, rises: float, falls: float) -> float:
        """Return the seconds until it switches; infinite if it does not."""
        rate, way = (rises, self.high - value) if is_on else (falls, value - self.low)
        return way / rate if rate > 0.0 else inf
