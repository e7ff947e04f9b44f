"""The output of a simulator: its queue, the broker or standard output behind it, and the log lines about both."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import FileIO
from math import inf
from typing import Final, NamedTuple, Protocol

from edge.control.live_plant import Script
from edge.delivery.lanes import Lanes
from edge.delivery.queue import Ledger, MessageQueue
from edge.delivery.sources import Sources
from edge.delivery.stdout import StdoutWriter
from edge.delivery.tap import Tap
from edge.mqtt.client import MqttClient
from edge.mqtt.commands.lane import CommandLane
from edge.mqtt.devices.fleet import DeviceFleet
from edge.mqtt.devices.places import LaneNames, Place, places_of
from edge.mqtt.protocol.carrying_encoder import CarryingEncoder
from edge.mqtt.protocol.codec import CloudEvents, Encoder
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.protocol.versions import rules_of
from edge.mqtt.publisher import MessageSource, Publisher
from edge.observability.delivery_log import DeliveryLog
from edge.observability.tracing import spans
from edge.observability.tracing.fleet import FLEET_SPAN, fleet_attributes
from edge.observability.tracing.messages import MessageTraces
from edge.routing import KindOptions, TopicError, TopicRouter
from edge.runtime.run_options import UsageError
from edge.settings.loader import Settings
from edge.settings.types import Connections, HttpCompat, QueuePolicy
from edge.startup import why_not_writable
from edge.status import ConnectionStatus
from messages import CommandRefused, FactoryMessageGenerator
from plant.telemetry import Message, machine_of

log = logging.getLogger("app")

_POLL_SECONDS = 0.05


class Sink(Protocol):
    """Where messages go: a broker, or a stream."""

    def facts(self) -> ConnectionStatus:
        """Return the status of the connection."""

    async def run(self) -> None:
        """Deliver messages until stopped."""

    async def drain(self, seconds: float) -> bool:
        """Wait until all messages are delivered, or never will be, for at most `seconds`; return whether they are."""

    async def stop(self) -> None:
        """Disconnect."""

    def abandon(self, reason: str) -> None:
        """Count the remaining messages as dropped."""


def _see_nothing(_messages: Sequence[Message]) -> None:
    pass


class Observer(NamedTuple):
    """Who takes part in a run: acts on the plant at times of its own, and sees its messages.

    on_messages: called with messages as they are queued.  make_sink: makes a sink in place of the broker.
    room: returns how many late messages may be queued now, beside all other limits.
    """

    script: Script | None = None
    on_messages: Callable[[Sequence[Message]], None] = _see_nothing
    make_sink: Callable[[MessageQueue], Sink] | None = None
    room: Callable[[], float] = lambda: inf


NOBODY: Final = Observer()


class Output:
    """A queue, and the sink that it is emptied into.

    plant: gives the topics, and the ids of its messages.  wake: set when the full queue has room again.
    traces: what traces messages; None where nothing does.
    clock: seconds, monotonic.  wall_clock: Unix seconds.
    dry_run: messages go to standard output.  show_first: the first message of each kind is logged.
    make_sink: makes another sink of the queue; None where it is the broker or standard output.
    command_part: (k, n) where the processes that execute commands together are the k-th of n parts of the plant.
    Raises UsageError where standard output cannot be written to.
    """

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        settings: Settings,
        plant: FactoryMessageGenerator,
        wake: asyncio.Event,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        *,
        dry_run: bool,
        show_first: bool,
        command_part: tuple[int, int],
        make_sink: Callable[[MessageQueue], Sink] | None = None,
    ) -> None:
        self._settings, self._plant, self._clock = settings, plant, clock
        self._is_fleet = settings.http_compat is HttpCompat.FLEET
        self._started_at = clock()
        self._templates: dict[str, str] = {}
        self._topics = TopicRouter(self._template, settings.mqtt_topic_prefix, settings.topic_layout)
        ledger = Ledger()
        self.traces = None if dry_run or make_sink else self._make_traces(clock, wall_clock)
        self.log = DeliveryLog(self._topics, ledger, settings.queue_size, clock, show_first=show_first and not dry_run)
        self._lane_names = LaneNames()
        is_laned = settings.mqtt_connections is Connections.PER_MACHINE and not (dry_run or make_sink)
        self._lanes = Lanes(self._lane_names) if is_laned else None
        self.queue = MessageQueue(
            settings.queue_size,
            # Nothing is dropped for a slow reader of standard output: the plant waits for it.
            QueuePolicy.BLOCK if dry_run or make_sink else settings.queue_policy,
            ledger,
            on_room=wake.set,
            on_overflow=self.log.overflowed,
            on_acknowledged=self._acknowledged,
            on_failed=self.traces.failed if self.traces else lambda _messages, _why: None,
            store=self._lanes,
        )
        self._options = KindOptions()
        self._read_options()
        self._sources = Sources(self._topics.topic, lambda: plant.config, settings.mqtt_qos, self._options)
        self.tap = Tap(self._sources, clock, wall_clock, self._sources.invalidate)
        self._encoder = self._make_encoder()
        takes_commands = settings.mqtt_commands and not dry_run
        self.commands = (
            CommandLane(settings, lambda: plant.config, command_part, clock, self.tap.note) if takes_commands else None
        )
        self._devices: DeviceFleet | None = None
        self.sink: Sink
        if make_sink is not None:
            self.sink = make_sink(self.queue)
        else:
            self.sink = self._stdout() if dry_run else self._broker(clock, wall_clock)

    @property
    def ledger(self) -> Ledger:
        """The counts of messages by what happened to them."""
        return self.queue.ledger

    def topic(self, message: Message) -> str:
        """Return the topic of a message; raises TopicError."""
        return self._topics.topic(message)

    def invalidate(self) -> None:
        """Forget what was derived from the configuration, because it has changed."""
        self._topics.invalidate()
        self._sources.invalidate()
        self.tap.invalidate()
        self._read_options()
        self._encoder.invalidate()
        if self.commands is not None:
            self.commands.invalidate()
        if self._devices is not None:
            self._devices.follow()
            self._lane_names.follow([*self._places(), *self._devices.leaving])

    def connect(self, command: Mapping[str, object]) -> None:
        """Do what a command says to the connection of a machine; raises CommandRefused where it has none of its own."""
        if self._devices is not None:
            self._devices.act(command)
        elif isinstance(self.sink, MqttClient):
            raise CommandRefused("command", "needs a connection for each machine: MQTT_CONNECTIONS=per_machine")

    def restart_run(self) -> None:
        """Give messages the ids of a new run, because the plant began another one."""
        self._encoder.start_run(self._cloud_events())

    def flush_log(self) -> None:
        """Log how many lines about rare events were held back."""
        self.log.flush()
        if self.commands is not None:
            self.commands.desk.flush()

    def take_no_commands(self) -> None:
        """Refuse commands from now on: the plant has stopped."""
        if self.commands is not None:
            self.commands.desk.stop()

    async def run(self) -> None:
        """Deliver messages until `shutdown`."""
        self._started_at = self._clock()
        await self.sink.run()

    async def shutdown(self, remaining: Sequence[Message], asked_to_end: asyncio.Event, *, drain: bool) -> None:
        """Queue the last messages, deliver them if `drain`, disconnect, and count the rest as dropped.

        A broker that has never accepted a connection is waited for until DRAIN_SECONDS after the start of the run, so
        that it may start later than a short run; and not at all once the process is asked to end.
        """
        self.queue.take_over(remaining)
        if drain:
            await self._drain(self._settings.drain_seconds, asked_to_end)
        await self.sink.stop()
        self.sink.abandon("shutdown")

    async def _drain(self, seconds: float, asked_to_end: asyncio.Event) -> None:
        def hopeless() -> bool:
            late = self._clock() >= self._started_at + seconds
            return self._never_connected and (late or asked_to_end.is_set())

        deadline = self._clock() + seconds
        # It ends early where the broker rejects the login permanently, which is reported at the end.
        drain = asyncio.ensure_future(self.sink.drain(seconds))
        while not drain.done() and not hopeless():
            await asyncio.wait({drain}, timeout=_POLL_SECONDS)
        if drain.done() and drain.result():
            return
        drain.cancel()
        if hopeless():
            log.warning("never connected, dropping the queued messages count=%d", self.ledger.pending)
        elif self._clock() >= deadline:
            log.warning("drain timed out messages=%d seconds=%g", self.ledger.pending, seconds)

    @property
    def _never_connected(self) -> bool:
        """Whether there is a broker to connect to, and it has never accepted a connection."""
        connection = self.sink.facts()
        return bool(connection.clients) and not connection.connects

    def _broker(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> Sink:
        if self._lanes is not None:
            self._lane_names.follow(self._places())
            self._devices = DeviceFleet(
                self._settings,
                self._places,
                self.queue,
                self._lanes,
                self._publisher,
                self.commands,
                clock,
                wall_clock,
                note=self.tap.note,
            )
            return self._devices
        publisher = self._publisher(self.queue)
        subscription = self.commands.subscription if self.commands is not None else None
        return MqttClient(self._settings, publisher, wall_clock, subscription)

    def _publisher(self, source: MessageSource) -> Publisher:
        log = self.log
        return Publisher(
            source, self._encoder, self._clock, log.refused, log.unsendable, log.deferred, self._options.qos
        )

    def _places(self) -> Iterator[Place]:
        return places_of(self._plant.config, self._settings)

    def _make_encoder(self) -> Encoder:
        topic, retained = self._topics.topic, self._options.retained
        if not rules_of(self._settings.mqtt_version).has_properties:
            return PlainEncoder(topic, retained)
        about = topic, self._settings.mqtt_message_expiry, self._cloud_events(), retained
        return CarryingEncoder(self.traces.carriers, *about) if self.traces else Encoder(*about)

    def _make_traces(self, clock: Callable[[], float], wall_clock: Callable[[], float]) -> MessageTraces | None:
        """Return what traces messages, if anything is traced."""
        if not spans.enabled():
            return None
        name = FLEET_SPAN if self._is_fleet else None
        return MessageTraces(self._settings.trace_rate, clock, wall_clock, self._describe, name)

    def _describe(self, message: Message) -> tuple[str, spans.Attributes] | None:
        """Return the topic of a message, and what its span says about where it is sent; None if it has no topic."""
        settings = self._settings
        try:
            topic = self._topics.topic(message)
        except TopicError:
            return None
        return topic, {
            "messaging.client.id": settings.mqtt_client_id,
            "server.address": settings.mqtt_broker,
            "server.port": settings.mqtt_port,
            "edgemqttsim.mqtt.qos": self._options.qos.get(message.kind, settings.mqtt_qos),
            **(fleet_attributes(message, topic, settings.mqtt_broker) if self._is_fleet else {}),
        }

    def _acknowledged(self, messages: Sequence[Message]) -> None:
        self.log.acknowledged(messages)
        if self.tap.is_open:
            self.tap.delivered(messages)
        if self._is_fleet:
            self.ledger.acknowledged_by_machine.update(map(machine_of, messages))
        if self.traces:
            self.traces.acknowledged(messages)

    def _template(self, kind: str) -> str:
        """Return the topic template of a kind; of one that is gone, and may still be queued, the last one."""
        return self._templates.get(kind) or self._plant.topic_template(kind)

    def _read_options(self) -> None:
        self._templates |= {kind: self._plant.topic_template(kind) for kind in self._plant.config.kinds}
        self._options.replace(self._plant.qos_by_kind, self._plant.retained_kinds)

    def _cloud_events(self) -> CloudEvents | None:
        settings, run = self._settings, f"{self._plant.seed}/{self._plant.start}"
        return CloudEvents(settings.mqtt_cloud_events_source, run) if settings.mqtt_cloud_events else None

    def _stdout(self) -> Sink:
        if why_not := why_not_writable(sys.stdout.fileno()):
            raise UsageError(f"--dry-run: cannot write to standard output: {why_not}")
        stream = FileIO(sys.stdout.fileno(), "w", closefd=False)
        return StdoutWriter(self.queue, self._topics.topic, self._settings.mqtt_qos, stream, self._options)
