"""Rows that are made into messages as columns: in what order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plant.fleets.column_messages import row_order

ROWS = st.tuples(st.integers(0, 3) | st.integers(0, 4_000_000_000_000), st.integers(0, 4), st.integers(0, 2))


@given(st.lists(ROWS, min_size=1), st.sampled_from([15, 64_000_000]))
def test_rows_are_sorted_by_time_machine_and_class(rows: list[tuple[int, int, int]], places: int) -> None:
    """Equal rows stay in their order, also where times are a century apart and there are a million machines."""
    times, slots, classes = map(np.array, zip(*rows, strict=True))

    order = row_order(times, slots, classes.astype(np.int16), places)

    assert order.tolist() == sorted(range(len(rows)), key=rows.__getitem__)
