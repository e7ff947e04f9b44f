"""The process around a simulator: signals, the HTTP port, statistics and reloads, whether it has workers or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from edge.control.control import Control
from edge.control.idempotency import Idempotency
from edge.control.inbox import Command, Executed, Front
from edge.control.journal import Note
from edge.observability.logs import written_aside
from edge.observability.metrics import make_registry
from edge.observability.statistics import Statistics
from edge.runtime.reload import Reloader
from edge.runtime.tasks import FORCED, TaskSupervisor, tune_garbage_collector
from edge.settings.loader import Settings
from edge.settings.shown import shown_settings
from edge.settings.types import HttpCompat
from edge.status_source import StatusSource
from plant.definition.plant_config import PlantConfig

if TYPE_CHECKING:
    from edge.http.server import Server
    from edge.page.figures.context import PageContext
    from edge.page.hub import Hub

log = logging.getLogger("app")

FURTHER_PORTS = 50
_LEAST_PATIENCE_SECONDS = 30.0


class SimulatorBackend(StatusSource, Protocol):
    """What a service runs: one simulator, or the supervisor of several workers."""

    @property
    def shutdown_seconds(self) -> float:
        """How long `shutdown`, and all that follows it, may take in addition to draining the queue."""

    @property
    def start_ms(self) -> int:
        """When the run begins, in milliseconds of plant time."""

    def describe(self) -> str:
        """Return its size in a few words."""

    async def apply(self, config: PlantConfig) -> int:
        """Follow another configuration from now on, and return when, in milliseconds of plant time.

        If this raises, nothing has changed.
        """

    async def execute(self, command: Command) -> Executed:
        """Have a command executed at once; raises CommandRefused, Busy, or TimeoutError where no answer comes."""

    def obey(self, front: Front) -> None:
        """Have commands that come over MQTT executed by a front."""

    def start(self, tasks: TaskSupervisor, note: Note) -> None:
        """Start to work, and end `tasks` when a bounded run is complete. note: notes the commands of a file."""

    def before_statistics(self) -> None:
        """Bring the ledger up to date, and log what was held back, before the statistics are logged."""

    async def shutdown(self, failure: Exception | None) -> None:
        """Stop emitting, drain the queue unless something failed, and disconnect."""

    def exit_code(self, failure: Exception | None) -> int:
        """Return the exit code of the run, and log its failure."""


class Service:
    """Runs a simulator from start to exit code, and shows it to the outside.

    reloader: loads the plant's file and applies it.  clock: seconds, monotonic.
    may_move: whether HTTP may take another port where its own is taken.  speed: of plant time.
    is_dry_run: messages go to standard output.
    wire: what has happened on the wire as the embedded broker saw it, or None for another broker.
    """

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        settings: Settings,
        backend: SimulatorBackend,
        reloader: Reloader,
        version: str,
        clock: Callable[[], float],
        *,
        may_move: bool = False,
        speed: float = 1.0,
        is_dry_run: bool = False,
        wire: Callable[[], Mapping[str, object]] | None = None,
    ) -> None:
        self._settings, self._backend, self._reloader, self._clock = settings, backend, reloader, clock
        self._version, self._may_move, self._wire = version, may_move, wire
        self._speed, self._is_dry_run = speed, is_dry_run
        self._started_at = clock()
        self._control = Control(reloader.journal, backend.execute, reloader.reload, reloader.put)
        backend.obey(self._control.execute)
        self._idempotency = Idempotency(clock)
        self._statistics = Statistics(backend)
        self._hub: Hub | None = None
        self._tasks = TaskSupervisor(settings.drain_seconds + backend.shutdown_seconds)

    async def run(self) -> int:
        """Run to the end of a bounded run, a signal, or a failure, and return the exit code.

        Raises PortError if the HTTP port cannot be opened.
        """
        with written_aside():
            return await self._run()

    async def _run(self) -> int:
        settings, tasks = self._settings, self._tasks
        log.info("plant: %s, seed %s", self._backend.describe(), self._backend.seed)
        tasks.catch_signals(on_hangup=lambda: self._reloader.request("SIGHUP"))
        server = self._start_http()
        tune_garbage_collector()
        self._backend.start(tasks, self._control.journal.executed)
        tasks.start("reload", self._reloader.follow(settings.reload_seconds))
        tasks.start("statistics", self._log_statistics())
        failure = await tasks.until_ended()
        await self._backend.shutdown(failure)
        failure = failure or tasks.failure()  # draining may have failed
        if server is not None and self._hub is not None:
            self._hub.close()
            server.stop()
        await tasks.close()
        self._statistics.log(self._uptime_seconds())
        self._control.journal.close()
        exit_code = self._backend.exit_code(failure)
        return exit_code or (0 if self._control.journal.complete else FORCED)

    def _start_http(self) -> Server | None:
        settings = self._settings
        if not settings.http_port:
            return None
        # FastAPI takes half of the time that all imports take, and many megabytes: loaded only where HTTP is served.
        from edge.http.api.app import add_api  # noqa: PLC0415
        from edge.http.api.context import ApiContext  # noqa: PLC0415
        from edge.http.api.wire import wire_of_connection  # noqa: PLC0415
        from edge.http.asgi import CrossOrigin  # noqa: PLC0415
        from edge.http.authorization import authorize  # noqa: PLC0415
        from edge.http.compat.profiles import add_profile  # noqa: PLC0415
        from edge.http.routes import HttpContext, create_app, served  # noqa: PLC0415
        from edge.http.server import Server  # noqa: PLC0415
        from edge.observability.tracing.requests import traced  # noqa: PLC0415
        from edge.page.hub import Hub  # noqa: PLC0415
        from edge.page.routes import add_page  # noqa: PLC0415

        wire = self._wire or partial(wire_of_connection, self._backend)
        context = HttpContext(
            version=self._version,
            registry=make_registry(
                self._backend,
                self._reloader.status,
                queue_size=settings.queue_size,
                version=self._version,
                commands=self._reloader.journal.counts,
            ),
            control=self._control,
            authorize=partial(authorize, settings.http_token_file),
            uptime_seconds=self._uptime_seconds,
            patience_seconds=max(_LEAST_PATIENCE_SECONDS, 2.0 * settings.mqtt_keep_alive),
        )
        app = create_app(self._backend, context)
        api = ApiContext(
            source=self._backend,
            control=self._control,
            check=self._reloader.check,
            idempotency=self._idempotency,
            settings=shown_settings(settings),
            authorize=context.authorize,
            wall_clock=self._reloader.wall_clock,
            uptime_seconds=self._uptime_seconds,
            registry=context.registry,
            began=self._reloader.status().last_success,
            max_devices=settings.fleet_max_devices,
            origins=settings.cors_origins,
            wire=wire,
        )
        add_api(app, api)
        profile = add_profile(app, api, settings.http_compat)
        hub = self._hub = Hub(self._page_context(context.patience_seconds, wire))
        add_page(app, hub, self._backend)
        outermost = CrossOrigin(served(app), settings.cors_origins) if settings.cors_origins else served(app)
        further = FURTHER_PORTS if self._may_move else 0
        server = Server(traced(outermost), settings.http_host, settings.http_port, further, websocket=profile.websocket)
        if server.port != settings.http_port:
            log.warning("port %d is taken: HTTP takes %d; HTTP_PORT sets it", settings.http_port, server.port)
        compat = settings.http_compat
        also = f", and the calls of HTTP_COMPAT={compat}" if compat is not HttpCompat.NONE else ""
        log.info(
            "HTTP on %s: the page at /, and /metrics /livez /readyz /healthz /oee /anomalies /docs%s", server.url, also
        )
        self._tasks.start("http", server.run())
        if profile.run is not None:
            self._tasks.start("compat", profile.run())
        self._tasks.start("page", hub.run())
        return server

    def _page_context(self, patience_seconds: float, wire: Callable[[], Mapping[str, object]]) -> PageContext:
        from edge.page.figures.context import PageContext  # noqa: PLC0415

        return PageContext(
            source=self._backend,
            journal=self._control.journal,
            options=self._settings,
            plant_file=self._reloader.file_status,
            version=self._version,
            start_ms=self._backend.start_ms,
            uptime_seconds=self._uptime_seconds,
            wall_clock=self._reloader.wall_clock,
            clock=self._clock,
            patience_seconds=patience_seconds,
            speed=self._speed,
            is_dry_run=self._is_dry_run,
            wire=wire,
        )

    async def _log_statistics(self) -> None:
        interval = self._settings.stats_interval
        while interval:
            await asyncio.sleep(interval)
            self._backend.before_statistics()
            self._statistics.log(self._uptime_seconds())
        await asyncio.Event().wait()

    def _uptime_seconds(self) -> float:
        return self._clock() - self._started_at
