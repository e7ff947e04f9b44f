"""Blocks of rows: the whole numbers of last decimals of all signals, computed a part at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from plant.signals.columns.column_arithmetic import Column, Integers
from plant.signals.columns.column_frame import ColumnFrame, ColumnSource
from plant.signals.columns.records import PendingRecords
from plant.signals.laws.pending_rows import PendingRows
from plant.signals.laws.signal_laws import Law

ROWS_AT_ONCE: Final = 4096
"""Rows that are computed together: their columns fit into the cache of a processor."""


class SignalBlock(NamedTuple):
    """Rows with their signals. digits: of each signal, by number, a column of whole numbers of its last decimal."""

    slots: Integers
    times_ms: Integers
    digits: Sequence[Integers]


def compute_block(source: ColumnSource, pending: PendingRows) -> SignalBlock:
    """Compute the signals of pending rows, and advance registers."""
    records = PendingRecords(source.store, pending)
    digits: list[Integers] = [np.empty(len(pending), dtype=np.int64) for _ in source.program.laws]
    with np.errstate(all="ignore"):
        for first in range(0, len(pending), ROWS_AT_ONCE):
            last = min(first + ROWS_AT_ONCE, len(pending))
            frame = ColumnFrame(source, records.part(first, last))
            for column, law, value in zip(digits, source.program.laws, frame.evaluate(), strict=True):
                column[first:last] = _last_decimals(law, frame, value)
    return SignalBlock(records.slots, records.times_ms, digits)


def _last_decimals(law: Law, frame: ColumnFrame, value: Column) -> Column:
    return law.last_decimals(frame, value)
