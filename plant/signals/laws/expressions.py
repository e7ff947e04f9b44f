"""Formulas as expressions over a frame: names are resolved to numbers of signals, and to tables over situations."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial, reduce, singledispatch
from typing import Final, NamedTuple, Protocol

from plant.definition.signals import formula_tree as tree
from plant.signals.laws.frame import Frame, V
from plant.signals.laws.situations import Situations


class Expression(Protocol):
    """A quantity of each row."""

    def value(self, frame: Frame[V]) -> V:
        """Return it."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same number in each row."""

    number: float

    def value(self, frame: Frame[V]) -> V:
        """Return the number."""
        return frame.constant(self.number)


@dataclass(frozen=True, slots=True)
class BySituation:
    """A number by state, phase and kind of job."""

    table: array[float]

    def value(self, frame: Frame[V]) -> V:
        """Return the number of each row's situation."""
        return frame.by_situation(self.table)


@dataclass(frozen=True, slots=True)
class SignalValue:
    """The value of a signal above."""

    number: int

    def value(self, frame: Frame[V]) -> V:
        """Return the value within limits, not rounded."""
        return frame.values[self.number]


@dataclass(frozen=True, slots=True)
class PlantSignalValue:
    """The value of a signal of the plant."""

    number: int

    def value(self, frame: Frame[V]) -> V:
        """Return the value within limits, not rounded."""
        return frame.plant_signal(self.number)


@dataclass(frozen=True, slots=True)
class AgeSeconds:
    """Seconds since the state began."""

    def value(self, frame: Frame[V]) -> V:
        """Return the seconds."""
        return frame.state_elapsed_ms() * 0.001


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Share of the job that is done."""

    def value(self, frame: Frame[V]) -> V:
        """Return the share, 0 to 1."""
        return frame.job_progress()


@dataclass(frozen=True, slots=True)
class Hour:
    """Local time of day in hours."""

    def value(self, frame: Frame[V]) -> V:
        """Return the hours, 0 to 24."""
        return frame.day_ms() * (1 / 3_600_000)


@dataclass(frozen=True, slots=True)
class Unary:
    """An operation of one quantity."""

    operation: str
    operand: Expression

    def value(self, frame: Frame[V]) -> V:
        """Return the result."""
        return frame.arithmetic.unary[self.operation](self.operand.value(frame))


@dataclass(frozen=True, slots=True)
class Binary:
    """An operation of two quantities."""

    operation: str
    left: Expression
    right: Expression

    def value(self, frame: Frame[V]) -> V:
        """Return the result."""
        return frame.arithmetic.binary[self.operation](self.left.value(frame), self.right.value(frame))


@dataclass(frozen=True, slots=True)
class Power:
    """A quantity to the power of 0.5, 1, 1.5 ... 6, by a root and products."""

    base: Expression
    halves: int

    def value(self, frame: Frame[V]) -> V:
        """Return the power."""
        base = self.base.value(frame)
        result = frame.arithmetic.unary["sqrt"](base) if self.halves % 2 else base
        for _ in range((self.halves - 1) // 2):
            result = result * base
        return result


@dataclass(frozen=True, slots=True)
class Choose:
    """One of two quantities by a condition."""

    condition: Expression
    then: Expression
    otherwise: Expression

    def value(self, frame: Frame[V]) -> V:
        """Return the chosen one; both are computed, which has no effect beside time."""
        then, otherwise = self.then.value(frame), self.otherwise.value(frame)
        return frame.arithmetic.choose(self.condition.value(frame), then, otherwise)


class FormulaContext(NamedTuple):
    """The numbers of signals by name, and the situations of the machine type."""

    signals: Mapping[str, int]
    plant: Mapping[str, int]
    situations: Situations


def compile_formula(formula: tree.Value, context: FormulaContext) -> Expression:
    """Return a formula as an expression whose value is a number in every row: a NaN, such as inf - inf, is 0."""
    return Unary("number", _compiled(formula, context))


def compile_condition(condition: tree.Condition, context: FormulaContext) -> Expression:
    """Return a condition as an expression that is 1 where it holds, otherwise 0."""
    return _compiled(condition, context)


@singledispatch
def _compiled(node: object, context: FormulaContext) -> Expression:  # noqa: ARG001
    raise TypeError(node)


@_compiled.register
def _(node: tree.Number, context: FormulaContext) -> Expression:  # noqa: ARG001
    return Constant(node.value)


@_compiled.register
def _(node: tree.SignalName, context: FormulaContext) -> Expression:
    return SignalValue(context.signals[node.name])


@_compiled.register
def _(node: tree.PlantSignalName, context: FormulaContext) -> Expression:
    return PlantSignalValue(context.plant[node.name])


@_compiled.register
def _(node: tree.Quantity, context: FormulaContext) -> Expression:  # noqa: ARG001
    return _QUANTITIES[node.name]


@_compiled.register(tree.Arithmetic)
@_compiled.register(tree.Comparison)
def _(node: tree.Arithmetic | tree.Comparison, context: FormulaContext) -> Expression:
    return Binary(node.operator, _compiled(node.left, context), _compiled(node.right, context))


@_compiled.register
def _(node: tree.Negative, context: FormulaContext) -> Expression:
    return Unary("-", _compiled(node.operand, context))


@_compiled.register
def _(node: tree.Power, context: FormulaContext) -> Expression:
    return Power(_compiled(node.base, context), node.halves)


@_compiled.register
def _(node: tree.Call, context: FormulaContext) -> Expression:
    first, *others = [_compiled(each, context) for each in node.arguments]
    if node.function == "clip":
        return Binary("min", Binary("max", first, others[0]), others[1])
    return _joined(node.function, [first, *others]) if others else Unary(node.function, first)


@_compiled.register
def _(node: tree.Conditional, context: FormulaContext) -> Expression:
    return Choose(*(_compiled(each, context) for each in (node.condition, node.then, node.otherwise)))


@_compiled.register
def _(node: tree.Match, context: FormulaContext) -> Expression:
    return BySituation(context.situations.matching(node.what, node.name, equal=node.equal))


@_compiled.register
def _(node: tree.Junction, context: FormulaContext) -> Expression:
    return _joined(node.operator, [_compiled(each, context) for each in node.operands])


def _joined(operation: str, operands: list[Expression]) -> Expression:
    return reduce(partial(Binary, operation), operands)


_QUANTITIES: Final[Mapping[str, Expression]] = {
    "age_seconds": AgeSeconds(),
    "job_progress": JobProgress(),
    "hour": Hour(),
}
