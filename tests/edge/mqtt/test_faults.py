"""Facts about faults: whatever happens to broker, link or token, no message is lost, doubled without cause, or late.

Each story has a rig of its own, a real plant of more than 500 messages a second behind a real connection. The stories
of the embedded broker run side by side in one event loop, or they would take minutes; each is one test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

import edge.mqtt.backoff
from edge.settings.types import QueuePolicy
from sandbox.access import Access, Anyone, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import write_atomically
from sandbox.sessions.recorder import Received, Recorder
from tests.support.brokers.checks import Outcome, check, check_nothing_lost, key_of
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.rig import CLIENT_ID, Rig, busy_plant, secure, settings_for, until
from tests.support.processes.ports import free_port

TIMES = 20
BETWEEN = 60
"""Messages from one fault to the next."""

QUEUE = 500
OUTAGE_SECONDS = 3 * QUEUE / 550
ROUND_TRIP_SECONDS = 0.03
"""What the broker waits before each PUBACK where a fault should find messages in flight."""

Story = Callable[[], Coroutine[object, object, None]]
TokenStory = Callable[["Tokens"], Coroutine[object, object, None]]


@pytest.fixture(autouse=True, scope="module")
def _settled_at_once() -> Iterator[None]:
    """Every connection counts as settled, as one of ten seconds does: twenty faults in a row do not add up to the
    minute's wait that back-off would come to. tests/edge/mqtt/test_client.py shows the back-off itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edge.mqtt.backoff, "_SETTLED_SECONDS", 0.0)
        yield


def new_broker(access: Access | None = None, limits: Limits | None = None) -> EmbeddedBroker:
    """A broker on a port that nobody takes while it is down, not even a client's own end of a connection."""
    return EmbeddedBroker(Listener(port=free_port(), access=access or Anyone()), limits=limits)


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


async def killed(*, lose_sessions: bool) -> None:
    """Kill the broker and start it again, with messages in flight."""
    async with new_broker() as broker, Rig(settings_for(broker.port), busy_plant()) as rig:
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe("#")
        for _ in range(TIMES):
            await more(seen)
            await broker.kill(lose_sessions=lose_sessions)
            await broker.start()
        await more(seen)
        await rig.finish()
        assert whole(rig, seen).repeated > TIMES
        assert {copy.dup for copy in repeated(seen)} == {not lose_sessions}
        assert [one.session_present for one in broker.connects] == [False] + [not lose_sessions] * TIMES


async def killed_with_sessions_kept() -> None:
    """The broker comes back with our session: what was in flight is sent again, marked DUP."""
    await killed(lose_sessions=False)


async def killed_with_sessions_lost() -> None:
    """The broker comes back and knows us no more."""
    await killed(lose_sessions=True)


async def stalled() -> None:
    """An open connection falls silent; the next one is well until it falls silent too."""
    async with new_broker() as broker, Rig(settings_for(broker.port, mqtt_keep_alive=1), busy_plant()) as rig:
        broker.faults.stall(nth=200, every=400, times=3)
        seen = broker.subscribe("#")
        await rig.connected(times=4)
        await more(seen)
        await rig.finish()
        whole(rig, seen)
        assert broker.counters.connects[CLIENT_ID] == 4


async def reset_on_the_way() -> None:
    """The link resets the connection at both ends, with messages under way in both directions."""
    async with new_broker() as broker:
        with Proxy(broker.port) as proxy:
            async with Rig(settings_for(proxy.port), busy_plant()) as rig:
                proxy.delay(ROUND_TRIP_SECONDS / 2)
                seen = broker.subscribe("#")
                for _ in range(TIMES):
                    await more(seen)
                    proxy.reset()
                await more(seen)
                await rig.finish()
                whole(rig, seen)
                assert proxy.connections > TIMES


async def cut_in_the_middle() -> None:
    """The broker takes a message, or not, and resets the connection instead of answering."""
    async with new_broker() as broker, Rig(settings_for(broker.port), busy_plant()) as rig:
        broker.faults.cut(nth=50, every=100, times=TIMES // 2)
        broker.faults.cut(nth=100, every=100, times=TIMES // 2, taken=False)
        seen = broker.subscribe("#")
        await rig.connected(times=TIMES + 1)
        await more(seen)
        await rig.finish()
        assert whole(rig, seen).repeated >= TIMES // 2


async def receive_maximum_5() -> None:
    """A broker that allows five messages in flight, where it was a hundred before, and sends away who exceeds that."""
    async with new_broker(limits=Limits(receive_maximum=100)) as broker:
        slow = broker.faults.delay(0.2, times=None)
        seen = broker.subscribe("#")
        async with Rig(settings_for(broker.port), busy_plant(5 * 0.04)) as rig:
            await more(seen, 200)
            broker.limits = Limits(receive_maximum=5)
            broker.cut()
            slow.cancel()
            broker.faults.delay(0.01, times=None)
            await until(lambda: rig.broker.facts().connects == 2 and rig.ledger.in_flight <= 5, "five in flight")
            assert rig.notes.most_in_flight > 10
            rig.notes.most_in_flight = 0
            await more(seen, 200)
            await rig.finish()
        whole(rig, seen)
        assert rig.notes.most_in_flight == 5
        assert broker.counters.disconnected == {}
        assert broker.counters.connects[CLIENT_ID] == 2


async def refused_now_and_then() -> None:
    """PUBACK 0x97 asks for a message again later, 0x87 refuses it for good. It is the painting machines that are asked:
    they report most often, so that the next row of the same machine is never far."""
    async with new_broker() as broker, Rig(settings_for(broker.port), busy_plant()) as rig:
        broker.faults.puback(0x97, nth=25, every=7, times=2 * TIMES, when=lambda one: one.topic.endswith("painting"))
        broker.faults.puback(0x87, nth=60, every=53, times=TIMES)
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe("#")
        await more(seen, 2000)
        await rig.finish()
        outcome = check(rig, seen.messages)
        assert rig.ledger.refused == {0x87: TIMES}
        assert rig.ledger.dropped == {}
        assert outcome == (len(rig.notes.said) - TIMES, 0)
        assert broker.counters.acknowledged[0x97] == 2 * TIMES


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

    async def expired(self, times: int) -> None:
        """Wait until the broker has closed so many connections because their token was at its end."""
        await until(lambda: self.broker.counters.expiries >= times, f"expired {times} times")

    async def let_in(self, rig: Rig) -> None:
        """Write a token of about a second, and another where a slow machine takes longer than that to connect."""
        before = rig.broker.facts().connects
        while rig.broker.facts().connects == before:
            self.write(1.5)
            with suppress(TimeoutError):
                await until(lambda: rig.broker.facts().connects > before, "let in", 1.0)


async def tokens_in_time(tokens: Tokens) -> None:
    """A new token of four seconds each second: none ever expires in force, and the one connection goes on."""
    tokens.write(4.0)
    async with tokens.broker as broker, Rig(settings_for(broker.port, **tokens.options), busy_plant(5 * 0.04)) as rig:
        seen = broker.subscribe("#")
        await rig.connected()
        for number in range(1, TIMES + 1):
            expiry = tokens.write(4.0)
            await rig.renewed(number)
            await asyncio.sleep(expiry - 3.0 - time.time())
        tokens.write(60.0)
        await rig.renewed(TIMES + 1)
        await rig.finish()
        assert whole(rig, seen).repeated == 0
        assert (rig.broker.facts().connects, broker.counters.expiries) == (1, 0)


async def tokens_too_late(tokens: Tokens) -> None:
    """Each token expires, the broker closes without a word, and only then a fresh one is there."""
    async with tokens.broker as broker, Rig(settings_for(broker.port, **tokens.options), busy_plant(5 * 0.04)) as rig:
        broker.faults.delay(ROUND_TRIP_SECONDS, times=None)
        seen = broker.subscribe("#")
        for number in range(1, TIMES + 1):
            await tokens.let_in(rig)
            await tokens.expired(number)
        tokens.write(60.0)
        await rig.finish()
        whole(rig, seen)


class Outage(NamedTuple):
    """How an outage ended. Messages are counted in the order in which the plant said them, the first of the outage 0.

    missing: those that did not arrive.  length: how many were said until the broker was back.
    """

    rig: Rig
    seen: Recorder
    missing: list[int]
    length: int


async def outage(policy: QueuePolicy) -> Outage:
    """The broker is away for three times as long as the queue lasts, and comes back."""
    async with new_broker() as broker:
        settings = settings_for(broker.port, queue_policy=policy, queue_size=QUEUE)
        async with Rig(settings, busy_plant()) as rig:
            seen = broker.subscribe("#")
            await more(seen)
            await broker.kill()
            before = len(rig.notes.said)
            await asyncio.sleep(OUTAGE_SECONDS)
            length = len(rig.notes.said) - before
            await broker.start()
            await rig.connected(times=2)
            await more(seen, 3 * QUEUE)
            await rig.finish()
    check(rig, seen.messages)
    arrived = {key_of(one) for one in seen.messages}
    missing = [place - before for place, key in enumerate(rig.notes.said) if key not in arrived]
    return Outage(rig, seen, missing, length)


async def dropping_the_oldest() -> None:
    """A full queue gives up its oldest message for each new one: what is missing begins where the outage did."""
    rig, _, missing, length = await outage(QueuePolicy.DROP_OLDEST)
    assert rig.ledger.dropped == {"oldest": len(missing)}
    assert missing[0] < QUEUE // 2 < len(missing)
    assert len(set(missing) & set(range(length - QUEUE // 2))) > length - 2 * QUEUE


async def dropping_the_newest() -> None:
    """A full queue takes nothing more: what is missing begins where the queue was full."""
    rig, _, missing, length = await outage(QueuePolicy.DROP_NEWEST)
    assert rig.ledger.dropped == {"newest": len(missing)}
    assert missing[0] > QUEUE // 2 < len(missing)
    assert len(set(missing) & set(range(length))) > length - 2 * QUEUE


async def blocking() -> None:
    """A full queue holds the plant back, and then it catches up: it says every row it would have said, if later."""
    rig, seen, missing, _ = await outage(QueuePolicy.BLOCK)
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
    receive_maximum_5,
    refused_now_and_then,
    dropping_the_oldest,
    dropping_the_newest,
    blocking,
)
TOKEN_STORIES: tuple[TokenStory, ...] = (tokens_in_time, tokens_too_late)
NAMES = [story.__name__ for story in (*PLAIN_STORIES, *TOKEN_STORIES)]


@pytest.fixture(scope="module")
def told(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    """All stories, by name: how each failed, or None. Those with tokens take their time, and the others are played
    beside them, three at a time: all at once would be too much for a small machine."""
    folder = tmp_path_factory.mktemp("tokens")

    async def play() -> list[object]:
        stage = asyncio.Semaphore(3)
        with_tokens = [story(Tokens(credentials, folder / story.__name__)) for story in TOKEN_STORIES]
        return await asyncio.gather(*(_on(stage, one) for one in PLAIN_STORIES), *with_tokens, return_exceptions=True)

    failures = [ended if isinstance(ended, BaseException) else None for ended in asyncio.run(play())]
    return dict(zip(NAMES, failures, strict=True))


async def _on(stage: asyncio.Semaphore, story: Story) -> None:
    async with stage:
        await story()


@pytest.mark.timeout(150)  # The first one has the time of all.
@pytest.mark.parametrize("story", NAMES)
def test_no_fault_costs_a_message(story: str, told: dict[str, BaseException | None]) -> None:
    """Under each fault the ledger balances at every look, what is acknowledged is with the subscriber, in its machine's
    order and without needless copies; and with a queue that is large enough nothing is lost."""
    failure = told[story]
    if failure is not None:
        raise failure
