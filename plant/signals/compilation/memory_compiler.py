"""Compiling signals with memory: their memories get numbers and places, their laws refer to them."""

from __future__ import annotations

from collections.abc import Callable

from plant.definition.signals.signal_spec import SignalSpec, Switches
from plant.signals.laws.exact_tables import purpose
from plant.signals.laws.expressions import Expression
from plant.signals.laws.frame import Memory
from plant.signals.laws.program import Counted, Metered
from plant.signals.memory.change import Change
from plant.signals.memory.followers import LagSteps, SlewSteps
from plant.signals.memory.remembered import Divided, LastDecimals, OnShare, OwnDraw, Remembered
from plant.signals.memory.switch import Switch


class MemoryCompiler:
    """Compiles what goes on from step to step, one signal after the other."""

    def __init__(self, formula: Callable[[str], Expression]) -> None:
        """formula: compiles a formula over the signals so far."""
        self._formula = formula
        self.memories: list[Memory] = []
        self._first = 0

    def follower(self, name: str, spec: SignalSpec, target: Expression) -> Expression:
        """Return what follows a target as the signal does."""
        place = name, len(self.memories), self._first, spec.starts
        if spec.slews_per_second is not None:
            return self._remembered(SlewSteps(*place, spec.slews_per_second / 1000), target)
        return self._remembered(LagSteps(*place, 1 / ((spec.follows_seconds or 0.0) * 1000)), target)

    def switch(self, name: str, spec: SignalSpec, switches: Switches) -> Expression:
        """Return the value of a signal that switches itself; its limits are there."""
        limits = spec.limits or (switches.low, switches.high)
        place = name, len(self.memories), self._first
        memory = Switch(*place, switches.low, switches.high, *limits, spec.starts, spec.starts_on)
        rates = self._formula(switches.rises), self._formula(switches.falls)
        return self._remembered(memory, *rates, OwnDraw(purpose(name, "starts")))

    def on_share(self, switch: str) -> Expression:
        """Return the share of time for which a signal above is on."""
        return OnShare(next(each.number for each in self.memories if each.signal == switch))

    def change(self, name: str, source: Metered | Counted, number: int, unit: int) -> Expression:
        """Return the change of a register or counter. number: of its signal.  unit: 1 / unit is its last decimal."""
        memory = Change(name, len(self.memories), self._first, source)
        return Divided(self._remembered(memory, LastDecimals(number, unit)), unit)

    def _remembered(self, memory: Memory, *inputs: Expression) -> Expression:
        self.memories.append(memory)
        self._first += len(memory.keys)
        return Remembered(memory, inputs)
