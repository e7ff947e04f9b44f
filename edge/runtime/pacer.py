"""The run loop: advances the plant as its messages fall due, and puts them into the queue."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from edge.delivery.queue import MessageQueue
from edge.runtime.history import LatePolicy
from edge.settings.types import CatchUp
from plant.telemetry import Message

_SHORTEST_SLEEP_SECONDS, _LONGEST_SLEEP_SECONDS = 0.002, 0.5
_STALL_SECONDS, _START_SECONDS = 1.0, 2.0
_BLOCKED_SECONDS, _PATIENCE_SECONDS = 0.1, 15.0
_RESTART_STEP_SECONDS = 60.0
_MOST_A_TURN = 2000
_SHORTEST_SLICE_SECONDS, _FIRST_SLICE_SECONDS, _LONGEST_SLICE_SECONDS = 0.001, 0.05, 3600.0
_SHORT_SKIP_SECONDS, _LONG_SKIP_SECONDS, _LONG_WORK_SECONDS = 0.005, 0.02, 0.1


class Plant(Protocol):
    """What emits messages. Times are Unix seconds of plant time."""

    def advance(self, now: float) -> Sequence[Message]:
        """Return everything due since the last call, up to and including `now`, in time order."""

    def advance_silently(self, now: float) -> None:
        """Advance to `now` without emitting anything."""

    def next_due(self) -> float:
        """Return when the next message is due."""


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Timing:
    """How plant time follows a clock. Plant times are Unix seconds.

    start: plant time at the beginning.  end: where to stop.  speed: plant seconds a second; inf is as fast as possible.
    live_from: what lies before it is history; from there on plant time runs as if it had left `live_from` when the
    process started. Until the plant has caught up with it, messages are emitted as fast as they are delivered, and none
    is dropped because the queue is full.  history_speed: plant seconds a second until then.
    follows_wall: plant time is that of the wall clock, and is corrected with it.
    process_start: the reading of the run's clock when the process started, None for when the pacer is made. Building a
    plant takes time, and its messages are not to have times that lie as far back.
    """

    start: float
    end: float = inf
    speed: float = 1.0
    live_from: float = -inf
    history_speed: float = inf
    follows_wall: bool = False
    process_start: float | None = None

    @property
    def begins_with_history(self) -> bool:
        """Whether there is history to emit first, or nothing but history."""
        return self.speed == inf or self.live_from > self.start

    def live_time(self, elapsed_seconds: float) -> float:
        """Return where the plant should be after so much time, once history is complete."""
        if self.speed == inf:
            return inf
        return max(self.start, self.live_from) + elapsed_seconds * self.speed

    def plant_time(self, elapsed_seconds: float) -> float:
        """Return where the plant should be after so much time."""
        live = self.live_time(elapsed_seconds)
        return live if self.history_speed == inf else min(live, self.start + elapsed_seconds * self.history_speed)

    def history_ends(self, elapsed_seconds: float) -> float:
        """Return until when, in plant time, the plant has to catch up at first; inf for as long as it takes.

        What falls due while the process starts and connects is like history. A broker that is away for longer is not.
        """
        if self.begins_with_history:
            return inf
        return self.start if self.process_start is None else self.plant_time(elapsed_seconds + _START_SECONDS)


@dataclass(frozen=True, slots=True)
class PacerHooks:
    """What is called by a pacer.

    on_turn: when a turn has read the clock.  on_messages: with what was queued.
    on_late: at each turn that has messages due, with the seconds since the deadline of the first; not for history.
    next_command: returns the plant time of the next command; inf without one.  on_command: when the plant is there.
    """

    on_turn: Callable[[], None] = _ignore
    on_messages: Callable[[Sequence[Message]], None] = _ignore
    on_late: Callable[[float], None] = _ignore
    next_command: Callable[[], float] = lambda: inf
    on_command: Callable[[], None] = _ignore


class Pacer:
    """Drives a plant by a clock.

    clock: seconds, which may leap forward and never run back.  count: messages to stop after.
    wake: to be set when something has changed, such as that a full queue has room again.
    """

    def __init__(
        self,
        plant: Plant,
        queue: MessageQueue,
        timing: Timing,
        clock: Callable[[], float],
        *,
        wake: asyncio.Event,
        hooks: PacerHooks = PacerHooks(),
        count: int | None = None,
        late_policy: LatePolicy | None = None,
    ) -> None:
        late_policy = late_policy or LatePolicy()
        self._after_stall = {
            CatchUp.BURST: lambda: None,
            CatchUp.SKIP: self._skip,
            CatchUp.STRETCH: self._stretch,
        }[late_policy.catch_up]
        self._turned_at = clock()
        self._origin = self._turned_at if timing.process_start is None else timing.process_start
        self._plant, self._queue, self._timing, self._clock = plant, queue, timing, clock
        self._on_turn, self._on_messages, self._on_late = hooks.on_turn, hooks.on_messages, hooks.on_late
        self._next_command, self._on_command = hooks.next_command, hooks.on_command
        self._reached, self._slice_seconds = timing.start, _FIRST_SLICE_SECONDS
        self._skip_to, self._skip_seconds = -inf, _FIRST_SLICE_SECONDS
        self._history_ends = timing.history_ends(self._turned_at - self._origin)
        self._in_history = self._reached < self._history_ends
        self._throttle, self._progress = late_policy.throttle, late_policy.progress
        self._remaining_count = inf if count is None else count
        self._pending: Sequence[Message] = ()
        # The lag, in seconds, up to which what a stall has left waits for room; 0 while nothing is left of one.
        self._most_lag_seconds = 0.0
        self._overflows = self._restart_requested = False
        self._on_restart = late_policy.on_restart
        self.stretched_seconds = 0.0
        self._rested_seconds = 0.0
        self._wake, self._running = wake, asyncio.Event()
        self._running.set()
        self._stopped = False

    @property
    def finished(self) -> bool:
        """Whether everything that was asked for has been queued."""
        return not self._remaining_count or (self._reached >= self._timing.end and not self._pending)

    @property
    def pending(self) -> Sequence[Message]:
        """What the plant has emitted and the queue has not accepted yet."""
        return self._pending[: int(min(self._remaining_count, len(self._pending)))]

    @property
    def target(self) -> float:
        """Where, in plant time, the plant should be as of the last turn."""
        return min(self._timing.plant_time(self._turned_at - self._origin), self._timing.end)

    @property
    def _emits_history(self) -> bool:
        """Whether it emits history that was asked for, and not only what fell due while the process started."""
        return self._in_history and self._timing.begins_with_history

    @property
    def _is_throttled(self) -> bool:
        """Whether what it emits is late, and therefore limited."""
        return self._emits_history or self._most_lag_seconds > 0

    def stop(self) -> None:
        """Emit nothing more."""
        self._stopped = True
        self.resume()

    def suspend(self) -> None:
        """Leave the plant alone until `resume`."""
        self._running.clear()

    def resume(self) -> None:
        """Drive the plant again after `suspend`, with short slices: its rate may be far higher than before."""
        self._slice_seconds = min(self._slice_seconds, _FIRST_SLICE_SECONDS)
        self._running.set()
        self._wake.set()

    def restart(self) -> bool:
        """Have the plant begin again, at the next turn, where the clock then is, and omit what lies between.

        Returns False, and does nothing, while history is emitted: that is to be complete.
        """
        self._restart_requested = not self._emits_history
        return self._restart_requested

    async def run(self) -> None:
        """Run until `finished` or stopped."""
        while await self._running.wait() and not (self._stopped or self.finished):
            self._turn()
            await self._rest()

    def _turn(self) -> None:
        before, self._turned_at = self._turned_at, self._clock()
        self._on_turn()
        if self._restart_requested:
            self._restart()
        blocked_seconds = self._turned_at - before - self._rested_seconds
        if blocked_seconds > _BLOCKED_SECONDS and not self._emits_history:
            self._was_blocked(blocked_seconds)
        if not self._pending:
            if not self._in_history and self._lag_seconds > _STALL_SECONDS:
                self._after_stall()
            self._pending = self._next_slice()
        self._fill_queue()
        self._update_backlog()

    def _restart(self) -> None:
        """Begin at a whole minute, so that the parts of a plant, each of which reads the clock itself, agree."""
        self._restart_requested, self._pending = False, ()
        self._reached = self.target - self.target % _RESTART_STEP_SECONDS
        self._on_restart(self._reached)

    def _was_blocked(self, seconds: float) -> None:
        """Have what fell due meanwhile wait for room: this process was blocked, not the broker.

        Where the queue overflowed before that already, the broker is away or slow, and its policy applies as before.
        """
        if self._most_lag_seconds:
            self._most_lag_seconds += seconds
        elif not self._overflows:
            self._most_lag_seconds = self._lag_seconds + _PATIENCE_SECONDS

    def _update_backlog(self) -> None:
        """End waiting for room once the plant has caught up, or where it only falls further behind."""
        behind = bool(self._pending) or self._reached < self.target
        if self._in_history:
            live = self._timing.live_time(self._turned_at - self._origin)
            goal = min(live, self._history_ends, self._timing.end)
            self._in_history = bool(self._pending) or self._reached < goal
            self._update_progress(goal)
        elif self._most_lag_seconds:
            over = not behind or self._lag_seconds > self._most_lag_seconds
            # With all that has found room the patience counts from the beginning.
            nearest = min(self._most_lag_seconds, self._lag_seconds + _PATIENCE_SECONDS)
            self._most_lag_seconds = 0.0 if over else nearest

    def _update_progress(self, goal: float) -> None:
        if self._progress and not (self._in_history and not self.finished):
            self._progress.end(self._turned_at, self._reached)
        elif self._progress:
            self._progress.update(self._turned_at, self._reached, goal)

    @property
    def _lag_seconds(self) -> float:
        """How long, by the clock, the plant has been behind, or its oldest message has been pending."""
        since = self._pending[0].time_ms / 1000 if self._pending else self._reached
        return (self.target - since) / self._timing.speed

    def _skip(self) -> None:
        """Let machines go on meanwhile without emitting anything."""
        self._skip_to = self.target

    def _stretch(self) -> None:
        """Take the stall out of plant time, which goes on from where it stopped."""
        self.stretched_seconds += self._lag_seconds
        self._origin += self._lag_seconds

    def _next_slice(self) -> Sequence[Message]:
        """Return the messages of the next slice. A plant that is behind catches up in slices of about 1,000 messages.

        So a stall needs no more memory than usual: memory that was once used for a great list is not given back. Slices
        are shorter where late messages are limited, or much work has few: commands and signals wait for the end of one.
        """
        if self._next_command() <= self._reached:
            self._on_command()
            if not self._running.is_set():  # by a configuration that is tried: it emits nothing
                return ()
        if self._reached < self._skip_to:
            return self._skipped_slice()
        self._reached = min(self.target, self._reached + self._slice_seconds, self._next_command())
        began, messages = self._clock(), self._plant.advance(self._reached)
        most = min(_MOST_A_TURN, self._throttle.slice_messages) if self._is_throttled else _MOST_A_TURN
        size = max(len(messages) / most, (self._clock() - began) / _LONG_WORK_SECONDS)
        if size > 1:
            self._slice_seconds = max(self._slice_seconds / 2, _SHORTEST_SLICE_SECONDS)
        elif size < 1 / 4 and self._reached < self.target:
            self._slice_seconds = min(self._slice_seconds * 2, _LONGEST_SLICE_SECONDS)
        return messages

    def _skipped_slice(self) -> Sequence[Message]:
        """Advance through a slice that is left out, and return nothing. A large plant takes long, and others wait."""
        self._reached = min(self._skip_to, self._reached + self._skip_seconds, self._next_command())
        began = self._clock()
        self._plant.advance_silently(self._reached)
        took_seconds = self._clock() - began
        if took_seconds > _LONG_SKIP_SECONDS:
            self._skip_seconds = max(self._skip_seconds / 2, _SHORTEST_SLICE_SECONDS)
        elif took_seconds < _SHORT_SKIP_SECONDS:
            self._skip_seconds = min(self._skip_seconds * 2, _LONGEST_SLICE_SECONDS)
        return ()

    def _fill_queue(self) -> None:
        if not self._pending:
            return
        if not self._in_history:
            self._on_late(self._lag_seconds)
        most = min(self._remaining_count, self._allowed())
        offered = self._pending if len(self._pending) <= most else self._pending[: int(most)]
        accepted = self._queue.offer(*offered)
        self._remaining_count -= accepted
        if accepted:
            self._throttle.spend(accepted)
            self._on_messages(offered[:accepted])
        self._pending = self._pending[accepted:]

    def _allowed(self) -> float:
        """Return how many messages may be offered now; any number of those that are not late, as the queue decides."""
        room = self._queue.room
        if self._is_throttled:
            return min(room, self._throttle.allowed(self._turned_at))
        if self._in_history:
            return room
        self._overflows = len(self._pending) > room
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
        if self._pending:
            return self._throttle.wait_seconds if self._queue.room else _LONGEST_SLEEP_SECONDS
        if self._reached < self.target:
            return 0
        due = min(self._plant.next_due(), self._timing.end, self._next_command()) - self._timing.plant_time(
            self._clock() - self._origin
        )
        return min(max(due / self._timing.speed, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
