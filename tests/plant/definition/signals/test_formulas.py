"""Formulas calculate, and nothing else: whatever is written is a tree of allowed parts, or refused with its place."""

from __future__ import annotations

import time
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.definition.signals.formula_parser import LONGEST, FormulaError, FormulaNames, parse_formula
from plant.definition.signals.formula_tree import Arithmetic, Conditional, Match, Number, Power, SignalName
from tests.plant.signals.press import VOCABULARY, compiled, machines

NAMES: Final = FormulaNames(VOCABULARY, ["pressure", "temperature"], ["outdoor"], ["colour"], ["below"])
MAX_SECONDS: Final = 2.0

POWER: Final = "2.2 + (38 * (pressure / 120) ** 1.5 + max(temperature - plant.outdoor, 0) if state == 'running' else 0)"

REFUSED: Final = {
    "().__class__.__bases__[0].__subclasses__()": "may only call functions by their names at character 1",
    "__import__('os').system('id')": "may only call functions by their names at character 1",
    "open('/etc/passwd')": 'has an unknown function "open" at character 1',
    "eval('1')": 'has an unknown function "eval" at character 1',
    "min.__self__(1, 2)": "may only call functions by their names at character 1",
    "pressure.__class__": "may have a dot only in plant.NAME at character 1",
    "plant.outdoor.real": "may have a dot only in plant.NAME at character 1",
    "[x for x in (1,2)]": "may not contain a ListComp at character 1",
    "lambda: 1": "may not contain a function of its own at character 1",
    "pressure[0]": "may not contain brackets at character 1",
    "(pressure := 3)": "may not contain an assignment at character 2",
    "(yield)": "may not contain a Yield at character 2",
    "f'{pressure}'": "may not contain text at character 1",
    "pressure > ": "cannot be read: something is missing after it, at character 10",
    " 2 +": "cannot be read: something is missing after it, at character 4",
    "pressure := 3": "cannot be read: invalid syntax at character 10",
    "pressure; 1": "cannot be read: invalid syntax at character 9",
    "pressure and": "cannot be read: ",
    "": "cannot be read: ",
    "\x00": "cannot be read: ",
    "9**9**9**9": "must have a number as the power at character 4",
    "pressure ** 1000000": "may have the powers 0.5, 1, 1.5 to 6 at character 13",
    "pressure ** -1": "must have a number as the power at character 13",
    "pressure ** True": "must have a number as the power at character 13",
    "2 * 'a' * 10": "may contain numbers, and names in quotes after == and !=, not text at character 5",
    "True": "may contain numbers, and names in quotes after == and !=, not True at character 1",
    "1j": "may contain numbers, and names in quotes after == and !=, not 1j at character 1",
    "1 + 1e400": "may contain numbers up to 1e+15 at character 5",
    "9" * LONGEST: "may contain numbers up to 1e+15 at character 1",
    "pressure @ 2": "may calculate by + - * / % and ** at character 1",
    "1 - ~pressure": "may have only - as a sign at character 5",
    "-" * (LONGEST - 1) + "1": "must have at most 120 parts, got 400, at character 1",
    "(" * LONGEST + "1" + ")": "must have at most 400 characters, got 402, at character 401",
    "-" * 80 + "1": "must be nested at most 64 deep at character 66",
    "2 * presure": 'has an unknown name "presure" at character 5; did you mean pressure?',
    "ü + 2": 'has an unknown name "ü" at character 1; known names: pressure, temperature, age_seconds,',
    "plant.outdor": 'has an unknown signal of the plant "outdor" at character 1; did you mean plant.outdoor?',
    "2 * below": 'can only use signals above it, and "below" is not, at character 5',
    "colour + 1": 'cannot calculate with "colour", which is text, at character 1',
    "max(pressure)": "must give max 2 to 8 values, got 1, at character 1",
    "clip(1, 2)": "must give clip 3 values, got 2, at character 1",
    "sqrt(x=1)": "must give sqrt plain values at character 1",
    "max(*pressure, 1)": "must give max plain values at character 1",
    "pressure > 3": "must be a number, not a condition, at character 1; write `1 if ... else 0`",
    "1 if pressure else 0": "must have a comparison as a condition at character 6",
    "1 if not pressure > 3 else 0": "must have a comparison as a condition at character 6",
    "1 if 1 < pressure < 3 else 0": "may compare only two values at character 6; join two comparisons with `and`",
    "1 if pressure is 3 else 0": "may compare by < <= > >= == != at character 6",
    "state": "may only compare state with a name in quotes at character 1; write `state == '...'`",
    "1 if state == running else 2": "may only compare state with a name in quotes, by == or !=, at character 15",
    "1 if state > 'running' else 2": "may only compare state with a name in quotes, by == or !=, at character 14",
    "1 if state == 'runing' else 2": 'has an unknown state "runing" at character 15; did you mean running?',
    "1 if kind == 'panl' else 2": 'has an unknown kind "panl" at character 14; did you mean panel?',
}
"""Formulas that are refused, and what is reported."""


@pytest.mark.parametrize(("text", "report"), REFUSED.items(), ids=[text[:40] for text in REFUSED])
def test_what_is_not_allowed_is_refused_with_its_character(text: str, report: str) -> None:
    """Each escape, each unknown name and each mistake has its rule and its place."""
    with pytest.raises(FormulaError) as refused:
        parse_formula(text, NAMES)

    assert str(refused.value).startswith(report)


def test_all_problems_of_a_formula_are_reported() -> None:
    """One problem does not hide another; they are in the order of the text."""
    with pytest.raises(FormulaError) as refused:
        parse_formula(" presure ** 7 +\n open(1) if state == 'idel' else 'x'", NAMES)

    assert [problem.character for problem in refused.value.problems] == [2, 13, 18, 38, 50]


def test_a_formula_becomes_a_tree() -> None:
    """Numbers, signals and conditions are nodes of their own kinds."""
    tree = parse_formula("pressure ** 1.5 if state != 'idle' else 2 + 3", NAMES)
    power = Power(SignalName("pressure"), 3)

    assert tree == Conditional(Match("state", "idle", equal=False), power, Arithmetic("+", Number(2.0), Number(3.0)))


def test_a_sum_may_be_as_long_as_a_formula() -> None:
    """Sixty terms are one after the other, not too deep, and are computed."""
    signals = machines(compiled(f'a: {{formula: "{"+".join(["1"] * 60)}", limits: [0, 99]}}'))

    assert signals.row(0, 1_767_225_600_000) == [b"60.0"]


def test_without_signals_of_the_plant_the_report_names_that() -> None:
    """`plant.NAME` in a plant without such signals is refused with the reason."""
    with pytest.raises(FormulaError, match="there are no plant_signals"):
        parse_formula("plant.outdoor", NAMES._replace(plant=()))


STRANGE: Final = ("(", ")", "**", "'", "\\", "\n", "#", ".", "é", "\x00", "9e9", "if ")


@settings(max_examples=1000)
@given(st.data())
def test_any_mutation_loads_or_is_refused_soon(data: st.DataObject) -> None:
    """A formula with parts removed, repeated and replaced is a tree or an error, within two seconds."""
    text = POWER
    for _ in range(data.draw(st.integers(1, 4))):
        first, last = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        strange = st.sampled_from(["", text[first:last] * 2, *STRANGE])
        text = text[:first] + data.draw(st.one_of(strange, st.text(max_size=3))) + text[last:]
    began = time.process_time()
    problems = []
    try:
        parse_formula(text, NAMES)
    except FormulaError as error:
        problems = [*error.problems]

    assert [problem for problem in problems if not problem.rule or problem.character < 1] == []
    assert time.process_time() - began < MAX_SECONDS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / 0", 0), ("7 % 0", 0), ("-7 % 3", 2), ("7 % -3", -2), ("sqrt(-4)", 0), ("4 ** 0.5", 2), ("9 ** 1.5", 27),
        ("2 ** 6", 64), ("decay(-5)", 1), ("decay(1)", 0.367879), ("decay(1000)", 0), ("floor(-0.5)", -1),
        ("round(2.5)", 2), ("round(3.5)", 4), ("clip(9, 1, 5)", 5), ("clip(0, 1, 5)", 1), ("min(3, 1, 2)", 1),
        ("max(3, 1, 2)", 3), ("abs(-3)", 3), ("-(2 - 5)", 3), ("1 if 2 <= 2 and 3 != 3 else 5", 5),
        ("1 if 2 > 2 or 3 == 3 else 5", 1), ("1e15 ** 6 * 1e15 ** 6 * 1e15 ** 6 * 1e15 ** 6", 10**6),
        ("0 * (1e15 ** 6 * 1e15 ** 6 * 1e15 ** 6 * 1e15 ** 6)", 0), ("1 if state == 'idle' else 2", 1),
    ],
)  # fmt: skip
def test_a_formula_has_a_value_for_every_input(text: str, expected: float) -> None:
    """Nothing fails: division by 0 is 0, roots below 0 are 0, what is not a number is 0, infinity is cut."""
    signals = machines(compiled(f'a: {{formula: "{text}", limits: [-1000000, 1000000], decimals: 6}}'))

    assert float(signals.row(0, 1_767_225_600_000)[0]) == expected
