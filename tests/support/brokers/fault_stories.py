"""Stories of faults, told of one connection for all machines or of one for each: no message is lost, doubled without
cause, or late.

Each story has a rig of its own, a real plant of more than 500 messages a second behind real connections. They run side
by side in one event loop, or they would take minutes.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from mqtt5 import PublishPacket

import edge.mqtt.backoff
import edge.runtime.pacer
from edge.settings.loader import Settings
from edge.settings.types import QueuePolicy
from plant.definition.plant_config import PlantConfig
from sandbox.access import Access, Anyone, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import write_atomically
from sandbox.sessions.recorder import Received, Recorder
from tests.support.brokers.checks import Outcome, check, check_nothing_lost, key_of
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.rig import Rig, busy_plant, secure, settings_for, until
from tests.support.examples import THOROUGH
from tests.support.processes.ports import free_port

BETWEEN = 60
"""Messages from one fault to the next."""

QUEUE = 500
TELEMETRY = "+/+"
"""Topics of the plant's messages; those of announcements have one level more."""
KEEP_ALIVE_SECONDS = 1
OUTAGE_SECONDS = 3 * QUEUE / 550
ROUND_TRIP_SECONDS = 0.03
"""What the broker waits before each PUBACK where a fault should find messages in flight."""

Story = Callable[["Mode"], Coroutine[object, object, None]]
TokenStory = Callable[["Mode", "Tokens"], Coroutine[object, object, None]]


class Mode(NamedTuple):
    """How the machines are connected.

    times: how many faults there are: many connections take their time each.
    fewest_in_flight: what a broker may allow each client.  token_seconds: from one token to the next.
    part: of the machines, where each has a connection: they are many for a machine that runs other tests besides.
    """

    times: int
    fewest_in_flight: int
    token_seconds: float
    part: int
    options: Mapping[str, object]

    def plant(self) -> PlantConfig:
        """Return a plant that says 550 messages a second, or 140 where it is a part of it."""
        return busy_plant(min(0.04, 0.16 / self.part), self.part)

    def slow_plant(self) -> PlantConfig:
        """Return a plant that says 110 messages a second."""
        return busy_plant(5 * 0.04 / self.part, self.part)

    @property
    def queue(self) -> int:
        """The size of a queue that a plant fills in a second."""
        return QUEUE // min(4, self.part)

    def settings(self, port: int, **options: object) -> Settings:
        """Return the settings of a rig."""
        return settings_for(port, **self.options, **options)


SHARED = Mode(20 if THOROUGH else 6, 5, 3.0, 1, {})
PER_MACHINE = Mode(
    4 if THOROUGH else 2, 1, 6.0, 4 if THOROUGH else 8, {"mqtt_connections": "per_machine", "mqtt_connect_rate": 0}
)


def new_broker(access: Access | None = None, limits: Limits | None = None) -> EmbeddedBroker:
    """A broker on a port that nobody takes while it is down, not even a client's own end of a connection."""
    return EmbeddedBroker(Listener(port=free_port(), access=access or Anyone()), limits=limits)


def is_telemetry(packet: PublishPacket) -> bool:
    """Return whether a message is no announcement of a machine's connection."""
    return "/status/" not in packet.topic


async def more(seen: Recorder, count: int = BETWEEN) -> None:
    """Wait until so many more messages have come."""
    await seen.wait(len(seen.messages) + count, 30.0)


def whole(rig: Rig, seen: Recorder) -> Outcome:
    """Check everything, and that nothing is lost."""
    outcome = check(rig, seen.messages)
    check_nothing_lost(rig, seen.messages)
    return outcome


def repeated(seen: Recorder) -> list[Received]:
    """The copies of messages that were there already."""
    firsts = {key_of(one): id(one) for one in reversed(seen.messages)}
    return [one for one in seen.messages if firsts[key_of(one)] != id(one)]


async def killed(mode: Mode, *, lose_sessions: bool) -> None:
    """Kill the broker and start it again, with messages in flight."""
    async with new_broker() as broker, Rig(mode.settings(broker.port), mode.plant()) as rig:
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe(TELEMETRY)
        for number in range(1, mode.times + 1):
            await rig.all_connected(number)
            await more(seen)
            await broker.kill(lose_sessions=lose_sessions)
            await broker.start()
        await rig.all_connected(mode.times + 1)
        await more(seen)
        await rig.finish()
        assert whole(rig, seen).repeated > mode.times
        assert {copy.dup for copy in repeated(seen)} == {not lose_sessions}
        for present in sessions_of(broker).values():
            assert present == [False] + [not lose_sessions] * mode.times


def sessions_of(broker: EmbeddedBroker) -> dict[str, list[bool | None]]:
    """Return whether there was a session at each connect, by client id."""
    found: dict[str, list[bool | None]] = {}
    for one in broker.connects:
        found.setdefault(one.client_id, []).append(one.session_present)
    return found


async def killed_with_sessions_kept(mode: Mode) -> None:
    """The broker comes back with our session: what was in flight is sent again, marked DUP."""
    await killed(mode, lose_sessions=False)


async def killed_with_sessions_lost(mode: Mode) -> None:
    """The broker comes back and knows us no more."""
    await killed(mode, lose_sessions=True)


async def stalled(mode: Mode) -> None:
    """An open connection falls silent; the next one is well until it falls silent too."""
    keep_alive = {"mqtt_keep_alive": KEEP_ALIVE_SECONDS}
    async with new_broker() as broker, Rig(mode.settings(broker.port, **keep_alive), mode.plant()) as rig:
        broker.faults.stall(nth=200, every=400, times=3)
        seen = broker.subscribe(TELEMETRY)
        await rig.connected(times=4)
        await more(seen)
        await rig.finish()
        whole(rig, seen)
        more_than_once = broker.counters.connects.total() - rig.clients
        # One may be lost besides, where a busy machine is late with its ping.
        was_late = rig.is_per_machine or rig.notes.longest_pause > KEEP_ALIVE_SECONDS / 2
        assert more_than_once == 3 or (was_late and more_than_once > 3)


async def reset_on_the_way(mode: Mode) -> None:
    """The link resets the connection at both ends, with messages under way in both directions."""
    async with new_broker() as broker:
        with Proxy(broker.port) as proxy:
            async with Rig(mode.settings(proxy.port), mode.plant()) as rig:
                proxy.delay(ROUND_TRIP_SECONDS / 2)
                seen = broker.subscribe(TELEMETRY)
                for number in range(1, mode.times + 1):
                    await rig.all_connected(number)
                    await more(seen)
                    proxy.reset()
                await more(seen)
                await rig.finish()
                whole(rig, seen)
                assert proxy.connections > mode.times * rig.clients


async def cut_in_the_middle(mode: Mode) -> None:
    """The broker takes a message, or not, and resets the connection instead of answering."""
    async with new_broker() as broker, Rig(mode.settings(broker.port), mode.plant()) as rig:
        broker.faults.cut(nth=50, every=100, times=mode.times // 2, when=is_telemetry)
        broker.faults.cut(nth=100, every=100, times=mode.times // 2, taken=False, when=is_telemetry)
        seen = broker.subscribe(TELEMETRY)
        await rig.connected(times=mode.times + 1)
        await more(seen)
        await rig.finish()
        assert whole(rig, seen).repeated >= mode.times // 2


async def receive_maximum_falls(mode: Mode) -> None:
    """A broker that allows few messages in flight, where it was a hundred before, and sends away who exceeds that."""
    few = mode.fewest_in_flight
    async with new_broker(limits=Limits(receive_maximum=100)) as broker:
        slow = broker.faults.delay(0.2, times=None)
        seen = broker.subscribe(TELEMETRY)
        async with Rig(mode.settings(broker.port), mode.slow_plant()) as rig:
            await more(seen, 200)
            await rig.all_connected(1)
            broker.limits = Limits(receive_maximum=few)
            broker.cut()
            slow.cancel()
            broker.faults.delay(0.01, times=None)
            await rig.all_connected(2)
            await until(lambda: rig.ledger.in_flight <= few * rig.clients, "few in flight")
            assert rig.notes.most_in_flight > 10
            rig.notes.most_in_flight = 0
            await more(seen, 200)
            await rig.finish()
        whole(rig, seen)
        assert few <= rig.notes.most_in_flight <= few * rig.clients
        assert broker.counters.disconnected == {}
        assert broker.counters.connects.total() == 2 * rig.clients


async def refused_now_and_then(mode: Mode) -> None:
    """PUBACK 0x97 asks for a message again later, 0x87 refuses it for good. It is the painting machines that are asked:
    they report most often, so that the next row of the same machine is never far."""
    async with new_broker() as broker, Rig(mode.settings(broker.port), mode.plant()) as rig:
        again = 2 * mode.times
        broker.faults.puback(0x97, nth=25, every=7, times=again, when=lambda one: one.topic.endswith("painting"))
        broker.faults.puback(0x87, nth=60, every=53, times=mode.times, when=is_telemetry)
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe(TELEMETRY)
        await more(seen, 125 * mode.times)
        await rig.finish()
        outcome = check(rig, seen.messages)
        assert rig.ledger.refused == {0x87: mode.times}
        assert rig.ledger.dropped == {}
        assert outcome == (len(rig.notes.said) - mode.times, 0)
        assert broker.counters.acknowledged[0x97] == 2 * mode.times


class Tokens:
    """A broker with K8S-SAT, and the file with the token."""

    def __init__(self, credentials: Credentials, file: Path) -> None:
        self._issuer, self._file = credentials.issuer, file
        self.broker = new_broker(ServiceAccountTokens(credentials.issuer))
        self.options = secure(credentials.ca_file, file, mqtt_tls=False, mqtt_ca_file=None)

    def write(self, lifetime_seconds: float) -> float:
        """Put a fresh token in the file; when it expires, in whole Unix seconds."""
        now = time.time()
        write_atomically(self._file, self._issuer.token(lifetime_seconds=lifetime_seconds, now=now).encode())
        return float(int(now + lifetime_seconds))

    async def expired(self) -> None:
        """Wait until the broker has closed all connections, because their token was at its end."""
        await until(lambda: not self.broker.connected, "all expired")

    async def let_in(self, rig: Rig, times: int) -> None:
        """Have each client accepted so many times, with a token of about a second: another where that is too short."""

        def are_in() -> bool:
            accepted = Counter(one.client_id for one in self.broker.connects if one.reason_code == 0)
            return len(accepted) == rig.clients and min(accepted.values()) >= times

        while not are_in():
            self.write(1.5)
            with suppress(TimeoutError):
                await until(are_in, "let in", 1.0)


async def tokens_in_time(mode: Mode, tokens: Tokens) -> None:
    """A new token before the fourth part of the last one is over: none ever
    expires in force, and each connection goes on."""
    tokens.write(4 * mode.token_seconds)
    async with tokens.broker as broker, Rig(mode.settings(broker.port, **tokens.options), mode.slow_plant()) as rig:
        seen = broker.subscribe(TELEMETRY)
        await rig.connected()
        for number in range(1, mode.times + 1):
            expiry = tokens.write(4 * mode.token_seconds)
            await rig.renewed(number)
            await asyncio.sleep(expiry - 3 * mode.token_seconds - time.time())
        tokens.write(60.0)
        await rig.renewed(mode.times + 1)
        await rig.finish()
        assert whole(rig, seen).repeated == 0
        assert (rig.broker.facts().connects, broker.counters.expiries) == (rig.clients, 0)


async def tokens_too_late(mode: Mode, tokens: Tokens) -> None:
    """Each token expires, the broker closes without a word, and only then a fresh one is there."""
    async with tokens.broker as broker, Rig(mode.settings(broker.port, **tokens.options), mode.slow_plant()) as rig:
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe(TELEMETRY)
        for number in range(1, mode.times + 1):
            await tokens.let_in(rig, number)
            await tokens.expired()
        tokens.write(60.0)
        await rig.finish()
        # A token that expires while it is sent in AUTH ends the connection as well, by a refusal.
        ended = broker.counters.expiries + broker.counters.disconnected[0x87]
        assert broker.counters.expiries >= rig.clients
        assert ended >= mode.times * rig.clients
        whole(rig, seen)


class Outage(NamedTuple):
    """How an outage ended. Messages are counted in the order in which the plant said them, the first of the outage 0.

    missing: those that did not arrive.  length: how many were said until the broker was back.
    room: for how many more the queue had room at its beginning, what was in flight counted as queued.
    """

    rig: Rig
    seen: Recorder
    missing: list[int]
    length: int
    room: int


async def outage(mode: Mode, policy: QueuePolicy) -> Outage:
    """The broker is away for three times as long as the queue lasts, and comes back."""
    async with new_broker() as broker:
        settings = mode.settings(broker.port, queue_policy=policy, queue_size=mode.queue)
        async with Rig(settings, mode.plant()) as rig:
            seen = broker.subscribe(TELEMETRY)
            await rig.all_connected(1)
            await more(seen)
            await broker.kill()
            before, room = len(rig.notes.said), mode.queue - rig.ledger.pending
            await asyncio.sleep(OUTAGE_SECONDS)
            if policy is not QueuePolicy.BLOCK:
                await until(lambda: len(rig.notes.said) - before >= 3 * mode.queue, "said thrice the queue")
            length = len(rig.notes.said) - before
            await broker.start()
            await rig.all_connected(times=2)
            await more(seen, 3 * mode.queue)
            await rig.finish()
    check(rig, seen.messages)
    arrived = {key_of(one) for one in seen.messages}
    missing = [place - before for place, key in enumerate(rig.notes.said) if key not in arrived]
    return Outage(rig, seen, missing, length, room)


async def dropping_the_oldest(mode: Mode) -> None:
    """A full queue gives up its oldest message for each new one: what is missing begins where the outage did."""
    rig, _, missing, length, _ = await outage(mode, QueuePolicy.DROP_OLDEST)
    assert rig.ledger.dropped == {"oldest": len(missing)}
    assert missing[0] < mode.queue // 2 < len(missing)
    assert len(set(missing) & set(range(length - mode.queue // 2))) > length - 2 * mode.queue


async def dropping_the_newest(mode: Mode) -> None:
    """A full queue takes nothing more: what is missing begins where the queue was full."""
    rig, _, missing, length, room = await outage(mode, QueuePolicy.DROP_NEWEST)
    assert rig.ledger.dropped == {"newest": len(missing)}
    assert missing[0] >= room
    assert len(missing) > mode.queue // 2
    assert len(set(missing) & set(range(length))) > length - 2 * mode.queue


async def blocking(mode: Mode) -> None:
    """A full queue holds the plant back, and then it catches up: it says every row it would have said, if later."""
    rig, seen, missing, *_ = await outage(mode, QueuePolicy.BLOCK)
    whole(rig, seen)
    assert (missing, rig.ledger.dropped) == ([], {})
    said = list(rig.notes.said.values())
    assert said == rig.unhindered(until_ms=said[-1].time_ms)[: len(said)]
    assert said[-1].time_ms > said[0].time_ms + OUTAGE_SECONDS * 1000


PLAIN_STORIES: tuple[Story, ...] = (
    stalled,
    reset_on_the_way,
    killed_with_sessions_kept,
    killed_with_sessions_lost,
    cut_in_the_middle,
    receive_maximum_falls,
    refused_now_and_then,
    dropping_the_oldest,
    dropping_the_newest,
    blocking,
)
TOKEN_STORIES: tuple[TokenStory, ...] = (tokens_in_time, tokens_too_late)

NAMES: Final = [story.__name__ for story in (*PLAIN_STORIES, *TOKEN_STORIES)]


def told(mode: Mode, credentials: Credentials, folder: Path) -> dict[str, BaseException | None]:
    """Play all stories; by name, how each failed, or None.

    Those with tokens take their time, and the others are played beside them, three at a time: all at once would be too
    much for a small machine. Every connection counts as settled, as one of ten seconds does: many faults in a row do
    not add up to the minute's wait that back-off would come to. Nor is any wait longer than two seconds: of many
    machines, some are refused until the last one has had its turn. tests/edge/mqtt/test_client.py shows the back-off.
    Where this process is held up, the plant does not wait for room, as it would for 15 seconds: a busy machine that
    stalls just as the queue is full would see none dropped. tests/edge/runtime/test_pacer.py shows that wait.
    """

    async def play() -> list[object]:
        stage = asyncio.Semaphore(3)
        with_tokens = [story(mode, Tokens(credentials, folder / story.__name__)) for story in TOKEN_STORIES]
        plain = [_on(stage, one, mode) for one in PLAIN_STORIES]
        return await asyncio.gather(*plain, *with_tokens, return_exceptions=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge.mqtt.backoff, "_SETTLED_SECONDS", 0.0)
        patch.setattr(edge.mqtt.backoff, "_MOST_SECONDS", 2.0)
        patch.setattr(edge.runtime.pacer, "_BLOCKED_SECONDS", inf)
        failures = [ended if isinstance(ended, BaseException) else None for ended in asyncio.run(play())]
    return dict(zip(NAMES, failures, strict=True))


async def _on(stage: asyncio.Semaphore, story: Story, mode: Mode) -> None:
    async with stage:
        await story(mode)
