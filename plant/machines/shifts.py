"""How jobs depend on the shift in which they start, and on who works at the machine in it.

In each shift an operator is drawn for each machine. Operators differ as machines do: each has factors with the mean 1,
which are the same at all machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from plant.definition.jobs.variation import EffectType, OperatorsType
from plant.definition.machine_types.machine_type import MachineType
from plant.jobs.jobs import NULL, JobInfluence, json_text
from plant.jobs.spread import factor
from plant.random_stream import RandomStream
from plant.shift_times import ShiftAt

if TYPE_CHECKING:
    from plant.machines.machine import Machine


class ShiftEffects:
    """What is different in the shifts of a machine type, by their names."""

    __slots__ = ("_influences", "_shift_at")

    def __init__(self, effects: Mapping[str, EffectType], shift_at: ShiftAt) -> None:
        self._influences = {name: JobInfluence(each.cycle, each.results) for name, each in effects.items()}
        self._shift_at = shift_at

    def __call__(self, _machine: Machine, now_ms: int) -> JobInfluence | None:
        """Return what is different for a job that starts now."""
        shift = self._shift_at(now_ms)
        return self._influences.get(shift.name) if shift else None


class Operators:
    """The operators of a machine type, and how their jobs differ."""

    __slots__ = ("_influences", "_names", "_shift_at")

    def __init__(self, operators: OperatorsType, machine_type: MachineType, shift_at: ShiftAt, seed: int | str) -> None:
        self._names, self._shift_at = operators.names, shift_at
        job = machine_type.job
        bad = [name for name in (job.results if job else ()) if job and name not in job.good]
        streams = {name: RandomStream(seed, f"operator/{name}") for name in self._names}
        self._influences = {name: _influence(operators, stream, bad) for name, stream in streams.items()}

    def __call__(self, machine: Machine, now_ms: int) -> JobInfluence | None:
        """Return what is different for a job that starts now."""
        name = self.at(machine.stream, now_ms)
        return self._influences[name] if name else None

    def at(self, stream: RandomStream, now_ms: int) -> str | None:
        """Return who works at the machine with that stream; None outside all shifts."""
        shift = self._shift_at(now_ms)
        if shift is None:
            return None
        uniform, _, _, _ = stream.draws(b"operator", shift.began_ms)
        return self._names[int(uniform * len(self._names))]

    def json_at(self, stream: RandomStream, now_ms: int) -> bytes:
        """Return the same as JSON."""
        name = self.at(stream, now_ms)
        return _json(name) if name else NULL


@cache
def _json(name: str) -> bytes:
    return json_text(name)


def _influence(operators: OperatorsType, stream: RandomStream, bad: list[str]) -> JobInfluence:
    results = {name: factor(operators.results, stream, f"result {name}") for name in bad} if operators.results else {}
    return JobInfluence(factor(operators.cycle_seconds, stream, "cycle"), results)
