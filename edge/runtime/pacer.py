"""The run loop: has the plant say what is due, when it is due, and hands it to the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from edge.delivery.queue import MessageQueue
from edge.runtime.history import Progress, Throttle
from edge.settings.types import CatchUp
from plant.telemetry import Message

_SHORTEST_SLEEP_SECONDS, _LONGEST_SLEEP_SECONDS = 0.002, 0.5
_STALL_SECONDS, _START_SECONDS = 1.0, 2.0
_HELD_UP_SECONDS, _PATIENCE_SECONDS = 0.1, 15.0
_ANEW_SECONDS = 60.0
_FEWEST_A_TURN, _MOST_A_TURN = 500, 2000
_SHORTEST_SLICE_SECONDS, _FIRST_SLICE_SECONDS, _LONGEST_SLICE_SECONDS = 0.001, 0.05, 3600.0
_SHORT_SKIP_SECONDS, _LONG_SKIP_SECONDS = 0.005, 0.02


class Plant(Protocol):
    """What says messages. Times are Unix seconds of plant time."""

    def advance(self, now: float) -> Sequence[Message]:
        """Everything due since the last call, up to and including `now`, in time order."""

    def live(self, now: float) -> None:
        """Let time pass up to `now` and say nothing."""

    def next_due(self) -> float:
        """When the next message is due."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How plant time follows a clock. Plant times are Unix seconds.

    start: plant time at the beginning.  end: where to stop.  speed: plant seconds a second; inf is as fast as it goes.
    live_from: history lies before it; from there on plant time runs as if it had left `live_from` when the process
    began. Until the plant has caught up with it, it speaks as fast as it is heard, and nothing is dropped for want of
    room.  history_speed: plant seconds a second until then.
    follows_wall: plant time is that of the clock on the wall, and is put right with it.
    born: the reading of the run's clock as the process began, None for when the pacer is made. A plant takes time to
    be built, and its rows are not to bear times that lie as far back.
    """

    start: float
    end: float = inf
    speed: float = 1.0
    live_from: float = -inf
    history_speed: float = inf
    follows_wall: bool = False
    born: float | None = None

    @property
    def begins_with_history(self) -> bool:
        """There is a past to be said before, or nothing but it."""
        return self.speed == inf or self.live_from > self.start

    def live_time(self, elapsed_seconds: float) -> float:
        """Where the plant should be after so much time, once history is said."""
        if self.speed == inf:
            return inf
        return max(self.start, self.live_from) + elapsed_seconds * self.speed

    def plant_time(self, elapsed_seconds: float) -> float:
        """Where the plant should be after so much time."""
        live = self.live_time(elapsed_seconds)
        return live if self.history_speed == inf else min(live, self.start + elapsed_seconds * self.history_speed)

    def history_ends(self, elapsed_seconds: float) -> float:
        """Until when, in plant time, the plant has to catch up at first; inf for as long as it takes.

        What falls due while the process starts and connects is like history. A broker that stays away longer is not.
        """
        if self.begins_with_history:
            return inf
        return self.start if self.born is None else self.plant_time(elapsed_seconds + _START_SECONDS)


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """What becomes of what is said later than it was due.

    rule: for what fell due while the process was held up for more than a second.  throttle: holds back history, and
    what a stall has left.  progress: told how history gets on.  on_anew: has the plant begin anew at a plant time,
    after `begin_anew`.
    """

    rule: CatchUp = CatchUp.BURST
    throttle: Throttle = field(default_factory=Throttle)
    progress: Progress | None = None
    on_anew: Callable[[float], None] = lambda _start: None


class Pacer:
    """Drives a plant by a clock.

    clock: seconds, which may leap forward and never run back.  count: messages to stop after.
    on_messages: told of what was handed over.  on_late: told, at each turn that has something live to say, how many
    seconds after its deadline that is.
    """

    def __init__(
        self,
        plant: Plant,
        outbox: MessageQueue,
        timing: Timing,
        clock: Callable[[], float],
        *,
        on_late: Callable[[float], None],
        on_messages: Callable[[Sequence[Message]], None] = lambda _messages: None,
        count: int | None = None,
        arrears: LatePolicy | None = None,
    ) -> None:
        arrears = arrears or LatePolicy()
        self._after_stall = {
            CatchUp.BURST: lambda: None,
            CatchUp.SKIP: self._skip,
            CatchUp.STRETCH: self._stretch,
        }[arrears.rule]
        self._turned_at = clock()
        self._born = self._turned_at if timing.born is None else timing.born
        self._plant, self._outbox, self._timing, self._clock = plant, outbox, timing, clock
        self._on_messages, self._on_late, self._on_anew = on_messages, on_late, arrears.on_anew
        self._reached, self._slice_seconds = timing.start, _FIRST_SLICE_SECONDS
        self._skip_to, self._skip_seconds = -inf, _FIRST_SLICE_SECONDS
        self._history_ends = timing.history_ends(self._turned_at - self._born)
        self._in_history = self._reached < self._history_ends
        self._throttle, self._progress = arrears.throttle, arrears.progress
        self._left = inf if count is None else count
        self._held: Sequence[Message] = ()
        # The lag, in seconds, up to which what a stall has left waits for room; 0 while nothing is left of one.
        self._most_lag_seconds = 0.0
        self._overflows = self._anew = False
        self.stretched_seconds = 0.0
        self._rested_seconds = 0.0
        self._wake, self._free = asyncio.Event(), asyncio.Event()
        self._free.set()
        self._stopped = False
        outbox.on_room = self.wake

    @property
    def finished(self) -> bool:
        """All that was asked for has been handed over."""
        return not self._left or (self._reached >= self._timing.end and not self._held)

    @property
    def held(self) -> Sequence[Message]:
        """What the plant has said and the outbox has not taken yet."""
        return self._held[: int(min(self._left, len(self._held)))]

    @property
    def target(self) -> float:
        """Where, in plant time, the plant should be as of the last turn."""
        return min(self._timing.plant_time(self._turned_at - self._born), self._timing.end)

    @property
    def _says_history(self) -> bool:
        """It says what was asked for as history, and not only what fell due while the process began."""
        return self._in_history and self._timing.begins_with_history

    def stop(self) -> None:
        """Say nothing more."""
        self._stopped = True
        self.go_on()

    def hold(self) -> None:
        """Leave the plant alone until told to go on."""
        self._free.clear()

    def go_on(self) -> None:
        """Drive the plant again after `hold`, and look at once: it may say far more in the same time than before."""
        self._slice_seconds = min(self._slice_seconds, _FIRST_SLICE_SECONDS)
        self._free.set()
        self.wake()

    def begin_anew(self) -> bool:
        """Say nothing of what lies between here and where the clock is now: at the next turn the plant begins there.

        False, and nothing is done, while history is said: that is to be whole.
        """
        self._anew = not self._says_history
        return self._anew

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until `finished` or stopped."""
        while await self._free.wait() and not (self._stopped or self.finished):
            self._turn()
            await self._rest()

    def _turn(self) -> None:
        before, self._turned_at = self._turned_at, self._clock()
        if self._anew:
            self._start_over()
        held_up_seconds = self._turned_at - before - self._rested_seconds
        if held_up_seconds > _HELD_UP_SECONDS and not self._says_history:
            self._was_held_up(held_up_seconds)
        if not self._held:
            if not self._in_history and self._lag_seconds > _STALL_SECONDS:
                self._after_stall()
            self._held = self._due()
        self._hand_over()
        self._judge_what_waits()

    def _start_over(self) -> None:
        """Begin at a whole minute, so that the parts of a plant, which each see the clock for themselves, agree."""
        self._anew, self._held = False, ()
        self._reached = self.target - self.target % _ANEW_SECONDS
        self._on_anew(self._reached)

    def _was_held_up(self, seconds: float) -> None:
        """Have what fell due meanwhile wait for room: it is we who were away, not the broker.

        Where the queue overflowed before that already, the broker is away or slow, and the policy holds as it did.
        """
        if self._most_lag_seconds:
            self._most_lag_seconds += seconds
        elif not self._overflows:
            self._most_lag_seconds = self._lag_seconds + _PATIENCE_SECONDS

    def _judge_what_waits(self) -> None:
        """End waiting for room once the plant has caught up, or where it only falls further behind."""
        behind = bool(self._held) or self._reached < self.target
        if self._in_history:
            live = self._timing.live_time(self._turned_at - self._born)
            goal = min(live, self._history_ends, self._timing.end)
            self._in_history = bool(self._held) or self._reached < goal
            self._tell_progress(goal)
        elif self._most_lag_seconds:
            over = not behind or self._lag_seconds > self._most_lag_seconds
            # With all that has found room the patience counts anew.
            nearest = min(self._most_lag_seconds, self._lag_seconds + _PATIENCE_SECONDS)
            self._most_lag_seconds = 0.0 if over else nearest

    def _tell_progress(self, goal: float) -> None:
        if self._progress and not (self._in_history and not self.finished):
            self._progress.end(self._turned_at, self._reached)
        elif self._progress:
            self._progress.look(self._turned_at, self._reached, goal)

    @property
    def _lag_seconds(self) -> float:
        """For how long, by the clock, the plant has been left behind, or what it has said has waited."""
        since = self._held[0].time_ms / 1000 if self._held else self._reached
        return (self.target - since) / self._timing.speed

    def _skip(self) -> None:
        """Machines go on meanwhile; nobody hears of it."""
        self._skip_to = self.target

    def _stretch(self) -> None:
        """The stall has not been: plant time goes on from where it stood."""
        self.stretched_seconds += self._lag_seconds
        self._born += self._lag_seconds

    def _due(self) -> Sequence[Message]:
        """The next slice. A plant that lies behind is brought up in slices of about a thousand messages.

        So a stall costs no more memory than the usual: what was once had for a great list is not given back.
        """
        if self._reached < self._skip_to:
            return self._passed_over()
        self._reached = min(self.target, self._reached + self._slice_seconds)
        messages = self._plant.advance(self._reached)
        if len(messages) > _MOST_A_TURN:
            self._slice_seconds = max(self._slice_seconds / 2, _SHORTEST_SLICE_SECONDS)
        elif len(messages) < _FEWEST_A_TURN and self._reached < self.target:
            self._slice_seconds = min(self._slice_seconds * 2, _LONGEST_SLICE_SECONDS)
        return messages

    def _passed_over(self) -> Sequence[Message]:
        """Live through a slice of what is left out; nothing to say. A large plant takes long, and others wait."""
        self._reached = min(self._skip_to, self._reached + self._skip_seconds)
        began = self._clock()
        self._plant.live(self._reached)
        took_seconds = self._clock() - began
        if took_seconds > _LONG_SKIP_SECONDS:
            self._skip_seconds = max(self._skip_seconds / 2, _SHORTEST_SLICE_SECONDS)
        elif took_seconds < _SHORT_SKIP_SECONDS:
            self._skip_seconds = min(self._skip_seconds * 2, _LONGEST_SLICE_SECONDS)
        return ()

    def _hand_over(self) -> None:
        if not self._held:
            return
        if not self._in_history:
            self._on_late(self._lag_seconds)
        most = min(self._left, self._welcome())
        offered = self._held if len(self._held) <= most else self._held[: int(most)]
        taken = self._outbox.offer(*offered)
        self._left -= taken
        if taken:
            self._throttle.spend(taken)
            self._on_messages(offered[:taken])
        self._held = self._held[taken:]

    def _welcome(self) -> float:
        """How many messages may be offered now: any number of what is live, and the policy is the queue's."""
        room = self._outbox.room
        if self._says_history or self._most_lag_seconds:
            return min(room, self._throttle.allowed(self._turned_at))
        if self._in_history:
            return room
        self._overflows = len(self._held) > room
        return inf

    async def _rest(self) -> None:
        """Sleep until the next message is due, or until woken."""
        self._rested_seconds = 0.0
        if self.finished:
            return
        self._rested_seconds = self._rest_seconds()
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rested_seconds):
                await self._wake.wait()

    def _rest_seconds(self) -> float:
        if self._held:
            return self._throttle.wait_seconds if self._outbox.room else _LONGEST_SLEEP_SECONDS
        if self._reached < self.target:
            return 0
        due = min(self._plant.next_due(), self._timing.end) - self._timing.plant_time(self._clock() - self._born)
        return min(max(due / self._timing.speed, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
