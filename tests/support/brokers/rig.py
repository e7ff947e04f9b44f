"""A plant and its delivery wired as the daemon wires them, in the test's own loop.

The rig records what happens to each message; tests/support/brokers/checks.py compares these notes, the ledger and what
a subscriber got.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edge.delivery.lanes import Lane, LaneOf, Lanes
from edge.delivery.queue import MessageQueue
from edge.mqtt.client import MqttClient
from edge.mqtt.devices.fleet import DeviceFleet
from edge.mqtt.devices.places import LaneNames, Place, places_of
from edge.mqtt.protocol.codec import CloudEvents, Encoder
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.publisher import FrameEncoder, FrameWriter, Limits, MessageSource, Publisher
from edge.routing import TopicRouter
from edge.runtime.pacer import Pacer, PacerHooks, Timing
from edge.settings.loader import Settings
from edge.settings.types import Connections, MqttVersion
from messages import FactoryMessageGenerator
from plant.definition.plant_config import PlantConfig, parse
from plant.telemetry import Message
from tests.support.factory import plants

Key = tuple[str, int]
"""Sender and sequence: one message, wherever it turns up."""

CLIENT_ID = "rig"
_LOOK_SECONDS = 0.005
_RETRY = re.compile(r"retrying in ([0-9.]+)s attempt=")
_COUNTS = {"cnc": 30, "printer_3d": 48, "welding": 24, "painting": 18, "testing": 12}


class Notes:
    """What happened to each message.

    said: handed over by the plant, or offered by the test, in order.  acknowledged: how often, by message.  refused:
    with which code.  frames: what was sent on each connection, in order, by client.  looks: how often the ledger was
    compared with what is really queued and in flight.  wrong: what did not agree then, or was sent without need.
    most_in_flight: at any look.  longest_pause: seconds between two looks, which are many where the machine is busy.
    """

    def __init__(self) -> None:
        self.said: dict[Key, Message] = {}
        self.acknowledged: Counter[Key] = Counter()
        self.refused: dict[Key, int] = {}
        self.frames: defaultdict[str, list[list[Key]]] = defaultdict(lambda: [[]])
        self.looks = 0
        self.wrong: list[str] = []
        self.most_in_flight = 0
        self.longest_pause = 0.0

    def say(self, *messages: Message) -> None:
        """The outbox has taken these messages over, or dropped them."""
        self.said.update({(message.source, message.sequence): message for message in messages})

    def send(self, client: str, key: Key) -> None:
        """A frame of this message is about to be written."""
        self.frames[client][-1].append(key)
        if key in self.acknowledged:
            self.wrong.append(f"{key} sent again after it was acknowledged")

    @property
    def sent_on(self) -> Counter[Key]:
        """On how many connections each message was sent."""
        return Counter(key for connections in self.frames.values() for frames in connections for key in set(frames))


class _NotingOutbox(MessageQueue):
    def __init__(self, settings: Settings, notes: Notes, wake: asyncio.Event, lanes: Lanes | None) -> None:
        super().__init__(settings.queue_size, settings.queue_policy, on_room=wake.set, store=lanes)
        self._notes = notes

    def acknowledged(self, *messages: Message) -> None:
        super().acknowledged(*messages)
        self._notes.acknowledged.update((message.source, message.sequence) for message in messages)

    def refused(self, message: Message, code: int) -> None:
        super().refused(message, code)
        self._notes.refused[(message.source, message.sequence)] = code


class _NotingEncoder:
    def __init__(self, topics: TopicRouter, settings: Settings, notes: Notes, client_of: LaneOf) -> None:
        events = CloudEvents(settings.mqtt_cloud_events_source, "rig")
        self._frames = (
            Encoder(topics.topic, settings.mqtt_message_expiry, events)
            if settings.mqtt_version is MqttVersion.V5
            else PlainEncoder(topics.topic)
        )
        self._notes, self._client_of = notes, client_of

    def follow_limits(self, *, retain: bool, frame_bytes: int | None = None) -> None:
        self._frames.follow_limits(retain=retain, frame_bytes=frame_bytes)

    def frames(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, *, dup: bool = False
    ) -> list[bytes]:
        for message in messages:
            self._notes.send(self._client_of(message), (message.source, message.sequence))
        return self._frames.frames(messages, packet_ids, dup=dup)


class _NotingDelivery(Publisher):
    def __init__(self, source: MessageSource, encoder: FrameEncoder, notes: Notes, client: str) -> None:
        super().__init__(source, encoder, time.monotonic)
        self._notes, self._client = notes, client

    @property
    def unanswered(self) -> int:
        """Messages that are really in flight, the ledger aside."""
        return len(self._in_flight) + len(self._again)

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        self._notes.frames[self._client].append([])
        super().open(wire, limits, session_present=session_present)


class Rig:
    """An async context manager: outbox, delivery and broker connection, with a plant if there is a structure.

    living: the task of Broker.run; a test may await it to see how it ends.
    """

    def __init__(self, settings: Settings, config: PlantConfig | None = None) -> None:
        self.notes, self.settings = Notes(), settings
        self._config, self._start = config or quiet_plant(), time.time()
        self._plant = self._new_plant()
        self.topics = TopicRouter(self._plant.topic_template, settings.mqtt_topic_prefix, settings.topic_layout)
        wake = asyncio.Event()
        self._names = names = LaneNames()
        names.follow(self._places())
        self.is_per_machine = settings.mqtt_connections is Connections.PER_MACHINE
        lanes = Lanes(names) if self.is_per_machine else None
        self.outbox = _NotingOutbox(settings, self.notes, wake, lanes)
        self.ledger = self.outbox.ledger
        client_of = names if self.is_per_machine else lambda _message: CLIENT_ID
        self._encoder = _NotingEncoder(self.topics, settings, self.notes, client_of)
        self._deliveries: list[_NotingDelivery] = []
        self.broker = (
            self._fleet(lanes) if lanes is not None else MqttClient(settings, self._publisher(self.outbox), time.time)
        )
        self._pacer = Pacer(
            self._plant,
            self.outbox,
            Timing(self._plant.start),
            asyncio.get_running_loop().time,
            wake=wake,
            hooks=PacerHooks(on_messages=lambda messages: self.notes.say(*messages)),
        )

    async def __aenter__(self) -> Self:
        self.living = asyncio.create_task(self.broker.run())
        self._tasks = [self.living, asyncio.create_task(self._pacer.run()), asyncio.create_task(self._watch())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def offer(self, *rows: str, size: int = 0) -> None:
        """Queue messages of a machine by hand: `CNC-01 7` is its seventh. The payload has `size` bytes, or a few."""
        for row in rows:
            source, _, number = row.partition(" ")
            payload = b'{"row":%s}' % number.encode()
            self.hand_over([Message("cnc_machine", source, "LINE-1-STATION-A", 0, int(number), payload.ljust(size))])

    def hand_over(self, messages: Iterable[Message]) -> None:
        """Queue messages of a plant."""
        for message in messages:
            if self.outbox.offer(message):
                self.notes.say(message)

    @property
    def fleet(self) -> DeviceFleet:
        """The connections of machines, where each has its own."""
        assert isinstance(self.broker, DeviceFleet)
        return self.broker

    def follow(self, config: PlantConfig) -> None:
        """Have the machines of another plant, as after a reload."""
        self._config = config
        self.fleet.follow()
        self._names.follow([*self._places(), *self.fleet.leaving])

    def act(self, command: str, machine_id: str, seconds: float | None = None) -> None:
        """Give a command for the connection of a machine."""
        about = {} if seconds is None else {"seconds": seconds}
        self.fleet.act({"command": command, "machine_id": machine_id, **about})

    @property
    def clients(self) -> int:
        """How many clients there are."""
        return len(list(self._places())) if self.is_per_machine else 1

    async def connected(self, times: int = 1) -> None:
        """Wait until all connections are up, and there have been so many more than clients, less one."""
        await until(lambda: self._all_up and self.broker.facts().connects >= self.clients + times - 1, "connected")

    async def all_connected(self, times: int) -> None:
        """Wait until all connections are up, and each client has had so many."""
        await until(lambda: self._all_up and self.broker.facts().connects >= self.clients * times, "all connected")

    async def all_up(self) -> None:
        """Wait until all connections are up."""
        await until(lambda: self._all_up, "all up")

    def is_up(self, machine_id: str) -> bool:
        """Whether a machine is connected, as its client sees it."""
        return self.fleet.is_up(machine_id)

    async def ended(self, machine_id: str) -> None:
        """Wait until a removed machine has said all, and its client is gone."""
        await until(lambda: machine_id not in {each.machine_id for each in self.fleet.leaving}, f"{machine_id} ended")

    async def renewed(self, times: int) -> None:
        """Wait until the token has been renewed so many times on live connections."""
        await until(lambda: self.broker.facts().token_renewals >= times * self.clients, f"renewed {times} times")

    async def drained(self, seconds: float = 30.0) -> None:
        """Have the plant say nothing more, and wait until all is acknowledged."""
        self._pacer.stop()
        assert await self.broker.drain(seconds), self.ledger

    async def finish(self, seconds: float = 30.0) -> None:
        """End as the daemon does: drained, good-bye said, and the loop with the broker over."""
        await self.drained(seconds)
        await self.broker.stop()
        await asyncio.wait_for(self.living, 20.0)

    def unhindered(self, until_ms: int) -> list[Message]:
        """What the plant says up to a moment of plant time where nothing holds it back."""
        return self._new_plant().advance(until_ms / 1000)

    @property
    def _all_up(self) -> bool:
        facts = self.broker.facts()
        return facts.connected and (facts.devices is None or facts.devices.up == self.clients)

    def _places(self) -> Iterator[Place]:
        return places_of(self._config, self.settings)

    def _publisher(self, source: MessageSource) -> Publisher:
        client = source.name if isinstance(source, Lane) else CLIENT_ID
        self._deliveries.append(_NotingDelivery(source, self._encoder, self.notes, client))
        return self._deliveries[-1]

    def _fleet(self, lanes: Lanes) -> DeviceFleet:
        return DeviceFleet(
            self.settings, self._places, self.outbox, lanes, self._publisher, None, time.monotonic, time.time
        )

    def _new_plant(self) -> FactoryMessageGenerator:
        return FactoryMessageGenerator.of(self._config, "rig", start=self._start)

    async def _watch(self) -> None:
        """Compare the ledger with what is really there, at moments nobody has chosen."""
        notes, ledger = self.notes, self.ledger
        while True:
            really = (len(self.outbox), sum(each.unanswered for each in self._deliveries))
            if not ledger.balances() or (ledger.queued, ledger.in_flight) != really:
                notes.wrong.append(f"{ledger} with really (queued, in flight) = {really}")
            notes.looks += 1
            notes.most_in_flight = max(notes.most_in_flight, ledger.in_flight)
            before = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            notes.longest_pause = max(notes.longest_pause, time.monotonic() - before)


class Lines(logging.Handler):
    """A context manager: the lines that are logged, of every logger and level, as they come."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        logging.getLogger().setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line as it would be written, without redaction."""
        self.said.append(self.format(record))

    def count(self, words: str) -> int:
        """How many lines have these words."""
        return sum(words in line for line in self.said)

    @property
    def waits(self) -> list[float]:
        """The seconds announced before each further attempt."""
        return [float(seconds[1]) for line in self.said if (seconds := _RETRY.search(line))]


def settings_for(port: int, **options: object) -> Settings:
    """Settings of a rig: plain and anonymous unless options say otherwise, with a queue that takes all a test says."""
    plain = {
        "mqtt_broker": "127.0.0.1",
        "mqtt_port": port,
        "mqtt_client_id": CLIENT_ID,
        "mqtt_auth_method": "NONE",
        "mqtt_tls": False,
        "queue_size": 1_000_000,
    }
    return Settings.load({}, plain | options, pid=1)


def secure(ca_file: Path, token_file: Path, **options: object) -> dict[str, object]:
    """Options for TLS and K8S-SAT, as in a cluster."""
    ours = {"mqtt_tls": True, "mqtt_ca_file": ca_file, "mqtt_auth_method": "K8S-SAT", "sat_token_path": token_file}
    return ours | options


def busy_plant(base_interval: float = 0.04, part: int = 1) -> PlantConfig:
    """132 machines that say about 550 messages a second, each one every 0.13 to 0.4 s, and some orders.

    base_interval: in seconds; five times as long, and they say 110.  part: only that part of the machines, such as 4.
    """
    data = plants.default()
    counts = {kind: count // part for kind, count in _COUNTS.items()}
    data["global"] = {"base_interval": base_interval, "machine_counts": counts}
    data["message_types"]["customer_order"]["orders_per_hour"] = 20_000
    data["message_types"]["dispatch"]["dispatches_per_hour"] = 15_000
    return parse(data)


def quiet_plant() -> PlantConfig:
    """A plant that says nothing: the test does."""
    return plants.only("cnc_machine", 0)


async def until(condition: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    """Wait for a condition; `what` names it in the TimeoutError that ends the wait."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - conditions on many things, none of which tells
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise TimeoutError(f"not within {seconds} s: {what}") from None
