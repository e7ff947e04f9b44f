"""Laws of alarms over random signals: they follow from the reported values alone, however time is cut."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from plant.fleets import reporter
from tests.plant.alarms.plants import Event, Rule, events, expected, meters, sent
from tests.support.examples import examples

SIGNALS: dict[str, Any] = {
    "level": {"base": 10, "walk": {"sigma": 3, "memory_seconds": 10}, "decimals": 1},
    "flow": {"base": 0, "uniform": [-4, 4], "decimals": 0},
}
SENSORS: dict[str, Any] = {
    "dropout": {"every_hours": 0.003, "duration_seconds": [2, 6]},
    "spike": {"every_hours": 0.002, "duration_seconds": [5, 20], "amplitude": 8, "chance": 0.4},
    "stuck": {"every_hours": 0.005, "duration_seconds": [3, 9]},
}
"""Faults of a sensor, a few in a minute."""

DRAWN = st.tuples(st.integers(40, 160), st.integers(0, 30), st.sampled_from([1, -1]), st.sampled_from([0, 2, 5]))


@st.composite
def declared(draw: st.DrawFn) -> tuple[dict[str, Any], list[Rule]]:
    """Alarms of both signals, as they are declared and as they are meant."""
    alarms: dict[str, Any] = {"level": {}, "flow": {}}
    rules = []
    for number, (tenths, wide, sign, delay) in enumerate(draw(st.lists(DRAWN, min_size=1, max_size=4))):
        signal = ("level", "flow")[number % 2]
        limit = tenths / 10 if signal == "level" else round(tenths / 20 - 5)
        clear = limit - sign * (wide / 10 if signal == "level" else wide // 10)
        clear = round(clear, 1)
        keys = ("high", "clear_below") if sign > 0 else ("low", "clear_above")
        alarms[signal][f"a{number}"] = {**dict(zip(keys, (limit, clear), strict=True)), "delay_seconds": delay}
        rules.append(Rule(f"{signal}.a{number}", signal, sign, limit, clear, delay * 1000))
    return {name: each for name, each in alarms.items() if each}, rules


@given(
    declared(),
    st.integers(1, 30),
    st.integers(0, 5),
    st.lists(st.floats(0.001, 89.0, allow_nan=False), max_size=12),
)
@settings(max_examples=examples(60), deadline=None)
def test_alarms_follow_from_the_values_in_messages(
    given_alarms: tuple[dict[str, Any], list[Rule]], machines: int, seed: int, cuts: list[float]
) -> None:
    """Raised at the first value at or beyond the limit, and cleared at the first one beyond the other limit."""
    alarms, rules = given_alarms
    messages = sent(meters(SIGNALS, alarms, machines), [*sorted(cuts), 90.0], seed)
    by_signal = sorted(rules, key=lambda rule: [*alarms].index(rule.signal))

    assert events(messages) == [*expected(messages, by_signal)]


@given(declared(), st.sampled_from([2, 15]), st.integers(0, 5), st.lists(st.floats(0.001, 89.0), max_size=6))
@settings(max_examples=examples(40), deadline=None)
def test_a_faulty_sensor_raises_false_alarms_and_a_missing_value_changes_none(
    given_alarms: tuple[dict[str, Any], list[Rule]], machines: int, seed: int, cuts: list[float]
) -> None:
    """Alarms follow from what is reported, also where that is not true, and where nothing is."""
    alarms, rules = given_alarms
    signals = {name: {**each, "limits": [-30, 50]} for name, each in SIGNALS.items()}
    config = meters(signals, alarms, machines, sensor_faults={"level": SENSORS, "flow": SENSORS})
    messages = sent(config, [*sorted(cuts), 90.0], seed)
    by_signal = sorted(rules, key=lambda rule: [*alarms].index(rule.signal))

    assert events(messages) == [*expected(messages, by_signal)]


@given(declared(), st.integers(0, 5), st.lists(st.floats(0.001, 89.0), max_size=30), st.sampled_from([2, 7, 10_000]))
@settings(max_examples=examples(40), deadline=None)
def test_blocks_and_single_rows_give_the_same_messages(
    given_alarms: tuple[dict[str, Any], list[Rule]], seed: int, cuts: list[float], few: int
) -> None:
    """Byte for byte, also of several classes, and where machines report changes of their state."""
    states = {
        "running": {"share": 2.0, "dwell_seconds": 7.0, "produces": True},
        "idle": {"share": 1.0, "dwell_seconds": 3.0},
    }
    classes = {
        "a": {"fields": ["timestamp", "machine_id", "level"], "report_seconds": 1.5},
        "b": {"fields": ["timestamp", "machine_id", "flow"], "report_seconds": 1.0},
        "c": {"fields": ["timestamp", "machine_id", "status"], "on_change": True},
    }
    entry: dict[str, Any] = {"states": states, "job": {"cycle_seconds": [1, 4]}, "messages": classes}
    config = meters(SIGNALS, given_alarms[0], 12, **entry)
    whole = sent(config, [90.0], seed)
    with patch.object(reporter, "_FEW_ROWS", few):
        cut = sent(config, [*sorted(cuts), 90.0], seed)

    assert cut == whole


@given(declared(), st.integers(0, 5))
@settings(max_examples=examples(30), deadline=None)
def test_each_alarm_of_a_machine_is_raised_and_cleared_in_turn(
    given_alarms: tuple[dict[str, Any], list[Rule]], seed: int
) -> None:
    """Beginning with a raise."""
    key = attrgetter("machine_id", "alarm")
    found: list[Event] = sorted(events(sent(meters(SIGNALS, given_alarms[0], 11), [120.0], seed)), key=key)

    for _, of_alarm in groupby(found, key=key):
        whats = [event.event for event in of_alarm]
        assert whats == [("raised", "cleared")[place % 2] for place in range(len(whats))]
