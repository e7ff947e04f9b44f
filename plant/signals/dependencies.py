"""What the signals of a program follow beside time and state: events that none follows need not be passed on."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterator
from typing import Final

from plant.signals.laws.expressions import JobProgress
from plant.signals.laws.model_output import ModelOutput
from plant.signals.laws.program import SignalProgram
from plant.signals.laws.situations import Situations

PHASE, KIND, JOB = "phase", "kind", "job"
"""The phase of a job, its kind, and which job it is and how much of it is done."""

_AFTER_STATE: Final = (PHASE, KIND)


def followed(program: SignalProgram) -> frozenset[str]:
    """Return which of PHASE, KIND and JOB any signal follows."""
    found = set()
    for node in _nodes(program.laws):
        if isinstance(node, JobProgress | ModelOutput):  # a model may ask for the progress
            found.add(JOB)
        elif isinstance(node, array):
            found |= _varying(node, program.situations)
    if any(reset.state is None for reset in program.ramps):
        found.add(JOB)
    return frozenset(found)


def _nodes(node: object) -> Iterator[object]:
    """Yield laws, their parts and tables, at any depth."""
    yield node
    if isinstance(node, tuple):
        for each in node:
            yield from _nodes(each)
    elif dataclasses.is_dataclass(node):
        for field in dataclasses.fields(node):
            yield from _nodes(getattr(node, field.name))


def _varying(table: array[float], situations: Situations) -> set[str]:
    """Return whether a table has different numbers for phases, and for kinds. Tables of something else have neither."""
    if len(table) != len(situations):
        return set()
    names = [situations.names(index) for index in range(len(table))]
    numbers: list[dict[object, set[float]]] = [{}, {}]
    for index, ((state, phase, kind), number) in enumerate(zip(names, table, strict=True)):
        variant = index // situations.size
        numbers[0].setdefault((variant, state, kind), set()).add(number)
        numbers[1].setdefault((variant, state, phase), set()).add(number)
    return {
        what for what, groups in zip(_AFTER_STATE, numbers, strict=True) if any(len(g) > 1 for g in groups.values())
    }
