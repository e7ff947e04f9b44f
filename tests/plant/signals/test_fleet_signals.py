"""What signals follow: states, phases, kinds, jobs, set points, the sun, and the time since something."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from plant.definition.signals.vocabulary import Vocabulary
from plant.random_stream import RandomStream
from plant.signals.fleet_signals import FleetSignals
from plant.signals.laws.situations import Situation
from tests.plant.signals.press import IDLE, PRESS, RUNNING, START_MS, compiled, machines
from tests.support.processes.daemon import ROOT


def values(signals: FleetSignals, seconds: float, slot: int = 0, *, advances: bool = False) -> list[float]:
    """Return the values of a row, seconds after the start."""
    return [json.loads(text) for text in signals.row(slot, START_MS + round(seconds * 1000), advances=advances)]


def test_a_press_warms_up_and_draws_power_while_it_runs() -> None:
    """Each signal of a press is near its level, and energy is the sum of power over its rows."""
    press = machines(compiled(PRESS))
    idle = values(press, 5, advances=True)
    press.change(0, RUNNING, START_MS + 6000, new_job=True)
    rows = [values(press, seconds, advances=True) for seconds in range(10, 3600, 5)]
    temperature, pressure, vibration, hall, power, energy = rows[-1]

    assert idle[0] == pytest.approx(38, abs=4)
    assert idle[4:] == [2.2, 0.003]
    assert temperature == pytest.approx(55, abs=4)
    assert pressure == pytest.approx(120, abs=12)
    assert vibration == pytest.approx(2.4, abs=1.4)
    assert hall == pytest.approx(21, abs=6)
    assert power == pytest.approx(41.8, abs=6)
    assert energy == pytest.approx(sum(row[4] for row in [idle, *rows]) * 5 / 3600, abs=0.01)


def test_a_lag_approaches_its_level_and_continues_from_where_it_is() -> None:
    """After one time constant 1/e of the way is left, also when the level changes on the way."""
    signals = machines(compiled("level: {base: {running: 100, else: 0}, follows_seconds: 10, decimals: 6}"))
    signals.change(0, RUNNING, START_MS)
    up = values(signals, 10)[0]
    signals.change(0, IDLE, START_MS + 10_000)

    assert up == pytest.approx(100 * (1 - math.exp(-1)), abs=1e-5)
    assert values(signals, 10) == [up]
    assert values(signals, 20)[0] == pytest.approx(up * math.exp(-1), abs=1e-5)


def test_levels_follow_phase_and_kind_of_the_job() -> None:
    """The most specific key counts; states from outside have the number of `else`."""
    text = "{a: {base: {running: 1, running.press: 2, else: 3}}, b: {base: {running.panel: 4, running: 5, else: 6}}}"
    signals = machines(compiled(text))
    seen = []
    for situation in (RUNNING, RUNNING._replace(phase="press", kind="frame"), IDLE, Situation("planned_stop")):
        signals.change(0, situation, START_MS)
        seen.append(values(signals, 0))

    assert seen == [[1, 4], [2, 5], [3, 6], [3, 6]]


def test_a_state_from_outside_stands_for_the_first_that_does_not_produce() -> None:
    """Where a mapping has no `else`, a blocked machine has the level of an idle one."""
    signals = machines(compiled("a: {base: {running: 1, idle: 2, maintenance: 3}}"))
    signals.change(0, Situation("blocked"), START_MS)

    assert values(signals, 0) == [2]


def test_formulas_tell_states_from_outside_from_each_other() -> None:
    """Those that a formula names; a level is that of any other state."""
    text = """
    a: {base: {running: 5, idle: 1, else: 0}}
    b: {formula: "3 if state == 'stopped' else 2 if state == 'waiting' else a", limits: [0, 9]}
    """
    press = machines(compiled(text))
    seen = []
    for name in ("running", "stopped", "waiting", "planned_stop", "idle"):
        press.change(0, Situation(name), START_MS)
        seen.append(values(press, 1))

    assert seen == [[5, 5], [0, 3], [0, 2], [0, 0], [1, 1]]


def test_counters_count_jobs_and_seconds() -> None:
    """Jobs count when they finish, by result; seconds in a state grow while it lasts."""
    signals = machines(
        compiled(
            "{n: {counter: jobs}, g: {counter: good}, s: {counter: scrap}, t: {counter: seconds.running, decimals: 1}}"
        )
    )
    signals.change(0, RUNNING, START_MS + 1000)
    signals.count_job(0, "good", is_good=True)
    signals.count_job(0, "scrap", is_good=False)
    first = values(signals, 3.25)
    signals.change(0, IDLE, START_MS + 4000)

    assert first == [2, 1, 1, 2.2]
    assert values(signals, 60) == [2, 1, 1, 3.0]


def test_ramps_grow_until_their_reset() -> None:
    """Wear is 0 in maintenance and grows after it; a fill level starts again with each job."""
    text = """
        wear: {ramp: {per_hour: 3600, resets: maintenance}, limits: [0, 999]}
        fill: {ramp: {per_hour: 7200, resets: job}, limits: [0, 999]}
    """
    signals = machines(compiled(text))
    signals.change(0, RUNNING, START_MS + 10_000, new_job=True)
    worn = values(signals, 30)
    signals.change(0, Situation("maintenance"), START_MS + 40_000)
    serviced = values(signals, 50)
    signals.change(0, RUNNING, START_MS + 60_000)

    assert worn == [30, 40]
    assert serviced == [0, 80]
    assert values(signals, 61) == [1, 102]


def test_formulas_know_age_progress_and_hour() -> None:
    """The age is that of the state, the progress counts producing time alone, the hour is that of Berlin."""
    text = """
        age: {formula: age_seconds, limits: [0, 999]}
        done: {formula: job_progress, limits: [0, 1]}
        at: {formula: hour, limits: [0, 24]}
    """
    signals = machines(compiled(text))
    signals.change(0, RUNNING, START_MS + 2000, new_job=True)
    signals.change(0, RUNNING._replace(phase="press", done_ms=3000), START_MS + 5000)
    half = values(signals, 8)
    signals.change(0, Situation("idle", "press", "panel", 6000, 12_000), START_MS + 8000)

    assert half == [6, 0.5, 1.0]
    assert values(signals, 68) == [60, 0.5, 1.02]


def test_a_set_point_is_followed_from_a_command_on() -> None:
    """A command changes the level; the value continues from where it is."""
    signals = machines(compiled("oven: {set_point: 180, follows_seconds: 60, limits: [0, 300]}"))
    before = values(signals, 30)
    signals.set_point(0, "oven", 200.0, START_MS + 30_000)

    assert before == values(signals, 30) == [180]
    assert values(signals, 90)[0] == pytest.approx(200 - 20 / math.e, abs=0.01)
    with pytest.raises(ValueError, match="'furnace'"):
        signals.set_point(0, "furnace", 1.0, START_MS)


def test_machines_share_the_signals_of_the_plant() -> None:
    """A signal of the plant has one value for all machines at a time."""
    outdoors = compiled(
        "outdoor: {base: 10, walk: {sigma: 2, memory_seconds: 60}, decimals: 6}", vocabulary=Vocabulary()
    )
    plant = FleetSignals(outdoors)
    plant.begin(0, RandomStream(7, "plant"), Situation(""), START_MS)
    halls = machines(
        compiled("hall: {formula: plant.outdoor + 5, limits: [-50, 50], decimals: 6}", plant=outdoors), 2, plant
    )

    assert values(halls, 100, 0) == values(halls, 100, 1) == [pytest.approx(values(plant, 100)[0] + 5, abs=1e-6)]
    assert values(halls, 200) != values(halls, 100)


def test_machines_differ_by_their_spread() -> None:
    """Each machine has a factor of its own, which stays."""
    signals = machines(compiled("a: {base: 100, spread: 0.05}"), 2)
    first, second = values(signals, 0, 0), values(signals, 0, 1)

    assert first != second
    assert values(signals, 5000, 0) == first


def test_texts_are_those_of_json() -> None:
    """Hidden signals are left out, texts are quoted, numbers have no zeros at their end."""
    text = """
        a: {base: -0.5, shown: false}
        b: {formula: a * 3, limits: [-9, 9]}
        c: {choice: {'ok "x"': 1}}
        d: {base: 0.00001, decimals: 6}
    """

    assert machines(compiled(text)).row(0, START_MS) == [b"-1.5", rb'"ok \"x\""', b"1e-05"]


def test_rows_need_no_numpy() -> None:
    """A plant whose rows are computed one at a time does not import numpy."""
    code = "import sys; from tests.plant.signals.press import *; machines(compiled(PRESS)).row(0, START_MS)"
    numpy_is_left_out = f"{code}; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", numpy_is_left_out], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "followed"),
    [
        ("a: {base: {running: 1, else: 2}, follows_seconds: 9}", set()),
        ("a: {base: {running.press: 1, else: 2}}", {"phase"}),
        ("a: {noise: {running.panel: 1, else: 2}}", {"kind"}),
        ("a: {formula: \"1 if phase == 'press' or kind != 'frame' else 2\", limits: [0, 9]}", {"phase", "kind"}),
        ("a: {formula: job_progress, limits: [0, 1]}", {"job"}),
        ("a: {ramp: {per_hour: 1, resets: job}, limits: [0, 9]}", {"job"}),
        ("a: {ramp: {per_hour: 1, resets: maintenance}, limits: [0, 9]}", set()),
    ],
)
def test_it_is_known_what_signals_follow(text: str, followed: set[str]) -> None:
    """Phases, kinds and jobs that no signal follows need not be passed on."""
    assert machines(compiled(text)).follows == followed


def test_a_change_that_no_signal_follows_has_no_effect() -> None:
    """Bytes are the same with and without it."""
    passed, left_out = (machines(compiled(PRESS)) for _ in range(2))
    for signals in (passed, left_out):
        signals.change(0, RUNNING, START_MS + 10)
    passed.change(0, RUNNING._replace(phase="press", kind="frame"), START_MS + 1234, new_job=True)
    times = range(START_MS + 2000, START_MS + 200_000, 5000)

    assert [passed.row(0, time_ms) for time_ms in times] == [left_out.row(0, time_ms) for time_ms in times]


@pytest.mark.parametrize("text", ["a: {base: 1}", "a: {formula: job_progress, limits: [0, 1]}", PRESS])
def test_the_progress_of_a_job_is_known_whatever_signals_follow(text: str) -> None:
    """Situations are read back as they were passed, with the producing time since then."""
    signals = machines(compiled(text))
    signals.change(0, RUNNING, START_MS + 1000, new_job=True)
    signals.change(0, RUNNING._replace(phase="press", kind="frame", done_ms=700), START_MS + 3000)
    working = signals.situation(0, START_MS + 4000)
    signals.change(0, IDLE._replace(done_ms=1700, cycle_ms=12_000), START_MS + 4000)

    assert working == RUNNING._replace(phase="press", kind="frame", done_ms=1700)
    assert signals.situation(0, START_MS + 9000) == IDLE._replace(done_ms=1700, cycle_ms=12_000)
    assert signals.is_in(0, IDLE)
    assert not signals.is_in(0, RUNNING)
