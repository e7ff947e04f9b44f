"""One daemon: the wiring of plant and edge."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from io import FileIO
from math import inf
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from edge.delivery.queue import Ledger, MessageQueue
from edge.delivery.stdout import ReaderGone, StdoutFailed, StdoutWriter
from edge.http.oee_answer import Entry, OeeTruth, entry
from edge.http.shared_work import in_turns
from edge.mqtt.client import MqttClient
from edge.mqtt.connection import BrokerRefused
from edge.mqtt.protocol.codec import CloudEvents, Encoder
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.mqtt.publisher import Publisher
from edge.observability.logs import RateLimited
from edge.observability.metrics import Lateness
from edge.oee_sums import sum_kinds
from edge.routing import TopicRouter
from edge.runtime.ground_truth import GroundTruthFile, GroundTruthLost
from edge.runtime.history import Progress, Throttle, history_rate
from edge.runtime.pacer import LatePolicy, Pacer, Timing
from edge.runtime.reload import refusals
from edge.runtime.run_clock import LONG_STEP_SECONDS, RunClock, told
from edge.runtime.run_options import RunOptions, UsageError
from edge.runtime.tasks import TaskSupervisor
from edge.settings.loader import Settings
from edge.settings.types import CatchUp, QueuePolicy
from edge.startup import why_not_writable
from edge.status import BadQuery, ClockStatus, ConnectionStatus, OeeQuery
from edge.timestamps import LAST_SECOND
from messages import RETAINED, FactoryMessageGenerator, NoSuchMachine, SnapshotOutdated
from plant.definition.plant_config import PlantConfig
from plant.forecast.rate_forecast import forecast
from plant.telemetry import KindOee, Message, Snapshot
from plant.trial import ConfigTrial

log = logging.getLogger("app")

VERSION = "0.1.0"
OK, DIED, CONFIGURATION, REFUSED = 0, 1, 2, 3

_FAREWELL_SECONDS = 5.0
_REFUSED_MESSAGE = "the broker refused a message on %s: %s"
_DEFERRED_MESSAGE = "the broker deferred a message on %s: %s"

_Found = TypeVar("_Found")


class _Census(NamedTuple):
    """The machines as last counted: how many of a kind are in a state, and the sums of each kind."""

    states: Mapping[tuple[str, str], int]
    kinds: Sequence[KindOee]


class Sink(Protocol):
    """Where messages go: a broker, or a stream."""

    def facts(self) -> ConnectionStatus:
        """The connection as it is now."""

    async def run(self) -> None:
        """Deliver until stopped."""

    async def drain(self, seconds: float) -> bool:
        """Wait until all is delivered, or never will be, for so long at most; return whether it is."""

    async def stop(self) -> None:
        """Say good-bye."""

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""


class Simulator:
    """One factory, or a part of one, with all that it needs to be heard: what a front shows, or a worker runs.

    says_first: it logs what is told once of a plant, not by each of its parts.
    Raises UsageError where the options contradict each other, StructureError where the plant cannot be made.
    """

    def __init__(
        self, options: RunOptions, settings: Settings, config: PlantConfig, *, says_first: bool = True
    ) -> None:
        self._settings = settings
        self._options, self._says_first = options, says_first
        self._bounded = options.bounded
        timing = options.timing(time.time())
        timing = replace(timing, end=min(timing.end, LAST_SECOND))
        wall = time.time if timing.follows_wall else time.monotonic
        steps = list[float]()
        self._clock = RunClock(time.monotonic, wall, steps.append)
        timing = replace(timing, born=self._clock.read_at)
        with refusals(settings.message_config_path.absolute()):
            self._plant = FactoryMessageGenerator.of(config, settings.seed, start=timing.start, shard=settings.part)
            self._plant.rehearse()
        self._topics = TopicRouter(self._plant.topic_template, settings.mqtt_topic_prefix, settings.topic_layout)
        self.ledger = Ledger()
        # Nothing is dropped for a reader that is slow: he holds the plant back.
        policy = QueuePolicy.BLOCK if options.dry_run else settings.queue_policy
        self._outbox = MessageQueue(settings.queue_size, policy, self.ledger)
        self._rare = RateLimited(log, 30.0, time.monotonic)
        self._outbox.on_overflow = self._on_overflow
        self._forget = [self._topics.invalidate]
        self._encoder: Encoder | None = None
        self._sink = self._to_stdout() if options.dry_run else self._to_broker()
        self.lateness, self._shown = Lateness(), set[str]()
        if says_first and not options.dry_run:
            self._outbox.on_acknowledged = self._show_first
        self._throttle = Throttle(self._late_rate(config))
        progress = self._follow_progress(timing) if says_first and timing.begins_with_history else None
        self._pacer = Pacer(
            self._plant,
            self._outbox,
            timing,
            self._clock,
            on_late=self.lateness.observe,
            count=options.count,
            arrears=LatePolicy(settings.catch_up, self._throttle, progress, self._begin_anew),
        )
        self._truth = self._write_truth(options.truth) if options.truth else None
        self._truth_lost: GroundTruthLost | None = None
        self._clock.on_step = self._on_clock_step
        for seconds in steps:
            self._on_clock_step(seconds)
        self._trial: ConfigTrial | None = None
        self._looking, self._census = asyncio.Lock(), _Census({}, ())

    @property
    def seed(self) -> int | str:
        """What the plant draws by."""
        return self._plant.seed

    @property
    def farewell_seconds(self) -> float:
        """The broker has a second to close, and HTTP another one."""
        return _FAREWELL_SECONDS

    def describe(self) -> str:
        """Say how many machines there are."""
        return f"{sum(1 for _ in self._plant.machines())} machines"

    def connection(self) -> ConnectionStatus:
        """Tell how it is connected."""
        return self._sink.facts()

    def turn_age_seconds(self) -> float:
        """Tell for how long the run loop has not turned."""
        return time.monotonic() - self._clock.read_at

    def clock(self) -> ClockStatus:
        """Tell how plant time goes with the clock on the wall."""
        return ClockStatus(self._clock.steps, self._clock.ahead_seconds - self._pacer.stretched_seconds)

    def snapshot(self) -> Snapshot:
        """What the plant is at, its machines as they were last counted."""
        return self._plant.snapshot(self._census.states)

    def oee_by_kind(self) -> Sequence[KindOee]:
        """The truth of each type of machine, as last summed up."""
        return self._census.kinds

    async def look(self) -> None:
        """Count the machines anew, in turns with the run loop."""
        self._census = await self._unless_outdated(self._count)

    async def truth(self, query: OeeQuery) -> OeeTruth:
        """The truth of each machine as of one moment, in turns with the run loop; BadQuery."""
        return await self._unless_outdated(partial(self._look_at_machines, query))

    def start(self, life: TaskSupervisor) -> None:
        """Begin to talk."""
        if self._truth is not None:
            self._truth.begin()
            self._truth.machine_types(self._plant.machine_types())
            self._describe_machines(self._truth)
            life.start("truth", self._truth.run())
        life.start("delivery", self._sink.run())
        life.start("plant", self._pace(life))

    def between_statistics(self) -> None:
        """Tell of rare events that were held back."""
        self._rare.flush()

    async def adopt(self, config: PlantConfig) -> None:
        """Follow another structure from now on; whatever this raises, nothing has changed then."""
        self.try_out(config)
        self.keep()

    def try_out(self, config: PlantConfig) -> None:
        """Follow another structure, and say nothing until it is kept or taken back; raises what stands in the way."""
        self._trial = self._plant.try_out(config)
        self._pacer.hold()

    def keep(self) -> None:
        """Stay with the structure that was tried."""
        self._end_trial(ConfigTrial.keep)
        if self._truth is not None:
            self._describe_machines(self._truth)
        for forget in self._forget:
            forget()
        self._throttle.rate = self._late_rate(self._plant.config)

    def take_back(self) -> None:
        """Go on as if the structure had never been tried."""
        self._end_trial(ConfigTrial.take_back)

    def _end_trial(self, end: Callable[[ConfigTrial], None]) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            end(trial)
        self._pacer.go_on()

    async def wind_up(self, death: Exception | None) -> None:
        """Say nothing more, get the rest acknowledged, say good-bye."""
        self._pacer.stop()
        self._outbox.take_over(self._pacer.held)
        deliverable = death is None or isinstance(death, GroundTruthLost)
        facts = self._sink.facts()
        if death is None and facts.clients and not facts.connects and not self._pacer.finished:
            # Whoever ends a run before its time does not wait for what may yet come.
            log.warning("never connected: dropping %d messages", self.ledger.pending)
        elif deliverable:
            await self._drain(self._settings.drain_seconds)
        await self._sink.stop()
        self._sink.abandon("shutdown")
        if self._truth is not None:
            now_ms = round(self._plant.now * 1000)
            self._plant.close_truth()
            self._truth.totals(self._plant.oee(), now_ms)
            self._truth_lost = self._truth.end(now_ms)

    async def _drain(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        # It ends early where the broker refuses for good, which is reported at the end.
        if not await self._sink.drain(seconds) and time.monotonic() >= deadline:
            log.warning("%d messages not acknowledged within %g s", self.ledger.pending, seconds)

    def exit_code(self, death: Exception | None) -> int:
        """Judge how it went, and log what it died of."""
        if isinstance(death, BrokerRefused):
            log.error("giving up: %s", death)
            return REFUSED
        death = death or self._truth_lost
        if isinstance(death, ReaderGone):
            log.info("%s", death)
            return OK
        if death is not None:
            log.error("%s", death, exc_info=None if isinstance(death, StdoutFailed | GroundTruthLost) else death)
            return DIED
        complete = self.ledger.acknowledged == self.ledger.generated
        return OK if complete or not self._bounded else DIED

    async def _unless_outdated(self, look: Callable[[], Awaitable[_Found]]) -> _Found:
        """Look once more where the plant was changed meanwhile. One look at a time."""
        async with self._looking:
            while True:
                with contextlib.suppress(SnapshotOutdated):
                    return await look()

    async def _count(self) -> _Census:
        parts = [part async for part in in_turns(self._plant.counted())]
        states = sum((part.states for part in parts), Counter[tuple[str, str]]())
        return _Census(states, sum_kinds([part.oee] for part in parts))

    async def _look_at_machines(self, query: OeeQuery) -> OeeTruth:
        try:
            still = self._plant.still(query.span, query.which)
        except NoSuchMachine as error:
            raise BadQuery(str(error)) from None
        entries: list[Entry] = []
        with contextlib.closing(still.figures()) as looks:
            async for some in in_turns(looks):
                entries += [entry(place, machine) for place, machine in some]
        return OeeTruth(self._plant.start, still.now_ms / 1000, entries, still.more, self._plant.machine_types())

    def _to_broker(self) -> Sink:
        settings = self._settings
        self._encoder = encoder = Encoder(self._topics.topic, settings.mqtt_message_expiry, self._events(), RETAINED)
        self._forget.append(encoder.invalidate)
        refused, deferred = (partial(self._on_puback, line) for line in (_REFUSED_MESSAGE, _DEFERRED_MESSAGE))
        delivery = Publisher(self._outbox, encoder, time.monotonic, refused, self._on_unsendable, deferred)
        return MqttClient(settings, delivery, time.time)

    def _events(self) -> CloudEvents | None:
        run = f"{self._plant.seed}/{self._plant.start}"
        return CloudEvents(self._settings.mqtt_cloud_events_source, run) if self._settings.mqtt_cloud_events else None

    def _to_stdout(self) -> Sink:
        if why_not := why_not_writable(sys.stdout.fileno()):
            raise UsageError(f"--dry-run: cannot write to standard output: {why_not}")
        stdout = FileIO(sys.stdout.fileno(), "w", closefd=False)
        return StdoutWriter(self._outbox, self._topics.topic, self._settings.mqtt_qos, stdout, RETAINED)

    def _write_truth(self, path: str) -> GroundTruthFile:
        plant_file = self._settings.message_config_path
        if Path(path).exists() and plant_file.exists() and Path(path).samefile(plant_file):
            raise UsageError(f"--truth: {path} is the plant's file")
        try:
            truth = GroundTruthFile(Path(path), round(self._plant.start * 1000), self._plant.seed)
        except OSError as error:
            raise UsageError(f"--truth: cannot write {path}: {error.strerror}") from None
        self._plant.listen(truth, truth.order)
        return truth

    def _describe_machines(self, truth: GroundTruthFile) -> None:
        now_ms = round(self._plant.now * 1000)
        truth.machines(self._plant.oee(), self._plant.machines(), now_ms)

    async def _pace(self, life: TaskSupervisor) -> None:
        await self._pacer.run()
        life.end()

    def _late_rate(self, config: PlantConfig) -> float:
        """Messages a second, at most, of what is said late."""
        _, parts = self._settings.part
        unheard = self._options.dry_run or (self._options.speed == inf and not self._options.then_live)
        own = forecast(config).per_second / parts
        return history_rate(self._settings.history_rate, own, unheard=unheard, parts=parts)

    def _follow_progress(self, timing: Timing) -> Progress:
        live, count = timing.speed < inf, self._options.count or inf
        return Progress(timing.start, lambda: self.ledger.generated, live=live, count=count)

    def _on_clock_step(self, seconds: float) -> None:
        catch_up = self._settings.catch_up
        too_far = seconds > LONG_STEP_SECONDS and self._truth is None and catch_up is not CatchUp.STRETCH
        anew = too_far and self._pacer.begin_anew()
        if self._says_first:
            log.log(*told(seconds, catch_up, anew=anew))

    def _begin_anew(self, start: float) -> None:
        self._plant.begin_anew(start)
        if self._encoder is not None:
            self._encoder.start_run(self._events())

    def _show_first(self, messages: Sequence[Message]) -> None:
        """One row of each kind, once it has arrived: what a newcomer wants to see, and kubectl logs can."""
        if len(self._shown) == len(self.ledger.acknowledged_by_kind):
            return
        for message in messages:
            if message.kind not in self._shown:
                self._shown.add(message.kind)
                log.info("first on %s: %s", self._topics.topic(message), message.payload.decode())

    def _on_overflow(self, what: str) -> None:
        size = self._outbox.size
        self._rare.log(logging.WARNING, "overflow", "the queue is full (%d messages): dropping the %s", size, what)

    def _on_puback(self, line: str, message: Message, code: int) -> None:
        topic, why = self._topics.topic(message), explain(Packet.PUBACK, code)
        self._rare.log(logging.WARNING, (message.kind, code), line, topic, why)

    def _on_unsendable(self, message: Message, reason: str, why: str) -> None:
        said = "dropping a message of %s: %s: %s"
        self._rare.log(logging.WARNING, (message.kind, reason), said, message.source, reason, why)
