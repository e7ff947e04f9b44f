"""Blocks of rows have the bytes of single rows, wherever they are cut."""

from __future__ import annotations

from plant.signals.fleet_signals import FleetSignals
from tests.plant.signals.press import PRESS, RUNNING, START_MS, compiled, machines


def texts_of_block(signals: FleetSignals) -> list[list[bytes]]:
    """Return the texts of shown signals of the pending rows."""
    block = signals.block()
    numbers = signals.program.shown
    columns = [
        map(b"".join, zip(*signals.text_columns(name, b"").of(block.digits[number]), strict=True))
        for name, number in zip(signals.program.shown_names, numbers, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def test_a_block_has_the_bytes_of_its_rows() -> None:
    """Rows of many machines and several laps, with events between, are the same as columns and one at a time."""
    blocks, single = (machines(compiled(PRESS), 50) for _ in range(2))
    expected = []
    for lap in range(5):
        for slot in range(50):
            time_ms = START_MS + lap * 5000 + slot * 100
            if slot % 5 == lap:
                for signals in (blocks, single):
                    signals.change(slot, RUNNING, time_ms - 1, new_job=True)
            blocks.pending.add(slot, time_ms, advances=True)
            expected.append(single.row(slot, time_ms, advances=True))

    assert texts_of_block(blocks) == expected
    assert len(blocks.pending) == 0
