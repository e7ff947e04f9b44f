"""Formulas: Python's grammar of expressions is parsed, and a small part of it is translated into a tree.

Nothing of a formula is ever run. A node of Python's tree that is not listed here is refused, with its character.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Collection, Sequence
from functools import singledispatchmethod
from typing import Final, NamedTuple, TypeVar

from plant.definition.document.errors import quote, suggestion
from plant.definition.signals import formula_tree as tree
from plant.definition.signals.vocabulary import FUNCTIONS, MATCHED, PLANT, QUANTITIES, Vocabulary

T = TypeVar("T")

LONGEST: Final = 400
"""The most characters of a formula."""
MOST_NODES: Final = 120
"""The most numbers, names, operators and calls of a formula."""
DEEPEST: Final = 64
"""The most levels of nesting."""
GREATEST_NUMBER: Final = 1e15
GREATEST_POWER: Final = 6

ARITHMETIC: Final = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%"}
COMPARISONS: Final = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
JUNCTIONS: Final = {ast.And: "and", ast.Or: "or"}
"""Python's nodes, each with the operator of formulas that it stands for."""

_CONDITION_AS_NUMBER: Final = "must be a number, not a condition,", "write `1 if ... else 0`"
_CONTEXT: Final = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.Expression)
_SPACES: Final = {ord(character): " " for character in "\t\r\n"}


class FormulaNames(NamedTuple):
    """What a formula may name. signals: those above it.  plant: signals of the plant.  texts: signals that are text."""

    vocabulary: Vocabulary
    signals: Collection[str] = ()
    plant: Collection[str] = ()
    texts: Collection[str] = ()
    below: Collection[str] = ()


class Problem(NamedTuple):
    """What is wrong with a formula. character: its place in the text, from 1.  advice: what may be meant."""

    character: int
    rule: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.rule} at character {self.character}{self.advice and f'; {self.advice}'}"


class FormulaError(ValueError):
    """A formula that is refused, with all its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(map(str, problems)))


def parse_formula(text: str, names: FormulaNames) -> tree.Value:
    """Return the tree of a formula; FormulaError with every problem of it."""
    return _Translator(text, names).translate()


def parse_condition(text: str, names: FormulaNames) -> tree.Condition:
    """Return the tree of a condition, such as `load > 0.5`; FormulaError with every problem of it."""
    return _Translator(text, names).translate_condition()


class _Refused(Exception):
    """A node is refused; the rest of the formula can still be looked at."""


class _Translator:
    """Translates one formula."""

    def __init__(self, text: str, names: FormulaNames) -> None:
        self._text, self._names = text, names
        self._source = text.translate(_SPACES).lstrip()
        self._indent = len(text) - len(self._source)
        self._problems: list[Problem] = []

    def translate(self) -> tree.Value:
        return self._checked(self._value(self._parsed(), 0))

    def _unreadable(self, error: SyntaxError) -> Problem:
        """Return what is wrong with the syntax. Where a part is missing at the end, Python has no place for it."""
        end, character = len(self._source.rstrip()), error.offset or 0
        if 0 < character <= end:
            return Problem(self._indent + character, f"cannot be read: {error.msg}")
        return Problem(self._indent + max(end, 1), "cannot be read: something is missing after it,")

    def translate_condition(self) -> tree.Condition:
        return self._checked(self._condition(self._parsed(), 0))

    def _checked(self, translated: T) -> T:
        if self._problems:
            raise FormulaError(sorted(self._problems))
        return translated

    def _parsed(self) -> ast.expr:
        if len(self._text) > LONGEST:
            raise FormulaError(
                [Problem(LONGEST + 1, f"must have at most {LONGEST} characters, got {len(self._text)},")]
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # what a later Python refuses is refused by all
                parsed = ast.parse(self._source, mode="eval")
        except SyntaxError as error:
            raise FormulaError([self._unreadable(error)]) from None
        except (ValueError, MemoryError, RecursionError, Warning) as error:
            raise FormulaError([Problem(self._indent + 1, f"cannot be read: {error}")]) from None
        nodes = sum(not isinstance(node, _CONTEXT) for node in ast.walk(parsed))
        if nodes > MOST_NODES:
            raise FormulaError([Problem(self._indent + 1, f"must have at most {MOST_NODES} parts, got {nodes},")])
        return parsed.body

    def _character(self, node: ast.expr) -> int:
        """Return the place of a node in the text, from 1; Python counts bytes of UTF-8."""
        before = self._source.encode()[: node.col_offset].decode(errors="replace")
        return self._indent + len(before) + 1

    def _refused(self, node: ast.expr, rule: str, advice: str = "") -> _Refused:
        self._problems.append(Problem(self._character(node), rule, advice))
        return _Refused()

    def _value(self, node: ast.expr, depth: int) -> tree.Value:
        """Translate a node that must be a number."""
        try:
            if depth > DEEPEST:
                raise self._refused(node, f"must be nested at most {DEEPEST} deep")
            return self._translated(node, depth + 1)
        except _Refused:
            return tree.Number(0.0)

    @singledispatchmethod
    def _translated(self, node: ast.expr, depth: int) -> tree.Value:  # noqa: ARG002
        raise self._refused(node, f"may not contain {_described(node)}")

    @_translated.register
    def _(self, node: ast.Compare, depth: int) -> tree.Value:  # noqa: ARG002
        raise self._refused(node, *_CONDITION_AS_NUMBER)

    @_translated.register
    def _(self, node: ast.BoolOp, depth: int) -> tree.Value:  # noqa: ARG002
        raise self._refused(node, *_CONDITION_AS_NUMBER)

    @_translated.register
    def _(self, node: ast.Attribute, depth: int) -> tree.Value:  # noqa: ARG002
        if isinstance(node.value, ast.Name) and node.value.id == PLANT:
            return self._plant_signal(node, node.attr)
        raise self._refused(node, "may have a dot only in plant.NAME")

    @_translated.register
    def _(self, node: ast.BinOp, depth: int) -> tree.Value:
        if isinstance(node.op, ast.Pow):
            return self._power(node, depth)
        operator = ARITHMETIC.get(type(node.op))
        if operator is None:
            raise self._refused(node, f"may calculate by {' '.join(ARITHMETIC.values())} and **")
        return tree.Arithmetic(operator, self._value(node.left, depth), self._value(node.right, depth))

    @_translated.register
    def _(self, node: ast.UnaryOp, depth: int) -> tree.Value:
        if not isinstance(node.op, ast.USub):
            raise self._refused(node, "may have only - as a sign")
        return tree.Negative(self._value(node.operand, depth))

    @_translated.register
    def _(self, node: ast.IfExp, depth: int) -> tree.Value:
        condition = self._condition(node.test, depth)
        return tree.Conditional(condition, self._value(node.body, depth), self._value(node.orelse, depth))

    @_translated.register
    def _(self, node: ast.Constant, depth: int) -> tree.Value:  # noqa: ARG002
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refused(
                node, f"may contain numbers, and names in quotes after == and !=, not {_described(node)}"
            )
        if abs(value) > GREATEST_NUMBER or not math.isfinite(value):
            raise self._refused(node, f"may contain numbers up to {GREATEST_NUMBER:g}")
        return tree.Number(float(value))

    @_translated.register
    def _(self, node: ast.Name, depth: int) -> tree.Value:  # noqa: ARG002
        name, names = node.id, self._names
        if name in names.texts:
            raise self._refused(node, f"cannot calculate with {quote(name)}, which is text,")
        if name in names.signals:
            return tree.SignalName(name)
        if name in QUANTITIES:
            return tree.Quantity(name)
        if name in MATCHED:
            raise self._refused(node, f"may only compare {name} with a name in quotes", f"write `{name} == '...'`")
        if name in names.below:
            raise self._refused(node, f"can only use signals above it, and {quote(name)} is not,")
        known = [*names.signals, *QUANTITIES, *filter(names.vocabulary.named, MATCHED)]
        raise self._refused(node, f"has an unknown name {quote(name)}", suggestion(name, known))

    def _plant_signal(self, node: ast.expr, name: str) -> tree.Value:
        if name in self._names.texts or name not in self._names.plant:
            known = [f"{PLANT}.{each}" for each in self._names.plant]
            advice = suggestion(f"{PLANT}.{name}", known).replace('"', "") if known else "there are no plant_signals"
            raise self._refused(node, f"has an unknown signal of the plant {quote(name)}", advice)
        return tree.PlantSignalName(name)

    def _power(self, node: ast.BinOp, depth: int) -> tree.Value:
        base, exponent = self._value(node.left, depth), node.right
        value = exponent.value if isinstance(exponent, ast.Constant) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refused(exponent, "must have a number as the power")
        if not 0 < value <= GREATEST_POWER or value * 2 != int(value * 2):
            raise self._refused(exponent, f"may have the powers 0.5, 1, 1.5 to {GREATEST_POWER}")
        return tree.Power(base, int(value * 2))

    @_translated.register
    def _(self, node: ast.Call, depth: int) -> tree.Value:
        if not isinstance(node.func, ast.Name):
            raise self._refused(node, "may only call functions by their names")
        name, arguments = node.func.id, node.args
        if name not in FUNCTIONS:
            raise self._refused(node, f"has an unknown function {quote(name)}", suggestion(name, list(FUNCTIONS)))
        least, most, _ = FUNCTIONS[name]
        if node.keywords or any(isinstance(each, ast.Starred) for each in arguments):
            raise self._refused(node, f"must give {name} plain values")
        if not least <= len(arguments) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise self._refused(node, f"must give {name} {wanted} values, got {len(arguments)},")
        return tree.Call(name, tuple(self._value(each, depth) for each in arguments))

    def _condition(self, node: ast.expr, depth: int) -> tree.Condition:
        """Translate a node that must be true or false."""
        try:
            if depth > DEEPEST:
                raise self._refused(node, f"must be nested at most {DEEPEST} deep")
            return self._translated_condition(node, depth + 1)
        except _Refused:
            return tree.Junction("and", ())

    def _translated_condition(self, node: ast.expr, depth: int) -> tree.Condition:
        match node:
            case ast.BoolOp(op=operator, values=operands):
                conditions = tuple(self._condition(each, depth) for each in operands)
                return tree.Junction(JUNCTIONS[type(operator)], conditions)
            case ast.Compare(ops=[_, _, *_]):
                raise self._refused(node, "may compare only two values", "join two comparisons with `and`")
            case ast.Compare(left=ast.Name(id=what), ops=[operator], comparators=[other]) if what in MATCHED:
                return self._match(what, operator, other)
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARISONS:
                parts = self._value(left, depth), self._value(right, depth)
                return tree.Comparison(COMPARISONS[type(operator)], *parts)
            case ast.Compare():
                raise self._refused(node, f"may compare by {' '.join(COMPARISONS.values())}")
        raise self._refused(node, "must have a comparison as a condition")

    def _match(self, what: str, operator: ast.cmpop, other: ast.expr) -> tree.Condition:
        name = other.value if isinstance(other, ast.Constant) else None
        if not isinstance(operator, ast.Eq | ast.NotEq) or not isinstance(name, str):
            raise self._refused(other, f"may only compare {what} with a name in quotes, by == or !=,")
        known = self._names.vocabulary.named(what)
        if name not in known:
            advice = suggestion(name, known) if known else f"there is no {what} here"
            raise self._refused(other, f"has an unknown {what} {quote(name)}", advice)
        return tree.Match(what, name, equal=isinstance(operator, ast.Eq))


_DESCRIBED: Final = {
    ast.Subscript: "brackets",
    ast.Lambda: "a function of its own",
    ast.NamedExpr: "an assignment",
    ast.JoinedStr: "text",
    ast.Tuple: "a comma outside of a function, as decimals have a point",
}


def _described(node: ast.expr) -> str:
    """Describe a part of a formula that is refused."""
    if isinstance(node, ast.Constant):
        return "text" if isinstance(node.value, str | bytes) else repr(node.value)
    return _DESCRIBED.get(type(node), "a list" if hasattr(node, "elts") else f"a {type(node).__name__}")
