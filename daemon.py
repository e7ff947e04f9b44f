"""One daemon: the wiring of plant and edge; and how a run is dealt out to several."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import FileIO
from math import inf
from pathlib import Path
from typing import Protocol

from edge.broker import Broker
from edge.commands import UsageError, pinned, timing_of
from edge.connection import BrokerRefused
from edge.delivery import Delivery
from edge.dryrun import DryRun, StreamClosed
from edge.facts import ConnectionFacts, Span
from edge.front import Truth
from edge.life import Life
from edge.logs import RateLimited
from edge.metrics import Lateness
from edge.outbox import Ledger, Outbox
from edge.pacer import Pacer
from edge.reasons import explain
from edge.settings import Settings
from edge.topics import Topics
from edge.truth import TruthFile
from edge.wire import CloudEvents, Encoder
from edge.worker import work
from edge.workers import Workers, fork
from messages import RETAINED, FactoryMessageGenerator
from plant.structure import Structure
from plant.telemetry import KindOee, Message, Snapshot

log = logging.getLogger("app")

VERSION = "0.1.0"
OK, DIED, CONFIGURATION, REFUSED = 0, 1, 2, 3

_DEALT_SECONDS = 1.0


def workers_of(options: argparse.Namespace, settings: Settings, structure: Structure) -> Workers:
    """Fork the workers that the settings ask for, each with its part of the plant, and of --count.

    Raises UsageError where the options contradict each other, or one process alone can do what they ask for.
    """
    for flag in ("demo", "dry_run", "truth"):
        if getattr(options, flag):
            raise UsageError(f"--{flag.replace('_', '-')} is for one process: leave WORKERS out")
    options = pinned(options, time.time())
    settings = settings.model_copy(update={"seed": settings.seed or secrets.token_hex(8)})
    parts = settings.of_workers()
    counts = deal(options, parts, structure) if options.count else [None] * len(parts)
    lives = [
        partial(
            _be_a_worker, argparse.Namespace(**{**vars(options), "count": count}), part, structure, part is parts[0]
        )
        for part, count in zip(parts, counts, strict=True)
    ]
    first, shards = settings.part
    machines = sum(len(range(first, count + 1, shards)) for _, _, count in structure.machines())
    about = f"{machines} machines, in {len(parts)} workers"
    return Workers(fork(lives), settings.seed or "", about, time.monotonic, settings.drain_seconds)


def _be_a_worker(
    options: argparse.Namespace, part: Settings, structure: Structure, says_first: bool, end: socket.socket
) -> int:
    async def live() -> int:
        return await work(end, Daemon(options, part, structure, says_first=says_first))

    return asyncio.run(live())


def deal(options: argparse.Namespace, parts: Sequence[Settings], structure: Structure) -> list[int]:
    """How many of the first --count messages of all parts together are each part's.

    Found by having them all said, quietly; so it takes the time that one process needs for that.
    """
    timing, left = timing_of(options, time.time()), options.count
    plants = [FactoryMessageGenerator.of(structure, part.seed, start=timing.start, shard=part.part) for part in parts]
    place, dealt = _order_of(plants), [0] * len(plants)
    while left and (due := min(plant.next_due() for plant in plants)) < inf and due <= timing.end:
        until = min(due + _DEALT_SECONDS, timing.end)
        said = sorted((place(row), part) for part, plant in enumerate(plants) for row in plant.advance(until))[:left]
        left -= len(said)
        for _, part in said:
            dealt[part] += 1
    return [dealt[0] + left, *dealt[1:]]


def _order_of(plants: Sequence[FactoryMessageGenerator]) -> Callable[[Message], tuple[int, ...]]:
    """What to sort the messages of parts by, so that they come in the order of the whole: time, type, machine, row."""
    kinds = [*plants[0].snapshot().rows]
    types = {view.machine_id.partition("-")[0]: kinds.index(view.kind) for plant in plants for view in plant.machines()}

    def place(row: Message) -> tuple[int, ...]:
        who, _, number = row.source.removeprefix("oee/").partition("-")
        kind = kinds.index(row.kind) if row.kind in kinds else len(kinds)
        return row.time_ms, kind, types.get(who, 0), int(number or 0), row.sequence

    return place


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
    """One factory, or a part of one, with all that it needs to be heard: what a front shows, or a worker runs.

    says_first: it logs the first row of each kind.  Raises UsageError where the options contradict each other.
    """

    def __init__(
        self, options: argparse.Namespace, settings: Settings, structure: Structure, *, says_first: bool = True
    ) -> None:
        self._settings = settings
        self._bounded = bool(options.count is not None or (options.duration and not options.then_live))
        timing = replace(timing_of(options, time.time()), born=time.monotonic())
        self._plant = FactoryMessageGenerator.of(structure, settings.seed, start=timing.start, shard=settings.part)
        self._topics = Topics(self._plant.topic_template, settings.mqtt_topic_prefix, settings.topic_layout)
        self.ledger = Ledger()
        self._outbox = Outbox(settings.queue_size, settings.queue_policy, self.ledger)
        self._rare = RateLimited(log, 30.0, time.monotonic)
        self._outbox.on_overflow = self._on_overflow
        self._forget = [self._topics.forget]
        self._sink = self._to_stdout() if options.dry_run else self._to_broker()
        self.lateness, self._shown = Lateness(), set[str]()
        self._pacer = Pacer(
            self._plant,
            self._outbox,
            timing,
            time.monotonic,
            on_messages=self._show_first if says_first and not options.dry_run else _say_nothing,
            on_late=self.lateness.observe,
            count=options.count,
            catch_up=settings.catch_up,
        )
        self._truth = self._write_truth(options.truth) if options.truth else None

    @property
    def seed(self) -> int | str:
        """What the plant draws by."""
        return self._plant.seed

    def describe(self) -> str:
        """Say how many machines there are."""
        return f"{sum(1 for _ in self._plant.machines())} machines"

    def connection(self) -> ConnectionFacts:
        """Tell how it is connected."""
        return self._sink.facts()

    def turn_age_seconds(self) -> float:
        """Tell for how long the run loop has not turned."""
        return time.monotonic() - self._pacer.turned_at

    def snapshot(self) -> Snapshot:
        """Count what the plant is at."""
        return self._plant.snapshot()

    def oee_by_kind(self) -> list[KindOee]:
        """Sum up the truth of each type of machine."""
        return self._plant.oee_by_kind()

    async def look(self) -> None:
        """Nothing has to be done for it: all this is of now."""

    async def truth(self, span: Span) -> Truth:
        """The truth of each machine."""
        return Truth(self._plant.start, self._plant.now, self._plant.oee(span))

    def start(self, life: Life) -> None:
        """Begin to talk."""
        life.start("delivery", self._sink.run())
        life.start("plant", self._pace(life))

    def between_statistics(self) -> None:
        """Tell of rare events that were held back."""
        self._rare.flush()

    def adopt(self, structure: Structure) -> None:
        """Follow another structure from now on."""
        self._plant.reload(structure)
        if self._truth is not None:
            self._describe_machines(self._truth)
        for forget in self._forget:
            forget()
        self._pacer.wake()

    async def wind_up(self, death: Exception | None) -> None:
        """Say nothing more, get the rest acknowledged, say good-bye."""
        self._pacer.stop()
        if death is None and not await self._sink.drain(self._settings.drain_seconds):
            log.warning("%d messages not acknowledged within %g s", self.ledger.pending, self._settings.drain_seconds)
        await self._sink.stop()
        self._sink.abandon("shutdown")
        if self._truth is not None:
            now_ms = round(self._plant.now * 1000)
            self._plant.close_truth()
            self._truth.totals(self._plant.oee(), now_ms)
            self._truth.end(now_ms)

    def exit_code(self, death: Exception | None) -> int:
        """Judge how it went, and log what it died of."""
        if isinstance(death, BrokerRefused):
            log.error("giving up: %s", death)
            return REFUSED
        if death is not None:
            log.error("ending: %s", death, exc_info=None if isinstance(death, StreamClosed) else death)
            return DIED
        complete = self.ledger.acknowledged == self.ledger.generated
        return OK if complete or not self._bounded else DIED

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

    def _write_truth(self, path: str) -> TruthFile:
        try:
            truth = TruthFile(Path(path), round(self._plant.start * 1000), self._plant.seed)
        except OSError as error:
            raise UsageError(f"--truth: cannot write {path}: {error.strerror}") from None
        self._describe_machines(truth)
        self._plant.listen(truth, truth.order)
        return truth

    def _describe_machines(self, truth: TruthFile) -> None:
        truth.machines(self._plant.oee(), self._plant.machines(), round(self._plant.now * 1000))

    async def _pace(self, life: Life) -> None:
        await self._pacer.run()
        life.end()

    def _show_first(self, messages: Sequence[Message]) -> None:
        """One row of each kind, once: what a newcomer wants to see, and kubectl logs can."""
        if len(self._shown) == len(self.ledger.generated_by_kind):
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
