"""Two-position control: a value that rises until it is switched off, and falls until it is switched on again."""

from __future__ import annotations

from dataclasses import dataclass
from math import fmod
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
        if not elapsed_ms:
            return state
        value, is_on, on_seconds, left = state[0], state[1], 0.0, elapsed_ms * 0.001
        rises, falls = inputs[0], inputs[1]
        is_on = self._switched(value, is_on)
        cycles_are_left = rises > 0.0 and falls > 0.0
        while (switches_in := self._seconds_to_switch(value, is_on, rises, falls)) <= left:
            left -= switches_in
            on_seconds += switches_in * is_on
            value, is_on = (self.low, 1.0) if is_on == 0.0 else (self.high, 0.0)
            if cycles_are_left:
                cycles_are_left = False
                rest = fmod(left, (self.high - self.low) / rises + (self.high - self.low) / falls)
                on_seconds += (left - rest) * (falls / (rises + falls))
                left = rest
        on_seconds += left * is_on
        value = self._moved(value, is_on, rises if is_on else -falls, left)
        return (value, is_on, min(on_seconds / (elapsed_ms * 0.001), 1.0))

    between = after

    def _switched(self, value: float, is_on: float) -> float:
        """Return whether it is on where it is: it may start, or be after a reload, beyond where it switches."""
        if is_on:
            return float(value < self.high)
        return float(value <= self.low)

    def _seconds_to_switch(self, value: float, is_on: float, rises: float, falls: float) -> float:
        """Return the seconds until it switches; infinite if it does not."""
        rate, way = (rises, self.high - value) if is_on else (falls, value - self.low)
        return way / rate if rate > 0.0 else float("inf")

    def _moved(self, value: float, is_on: float, rate: float, seconds: float) -> float:
        """Return the value after seconds in which it does not switch."""
        moved = value + rate * seconds
        if is_on:
            return max(min(moved, self.high), self.least)
        return min(max(moved, self.low), self.most)
