"""Facts about the run loop: the clock is the test's own, and the plant a list of times."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf

import pytest

from edge.delivery.queue import MessageQueue
from edge.runtime.history import LatePolicy, Throttle
from edge.runtime.pacer import Pacer, PacerHooks, Timing
from edge.runtime.run_options import RunOptions, UsageError
from edge.settings.types import CatchUp, QueuePolicy
from plant.telemetry import Message
from tests.support.processes.options import parsed


class ListPlant:
    """Says one message a second, at whole seconds of plant time."""

    def __init__(self) -> None:
        self.said = 0

    def advance(self, now: float) -> list[Message]:
        """Every whole second up to `now`."""
        seconds = range(self.said + 1, int(now) + 1)
        self.said = max(self.said, int(now))
        return [Message("cnc_machine", "CNC-01", None, second * 1000, second, b"{}") for second in seconds]

    def advance_silently(self, now: float) -> None:
        """The seconds up to `now` go by."""
        self.advance(now)

    def next_due(self) -> float:
        """The next whole second."""
        return self.said + 1.0


class Bench:
    """A pacer, and a clock that jumps when the test says so."""

    def __init__(
        self,
        timing: Timing,
        size: int = 10_000,
        policy: QueuePolicy = QueuePolicy.DROP_OLDEST,
        count: int | None = None,
        catch_up: CatchUp = CatchUp.BURST,
        throttle: Throttle | None = None,
    ):
        self.elapsed = 0.0
        self.lateness: list[float] = []
        self.times: list[int] = []
        self.moments: list[float] = []
        self.wake = asyncio.Event()
        self.outbox = MessageQueue(size, policy, on_room=self.wake.set)
        self.pacer = Pacer(
            ListPlant(), self.outbox, timing, lambda: self.elapsed,
            wake=self.wake, hooks=self.hooks, count=count, late_policy=LatePolicy(catch_up, throttle or Throttle()),
        )  # fmt: skip

    @property
    def hooks(self) -> PacerHooks:
        """They note what is emitted, when, and how late."""
        return PacerHooks(on_messages=self._note, on_late=self.lateness.append)

    def _note(self, messages: Sequence[Message]) -> None:
        self.times += [message.time_ms // 1000 for message in messages]
        self.moments += [round(self.elapsed, 3)] * len(messages)

    async def let(self, seconds: float) -> None:
        """Let so much time pass on the wall, and the loop turn until it has nothing more to do."""
        self.elapsed += seconds
        self.wake.set()
        for _ in range(60):
            await asyncio.sleep(0)

    def play(self, *seconds: float, take: bool = False, then: Sequence[float] = (), then_take: bool = False) -> Bench:
        """Let time pass in steps; with `take` the outbox is emptied after each. `then` come more steps."""

        async def story() -> None:
            running = asyncio.create_task(self.pacer.run())
            for step, taking in [*((step, take) for step in seconds), *((step, then_take) for step in then)]:
                await self.let(step)
                while taking and len(self.outbox):
                    self.outbox.acknowledged(*self.outbox.take(1))
                    await self.let(0)
            self.pacer.stop()
            await running

        asyncio.run(story())
        return self


def test_messages_are_handed_over_when_they_are_due() -> None:
    """Nothing early, everything once, in order."""
    bench = Bench(Timing(0.0)).play(0.9, 0.2, 2.0)

    assert bench.times == [1, 2, 3]
    assert bench.moments == [1.1, 3.1, 3.1]


def test_a_stall_is_caught_up_and_its_lateness_told() -> None:
    """After 100 s without a turn all that was due comes, and the first of it was 99 s late."""
    bench = Bench(Timing(0.0)).play(100.0)

    assert bench.times == list(range(1, 101))
    assert bench.lateness[0] == 99.0


@pytest.mark.parametrize(
    ("catch_up", "seconds_said"),
    [
        (CatchUp.BURST, list(range(1, 21))),
        (CatchUp.SKIP, [1, 2, 3, 18, 19, 20]),
        (CatchUp.STRETCH, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_after_a_stall_the_declared_rule_holds(catch_up: CatchUp, seconds_said: list[int]) -> None:
    """Three seconds, a stall of fourteen, three seconds more: all said, the stall left out, or time moved."""
    bench = Bench(Timing(0.0), catch_up=catch_up).play(1.0, 1.0, 1.0, 14.0, 0.999, 0.999, 0.999, 0.01)

    assert bench.times == seconds_said


def test_speed_is_plant_seconds_a_second() -> None:
    """At speed 60 a second on the wall is a minute in the plant; lateness is said in seconds on the wall."""
    bench = Bench(Timing(0.0, speed=60.0)).play(0.5, 0.5)

    assert bench.times == list(range(1, 61))
    assert max(bench.lateness) <= 0.5


def test_the_end_is_the_end() -> None:
    """What is due after it is not said, and the run is over."""
    bench = Bench(Timing(0.0, end=5.5)).play(3.0, 100.0)

    assert bench.times == [1, 2, 3, 4, 5]
    assert bench.pacer.finished


def test_a_count_is_the_end_too() -> None:
    """Exactly so many, however many are due."""
    bench = Bench(Timing(0.0), count=7).play(100.0)

    assert bench.times == list(range(1, 8))
    assert bench.pacer.finished


def test_as_fast_as_it_goes_nothing_is_dropped_for_want_of_room() -> None:
    """At speed max a queue of 10 takes a run of 1,000 without losing one, whatever its policy."""
    bench = Bench(Timing(0.0, end=1000.0, speed=inf), size=10).play(*[0.0] * 150, take=True)

    assert bench.times == list(range(1, 1001))
    assert bench.outbox.ledger.failed == 0
    assert bench.lateness == []


def test_what_came_due_while_history_was_said_is_not_lost_either() -> None:
    """Saying ten minutes of history takes 100 s here: all 700 come, and only then is the plant live."""
    bench = Bench(Timing(0.0, live_from=600.0), size=10).play(*[10.0] * 10, *[0.0] * 60, take=True)

    assert bench.times == list(range(1, 701))
    assert bench.outbox.ledger.failed == 0


@pytest.mark.parametrize(
    "timing", [Timing(0.0, live_from=600.0), Timing(0.0, process_start=-600.0)], ids=["history", "start"]
)
def test_history_waits_for_room_and_what_is_live_does_not(timing: Timing) -> None:
    """Ten minutes of history, or for which the process took to start, go through a queue of 10 whole; what falls due
    live while nobody takes anything gives way as always."""
    bench = Bench(timing, size=10).play(*[0.0] * 100, take=True, then=[0.5] * 100)

    assert bench.times == list(range(1, 651))
    assert bench.outbox.ledger.dropped == {"oldest": 40}


@pytest.mark.parametrize("policy", [QueuePolicy.DROP_OLDEST, QueuePolicy.DROP_NEWEST])
def test_what_fell_due_while_the_process_was_held_up_waits_for_room(policy: QueuePolicy) -> None:
    """A stall of 20 s at 50 rows a second, twice, and a queue of 10 that is emptied again and again: all is said."""
    bench = Bench(Timing(0.0, speed=50.0), size=10, policy=policy)
    bench.play(0.02, *[20.0, *[0.002] * 200] * 2, take=True)

    assert bench.times == list(range(1, len(bench.times) + 1))
    assert len(bench.times) >= 2000
    assert bench.outbox.ledger.failed == 0


def test_a_short_stall_of_a_fast_plant_is_no_reason_to_drop_either() -> None:
    """A fifth of a second at 1,000 rows a second: a slow reload, a busy call."""
    bench = Bench(Timing(0.0, speed=1000.0), size=50).play(0.01, 0.2, *[0.001] * 60, take=True)

    assert len(bench.times) >= 210
    assert bench.outbox.ledger.failed == 0


def test_a_stall_before_the_first_connection_is_kept_as_well() -> None:
    """The process is stopped for 20 s, half a second after it began, with a full queue; then somebody takes."""
    bench = Bench(Timing(0.0, speed=60.0, process_start=-0.5), size=10).play(
        0.1, 20.0, then=[0.002] * 200, then_take=True
    )

    assert bench.times == list(range(1, len(bench.times) + 1))
    assert len(bench.times) >= 1200
    assert bench.outbox.ledger.failed == 0


def test_a_stall_while_the_broker_is_away_changes_nothing_of_the_policy() -> None:
    """The queue was full before the stall, so it is the broker that is missing: the newest ten are kept, at once."""
    bench = Bench(Timing(0.0), size=10).play(*[0.5] * 40, 20.0)

    assert bench.times == list(range(1, 41))
    assert [message.sequence for message in bench.outbox.take(10)] == list(range(31, 41))


def test_a_broker_that_goes_with_the_stall_is_waited_for_only_a_while() -> None:
    """Nobody takes anything after it: for a quarter of a minute nothing is dropped, then the policy holds."""
    bench = Bench(Timing(0.0), size=10).play(1.0, 20.0, *[0.5] * 28)
    assert bench.outbox.ledger.failed == 0
    assert bench.times == list(range(1, 11))

    bench = Bench(Timing(0.0), size=10).play(1.0, 20.0, *[0.5] * 38)
    assert bench.times == list(range(1, 41))
    assert bench.outbox.ledger.dropped == {"oldest": 30}


@pytest.mark.parametrize(("seconds", "lost"), [(1.5, False), (3.0, True)])
def test_what_falls_due_while_a_process_connects_is_kept_for_two_seconds(seconds: float, lost: bool) -> None:
    """Sixty rows a second, a queue of 10, and nobody who takes any at first."""
    bench = Bench(Timing(0.0, speed=60.0, process_start=-0.5), size=10)
    bench.play(*[0.05] * round(seconds / 0.05), then=[0.0] * 100, then_take=True)

    assert bench.times == list(range(1, len(bench.times) + 1))
    assert len(bench.times) >= int(60 * (0.5 + seconds)) - 1
    assert bool(bench.outbox.ledger.failed) is lost


def test_a_full_queue_that_blocks_holds_the_plant_back_and_loses_nothing() -> None:
    """Under `block` the rest comes when there is room."""
    bench = Bench(Timing(0.0), size=3, policy=QueuePolicy.BLOCK).play(10.0, *[0.0] * 10, take=True)

    assert bench.times == list(range(1, 11))
    assert bench.outbox.ledger.failed == 0


NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("flags", "timing"),
    [
        ("", Timing(NOW, follows_wall=True)),
        ("--duration 60", Timing(NOW, end=NOW + 60)),
        ("--start 1970-01-02 --duration 60 --speed max", Timing(86_400.0, end=86_460.0, speed=inf)),
        ("--start 1970-01-02T01:00:00+01:00 --speed 2.5", Timing(86_400.0, speed=2.5)),
        ("--duration 600 --then-live", Timing(NOW - 600, live_from=NOW, follows_wall=True)),
        ("--start 1970-01-02 --then-live", Timing(86_400.0, live_from=NOW, follows_wall=True)),
        (
            "--duration 600 --then-live --speed 60",
            Timing(NOW - 600, live_from=NOW, history_speed=60, follows_wall=True),
        ),
        ("--start 1970-01-02 --duration 60 --then-live", Timing(86_400.0, live_from=86_460.0)),
    ],
)
def test_flags_say_which_stretch_of_time_is_played(flags: str, timing: Timing) -> None:
    """From now on in real time, unless told otherwise; a time without a zone is UTC."""
    assert parsed(RunOptions, "run", *flags.split()).timing(NOW) == timing


@pytest.mark.parametrize(
    "flags", ["--then-live", "--then-live --duration 5 --speed 1", "--then-live --start 2100-01-01"]
)
def test_flags_that_contradict_each_other_are_told(flags: str) -> None:
    """With a sentence that names the flag."""
    with pytest.raises(UsageError, match="--then-live: "):
        parsed(RunOptions, *flags.split()).timing(NOW)


def test_a_stall_of_a_busy_plant_is_brought_up_in_small_slices() -> None:
    """No list of seconds of rows is ever there at once: its memory would never be given back."""
    asked: list[float] = []

    class Busy(ListPlant):
        def advance(self, now: float) -> list[Message]:
            asked.append(now)
            rows = round((asked[-1] - asked[-2] if len(asked) > 1 else now) * 20_000)
            lists.append(rows)
            return [Message("cnc_machine", "CNC-01", None, round(now * 1000), 1, b"{}")] * rows

    lists: list[int] = []
    bench = Bench(Timing(0.0), size=100_000)
    bench.pacer = Pacer(Busy(), bench.outbox, Timing(0.0), lambda: bench.elapsed, wake=bench.wake, hooks=bench.hooks)
    bench.play(0.01, 0.01, 0.5)

    assert sum(lists) == pytest.approx(0.52 * 20_000, abs=1)
    assert max(lists) <= 2000


def test_a_plant_that_works_much_and_says_little_is_left_alone_between_short_slices() -> None:
    """Signals, commands and readers that stall are seen to between slices, however few messages a day of it has."""
    bench = Bench(Timing(0.0))
    took: list[float] = []

    class Laborious(ListPlant):
        """A second of plant time takes it a millisecond, and has no messages."""

        reached = 0.0

        def advance(self, now: float) -> list[Message]:
            took.append((now - self.reached) / 1000)
            self.reached = now
            bench.elapsed += took[-1]
            return []

    timing = Timing(0.0, end=86_400.0, speed=inf)
    bench.pacer = Pacer(Laborious(), bench.outbox, timing, lambda: bench.elapsed, wake=bench.wake)
    asyncio.run(bench.pacer.run())

    assert sum(took) == pytest.approx(86.4)
    assert max(took) <= 0.25


class Commanded(Bench):
    """A command comes while the plant catches up; it is executed between two slices."""

    def __init__(self, timing: Timing) -> None:
        self.at, self.executed_at = inf, inf
        super().__init__(timing, throttle=Throttle(2000.0))

    @property
    def hooks(self) -> PacerHooks:
        """They note when the command is executed."""
        return PacerHooks(on_messages=self._note, next_command=lambda: self.at, on_command=self._execute)

    def _execute(self) -> None:
        self.at, self.executed_at = inf, self.elapsed


def test_a_command_waits_for_few_of_the_messages_that_a_stall_has_left() -> None:
    """They come at 2,000 a second; the slice in work is worth at most a twentieth of a second of them."""
    bench = Commanded(Timing(0.0, speed=500.0))

    async def story() -> None:
        running = asyncio.create_task(bench.pacer.run())
        await bench.let(0.1)
        await bench.let(30.0)
        for _ in range(100):
            await bench.let(0.01)
        bench.at, asked_at = 0.0, bench.elapsed
        while bench.executed_at == inf:
            await bench.let(0.002)
        assert bench.executed_at - asked_at <= 0.05
        bench.pacer.stop()
        await running

    asyncio.run(story())


class Suspending(Bench):
    """At 3 s a command suspends the pacer, as the trial of a configuration does."""

    at = 3.0

    @property
    def hooks(self) -> PacerHooks:
        """They note what is emitted, and what the command does."""
        return PacerHooks(on_messages=self._note, next_command=lambda: self.at, on_command=self._suspend)

    def _suspend(self) -> None:
        self.at = inf
        self.pacer.suspend()


def test_a_command_that_suspends_the_plant_does_so_at_once() -> None:
    """Not after the rest of the turn: what is only tried must emit nothing."""
    bench = Suspending(Timing(0.0))

    async def story() -> None:
        running = asyncio.create_task(bench.pacer.run())
        await bench.let(8.0)
        assert bench.times == [1, 2, 3]
        bench.pacer.resume()
        await bench.let(0.0)
        bench.pacer.stop()
        await running

    asyncio.run(story())

    assert bench.times == [1, 2, 3, 4, 5, 6, 7, 8]
