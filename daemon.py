"""One daemon: the wiring of plant and edge, from start to exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Protocol

from edge.broker import Broker
from edge.commands import UsageError, timing_of
from edge.connection import BrokerRefused
from edge.delivery import Delivery
from edge.dryrun import DryRun, StreamClosed
from edge.facts import ConnectionFacts, ReloadOutcome, why_not_alive, why_not_ready
from edge.life import Life
from edge.logs import RateLimited
from edge.metrics import Lateness, Statistics, Watched, ledger_fields, make_registry
from edge.outbox import Ledger, Outbox
from edge.pacer import Pacer
from edge.reasons import explain
from edge.reload import FileWatcher, Reloader
from edge.settings import Settings
from edge.topics import Topics
from edge.truth import TruthFile, oee_report
from edge.web import Server, Span, create_app
from edge.wire import CloudEvents, Encoder
from messages import RETAINED, FactoryMessageGenerator
from plant.structure import Structure
from plant.telemetry import Message

log = logging.getLogger("app")

VERSION = "0.1.0"
OK, DIED, CONFIGURATION, REFUSED = 0, 1, 2, 3


class Sink(Protocol):
    """Where messages go: a broker, or a stream."""

    def facts(self) -> ConnectionFacts:
        """The connection as it is now."""

    async def run(self) -> None:
        """Deliver until stopped."""

    async def drain(self, seconds: float) -> bool:
        """Wait until all is delivered, for so long at most; say whether it is."""

    async def stop(self) -> None:
        """Say good-bye."""

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""


class Daemon:
    """One factory with all it needs, from start to exit code. It is also what the HTTP port shows."""

    version = VERSION

    def __init__(
        self,
        options: argparse.Namespace,
        settings: Settings,
        structure: Structure,
        loading: Callable[[Path], Structure],
    ) -> None:
        self._settings = settings
        self._bounded = bool(options.count or (options.duration and not options.then_live))
        self._born, timing = time.monotonic(), timing_of(options, time.time())
        self._plant = FactoryMessageGenerator.of(structure, settings.seed, start=timing.start, shard=settings.part)
        self._topics = Topics(self._plant.topic_template, settings.mqtt_topic_prefix, settings.topic_layout)
        self._ledger = Ledger()
        self._outbox = Outbox(settings.queue_size, settings.queue_policy, self._ledger)
        self._rare = RateLimited(log, 30.0, time.monotonic)
        self._outbox.on_overflow = self._on_overflow
        self._forget = [self._topics.forget]
        self._sink = self._to_stdout() if options.dry_run else self._to_broker()
        self._lateness, self._shown = Lateness(), set[str]()
        self._pacer = Pacer(
            self._plant,
            self._outbox,
            timing,
            time.monotonic,
            on_messages=_say_nothing if options.dry_run else self._show_first,
            on_late=self._lateness.observe,
            count=options.count,
            catch_up=settings.catch_up,
        )
        self._reloader = Reloader(settings.message_config_path, loading, self._adopt, time.time)
        self._statistics = Statistics(self._ledger, self._sink.facts, self._lateness)
        self.registry = make_registry(self._watched())
        self._life = Life()
        self._truth = self._write_truth(options.truth) if options.truth else None

    async def live(self) -> int:
        """Run to the end of a bounded run, a signal, or a death; give the exit code. PortError if HTTP cannot open."""
        settings, life = self._settings, self._life
        log.info("plant: %d machines, seed %s", sum(1 for _ in self._plant.machines()), self._plant.seed)
        life.catch_signals(on_hangup=lambda: self._reload("SIGHUP"))
        server = self._serve()
        watcher = FileWatcher(settings.message_config_path, lambda: self._reload("changed"), settings.reload_seconds)
        # What has been built lives as long as the process: the collector need not look through it again and again.
        gc.freeze()
        life.start("delivery", self._sink.run())
        life.start("plant", self._pace())
        life.start("reload", watcher.run())
        life.start("statistics", self._say_statistics())
        death = await life.until_over()
        await self._wind_up(death)
        if server is not None:
            server.stop()
        await life.close()
        self._statistics.log(self._uptime())
        return self._exit_code(death)

    # what the HTTP port asks

    @property
    def http_token_file(self) -> Path | None:
        """The file with the token for calls that change anything."""
        return self._settings.http_token_file

    def why_not_alive(self) -> str | None:
        """Say why the process should be restarted, or None."""
        patience = max(30.0, 2.0 * self._settings.mqtt_keep_alive)
        turn_age = time.monotonic() - self._pacer.turned_at
        return why_not_alive(self._sink.facts(), turn_age_seconds=turn_age, patience_seconds=patience)

    def why_not_ready(self) -> str | None:
        """Say why messages cannot be delivered, or None."""
        return why_not_ready(self._sink.facts())

    def health(self) -> Mapping[str, object]:
        """The figures."""
        facts, plant = self._sink.facts(), self._plant.snapshot()
        return {
            "uptime_seconds": round(self._uptime(), 3),
            "ledger": ledger_fields(self._ledger),
            "connection": {name: getattr(facts, name) for name in facts.__slots__},
            "plant": {"seed": self._plant.seed, "rows": dict(plant.rows), "open_orders": plant.open_orders},
        }

    def oee(self, span: Span) -> Mapping[str, object]:
        """The truth of each machine."""
        return oee_report(self._plant.oee(span), self._plant.start, self._plant.now, span)

    async def request_reload(self) -> ReloadOutcome:
        """Load the plant's file anew."""
        return self._reload("HTTP")

    # the parts

    def _to_broker(self) -> Sink:
        settings = self._settings
        events = CloudEvents(settings.mqtt_cloud_events_source, f"{self._plant.seed}/{self._plant.start}")
        with_events = events if settings.mqtt_cloud_events else None
        encoder = Encoder(self._topics.topic, settings.mqtt_message_expiry, with_events, RETAINED)
        self._forget.append(encoder.forget)
        delivery = Delivery(self._outbox, encoder, time.monotonic, self._on_refused)
        return Broker(settings, delivery, time.time)

    def _to_stdout(self) -> Sink:
        stdout = FileIO(sys.stdout.fileno(), "w", closefd=False)
        return DryRun(self._outbox, self._topics.topic, self._settings.mqtt_qos, stdout, RETAINED)

    def _watched(self) -> Watched:
        return Watched(
            ledger=self._ledger,
            queue_size=self._settings.queue_size,
            version=VERSION,
            snapshot=self._plant.snapshot,
            connection=self._sink.facts,
            reloads=self._reloader.facts,
            oee=self._plant.oee_by_kind,
            lateness=self._lateness,
        )

    def _write_truth(self, path: str) -> TruthFile:
        try:
            truth = TruthFile(Path(path), round(self._plant.start * 1000), self._plant.seed)
        except OSError as error:
            raise UsageError(f"--truth: cannot write {path}: {error.strerror}") from None
        truth.machines(self._plant.oee())
        self._plant.listen(truth)
        return truth

    def _serve(self) -> Server | None:
        settings = self._settings
        if not settings.http_port:
            return None
        server = Server(create_app(self), settings.http_host, settings.http_port)
        log.info("HTTP on %s: /metrics /livez /readyz /healthz /oee /docs", server.url)
        self._life.start("http", server.run())
        return server

    # the tasks

    async def _pace(self) -> None:
        await self._pacer.run()
        self._life.end()

    async def _say_statistics(self) -> None:
        interval = self._settings.stats_interval
        while interval:
            await asyncio.sleep(interval)
            self._rare.flush()
            self._statistics.log(self._uptime())
        await asyncio.Event().wait()

    async def _wind_up(self, death: Exception | None) -> None:
        """Say nothing more, get the rest acknowledged, say good-bye."""
        self._pacer.stop()
        if death is None and not await self._sink.drain(self._settings.drain_seconds):
            log.warning("%d messages not acknowledged within %g s", self._ledger.pending, self._settings.drain_seconds)
        await self._sink.stop()
        self._sink.abandon("shutdown")
        if self._truth is not None:
            self._plant.close_truth()
            self._truth.end(round(self._plant.now * 1000))

    def _exit_code(self, death: Exception | None) -> int:
        if isinstance(death, BrokerRefused):
            log.error("giving up: %s", death)
            return REFUSED
        if death is not None:
            log.error("ending: %s", death, exc_info=None if isinstance(death, StreamClosed) else death)
            return DIED
        complete = self._ledger.acknowledged == self._ledger.generated
        return OK if complete or not self._bounded else DIED

    # small answers

    def _uptime(self) -> float:
        return time.monotonic() - self._born

    def _reload(self, cause: str) -> ReloadOutcome:
        return self._reloader.reload(cause)

    def _adopt(self, structure: Structure) -> None:
        self._plant.reload(structure)
        if self._truth is not None:
            self._truth.machines(self._plant.oee())
        for forget in self._forget:
            forget()
        self._pacer.wake()

    def _show_first(self, messages: Sequence[Message]) -> None:
        """One row of each kind, once: what a newcomer wants to see, and kubectl logs can."""
        if len(self._shown) == len(self._ledger.generated_by_kind):
            return
        for message in messages:
            if message.kind not in self._shown:
                self._shown.add(message.kind)
                log.info("first on %s: %s", self._topics.topic(message), message.payload.decode())

    def _on_overflow(self, what: str) -> None:
        size = self._outbox.size
        self._rare.log(logging.WARNING, "overflow", "the queue is full (%d messages): dropping the %s", size, what)

    def _on_refused(self, message: Message, code: int) -> None:
        topic = self._topics.topic(message)
        self._rare.log(
            logging.WARNING, (message.kind, code), "the broker refused a message on %s: %s", topic, explain(code)
        )


def _say_nothing(_messages: Sequence[Message]) -> None:
    """In a dry run every row is there to see."""
