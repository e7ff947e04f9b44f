"""Compiling signals that are text: drawn by weight, by condition, or with a number in it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from plant.definition.signals.signal_spec import SignalSpec
from plant.definition.signals.text_rules import around_number
from plant.signals.laws.exact_tables import purpose
from plant.signals.laws.expressions import Choose, Constant, Expression
from plant.signals.laws.signal_laws import Choice, Law, NumberedText, TextByCondition

Condition = Callable[[str], Expression]
"""Returns a condition in the words of formulas as an expression."""


def text_law(
    name: str, spec: SignalSpec, condition: Condition, numbers: Mapping[str, int], laws: Sequence[Law]
) -> Law | None:
    """Return the law of a signal that is text; None if it is a number. numbers, laws: of the signals above."""
    if spec.choice is not None:
        return _choice(name, spec, spec.choice)
    if spec.texts is not None:
        return _by_condition(spec, spec.texts, condition)
    return None if spec.text is None else _numbered(spec.text, numbers, laws)


def _choice(name: str, spec: SignalSpec, weights: Mapping[str, float]) -> Choice:
    texts = tuple(sorted(text for text, weight in weights.items() if weight > 0))
    greatest = max(weights.values())
    sums = [*accumulate(weights[text] / greatest for text in texts)]
    bounds = array("d", (part / sums[-1] for part in sums[:-1]))
    every_ms = max(1, round((spec.every_seconds or 0.0) * 1000))
    return Choice(purpose(name, "choice"), every_ms, bounds, texts)


def _by_condition(spec: SignalSpec, conditions: Mapping[str, str], condition: Condition) -> TextByCondition:
    *texts, last = conditions
    place: Expression = Constant(float(len(texts)))
    for number, text in reversed([*enumerate(texts)]):
        place = Choose(condition(conditions[text]), Constant(float(number)), place)
    named = (*texts, last)
    return TextByCondition(place, tuple(text == "true" for text in named) if spec.is_flag else named)


def _numbered(text: str, numbers: Mapping[str, int], laws: Sequence[Law]) -> NumberedText:
    head, name, tail = around_number(text)
    return NumberedText(numbers[name], laws[numbers[name]], head, tail)
