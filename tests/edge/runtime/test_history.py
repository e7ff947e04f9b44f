"""Facts about what is said late: how fast it goes, and what is told of it."""

from __future__ import annotations

import logging
import re
import time
from math import inf

import pytest

from edge.runtime.history import LatePolicy, Progress, Throttle, history_rate
from edge.runtime.pacer import Pacer, Timing
from edge.settings.loader import Settings
from edge.settings.types import QueuePolicy
from tests.edge.runtime.test_pacer import Bench, ListPlant
from tests.support.processes.daemon import DaemonProcess


def throttled(timing: Timing, rate: float, policy: QueuePolicy = QueuePolicy.DROP_OLDEST) -> Bench:
    """A bench whose pacer may say so many messages a second that are late."""
    bench = Bench(timing, size=50, policy=policy)
    bench.pacer = Pacer(
        ListPlant(),
        bench.outbox,
        timing,
        lambda: bench.elapsed,
        wake=bench.wake,
        hooks=bench.hooks,
        late_policy=LatePolicy(throttle=Throttle(rate)),
    )
    return bench


def test_so_many_pass_a_second_and_no_more_than_a_tenth_of_it_at_once() -> None:
    """However long nobody asked."""
    throttle, passed = Throttle(1000.0), 0.0
    throttle.allowed(0.0)
    assert throttle.allowed(50.0) == 101
    throttle.spend(101)
    for hundredth in range(1, 101):
        allowed = throttle.allowed(50.0 + hundredth / 100)
        throttle.spend(int(allowed))
        passed += allowed

    assert passed == pytest.approx(1000, abs=1)
    assert throttle.allowed(51.0) == 0
    assert 0 < throttle.wait_seconds <= 0.011


def test_without_a_limit_all_pass() -> None:
    """And it is asked again at once."""
    assert Throttle().allowed(1.0) == inf
    assert Throttle().wait_seconds < 0.01


def test_a_rate_below_one_message_a_second_gets_on_too() -> None:
    """One in ten seconds."""
    throttle = Throttle(0.1)
    throttle.allowed(0.0)

    assert [throttle.allowed(9.0), throttle.allowed(10.1)] == [0, 1]


@pytest.mark.parametrize(
    ("asked", "own", "unheard", "parts", "rate"),
    [
        (None, 4.0, False, 1, 2000.0),
        (None, 4.0, False, 4, 500.0),
        (None, 3000.0, False, 1, 6000.0),
        (None, 4.0, True, 1, inf),
        (100.0, 4.0, True, 1, 100.0),
        (100.0, 500.0, False, 1, 1000.0),
        (0.0, 4.0, False, 1, inf),
    ],
)
def test_the_rate_spares_subscribers_and_catches_up(
    asked: float | None, own: float, unheard: bool, parts: int, rate: float
) -> None:
    """What was asked for; else 2,000 of all parts together. Never so little that the plant would run away from it."""
    assert history_rate(asked, own, unlimited=unheard, parts=parts) == rate


def test_workers_share_the_rate() -> None:
    """Together they say what was asked of the whole."""
    settings = Settings.load({"SEED": "1", "WORKERS": "4", "HISTORY_RATE": "1000"}, pid=1)

    assert [part.history_rate for part in settings.of_workers()] == [250.0] * 4


def test_history_goes_at_its_rate_and_life_by_the_clock() -> None:
    """A minute and what falls due meanwhile, at 10 messages a second where one falls due: 7 s, and then one each."""
    bench = throttled(Timing(0.0, live_from=60.0), 10.0).play(*[0.05] * 300, take=True)
    rates = [sum(1 for moment in bench.moments if int(moment) == second) for second in range(15)]

    assert bench.times[:74] == list(range(1, 75))
    assert set(rates[1:6]) <= {9, 10, 11}
    assert set(rates[8:14]) == {1}


def test_what_a_stall_has_left_goes_at_that_rate_too() -> None:
    """Thirty seconds of it at 10 messages a second."""
    bench = throttled(Timing(0.0), 10.0).play(*[0.05] * 70, 30.0, *[0.05] * 120, take=True)

    assert bench.times[:39] == list(range(1, 40))
    assert 2.5 < bench.moments[32] - bench.moments[3] < 3.5


def test_history_at_a_speed_meets_life_where_it_overtakes_it() -> None:
    """Ten minutes at speed 61: a minute of it each second, and after ten it is now."""
    bench = Bench(Timing(0.0, live_from=600.0, history_speed=61.0), size=10_000)
    bench.play(*[0.1] * 150, take=True)

    assert bench.times == list(range(1, 616))
    assert [bench.moments[place] for place in (60, 300, 614)] == pytest.approx([1.0, 5.0, 15.0], abs=0.11)


def test_what_falls_behind_at_a_speed_is_not_dropped_either() -> None:
    """A queue of 10 that is emptied only now and then holds history back."""
    bench = Bench(Timing(0.0, live_from=300.0, history_speed=60.0), size=10).play(*[0.5] * 40, *[0.0] * 60, take=True)

    assert bench.times == list(range(1, 321))
    assert bench.outbox.ledger.failed == 0


def test_progress_is_told_every_few_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """Plant time, share, pace and time left; and once at the end."""
    said = [0]
    progress = Progress(0.0, lambda: said[0], live=True)
    with caplog.at_level(logging.INFO):
        for second in range(13):
            said[0] = 400 * second
            progress.update(100.0 + second, 101.0 * second, 3600.0 + second)
        progress.end(136.0, 3636.0)
        progress.end(137.0, 3637.0)

    assert [record.getMessage() for record in caplog.records] == [
        "replaying history at=1970-01-01T00:08:25Z done=14.0% rate=400/s left=0:00:31",
        "replaying history at=1970-01-01T00:16:50Z done=28.0% rate=400/s left=0:00:26",
        "history complete, continuing in real time to=1970-01-01T01:00:36Z messages=4800 seconds=36.0 rate=133/s",
    ]


def test_progress_without_an_end_tells_where_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """No share, and no time left; what does not get on is never over."""
    with caplog.at_level(logging.INFO):
        for goal in (inf, 1000.0):
            progress = Progress(0.0, lambda: 0, live=False)
            progress.update(0.0, 0.0, goal)
            progress.update(6.0, 0.0, goal)

    assert [record.getMessage() for record in caplog.records] == [
        "replaying history at=1970-01-01T00:00:00Z rate=0/s",
        "replaying history at=1970-01-01T00:00:00Z done=0.0% rate=0/s left=never",
    ]


def test_a_few_seconds_are_no_history_to_speak_of(caplog: pytest.LogCaptureFixture) -> None:
    """Such as those that several processes take to begin."""
    with caplog.at_level(logging.INFO):
        progress = Progress(0.0, lambda: 3, live=True)
        progress.update(0.0, 0.0, 5.0)
        progress.end(1.0, 5.0)

    assert caplog.records == []


def test_a_count_is_a_goal_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """The nearer of the two counts."""
    said = [0]
    progress = Progress(0.0, lambda: said[0], live=False, count=1000)
    with caplog.at_level(logging.INFO):
        progress.update(0.0, 0.0, inf)
        said[0] = 500
        progress.update(5.0, 60.0, inf)

    assert "done=50.0% rate=100/s left=0:00:05" in caplog.text


def test_a_daemon_keeps_to_the_rate_and_tells_how_it_went() -> None:
    """1,500 messages at 1,000 a second take a second and a half, or longer on a busy machine."""
    flags = ["--dry-run", "--speed", "max", "--seed", "1", "--count", "1500", "--history-rate", "1000"]
    started = time.monotonic()
    with DaemonProcess(*flags) as daemon:
        assert daemon.wait() == 0
    took = time.monotonic() - started

    assert len(daemon.output) == 1500
    told = re.search(r"history complete to=\S+ messages=1500 seconds=(\d+\.\d) rate=(\d+)/s", daemon.log)
    assert told
    assert 1.35 < float(told[1]) <= took + 0.05
    assert 1500 / (float(told[1]) + 0.06) <= int(told[2]) <= 1500 / (float(told[1]) - 0.06)


def test_history_slower_than_the_plant_is_refused() -> None:
    """It would never come to an end: exit code 2, and a line with both rates."""
    flags = ["--dry-run", "--duration", "60", "--then-live", "--history-rate", "3"]
    with DaemonProcess(*flags) as daemon:
        assert daemon.wait() == 2

    assert daemon.errors[-1] == "HISTORY_RATE: must be above the plant's own 3.7 messages/s with --then-live, not 3\n"
