"""The hub of all viewers: looks at the simulator once a second, and makes once what all of them are shown."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from edge.http.shared_work import SharedWork
from edge.page.figures.context import PageContext
from edge.page.figures.details import DetailReader
from edge.page.figures.history import STEP_SECONDS, History, Point
from edge.page.figures.overview import Moment, oee_of_all, overview
from edge.page.figures.pace import Pace
from edge.page.figures.patience import Patient
from edge.page.figures.plan import PlanInForce
from edge.page.figures.window import Window
from edge.page.state import State
from edge.page.stream import Place

log = logging.getLogger("http")

_LOOK_SECONDS: Final = 1.0
_FRESH_SECONDS: Final = 1.5
_SHARE: Final = 0.03
_SHARE_UNSEEN: Final = 0.002
"""Of a core, for counting machines: where somebody looks, and for the history alone."""
_MOST_WAITING: Final = 100
_PATIENCE_SECONDS: Final = 3.0


class Hub:
    """Keeps the history always, and all else up to date where there are viewers.

    is_closed: whether the process ends, and viewers are to be sent away.
    """

    def __init__(self, context: PageContext) -> None:
        self._context, self._clock = context, context.clock
        self._history, self._window = History(), Window()
        self.state = State(self._history)
        self._plan = PlanInForce(context.source, context.journal)
        self._details = DetailReader(context.source)
        self._readings = [Patient(each.refresh, _PATIENCE_SECONDS) for each in (self._plan, self._details)]
        self._pace, self._unseen_pace = Pace(_SHARE, _LOOK_SECONDS), Pace(_SHARE_UNSEEN, STEP_SECONDS)
        self._asked = SharedWork[bytes](_MOST_WAITING)
        self._notify = set[Callable[[], None]]()
        self._wanted, self._counting = asyncio.Event(), asyncio.Lock()
        self._published_at = self._next_point = float("-inf")
        self._failure = ""
        self.is_closed = False

    @property
    def viewers(self) -> int:
        """How many viewers there are."""
        return len(self._notify)

    @property
    def is_fresh(self) -> bool:
        """Whether what is kept is of this moment, as it is where there are viewers."""
        return self._clock() - self._published_at < _FRESH_SECONDS

    def join(self, notify: Callable[[], None]) -> None:
        """Add a viewer. notify: called whenever there is something new, and at the end."""
        self._notify.add(notify)
        if self.is_fresh or self.is_closed:
            notify()
        else:
            self._wanted.set()

    def leave(self, notify: Callable[[], None]) -> None:
        """Remove a viewer."""
        self._notify.discard(notify)

    def events(self, since: Place | None) -> tuple[bytes, Place | None]:
        """Return what has changed after a place, which is a tick and a number of points, or everything."""
        if not self.is_fresh:
            return b"", since
        state, place = self.state, (self.state.tick, self._history.count)
        if since is None or since[0] < state.era:
            return state.snapshot(), place
        return state.changes(since[0]) + state.points(since[1]), place

    def close(self) -> None:
        """Send all viewers away, because the process ends."""
        self.is_closed = True
        self._tell()

    async def overview(self) -> bytes:
        """Return the overview as of now, as JSON; raises Busy where too many ask."""
        return await self._asked.get("overview", self._overview)

    async def run(self) -> None:
        """Look once a second for as long as the process runs."""
        due = self._clock()
        while True:
            await self._turn()
            due = max(due + _LOOK_SECONDS, self._clock())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due - self._clock()):
                    await self._wanted.wait()
            self._wanted.clear()

    async def _turn(self) -> None:
        """Look, and keep what there is; an error is logged once, as nobody's view may end the plant."""
        try:
            await self._look()
        except Exception as error:
            if repr(error) != self._failure:
                log.exception("the page is not up to date")
            self._failure = repr(error)

    async def _look(self) -> None:
        began, source = self._clock(), self._context.source
        is_seen = bool(self._notify)  # who comes meanwhile is shown the next look, which has all
        self._window.look(began, source.ledger, source.lateness)
        is_point_due = began >= self._next_point
        pace = self._pace if is_seen else self._unseen_pace
        if (is_seen or is_point_due) and pace.is_due(began):
            await self._count(with_details=is_seen)
            pace.done(began, self._clock())
        if is_point_due:
            self._next_point = began + STEP_SECONDS - _LOOK_SECONDS / 2
            self._history.add(self._point())
        if is_seen:
            self._publish()
            self._tell()

    async def _overview(self) -> bytes:
        await self._count(with_details=True)
        self._publish()
        return self.state.overview()

    async def _count(self, *, with_details: bool) -> None:
        """Count machines, and read what is shown of single ones, in turns with the run loop."""
        async with self._counting:
            plan, details = self._readings
            await plan.refresh()
            await self._context.source.refresh()
            if with_details:
                await details.refresh()

    def _publish(self) -> None:
        moment = Moment(self._plan.plan, self._window, self._details.details)
        wire = self._context.wire
        self.state.publish(overview(self._context, moment), wire() if wire else None)
        self._published_at = self._clock()

    def _point(self) -> Point:
        source = self._context.source
        truth = oee_of_all(source.oee_by_kind(), self._plan.plan)
        late = self._window.late_by()
        return Point(self._window.rates().delivered, late.p99_ms, source.ledger.queued, truth["oee"])

    def _tell(self) -> None:
        for notify in [*self._notify]:
            notify()
