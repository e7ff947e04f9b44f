"""The tree of a formula: values and conditions, which are different types, so that neither stands for the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class SignalName:
    """The value of a signal of the same machine, above the formula."""

    name: str


@dataclass(frozen=True, slots=True)
class PlantSignalName:
    """The value of a signal of the plant."""

    name: str


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity that every machine has: age_seconds, job_progress or hour."""

    name: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two values joined by + - * / or %."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Negative:
    """A value with its sign changed."""

    operand: Value


@dataclass(frozen=True, slots=True)
class Power:
    """A value to the power of a number of halves: 3 is the power 1.5."""

    base: Value
    halves: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function of one or more values."""

    function: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """One of two values, by a condition."""

    condition: Condition
    then: Value
    otherwise: Value


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared by < <= > >= == or !=."""

    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Match:
    """Whether the state, phase or kind of job has a name, or has not. what: state, phase or kind."""

    what: str
    name: str
    equal: bool


@dataclass(frozen=True, slots=True)
class Junction:
    """Two or more conditions, of which all are true (`and`) or any (`or`)."""

    operator: str
    operands: tuple[Condition, ...]


Value = Number | SignalName | PlantSignalName | Quantity | Arithmetic | Negative | Power | Call | Conditional
Condition = Comparison | Match | Junction
