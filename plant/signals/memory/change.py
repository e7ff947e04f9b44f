"""The change of a register or counter over a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from plant.signals.laws.frame import State
from plant.signals.laws.program import Counted, Metered
from plant.signals.laws.signal_laws import REGISTER_MODULUS, REGISTER_UNITS

_DIGITS_MODULUS: Final = float(REGISTER_MODULUS // REGISTER_UNITS)
"""Last decimals after which a register starts again at 0."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a register or counter has grown by: its state is the change over the last step, and where it was at its end.

    source: what is metered or counted; another one has another change.
    """

    signal: str
    number: int
    first: int
    source: Metered | Counted

    @property
    def keys(self) -> tuple[tuple[str, Metered | Counted], ...]:
        """What is kept over a reload, unless the register or counter begins again."""
        return (("change", self.source), ("before", self.source))

    def begins(self, inputs: State) -> State:
        """Return the state as the machine begins. inputs: last decimals of the register or counter."""
        return (0.0, inputs[0])

    def after(self, state: State, elapsed_ms: int, inputs: State) -> State:  # noqa: ARG002  whatever the time
        """Return the change since the end of the last step, and where the register is."""
        change = inputs[0] - state[1]
        if abs(change) > _DIGITS_MODULUS / 2:
            change += _DIGITS_MODULUS if change < 0.0 else -_DIGITS_MODULUS
        return (change, inputs[0])

    def between(self, state: State, elapsed_ms: int, inputs: State) -> State:  # noqa: ARG002  it counts at the next step
        """Return the same: the change over the last step."""
        return state
