"""Brokers that misbehave, against a real client: its queue, delivery and connection over a socket of this machine.

A case is a client with some messages, and a broker that does up to three things of fuzz/misbehaviours wrong, one a
connection, and then behaves. Nothing may be raised, nobody may be kept waiting, little may be held, the ledger must
balance, and in the end every message must be accounted for.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Self

import edge.mqtt.auth.token_refresh
import edge.mqtt.backoff
import edge.mqtt.connection
import edge.mqtt.publisher
from edge.control.inbox import Command, Executed
from edge.control.problems import Problem
from edge.delivery.queue import MessageQueue
from edge.mqtt.client import MqttClient
from edge.mqtt.commands.desk import CommandDesk
from edge.mqtt.commands.lane import CommandLane
from edge.mqtt.commands.subscription import CommandSubscription
from edge.mqtt.connection import BrokerRefused
from edge.mqtt.protocol.codec import CloudEvents, Encoder
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.publisher import Publisher
from edge.settings.loader import Settings
from fuzz.campaign import LONGEST_SECONDS, Finding, Log, Result, random_for
from fuzz.misbehaviours import ALL, Misbehaviour, StillThere, falls_silent
from fuzz.rogue import Peer, Rogue
from plant.definition.plant_config import parse
from plant.telemetry import Message
from sandbox.credentials import Authority

_MESSAGES, _MACHINES = 40, 8
_MOST_BYTES = 6 * 1024 * 1024
"""Memory that a case may use, the broker's buffers included."""

_SHORTENED_WAITS: tuple[tuple[ModuleType, str, float], ...] = (
    (edge.mqtt.backoff, "_FIRST_SECONDS", 0.01),
    (edge.mqtt.backoff, "_MOST_SECONDS", 0.05),
    (edge.mqtt.connection, "_TICK_SECONDS", 0.02),
    (edge.mqtt.connection, "_ANSWER_SECONDS", 0.5),
    (edge.mqtt.publisher, "_FIRST_PAUSE_SECONDS", 0.01),
    (edge.mqtt.publisher, "_LONGEST_PAUSE_SECONDS", 0.05),
    (edge.mqtt.auth.token_refresh, "_ANSWER_SECONDS", 0.1),
)
"""Waits that are shortened, so that a case takes a part of a second."""

_PLANT = parse({"message_types": {"cnc_machine": {"count": 2}}})
_TOKEN = b"e30.eyJleHAiOjQwMDAwMDAwMDAsImF1ZCI6ImZ1enoifQ.%d"


def run(seed: int, cases: range, say: Log) -> Result:
    """Run the cases of these numbers."""
    findings: list[Finding] = []
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with _shortened_waits(), _Records() as records, tempfile.TemporaryDirectory() as folder:
        tls = Authority().server_context()
        tracemalloc.start()
        try:
            for number in cases:
                records.begin()
                case = Case(seed, number, Path(folder), tls)
                asyncio.run(case.play())
                outcomes[case.outcome] += 1
                slowest = max(slowest, case.slowest_seconds)
                findings += (Finding(number, f"{what} ({case.names})") for what in [*case.wrong, *records.wrong])
                if (number + 1) % 100 == 0:
                    say(f"brokers: {number + 1} cases")
        finally:
            tracemalloc.stop()
    return Result(len(cases), dict(outcomes), slowest, findings)


class Case:
    """A client and its broker.  wrong: observed faults.  names: what the broker did."""

    def __init__(self, seed: int, number: int, folder: Path, tls: ssl.SSLContext) -> None:
        self._chance = random_for(seed, number)
        self._token_file = folder / "token"
        self.wrong: list[str] = []
        self.outcome = "delivered"
        self.slowest_seconds = 0.0
        self._tls = tls if self._chance.random() < 0.15 else None
        self._scripts = self._draw()
        self.names = ", ".join(script.__name__ for script in self._scripts)
        self._refusals = 0
        self._desk: CommandDesk | None = None

    def _draw(self) -> list[Misbehaviour]:
        if self._chance.random() < 0.03:
            return [falls_silent]
        return [self._chance.choice(ALL) for _ in range(self._chance.randrange(1, 4))]

    async def play(self) -> None:
        """Run the client from the first connection attempt to the disconnect."""
        asyncio.get_running_loop().set_exception_handler(self._on_exception)
        tracemalloc.clear_traces()
        tracemalloc.reset_peak()
        pulse = asyncio.create_task(self._measure_lateness())
        async with Rogue(self._script) as rogue:
            await self._run_client(rogue)
        pulse.cancel()
        _, peak = tracemalloc.get_traced_memory()
        if peak > _MOST_BYTES:
            self.wrong.append(f"held {peak / 2**20:.1f} MiB")

    async def _run_client(self, rogue: Rogue) -> None:
        queue, rig = self._client(rogue.port)
        living = asyncio.create_task(self._restart_client(rig))
        self._offer(queue, 0)
        await self._until(lambda: len(rogue.peers) > len(self._scripts), 10.0, "the broker came to its senses")
        self._offer(queue, _MESSAGES)
        began = time.monotonic()
        await self._until(lambda: not queue.ledger.pending, LONGEST_SECONDS, f"all was delivered: {queue.ledger}")
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        await rig.stop()
        if self._desk is not None:
            self._desk.stop()
        with suppress(TimeoutError):
            await asyncio.wait_for(living, LONGEST_SECONDS)
        if not living.done() or living.cancelled():
            self.wrong.append("the client did not end")
        self._check(queue)

    def _client(self, port: int) -> tuple[MessageQueue, MqttClient]:
        method = self._chance.choice(("NONE", "K8S-SAT"))
        self._token_file.write_bytes(_TOKEN % 0)
        version = self._chance.choice(("5", "3.1.1")) if method == "NONE" else "5"
        options = {
            "mqtt_version": version,
            "mqtt_session_expiry": self._chance.choice((0, 60)),
            "mqtt_broker": "127.0.0.1",
            "mqtt_port": port,
            "mqtt_client_id": "fuzz",
            "mqtt_auth_method": method,
            "sat_token_path": self._token_file,
            "mqtt_tls": self._tls is not None,
            "mqtt_tls_insecure": self._tls is not None,
            "mqtt_keep_alive": 1,
            "mqtt_window": self._chance.choice((1, 5, 100)),
            "mqtt_qos": self._chance.choice((0, 1, 1, 1)),
            "mqtt_clean_start": self._chance.random() < 0.2,
            "mqtt_commands": self._chance.random() < 0.5,
        }
        settings = Settings.load({}, options, pid=1)
        queue = MessageQueue(1000)
        publisher = Publisher(queue, _encoder(version), time.monotonic)
        return queue, MqttClient(settings, publisher, time.time, self._subscription(settings))

    def _subscription(self, settings: Settings) -> CommandSubscription | None:
        """Return a subscription whose commands are executed by something that answers, refuses, or never answers."""
        if not settings.mqtt_commands:
            return None
        lane = CommandLane(settings, lambda: _PLANT, (1, 1), time.monotonic)
        lane.desk.obey(self._execute)
        self._desk = lane.desk
        return lane.subscription

    async def _execute(self, command: Command, _by: str) -> Executed:
        outcome = self._chance.random()
        if outcome < 0.3:
            raise Problem(422, "refused")
        if outcome < 0.4:
            await asyncio.sleep(3600)
        return Executed(0, {"command": command["command"]})

    async def _restart_client(self, broker: MqttClient) -> None:
        """Restart a client that has given up, as an orchestrator would."""
        while True:
            try:
                await broker.run()
            except BrokerRefused:
                self.outcome = "gave up, and delivered when started again"
            else:
                return

    async def _script(self, peer: Peer) -> None:
        behaves = peer.number > len(self._scripts)
        # Otherwise there is no TLS where the client expects it, or it begins within a packet.
        if self._tls is not None and (behaves or self._chance.random() < 0.6):
            await peer.encrypt(self._tls)
        if behaves:
            await peer.behave()
            return
        self._token_file.write_bytes(_TOKEN % peer.number)
        try:
            await self._scripts[peer.number - 1](peer, self._chance)
        except StillThere:
            self.wrong.append("the client stayed with a broker that was silent")

    def _offer(self, queue: MessageQueue, first: int) -> None:
        for number in range(first, first + _MESSAGES):
            payload = b'{"n":%d}' % number
            source = f"CNC-{number % _MACHINES:02d}"
            queue.offer(Message("cnc_machine", source, "LINE-1-STATION-A", 0, number, payload))

    def _check(self, queue: MessageQueue) -> None:
        ledger = queue.ledger
        if not ledger.balances() or ledger.generated != 2 * _MESSAGES:
            self.wrong.append(f"the ledger does not balance: {ledger}")
        if ledger.failed and self.outcome == "delivered":
            self.outcome = "delivered, except what the broker rejected or has no room for"
        if self.slowest_seconds > LONGEST_SECONDS:
            self.wrong.append(f"something waited for {self.slowest_seconds:.1f} s")

    async def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                self.wrong.append(f"not within {seconds:g} s: {what}")
                return
            await asyncio.sleep(0.005)

    async def _measure_lateness(self) -> None:
        """Measure how late the event loop is: a long step blocks everything else."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - before - 0.01)

    def _on_exception(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.wrong.append(f"raised in the loop: {context.get('exception') or context.get('message')!r}")


def _encoder(version: str) -> Encoder:
    if version == "5":
        return Encoder(_topic, 3600, CloudEvents("aio://fuzz", "run"))
    return PlainEncoder(_topic)


def _topic(message: Message) -> str:
    return f"factory/{message.source}"


class _Records(logging.Handler):
    """A context manager that records forbidden log lines and suppresses all others."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.wrong: list[str] = []

    def begin(self) -> None:
        """Begin another case."""
        self.wrong = []

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._before = root.level, root.handlers[:]
        root.handlers[:] = [self]
        root.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        level, handlers = self._before
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        """Check a log line."""
        line = record.getMessage()
        if record.exc_info or record.levelno >= logging.ERROR or "the connection failed" in line:
            self.wrong.append(f"logged: {line[:300]}")
        elif len(line) > 800 or not line.isprintable():
            self.wrong.append(f"logged what the broker said as it was: {line[:300]!r}")


@contextmanager
def _shortened_waits() -> Iterator[None]:
    before = [(module, name, getattr(module, name)) for module, name, _ in _SHORTENED_WAITS]
    for module, name, seconds in _SHORTENED_WAITS:
        setattr(module, name, seconds)
    try:
        yield
    finally:
        for module, name, seconds in before:
            setattr(module, name, seconds)
