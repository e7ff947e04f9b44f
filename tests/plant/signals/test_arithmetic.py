"""The arithmetic of columns has the bits of the arithmetic of single rows, operation by operation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.signals import row_arithmetic
from plant.signals.columns import column_arithmetic
from plant.signals.columns.column_arithmetic import Column, ColumnArithmetic
from plant.signals.columns.walk_columns import WalkColumns
from plant.signals.laws.exact_tables import walk_grid
from plant.signals.row_arithmetic import RowArithmetic
from tests.support.examples import examples

BRIEFLY: Final = settings(max_examples=3 * examples(10))
ROW, COLUMNS = RowArithmetic(), ColumnArithmetic()

numbers: Final = st.one_of(
    st.floats(), st.floats(-50, 50), st.integers(-9, 9).map(float), st.sampled_from([0.5, 2.5, -0.0, 2.0**53, 1e300])
)
some_numbers: Final = st.lists(numbers, min_size=1, max_size=20)
pairs: Final = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20)
words: Final = st.integers(0, 2**64 - 1)
times: Final = st.lists(st.integers(0, 2**45), min_size=1, max_size=20)


def bits(values: list[float] | Column) -> list[str]:
    """Return numbers to the last bit; no operation tells the zeros apart, nor one NaN from another."""
    return [(float(value) + 0.0).hex() if value == value else "nan" for value in list(values)]  # noqa: PLR0124


@pytest.mark.parametrize("name", ColumnArithmetic.unary)
@BRIEFLY
@given(some_numbers)
def test_operations_of_one_quantity(name: str, operands: list[float]) -> None:
    """Any number, infinity and NaN included, has the same result."""
    with np.errstate(all="ignore"):
        column = COLUMNS.unary[name](np.array(operands))

    assert bits(column) == bits([ROW.unary[name](operand) for operand in operands])


@pytest.mark.parametrize("name", sorted(ColumnArithmetic.binary.keys() - {"and", "or"}))
@BRIEFLY
@given(pairs)
def test_operations_of_two_quantities(name: str, operands: list[tuple[float, float]]) -> None:
    """Any two numbers have the same result."""
    with np.errstate(all="ignore"):
        lefts, rights = np.array([left for left, _ in operands]), np.array([right for _, right in operands])
        column = COLUMNS.binary[name](lefts, rights)

    assert bits(column) == bits([ROW.binary[name](left, right) for left, right in operands])


@pytest.mark.parametrize("name", ["and", "or"])
def test_operations_of_conditions(name: str) -> None:
    """Conditions are 1 and 0."""
    left, right = [0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]

    assert bits(COLUMNS.binary[name](np.array(left), np.array(right))) == bits([*map(ROW.binary[name], left, right)])


@BRIEFLY
@given(st.lists(st.one_of(st.floats(0.0, 40.0), st.floats(allow_nan=False)), min_size=1))
def test_decay_rounding_and_clipping(operands: list[float]) -> None:
    """What laws use beside + - * has the same bits; e^-x is within 3e-9."""
    column = np.array(operands)
    twins: list[tuple[Callable[[Column], Column], Callable[[float], float]]] = [
        (COLUMNS.decay, ROW.decay),
        (COLUMNS.whole, ROW.whole),
        (COLUMNS.floor, ROW.floor),
        (lambda each: COLUMNS.clip(each, -7.5, 3.25), lambda each: ROW.clip(each, -7.5, 3.25)),
    ]
    for of_column, of_row in twins:
        assert bits(of_column(column)) == bits([of_row(operand) for operand in operands])
    exact = np.exp(-np.maximum(column, 0.0))
    assert np.abs(COLUMNS.decay(column) - exact).max() < 3e-9


@BRIEFLY
@given(words, words, words, times)
def test_draws(first: int, second: int, salt: int, moments: list[int]) -> None:
    """Words, normal and uniform draws are the same for each machine, purpose and time."""
    keys = np.full(len(moments), first, dtype=np.uint64), np.full(len(moments), second, dtype=np.uint64)
    drawn = column_arithmetic.word(column_arithmetic.salted(keys[0], salt), keys[1], np.array(moments))
    key = (first, second)

    assert drawn.tolist() == [row_arithmetic.word(key, salt, each) for each in moments]
    assert bits(column_arithmetic.normal(drawn)) == bits([row_arithmetic.normal(key, salt, each) for each in moments])
    assert bits(column_arithmetic.uniform(drawn)) == bits([row_arithmetic.uniform(key, salt, each) for each in moments])


@BRIEFLY
@given(words, words, st.lists(st.floats(1, 1e11), min_size=1, max_size=4), times)
def test_walks(first: int, second: int, memories_ms: list[float], moments: list[int]) -> None:
    """Walks of any memories, computed together, are those computed one at a time."""
    grids = [walk_grid(number, memory_ms) for number, memory_ms in enumerate(memories_ms)]
    keys = np.full(len(moments), first, dtype=np.uint64), np.full(len(moments), second, dtype=np.uint64)
    columns = WalkColumns(grids).values(*keys, np.array(moments))

    assert [bits(column) for column in columns] == [
        bits([row_arithmetic.walk(grid, (first, second), each) for each in moments]) for grid in grids
    ]


@BRIEFLY
@given(st.lists(st.integers(0, 86_399_999), min_size=1))
def test_waves(phases_ms: list[int]) -> None:
    """A wave is the same, and the sine within 3e-7."""
    rows = [row_arithmetic.wave(phase_ms, 86_400_000) for phase_ms in phases_ms]

    assert bits(column_arithmetic.wave(np.array(phases_ms), 86_400_000)) == bits(rows)
    assert rows == pytest.approx([math.sin(phase_ms / 86_400_000 * 2 * math.pi) for phase_ms in phases_ms], abs=3e-7)
