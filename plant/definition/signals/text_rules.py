"""The rules of signals that are text: conditions of texts, and the number in a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from plant.definition.document.errors import Violation, quote
from plant.definition.document.value_types import placeholders
from plant.definition.signals.formula_parser import FormulaError, FormulaNames, parse_condition
from plant.definition.signals.signal_spec import FLAGS, OTHERWISE, SignalSpec
from plant.definition.signals.source_rules import Declared, formula_names, wrong_number
from plant.definition.signals.vocabulary import Vocabulary

MOST_TEXTS: Final = 50
"""The most texts of a signal: each condition is computed for each message."""


def wrong_texts(
    signal: Declared,
    above: Sequence[Declared],
    below: Sequence[Declared],
    vocabulary: Vocabulary,
    plant: Sequence[Declared],
) -> Iterator[Violation]:
    """Check texts, whose conditions are formulas, with `else` for the last one."""
    texts = signal.spec.texts
    if texts is None:
        return
    if len(texts) > MOST_TEXTS:
        yield Violation(("texts",), f"must have at most {MOST_TEXTS} texts, got {len(texts)}")
    yield from _mixed_flags(signal.spec, [*texts])
    names = formula_names(signal, above, below, vocabulary, plant)
    *_, last = texts
    for text, condition in texts.items():
        if condition == OTHERWISE:
            if text != last:
                yield Violation(("texts", text), "has `else`, which is for the last text only")
        elif text == last:
            yield Violation(("texts", text), "must have `else` in place of a condition: it is the last text")
        else:
            yield from _wrong_condition(text, condition, names)


def _mixed_flags(spec: SignalSpec, texts: Sequence[str]) -> Iterator[Violation]:
    """Check that all keys stand for booleans, or none."""
    flag = next((text for text in texts if text in FLAGS), None)
    if flag is not None and not spec.is_flag:
        other = next(text for text in texts if text not in FLAGS)
        yield Violation(("texts", flag), f"is a boolean, and {quote(other)} is text: use texts only, or true and false")


def _wrong_condition(text: str, condition: str, names: FormulaNames) -> Iterator[Violation]:
    try:
        parse_condition(condition, names)
    except FormulaError as error:
        yield from (Violation(("texts", text), str(problem)) for problem in error.problems)


def around_number(text: str) -> tuple[str, str, str]:
    """Return what is before a number in a text, the name of its signal, and what is after it."""
    name = next(placeholders(text))
    head, tail = text.format(**{name: "\0"}).split("\0")  # a name in the YAML has no control characters
    return head, name, tail


def wrong_text(spec: SignalSpec, above: Sequence[Declared], below: Sequence[Declared]) -> Iterator[Violation]:
    """Check a text, which has one number above it in braces."""
    if spec.text is None:
        return
    try:
        names = [*placeholders(spec.text)]
    except ValueError as error:
        yield Violation(("text",), str(error))
        return
    if len(names) != 1:
        got = " ".join(f"{{{name}}}" for name in names) or "none"
        yield Violation(("text",), f"must have one signal in braces, such as {{cycles}}, got {got}")
    elif wrong := wrong_number(names[0], above, below):
        yield Violation(("text",), wrong)
