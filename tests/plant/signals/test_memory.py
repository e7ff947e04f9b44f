"""Signals with memory have the laws that are documented, compared with fine Euler steps or with the exact solution."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random  # noqa: TID251 - draws examples; no part of a plant
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.frame import State
from plant.signals.memory.switch import Switch
from tests.plant.signals.press import IDLE, RUNNING, START_MS, compiled, machines
from tests.support.examples import examples

COMPRESSOR: Final = """
demand: {base: {running: 0.02, else: 0.005}, decimals: 6}
pressure: {switches: {low: 6.5, high: 7.5, rises: "0.06 - demand", falls: demand}, starts: 7, limits: [0, 10], decimals: 6}
load: {on_share_of: pressure, decimals: 6}
power: {formula: "2 + 18 * load", limits: [0, 30], decimals: 6}
energy: {integral_of: power, per_seconds: 3600, decimals: 3}
used: {change_of: energy}
"""  # noqa: E501 - a line a signal


def rows(signals: FleetSignals, period_ms: int, count: int, *, first: int = 1) -> Iterator[dict[str, float]]:
    """Yield the signals of a machine in regular messages."""
    for row in range(first, first + count):
        texts = signals.row(0, START_MS + row * period_ms, advances=True)
        yield dict(zip(signals.program.shown_names, map(json.loads, texts), strict=True))


@dataclass
class Euler:
    """A switch in steps of a thousandth of a second: how long it was on, and how often it has switched."""

    value: float
    is_on: bool
    on_seconds: float = 0.0
    switched: int = 0

    def go(self, elapsed_ms: int, rises: float, falls: float) -> None:
        """Go on for some time with constant rates."""
        for _ in range(elapsed_ms):
            was_on = self.is_on
            self.is_on = self.value < SWITCH.high if self.is_on else self.value <= SWITCH.low
            self.switched += self.is_on != was_on
            self.on_seconds += 0.001 * self.is_on
            moved = self.value + 0.001 * (rises if self.is_on else -falls)
            self.value = min(max(moved, SWITCH.least), SWITCH.most)


SWITCH: Final = Switch("a", 0, 0, 2.0, 4.0, 0.0, 6.0, None, starts_on=False)
_rates: Final = st.sampled_from([-4, -0.8, -0.1, 0.0, 0.05, 0.3, 1.1, 4.0])


@settings(max_examples=examples(200), deadline=None)
@given(st.integers(1, 3000), _rates, _rates, st.floats(0, 6), st.booleans())
def test_a_switch_is_where_many_small_steps_lead(
    elapsed_ms: int, rises: float, falls: float, value: float, is_on: bool
) -> None:
    """From anywhere, with rates of any sign, several switches in a step or none: as Euler's steps are."""
    euler = Euler(value, is_on)
    euler.go(elapsed_ms, rises, falls)
    after, on, share = SWITCH.after((value, float(is_on), 0.0), elapsed_ms, (rises, falls, 0.0))
    seconds = 0.001 * (euler.switched + 2)  # each of Euler's switches is late by one step at most
    slack = seconds * max(abs(rises), abs(falls)) + 1e-9

    assert share * elapsed_ms / 1000 == pytest.approx(euler.on_seconds, abs=seconds)
    if on == euler.is_on:
        assert after == pytest.approx(euler.value, abs=slack)
    else:
        threshold = SWITCH.low if on else SWITCH.high
        assert [after, euler.value] == [pytest.approx(threshold, abs=slack)] * 2


@given(st.integers(1, 10**9), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(0, 1))
def test_one_long_step_is_as_many_short_ones(elapsed_ms: int, rises: float, falls: float, is_on: int) -> None:
    """Millions of switches in a step are exact: half the step twice leads to the same place."""
    begin: State = (3.1, float(is_on), 0.0)
    whole = SWITCH.after(begin, 2 * elapsed_ms, (rises, falls, 0.0))
    half = SWITCH.after(begin, elapsed_ms, (rises, falls, 0.0))
    twice = SWITCH.after(half, elapsed_ms, (rises, falls, 0.0))
    seconds = elapsed_ms / 500 * (1e-14 + 1e-15 * (rises + falls))  # of rounding, in as many cycles

    assert SWITCH.low <= whole[0] <= SWITCH.high
    assert whole[2] == pytest.approx((half[2] + twice[2]) / 2, abs=1e-9)
    if min(whole[0] - SWITCH.low, SWITCH.high - whole[0]) > 1e-3:
        assert whole[:2] == pytest.approx(twice[:2], abs=1e-6 + seconds * max(rises, falls))


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(1, 200_000))
def test_the_share_in_the_long_run_is_that_of_both_rates(rises: float, falls: float, period_ms: int) -> None:
    """A switch is on for falls / (rises + falls) of the time, whatever the period; it never leaves its thresholds."""
    state: State = (3.0, 1.0, 1.0)
    on_ms, elapsed_ms = 0.0, 0
    cycle_ms = 2000 * (1 / rises + 1 / falls)
    while elapsed_ms < 50 * cycle_ms and elapsed_ms < 400 * period_ms:
        state = SWITCH.after(state, period_ms, (rises, falls, 0.0))
        on_ms, elapsed_ms = on_ms + state[2] * period_ms, elapsed_ms + period_ms
        assert SWITCH.low <= state[0] <= SWITCH.high

    assert on_ms / elapsed_ms == pytest.approx(falls / (rises + falls), abs=1e-6 + cycle_ms / elapsed_ms)


@pytest.mark.parametrize("period_ms", [500, 5000, 60_000, 3_600_000])
def test_a_compressor_cycles_between_its_pressures(period_ms: int) -> None:
    """Pressure stays between both thresholds, the share of time on is 1/12 idle and 1/3 running, power is exact."""
    signals = machines(compiled(COMPRESSOR))
    count = max(20, 36_000_000 // max(period_ms, 3000))
    idle = [*rows(signals, period_ms, count)]
    signals.change(0, RUNNING, START_MS + count * period_ms)
    running = [*rows(signals, period_ms, count, first=count + 1)]

    for found, share in ((idle, 1 / 12), (running, 1 / 3)):
        assert all(6.5 <= row["pressure"] <= 7.5 for row in found)
        assert sum(row["load"] for row in found) / count == pytest.approx(share, abs=0.002)
        assert sum(row["power"] for row in found) / count == pytest.approx(2 + 18 * share, abs=0.04)


def test_changes_add_up_to_the_register() -> None:
    """The energy of each message is in whole last decimals, so their sum is the meter, to the last digit."""
    found = [*rows(machines(compiled(COMPRESSOR)), 5000, 3000)]

    assert sum(round(row["used"] * 1000) for row in found) == round(found[-1]["energy"] * 1000)
    assert all(round((later["energy"] - row["energy"] - later["used"]) * 1000) == 0 for row, later in pairwise(found))
    assert len({row["used"] for row in found}) > 3


def test_a_change_in_a_row_between_is_that_of_the_last_step() -> None:
    """A message of another class repeats the change of the last step, also after a job that was counted since."""
    signals = machines(compiled("{parts: {counter: jobs}, new: {change_of: parts}}"))
    for _ in range(3):
        signals.count_job(0, "good", is_good=True)
    before = signals.row(0, START_MS + 1000)
    first = signals.row(0, START_MS + 5000, advances=True)
    signals.count_job(0, "good", is_good=True)
    between = signals.row(0, START_MS + 7000)

    assert [before, first, between] == [[b"3", b"0"], [b"3", b"3"], [b"4", b"3"]]
    assert signals.row(0, START_MS + 10_000, advances=True) == [b"4", b"1"]
    assert signals.row(0, START_MS + 15_000, advances=True) == [b"4", b"0"]


def test_a_change_of_a_register_that_starts_again_is_what_it_has_grown_by() -> None:
    """A register that passes its greatest number has grown by what was added."""
    signals = machines(compiled("{flow: {base: 1000}, total: {integral_of: flow}, new: {change_of: total}}"))
    changes = [row["new"] for row in rows(signals, 5000, 2)]
    layout = signals.store.layout
    units = signals.store.integers[layout.registers]
    signals.store.integers[layout.registers] += 10**18 - units - 1
    signals.store.floats[layout.states + 1] = float((10**18 - 1) // 1000)

    assert [*changes, *(row["new"] for row in rows(signals, 5000, 2, first=3))] == [5000.0] * 4


@pytest.mark.parametrize("period_ms", [250, 1000, 20_000])
@pytest.mark.parametrize("level", ["base: {running: 100, else: 0}", "formula: \"100 if state == 'running' else 0\""])
def test_a_lag_reaches_63_percent_after_its_time_constant(period_ms: int, level: str) -> None:
    """A formula is followed as a level is, whatever the period of messages."""
    signals = machines(compiled(f"heat: {{{level}, follows_seconds: 20, limits: [0, 200], decimals: 6}}"))
    signals.change(0, RUNNING, START_MS)
    found = [row["heat"] for row in rows(signals, period_ms, 60_000 // period_ms)]
    seconds = [(place + 1) * period_ms / 1000 for place in range(len(found))]

    assert found == [pytest.approx(100 * (1 - math.exp(-each / 20)), abs=1e-4) for each in seconds]


def test_a_lag_follows_what_changes_in_each_message() -> None:
    """The lag of a walk is the exact solution with the walk of each message until the one before it."""
    text = "{walk: {walk: {sigma: 5, memory_seconds: 60}, decimals: 6}, slow: {formula: walk, follows_seconds: 30, limits: [-99, 99], decimals: 6}}"  # noqa: E501
    found = [*rows(machines(compiled(text)), 5000, 500)]
    expected = found[0]["slow"]
    for row in found[1:]:
        expected = row["walk"] + (expected - row["walk"]) * math.exp(-5 / 30)
        assert row["slow"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("level", ["base: {running: 100, else: 0}", "formula: \"100 if state == 'running' else 0\""])
def test_a_slew_is_a_straight_line_to_its_level(level: str) -> None:
    """It never changes faster, arrives exactly, and turns where it is."""
    signals = machines(compiled(f"speed: {{{level}, slews_per_second: 4, limits: [0, 200]}}"))
    signals.change(0, RUNNING, START_MS)
    up = [row["speed"] for row in rows(signals, 5000, 4)]
    signals.change(0, IDLE, START_MS + 20_000)
    down = [row["speed"] for row in rows(signals, 5000, 5, first=5)]

    assert up == [20, 40, 60, 80]
    assert down == [60, 40, 20, 0, 0]


def test_a_slew_of_a_walk_is_never_faster() -> None:
    """From one message to the next it changes by the rate at most, and does so where the walk is far away."""
    text = "{walk: {walk: {sigma: 50, memory_seconds: 20}}, slow: {formula: walk, slews_per_second: 0.5, limits: [-999, 999], decimals: 6}}"  # noqa: E501
    changes = [abs(later["slow"] - row["slow"]) for row, later in pairwise(rows(machines(compiled(text)), 2000, 500))]

    assert max(changes) == pytest.approx(1.0, abs=2e-6)


@pytest.mark.parametrize(("keys", "expected"), [
    ("formula: '80', follows_seconds: 9", 80.0),
    ("formula: '80', follows_seconds: 9, starts: 20", 20.0),
    ("formula: '80', slews_per_second: 9, starts: 20", 20.0),
    ("switches: {low: 60, high: 70, rises: '1', falls: '1'}, starts: 62", 62.0),
])  # fmt: skip
def test_a_signal_starts_where_it_is_declared(keys: str, expected: float) -> None:
    """Without `starts` a formula is followed from where it is as the machine begins."""
    assert json.loads(machines(compiled(f"a: {{{keys}, limits: [0, 100]}}")).row(0, START_MS)[0]) == expected


def test_a_formula_is_followed_from_what_the_signals_above_are_at_first() -> None:
    """Signals above, also those with memory, have their first values as a machine begins."""
    text = """
    tank: {switches: {low: 1, high: 9, rises: '0.1', falls: '0.1'}, starts: 4, starts_on: true, limits: [0, 9]}
    load: {on_share_of: tank}
    slow: {formula: 10 * tank + load, follows_seconds: 50, limits: [0, 99]}
    slower: {formula: slow / 2, slews_per_second: 1, limits: [0, 99]}
    """
    texts = machines(compiled(text)).row(0, START_MS)

    assert [*map(json.loads, texts)] == [4, 1, 41, 20.5]


def test_switches_without_a_start_begin_evenly_between_their_thresholds() -> None:
    """A thousand machines are not in step: each has a start of its own, the same with each run."""
    text = "a: {switches: {low: 20, high: 30, rises: '1', falls: '1'}, limits: [0, 40]}"
    once, again = (machines(compiled(text), 1000) for _ in range(2))
    starts = [json.loads(once.row(slot, START_MS)[0]) for slot in range(1000)]
    furthest = max(abs(start - 20 - (place + 0.5) / 100) for place, start in enumerate(sorted(starts)))

    assert furthest < 0.62  # the limit of Kolmogorov and Smirnov at 0.1 %
    assert starts == [json.loads(again.row(slot, START_MS)[0]) for slot in range(1000)]


def test_a_row_between_two_steps_leaves_no_trace() -> None:
    """A message of another class has the value of its own moment, and those after it are as without it."""
    text = COMPRESSOR + "slow: {formula: demand * 1000, follows_seconds: 7, starts: 0, limits: [0, 99], decimals: 6}\n"
    looked, plain = (machines(compiled(text)) for _ in range(2))
    chance, between = Random(5), []
    for row in range(1, 200):
        time_ms = START_MS + row * 5000
        before = sorted(chance.randrange(1, 4999) for _ in range(chance.randrange(3)))
        between += [looked.row(0, time_ms - 5000 + after_ms) for after_ms in before]
        assert looked.row(0, time_ms, advances=True) == plain.row(0, time_ms, advances=True)

    assert len({each[1] for each in between}) > 100
