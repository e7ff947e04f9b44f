"""Pacing: whether the rate that was asked for is the rate that comes, on time, and with a broker that stands still."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.broker import BenchBroker
from benchmarks.progress import Say
from benchmarks.runs.arrivals import Arrivals
from benchmarks.runs.lateness import Late, Stall, by_second, caught_up, outside
from benchmarks.runs.live import began, bound_of, finish, plant_file, rows_due, said_last, start, turns_by_lateness

MACHINES = 22
_LINE_SECONDS, _LAST_SECONDS, _END_SECONDS = 10.0, 1.0, 60.0


class Asked(NamedTuple):
    """rate: rows a second.  seconds: for how long.  stall_seconds: for how long in the middle the broker stops."""

    rate: float
    seconds: float
    stall_seconds: float


@dataclass(frozen=True, slots=True)
class Paced:
    """What came of it.

    due: rows by the plant's own arithmetic.  delivered: to a subscriber.  counted: by the broker.
    acknowledged: by the daemon's count.
    outside, whole: rows, from timestamp to arrival, without and with what the stall has made late.
    told_p50_ms, told_p99_ms: turns of the run loop without the stall, by its own histogram; at most that.
    caught_up_seconds: from the end of the stall until rows came on time again.  arrived: by second of the run.
    """

    rate: float
    seconds: float
    stall_seconds: float
    due: int
    delivered: int
    counted: int
    acknowledged: int
    outside: Late
    whole: Late
    told_p50_ms: float
    told_p99_ms: float
    caught_up_seconds: float
    arrived: list[int]

    @classmethod
    def of(cls, stored: dict[str, Any]) -> Self:
        """From plain data, as `dataclasses.asdict` makes it."""
        return cls(**stored | {name: Late(**stored[name]) for name in ("outside", "whole")})

    @property
    def off(self) -> int:
        """By how many rows the count is wrong, whoever counts."""
        return max(abs(count - self.due) for count in (self.delivered, self.counted, self.acknowledged))

    @property
    def rate_error(self) -> float:
        """Share by which the rows that came differ from rate times seconds; orders and dispatches are among them."""
        return self.delivered / (self.rate * self.seconds) - 1


class _Seen(NamedTuple):
    begin: float
    stall: Stall
    turns: dict[float, float]


def pace(broker: BenchBroker, asked: Asked, say: Say) -> Paced:
    """Run the daemon for so long, its queue waiting for room rather than dropping."""
    before = broker.count()
    with tempfile.TemporaryDirectory() as directory, Arrivals(broker.port) as arrivals:
        file = plant_file(Path(directory), MACHINES, asked.rate)
        flags = ("--message-config-path", file, "--duration", str(asked.seconds), "--queue-policy", "block")
        with start(broker.port, *flags) as process:
            seen = _attend(process.url(), broker, asked, arrivals, say)
            finish(process, asked.seconds + _END_SECONDS)
        due = rows_due(MACHINES, asked.rate, seen.begin, asked.seconds)
        broker.count_to(before + due)
        counted = broker.count() - before  # with what came without being due
    acknowledged = int(said_last(process.log, "Messages Sent"))
    return _paced(asked, seen, arrivals, due=due, counted=counted, acknowledged=acknowledged)


def _attend(url: str, broker: BenchBroker, asked: Asked, arrivals: Arrivals, say: Say) -> _Seen:
    """Watch the run to its last second, and stop the broker in its middle."""
    begin = began(url)
    stall_at = begin + (asked.seconds - asked.stall_seconds) / 2
    _watch(arrivals, begin, stall_at, say)
    turns = [turns_by_lateness(url)]
    say(f"the broker stands still for {asked.stall_seconds:.1f} s")
    with broker.stalled():
        stalled_at = time.time()
        time.sleep(asked.stall_seconds)
    stall = Stall(stalled_at, time.time())
    # The histogram is read again when all has been caught up with for certain, and before the process ends.
    for until in (stall.end + 1 + asked.stall_seconds / 2, begin + asked.seconds - _LAST_SECONDS):
        _watch(arrivals, begin, until, say)
        turns.append(turns_by_lateness(url))
    unstalled = {bound: turns[0][bound] + turns[2][bound] - turns[1][bound] for bound in turns[0]}
    return _Seen(begin, stall, unstalled)


def _watch(arrivals: Arrivals, begin: float, until: float, say: Say) -> None:
    """Wait until a moment, with a line each ten seconds."""
    while (now := time.time()) < until:
        known = len(arrivals.came)
        time.sleep(min(_LINE_SECONDS, until - now))
        worst_ms, count = 1000 * max(arrivals.late(known), default=0.0), len(arrivals.came)
        say(f"{time.time() - begin:.0f} s: {count:,} rows, the latest since the line before by {worst_ms:.1f} ms")


def _paced(asked: Asked, seen: _Seen, arrivals: Arrivals, *, due: int, counted: int, acknowledged: int) -> Paced:
    rows = arrivals.due, arrivals.came
    return Paced(
        *asked,
        due=due,
        delivered=len(arrivals.came),
        counted=counted,
        acknowledged=acknowledged,
        outside=Late.of(outside(*rows, seen.stall)),
        whole=Late.of(arrivals.late()),
        told_p50_ms=1000 * bound_of(0.5, seen.turns),
        told_p99_ms=1000 * bound_of(0.99, seen.turns),
        caught_up_seconds=caught_up(*rows, seen.stall) - seen.stall.end,
        arrived=by_second(arrivals.came, seen.begin),
    )
