"""The run loop: has the plant say what is due, when it is due, and hands it to the outbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from edge.outbox import Outbox
from edge.values import CatchUp
from plant.telemetry import Message

_SHORTEST_SLEEP_SECONDS, _LONGEST_SLEEP_SECONDS = 0.002, 0.5
_STALL_SECONDS, _START_SECONDS = 1.0, 2.0
_FEWEST_A_TURN, _MOST_A_TURN = 500, 2000
_SHORTEST_SLICE_SECONDS, _FIRST_SLICE_SECONDS, _LONGEST_SLICE_SECONDS = 0.001, 0.05, 3600.0


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
    """How plant time follows the clock on the wall. Plant times are Unix seconds.

    start: plant time at the beginning.  end: where to stop.  speed: plant seconds a second; inf is as fast as it goes.
    live_from: history lies before it; from there on plant time runs as if it had left `live_from` when the process
    began. Until the plant has caught up with it, it speaks as fast as it is heard, and nothing is dropped for want of
    room.
    born: the reading of a monotonic clock as the process began, None for when the pacer is made. A plant takes time to
    be built, and its rows are not to bear times that lie as far back.
    """

    start: float
    end: float = inf
    speed: float = 1.0
    live_from: float = -inf
    born: float | None = None

    def plant_time(self, elapsed_seconds: float) -> float:
        """Where the plant should be after so much time on the wall."""
        if self.speed == inf:
            return inf
        return max(self.start, self.live_from) + elapsed_seconds * self.speed

    def history_ends(self, clock: float) -> float:
        """Until when, in plant time, the plant has to catch up at first; inf for as long as it takes.

        What falls due while the process starts and connects is like history. A broker that stays away longer is not.
        """
        if self.speed == inf or self.live_from > self.start:
            return inf
        return self.start if self.born is None else self.plant_time(clock - self.born + _START_SECONDS)


class Pacer:
    """Drives a plant by a clock.

    clock: seconds, monotonic.  count: messages to stop after.  on_messages: told of what was handed over.
    on_late: told, at each turn that has something live to say, how many seconds after its deadline that is.
    catch_up: what becomes of what fell due while the process was held up for more than a second.
    """

    def __init__(
        self,
        plant: Plant,
        outbox: Outbox,
        timing: Timing,
        clock: Callable[[], float],
        *,
        on_messages: Callable[[Sequence[Message]], None],
        on_late: Callable[[float], None],
        count: int | None = None,
        catch_up: CatchUp = CatchUp.BURST,
    ) -> None:
        self._after_stall = {
            CatchUp.BURST: lambda: None,
            CatchUp.SKIP: self._skip,
            CatchUp.STRETCH: self._stretch,
        }[catch_up]
        self.turned_at = clock()
        self._born = self.turned_at if timing.born is None else timing.born
        self._plant, self._outbox, self._timing, self._clock = plant, outbox, timing, clock
        self._on_messages, self._on_late = on_messages, on_late
        self._reached, self._slice_seconds = timing.start, _FIRST_SLICE_SECONDS
        self._history_ends = timing.history_ends(self.turned_at)
        self._catching_up = self._reached < self._history_ends
        self._left = inf if count is None else count
        self._held: Sequence[Message] = ()
        self._wake, self._free = asyncio.Event(), asyncio.Event()
        self._free.set()
        self._stopped = False
        outbox.on_room = self.wake

    @property
    def finished(self) -> bool:
        """All that was asked for has been handed over."""
        return not self._left or (self._reached >= self._timing.end and not self._held)

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

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until `finished` or stopped."""
        while await self._free.wait() and not (self._stopped or self.finished):
            self.turned_at = self._clock()
            if not self._held:
                if self._stalled_seconds > _STALL_SECONDS and not self._catching_up:
                    self._after_stall()
                self._held = self._due()
            self._hand_over()
            if self._reached >= min(self._target, self._history_ends) and not self._held:
                self._catching_up = False
            await self._rest()

    @property
    def _target(self) -> float:
        """Where the plant should be by now."""
        return min(self._timing.plant_time(self.turned_at - self._born), self._timing.end)

    @property
    def _stalled_seconds(self) -> float:
        """For how long, on the wall, the plant has been left behind."""
        return (self._target - self._reached) / self._timing.speed

    def _skip(self) -> None:
        """Machines go on meanwhile; nobody hears of it."""
        self._reached = self._target
        self._plant.live(self._reached)

    def _stretch(self) -> None:
        """The stall has not been: plant time goes on from where it stood."""
        self._born += self._stalled_seconds

    def _due(self) -> Sequence[Message]:
        """The next slice. A plant that lies behind is brought up in slices of about a thousand messages.

        So a stall costs no more memory than the usual: what was once had for a great list is not given back.
        """
        self._reached = min(self._target, self._reached + self._slice_seconds)
        messages = self._plant.advance(self._reached)
        if len(messages) > _MOST_A_TURN:
            self._slice_seconds = max(self._slice_seconds / 2, _SHORTEST_SLICE_SECONDS)
        elif len(messages) < _FEWEST_A_TURN and self._reached < self._target:
            self._slice_seconds = min(self._slice_seconds * 2, _LONGEST_SLICE_SECONDS)
        return messages

    def _hand_over(self) -> None:
        if self._held and not self._catching_up:
            self._on_late((self._target - self._held[0].time_ms / 1000) / self._timing.speed)
        most = min(self._left, self._outbox.room) if self._catching_up else self._left
        offered = self._held if len(self._held) <= most else self._held[: int(most)]
        taken = self._outbox.offer(*offered)
        self._left -= taken
        if taken:
            self._on_messages(offered[:taken])
        self._held = self._held[taken:]

    async def _rest(self) -> None:
        """Sleep until the next message is due, or until woken."""
        if self.finished:
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rest_seconds()):
                await self._wake.wait()

    def _rest_seconds(self) -> float:
        if self._held:
            return _LONGEST_SLEEP_SECONDS
        if self._reached < self._target:
            return 0
        due = min(self._plant.next_due(), self._timing.end) - self._timing.plant_time(self._clock() - self._born)
        return min(max(due / self._timing.speed, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
