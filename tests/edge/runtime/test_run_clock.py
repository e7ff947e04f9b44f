"""Facts about the clock of a run: it follows the one on the wall and never runs back."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.queue import MessageQueue
from edge.runtime.history import LatePolicy
from edge.runtime.pacer import Pacer, PacerHooks, Timing
from edge.runtime.run_clock import RunClock, step_line
from edge.settings.types import CatchUp, QueuePolicy
from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import parse
from sandbox.broker import EmbeddedBroker
from tests.edge.runtime.test_pacer import ListPlant
from tests.edge.runtime.test_simulator import one_cnc
from tests.support.factory.plants import default
from tests.support.processes.daemon import ROOT, DaemonProcess, plain, running
from tests.support.processes.waiting import wait_until

HOUR, DAY, YEAR = 3600.0, 86_400.0, 31_536_000.0


class Clocks:
    """A monotonic clock and one on the wall, both moved by hand; the run's clock looks at each tenth of a second."""

    def __init__(self) -> None:
        self.monotonic, self.wall = 50.0, 1_000_000.0
        self.steps: list[float] = []
        self.run = RunClock(lambda: self.monotonic, lambda: self.wall, self.steps.append)
        self.began = self.run()

    def pass_by(self, seconds: float) -> list[float]:
        """Let time pass; what the run's clock reads, from the beginning on."""
        readings = []
        for _ in range(round(seconds * 10)):
            self.monotonic += 0.1
            self.wall += 0.1
            readings.append(self.run() - self.began)
        return readings


def test_without_a_step_it_is_the_monotonic_clock() -> None:
    """An hour is an hour."""
    clocks = Clocks()

    assert clocks.pass_by(HOUR)[-1] == pytest.approx(HOUR)
    assert clocks.steps == []


@pytest.mark.parametrize("step", [1.5, 7200.0, YEAR])
def test_it_leaps_forward_with_the_wall(step: float) -> None:
    """At once; told once."""
    clocks = Clocks()
    clocks.wall += step

    assert clocks.pass_by(1.0)[0] == pytest.approx(step + 0.1)
    assert clocks.steps == [pytest.approx(step)]


@pytest.mark.parametrize("step", [0.5, -0.5])
def test_a_small_step_is_made_up_for_slowly(step: float) -> None:
    """Five in a hundred faster or slower, until it is right again."""
    clocks = Clocks()
    clocks.wall += step
    sign = 1 if step > 0 else -1

    assert clocks.pass_by(5.0)[-1] == pytest.approx(5.0 * (1 + 0.05 * sign))
    assert clocks.pass_by(6.0)[-1] == pytest.approx(11.0 + step)
    assert clocks.steps == [pytest.approx(step)]


def test_a_step_back_is_waited_for_at_half_speed() -> None:
    """A minute takes two; the last second goes slower by a twentieth."""
    clocks = Clocks()
    clocks.wall -= 60.0

    assert clocks.pass_by(60.0)[-1] == pytest.approx(30.0)
    assert clocks.run.ahead_seconds == pytest.approx(30.0)
    assert clocks.pass_by(80.0)[-1] == pytest.approx(140.0 - 60.0)


def test_a_step_back_of_a_year_does_not_stop_it() -> None:
    """It goes on as before, ahead by a year, until the wall is put right."""
    clocks = Clocks()
    clocks.wall -= YEAR
    assert clocks.pass_by(60.0)[-1] == pytest.approx(60.0)
    assert clocks.run.ahead_seconds == pytest.approx(YEAR)

    clocks.wall += YEAR + 0.2
    assert clocks.pass_by(10.0)[-1] == pytest.approx(70.2)
    assert len(clocks.steps) == 2


def test_what_the_machine_has_slept_is_a_leap() -> None:
    """A monotonic clock stands meanwhile, the wall's goes on."""
    clocks = Clocks()
    clocks.wall += 8 * HOUR
    clocks.monotonic += 0.01

    assert clocks.run() - clocks.began == pytest.approx(8 * HOUR)


def test_a_pause_between_the_reading_of_two_clocks_is_no_step() -> None:
    """Whoever is stopped just then reads both once more."""
    clocks = Clocks()

    def wall() -> float:
        if not paused:
            paused.append(20.0)
            clocks.monotonic += 20.0
            clocks.wall += 20.0
            return clocks.wall - 20.0
        return clocks.wall

    paused = [0.0]
    steps: list[float] = []
    run = RunClock(lambda: clocks.monotonic, wall, steps.append)
    paused.clear()

    assert run() == pytest.approx(70.0)
    assert steps == []


@given(st.lists(st.tuples(st.floats(-2 * DAY, 2 * DAY), st.floats(0.0, 3.0)), max_size=20))
def test_it_never_runs_back(story: list[tuple[float, float]]) -> None:
    """Whatever is done to the wall."""
    clocks, readings = Clocks(), [0.0]
    for step, seconds in story:
        clocks.wall += step
        readings += clocks.pass_by(seconds)

    assert all(after >= before for before, after in pairwise(readings))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.3, "5 %"), (7200, "catch_up=burst"), (-7200, "half speed"), (-YEAR, "stays ahead")],
)
def test_the_line_says_what_becomes_of_it(seconds: float, words: str) -> None:
    """With the clock's step in seconds."""
    _, line = step_line(seconds, CatchUp.BURST, restarted=False)

    assert words in line
    assert f"seconds={seconds:+.3f}" in line


def said_over_a_step(rule: CatchUp, step: float, *, anew: bool = False) -> list[int]:
    """Seconds of plant time that are said when the wall is set after three of ten; a plant of a row a second."""
    clocks, times, plant = Clocks(), list[int](), ListPlant()

    wake = asyncio.Event()

    def on_turn() -> None:
        if anew and clocks.steps:
            pacer.restart()
            clocks.steps.clear()

    def begin(start: float) -> None:
        plant.said = int(start)

    pacer = Pacer(
        plant,
        MessageQueue(100_000, QueuePolicy.DROP_OLDEST, on_room=wake.set),
        Timing(clocks.wall, follows_wall=True),
        clocks.run,
        wake=wake,
        hooks=PacerHooks(
            on_turn=on_turn,
            on_messages=lambda messages: times.extend(message.time_ms // 1000 for message in messages),
        ),
        late_policy=LatePolicy(rule, on_restart=begin),
    )
    plant.said, began = int(clocks.wall), int(clocks.wall)

    async def story() -> None:
        running = asyncio.create_task(pacer.run())
        for tenth in range(100):
            if tenth == 35:
                clocks.wall += step
            clocks.pass_by(0.1)
            wake.set()
            for _ in range(60):
                await asyncio.sleep(0)
        pacer.stop()
        await running

    asyncio.run(story())
    return [moment - began for moment in times]


@pytest.mark.parametrize(
    ("rule", "step", "said"),
    [
        (CatchUp.BURST, 20.0, list(range(1, 30))),
        (CatchUp.SKIP, 20.0, [1, 2, 3, 24, 25, 26, 27, 28, 29]),
        (CatchUp.STRETCH, 20.0, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (CatchUp.BURST, -4.0, [1, 2, 3, 4, 5, 6]),
        (CatchUp.BURST, -YEAR, list(range(1, 10))),
    ],
)
def test_the_plant_goes_with_the_wall_by_the_declared_rule(rule: CatchUp, step: float, said: list[int]) -> None:
    """Forward all is said, left out or put off; back no time is said twice, and the plant does not stand still."""
    assert said_over_a_step(rule, step) == said


def test_a_plant_that_begins_anew_leaves_out_what_lies_between() -> None:
    """It goes on at the last whole minute of the new time."""
    said = said_over_a_step(CatchUp.BURST, YEAR, anew=True)

    assert said[:4] == [1, 2, 3, said[3]]
    assert YEAR - 60 < said[3] <= YEAR + 4
    assert said[3:] == list(range(said[3], said[-1] + 1))
    assert said[-1] == pytest.approx(YEAR + 10, abs=1)


def test_a_plant_that_begins_anew_is_that_of_a_run_that_starts_there() -> None:
    """The same bytes."""
    anew = FactoryMessageGenerator.of(parse(default()), "1")
    anew.advance(START + 600)
    anew.begin_anew(START + YEAR)
    other = FactoryMessageGenerator.of(parse(default()), "1", start=START + YEAR)

    assert anew.advance(START + YEAR + 60) == other.advance(START + YEAR + 60)


SET_BY_HAND = """
import os, pathlib, sys, time
real, file = time.time, pathlib.Path(sys.argv[1])
time.time = lambda: real() + float(file.read_text())
from app import main
sys.exit(main(sys.argv[2:], os.environ))
"""


def test_a_daemon_follows_a_clock_that_is_set(tmp_path: Path) -> None:
    """An hour forward: each machine goes on in its rhythm, up to the new time; the log and the statistics tell."""
    offset = tmp_path / "offset"
    offset.write_text("0")
    call = [sys.executable, "-c", SET_BY_HAND, str(offset), "--dry-run", "--seed", "1"]
    env = {"PATH": os.environ["PATH"]}
    with subprocess.Popen(
        call, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        times: dict[str, list[float]] = defaultdict(list)
        for line in process.stdout:
            row = json.loads(line)["payload"]
            moment = datetime.fromisoformat(row["timestamp"]).timestamp()
            times[row.get("machine_id", "")].append(moment)
            if len(times) == 4:
                offset.write_text("3600")
            if moment > time.time() + 3599:
                process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
    gaps = [round(after - before, 3) for after, before in ((b, a) for a, b in pairwise(times["CNC-01"]))]

    assert len(gaps) > 700
    assert set(gaps) == {5.0}
    assert re.search(r"wall clock went forward \(it was set, or the machine slept\), .* seconds=\+3600\.", log)
    assert re.search(r"Clock: steps=1 ahead=-?0\.\ds", log)


@pytest.mark.timeout(60)
def test_a_process_that_was_stopped_drops_nothing(tmp_path: Path) -> None:
    """Three seconds of SIGSTOP at 1,000 messages a second, with a queue of 500: more than it could hold."""
    plant = tmp_path / "plant.yaml"
    plant.write_text(one_cnc(report_seconds=0.1, count=100))
    with running(EmbeddedBroker()) as broker:
        flags = [*plain(broker), "--http-port", "0", "--queue-size", "500", "--stats-interval", "0", "--seed", "1"]
        with DaemonProcess(*flags, "--message-config-path", str(plant)) as daemon:
            daemon.says("first on factory")
            daemon.signal(signal.SIGSTOP)
            time.sleep(3.0)
            daemon.signal(signal.SIGCONT)
            wait_until(lambda: broker.counters.publishes.total() > 3_500, 30, "what fell due in the stall")
            daemon.signal(signal.SIGTERM)
            assert daemon.wait() == 0

    assert "Messages Failed: 0\n" in daemon.log
