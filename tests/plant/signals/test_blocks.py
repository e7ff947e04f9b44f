"""Blocks of rows have the bytes of single rows, wherever they are cut."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plant.definition.signals.references import read_signals
from plant.definition.signals.signal_rules import broken
from plant.definition.signals.vocabulary import Vocabulary
from plant.random_stream import RandomStream
from plant.signals.columns.text_columns import text_columns
from plant.signals.compilation.compiler import compile_signals
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.program import SignalProgram
from plant.signals.laws.situations import Situation
from plant.signals.laws.store import FIRST_RAMP
from tests.plant.signals.declarations import MACHINES, Declared, Event, declarations, histories
from tests.plant.signals.press import IDLE, PRESS, RUNNING, START_MS, VOCABULARY, compiled, machines
from tests.support.examples import examples

OUTDOORS: Final = """
outdoor: {base: 10, yearly: {amplitude: 9, peak_day: 200}, daily: {amplitude: 4, peak_hour: 15}, noise: 1}
gas_price: {base: 5, decimals: 4}
"""
PLANT: Final = compiled(OUTDOORS, vocabulary=Vocabulary())


def texts_of_block(signals: FleetSignals) -> list[list[bytes]]:
    """Return the texts of shown signals of the pending rows."""
    block, program = signals.block(), signals.program
    columns = [
        map(b"".join, zip(*signals.text_columns(name, b"").of(block.digits[number]), strict=True))
        for name, number in zip(program.shown_names, program.shown, strict=True)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def with_plant(program: SignalProgram) -> FleetSignals:
    """Return machines in a plant with signals of its own, if the program refers to them."""
    if program.plant is None:
        return machines(program, MACHINES)
    plant = FleetSignals(program.plant)
    plant.begin(0, RandomStream(7, "plant"), Situation(""), START_MS)
    return machines(program, MACHINES, plant)


def apply(signals: FleetSignals, event: Event, now_ms: int) -> None:
    """Pass an event on."""
    points = signals.program.set_points
    if event.what == "change":
        signals.change(event.slot, event.situation, now_ms, new_job=event.flag)
    elif event.what == "job":
        signals.count_job(event.slot, "good" if event.flag else "scrap", is_good=event.flag)
    elif event.what == "set_point" and points:
        signals.set_point(event.slot, points[-1].signal, points[-1].high if event.flag else 0.125, now_ms)


def looked_at(signals: FleetSignals, event: Event, now_ms: int) -> list[list[bytes]]:
    """Return the texts of all signals now, if the event is a look."""
    return [[*signals.texts_at(event.slot, now_ms).values()]] if event.what == "look" else []


Texts = tuple[list[list[bytes]], list[list[bytes]]]
"""The texts of rows, and of looks."""


def single_rows(signals: FleetSignals, history: Iterable[Event]) -> Texts:
    """Return the texts of the rows, computed one at a time, and of looks."""
    rows, looks, now_ms = [], [], START_MS
    for event in history:
        now_ms += event.after_ms
        apply(signals, event, now_ms)
        looks += looked_at(signals, event, now_ms)
        if event.what == "row":
            rows.append(signals.row(event.slot, now_ms, advances=event.flag))
    return rows, looks


def rows_of_blocks(signals: FleetSignals, history: Iterable[Event]) -> Texts:
    """Return the texts of the rows, computed in blocks that end at each cut, and of looks."""
    rows, looks, now_ms = [], [], START_MS
    for event in history:
        now_ms += event.after_ms
        apply(signals, event, now_ms)
        looks += looked_at(signals, event, now_ms)
        if event.what == "row":
            signals.pending.add(event.slot, now_ms, advances=event.flag)
        elif event.what == "cut":
            rows += texts_of_block(signals)
    return rows + texts_of_block(signals), looks


def rows_of_few(signals: FleetSignals, history: Iterable[Event]) -> Texts:
    """Return the texts of the rows, all pending until the end and then computed without columns, and of looks."""
    looks, now_ms = [], START_MS
    for event in history:
        now_ms += event.after_ms
        apply(signals, event, now_ms)
        looks += looked_at(signals, event, now_ms)
        if event.what == "row":
            signals.pending.add(event.slot, now_ms, advances=event.flag)
    return signals.rows(), looks


@settings(max_examples=examples(60))
@given(declarations(plant=["outdoor", "gas_price"]), histories)
def test_columns_have_the_bits_of_rows(declared: Declared, history: list[Event]) -> None:
    """Whatever is declared and whatever happens, a row is the same alone and in blocks, also if it is looked at."""
    assume(not [*broken(declared, VOCABULARY, {name: {} for name in PLANT.names})])
    specs = read_signals(declared)
    variant = {
        name: spec.model_copy(update={"base": {"else": 7.5}} if spec.base else {}) for name, spec in specs.items()
    }
    program = compile_signals(specs, VOCABULARY, "Europe/Berlin", 5000.0, PLANT, [variant])

    expected = single_rows(with_plant(program), history)
    assert rows_of_blocks(with_plant(program), history) == expected
    assert rows_of_few(with_plant(program), history) == expected


def test_a_block_has_the_bytes_of_its_rows() -> None:
    """Rows of many machines and several laps, with events between, are the same as columns and one at a time."""
    blocks, single = (machines(compiled(PRESS), 50) for _ in range(2))
    expected = []
    for lap in range(100):
        for slot in range(50):
            time_ms = START_MS + lap * 5000 + slot * 100
            if slot % 5 == lap:
                for signals in (blocks, single):
                    signals.change(slot, RUNNING, time_ms - 1, new_job=True)
            blocks.pending.add(slot, time_ms, advances=True)
            expected.append(single.row(slot, time_ms, advances=True))

    assert texts_of_block(blocks) == expected
    assert len(blocks.pending) == 0


def test_rows_depend_on_what_was_before_the_next_event() -> None:
    """Several events of several machines after their rows, without rows between, change none of these rows."""
    blocks, single = (machines(compiled(PRESS), 2) for _ in range(2))
    rows = [single.row(slot, START_MS + 5000 + slot) for slot in (0, 1)]
    blocks.pending.extend([0, 1], [START_MS + 5000, START_MS + 5001])
    for slot, situation in ((0, RUNNING), (1, RUNNING), (0, IDLE), (1, Situation("maintenance"))):
        blocks.change(slot, situation, START_MS + 6000)

    assert texts_of_block(blocks) == rows


def test_signals_of_the_plant_are_those_of_each_row() -> None:
    """Rows at the same time, and a millisecond later, have the values of the plant at their time."""
    text = "hall: {formula: plant.outdoor, limits: [-50, 50]}"
    blocks, single = (with_plant(compiled(text, plant=PLANT)) for _ in range(2))
    times = [START_MS + after_ms for after_ms in (0, 0, 1, 2, 2, 700_000, 700_001, 90_000_000)]
    blocks.pending.extend([0] * len(times), times)

    assert texts_of_block(blocks) == [single.row(0, time_ms) for time_ms in times]


@pytest.mark.parametrize("sign", [1, -1])
def test_registers_start_again_after_their_last_digit(sign: int) -> None:
    """A register that passes its greatest number starts at 0, in single rows and in blocks."""
    text = f"{{flow: {{base: {sign * 1e7:.0f}, limits: [-10000000, 10000000]}}, total: {{integral_of: flow}}}}"
    blocks, single = (machines(compiled(text)) for _ in range(2))
    for signals in (blocks, single):
        signals.store.integers[FIRST_RAMP] = sign * (10**18 - 12 * 10**12)
    times = [START_MS + 5000 * row for row in range(6)]
    blocks.pending.extend([0] * 6, times, [1] * 6)
    rows = [single.row(0, time_ms, advances=True) for time_ms in times]

    totals = [json.loads(row[1]) for row in rows[:4]]
    assert totals == [sign * total for total in (9999930000000, 9999980000000, 3e7, 8e7)]
    assert texts_of_block(blocks) == rows


@pytest.mark.parametrize("decimals", range(7))
@given(st.lists(st.one_of(st.integers(-(10**14), 10**14), st.integers(-20_000, 20_000)), min_size=1))
def test_numbers_are_written_as_json_does(decimals: int, digits: list[int]) -> None:
    """Numbers of any sign and width are what json.dumps writes of them, with the text before them."""
    law = compiled(f"a: {{base: 0, limits: [-100000000, 100000000], decimals: {decimals}}}").laws[0]
    lists = text_columns(law, b',"a":').of(np.array(digits))
    numbers = [round(each / 10**decimals, decimals) if decimals else each for each in digits]

    assert [*map(b"".join, zip(*lists, strict=True))] == [b',"a":%b' % json.dumps(each).encode() for each in numbers]
