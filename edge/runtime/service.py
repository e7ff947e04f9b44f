"""A process as others see it: signals, the HTTP port, statistics and reloads, whatever does the work behind them."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from edge.delivery.queue import Ledger
from edge.http.oee_answer import OeeAnswer, OeeTruth, oee_answer
from edge.http.shared_work import SharedWork
from edge.observability.metrics import Lateness, MetricSources, Statistics, ledger_fields, make_registry
from edge.runtime.reload import Reloader
from edge.runtime.tasks import TaskSupervisor, spare_the_collector
from edge.settings.loader import Settings
from edge.status import Busy, ClockStatus, ConnectionStatus, OeeQuery, ReloadOutcome, why_not_alive, why_not_ready
from plant.telemetry import KindOee, Snapshot

if TYPE_CHECKING:
    from edge.http.server import Server

log = logging.getLogger("app")

_FURTHER_PORTS = 50
_MOST_WAITING = 100
_ANSWERS_BYTES = 16 * 1024 * 1024
"""While answers that are being read hold as much, no further one is made."""
_PAUSE_SECONDS, _PATIENCE = 0.05, 200


class SimulatorBackend(Protocol):
    """What is behind the front: one daemon, or several workers. What it shows is of now, or of a moment ago."""

    @property
    def ledger(self) -> Ledger:
        """What became of each message; always the same object."""

    @property
    def lateness(self) -> Lateness:
        """How late the run loop was; always the same object."""

    @property
    def seed(self) -> int | str:
        """What the plant draws by."""

    @property
    def farewell_seconds(self) -> float:
        """How long `wind_up`, and all that comes after it, may take beside the draining."""

    def describe(self) -> str:
        """Say in a few words what it is."""

    def connection(self) -> ConnectionStatus:
        """Tell how it is connected."""

    def turn_age_seconds(self) -> float:
        """Tell for how long the run loop has not turned."""

    def clock(self) -> ClockStatus:
        """Tell how plant time goes with the clock on the wall."""

    def snapshot(self) -> Snapshot:
        """Count what the plant is at."""

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Sum up the truth of each type of machine."""

    async def look(self) -> None:
        """Have all these be of now."""

    async def truth(self, query: OeeQuery) -> OeeTruth:
        """Ask for the truth of each machine; TimeoutError where that takes too long, BadQuery where there are none."""

    async def adopt(self, config: Any) -> None:
        """Follow another structure of the plant from now on; whatever this raises, nothing has changed then."""

    def start(self, life: TaskSupervisor) -> None:
        """Begin to work, and end `life` when all is done that was asked for."""

    def between_statistics(self) -> None:
        """Do what is due now and then."""

    async def wind_up(self, death: Exception | None) -> None:
        """Say nothing more, get the rest acknowledged unless something died, say good-bye."""

    def exit_code(self, death: Exception | None) -> int:
        """Judge how it went, and log what it died of."""


class Service:
    """Runs what it is given from start to exit code, and shows it.

    reloader: puts the plant's file in force.  clock: seconds, monotonic.
    may_move: whether HTTP may take another port where its own is taken.
    """

    def __init__(
        self,
        settings: Settings,
        works: SimulatorBackend,
        reloader: Reloader,
        version: str,
        clock: Callable[[], float],
        *,
        may_move: bool = False,
    ) -> None:
        self._may_move = may_move
        self.version = version
        self._settings, self._works, self._reloader, self._clock = settings, works, reloader, clock
        self._born = clock()
        self._statistics = Statistics(works.ledger, works.connection, works.lateness, works.clock)
        self.registry = make_registry(self._watched())
        self._life = TaskSupervisor(settings.drain_seconds + works.farewell_seconds)
        self._looks, self._answers = SharedWork[None](_MOST_WAITING), SharedWork[OeeAnswer](_MOST_WAITING)
        self._being_read = WeakSet[OeeAnswer]()

    async def live(self) -> int:
        """Run to the end of a bounded run, a signal, or a death; give the exit code. PortError if HTTP cannot open."""
        settings, life = self._settings, self._life
        log.info("plant: %s, seed %s", self._works.describe(), self._works.seed)
        life.catch_signals(on_hangup=lambda: self._reloader.ask("SIGHUP"))
        server = self._serve()
        spare_the_collector()
        self._works.start(life)
        life.start("reload", self._reloader.follow(settings.reload_seconds))
        life.start("statistics", self._say_statistics())
        death = await life.until_over()
        await self._works.wind_up(death)
        death = death or life.death()  # what was still to be delivered may not have been
        if server is not None:
            server.stop()
        await life.close()
        self._statistics.log(self._uptime())
        return self._works.exit_code(death)

    # what the HTTP port asks

    @property
    def http_token_file(self) -> Path | None:
        """The file with the token for calls that change anything."""
        return self._settings.http_token_file

    def why_not_alive(self) -> str | None:
        """Say why the process should be restarted, or None."""
        patience, turn_age = max(30.0, 2.0 * self._settings.mqtt_keep_alive), self._works.turn_age_seconds()
        return why_not_alive(self._works.connection(), turn_age_seconds=turn_age, patience_seconds=patience)

    def why_not_ready(self) -> str | None:
        """Say why messages cannot be delivered, or None."""
        return why_not_ready(self._works.connection())

    async def look(self) -> None:
        """Bring what is shown up to now."""
        await self._looks.get("look", self._works.look)

    def health(self) -> Mapping[str, object]:
        """The figures."""
        works = self._works
        facts, plant = works.connection(), works.snapshot()
        return {
            "uptime_seconds": round(self._uptime(), 3),
            "ledger": ledger_fields(works.ledger),
            "connection": {name: getattr(facts, name) for name in facts.__slots__},
            "clock": dataclasses.asdict(works.clock()),
            "plant": {"seed": works.seed, "rows": dict(plant.rows), "open_orders": plant.open_orders},
        }

    async def oee(self, query: OeeQuery) -> OeeAnswer:
        """The truth of each machine; TimeoutError where that takes too long, Busy where too many ask, or BadQuery."""
        return await self._answers.get(query, partial(self._answer, query))

    async def _answer(self, query: OeeQuery) -> OeeAnswer:
        await self._room()
        answer = await oee_answer(await self._works.truth(query), query)
        self._being_read.add(answer)
        return answer

    async def _room(self) -> None:
        """Wait while those who read earlier answers hold too much of the memory; Busy where they do not get on."""
        for _ in range(_PATIENCE):
            if sum(answer.size_bytes for answer in self._being_read) < _ANSWERS_BYTES:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Busy

    async def request_reload(self) -> ReloadOutcome:
        """Load the plant's file anew."""
        return await self._reloader.reload("HTTP")

    # the parts

    def _watched(self) -> MetricSources:
        works = self._works
        return MetricSources(
            ledger=works.ledger,
            queue_size=self._settings.queue_size,
            version=self.version,
            snapshot=works.snapshot,
            connection=works.connection,
            reloads=self._reloader.facts,
            oee=works.oee_by_kind,
            lateness=works.lateness,
            clock=works.clock,
        )

    def _serve(self) -> Server | None:
        settings = self._settings
        if not settings.http_port:
            return None
        # FastAPI takes half of the time that all imports take, and many megabytes: only who serves HTTP loads it.
        from edge.http.routes import create_app, served  # noqa: PLC0415
        from edge.http.server import Server  # noqa: PLC0415

        further = _FURTHER_PORTS if self._may_move else 0
        server = Server(served(create_app(self)), settings.http_host, settings.http_port, further)
        if server.port != settings.http_port:
            log.warning("port %d is taken: HTTP takes %d; HTTP_PORT sets it", settings.http_port, server.port)
        log.info("HTTP on %s: /metrics /livez /readyz /healthz /oee /docs", server.url)
        self._life.start("http", server.run())
        return server

    async def _say_statistics(self) -> None:
        interval = self._settings.stats_interval
        while interval:
            await asyncio.sleep(interval)
            self._works.between_statistics()
            self._statistics.log(self._uptime())
        await asyncio.Event().wait()

    def _uptime(self) -> float:
        return self._clock() - self._born
