"""The embedded broker with many clients: subscribers found by a tree, bounded lists, a thousand connections cut."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import ConnectPacket, PublishPacket, QoS, SubscribePacket, TopicFilter, Will

from sandbox.broker import EmbeddedBroker
from sandbox.connections.listener import RETRY_SECONDS
from sandbox.observe import COUNTED_CLIENTS, KEPT_PACKETS, OTHERS, Counters, note
from sandbox.protocol.index import Index
from sandbox.protocol.topics import Subscription, matches
from sandbox.sessions.messages import Message
from sandbox.sessions.retained import PURGED_FROM, Retained
from tests.sandbox.test_clients import until
from tests.support.brokers.rawclient import RawClient, connected, in_loop, message
from tests.support.brokers.rig import Lines
from tests.support.examples import examples

WORD = st.sampled_from(["a", "b", "c", "", "$s"])
TOPIC = st.lists(WORD, min_size=1, max_size=4).map("/".join).filter(bool)
FILTER = (
    st.tuples(st.lists(st.one_of(WORD, st.just("+")), min_size=0, max_size=3), st.booleans())
    .map(lambda parts: "/".join([*parts[0], "#"] if parts[1] else parts[0]))
    .filter(bool)
)
CHANGE = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 3), FILTER),
    st.tuples(st.just("remove"), st.integers(0, 3), FILTER),
    st.tuples(st.just("leave"), st.integers(0, 3), st.just("")),
)


def subscription(pattern: str) -> Subscription:
    """A subscription with QoS 1."""
    return Subscription.of(TopicFilter(pattern, max_qos=QoS.AT_LEAST_ONCE), None, 1)


@given(changes=st.lists(CHANGE, max_size=30), topics=st.lists(TOPIC, min_size=1, max_size=10))
@settings(max_examples=examples(400))
def test_the_tree_finds_what_a_search_through_all_finds(changes: list[tuple[str, int, str]], topics: list[str]) -> None:
    """Whatever was added and removed: the same subscribers, in the order of their first filter, and their filters."""
    index: Index[int] = Index()
    every: dict[tuple[int, str], Subscription] = {}
    for what, subscriber, pattern in changes:
        if what == "add":
            wanted = subscription(pattern)
            assert index.add(subscriber, pattern, wanted) == ((subscriber, pattern) in every)
            every[subscriber, pattern] = wanted
        elif what == "remove":
            known = every.pop((subscriber, pattern), None)
            assert index.remove(subscriber, pattern) == (known is not None)
        else:
            index.remove_all(subscriber)
            every = {key: one for key, one in every.items() if key[0] != subscriber}
    for topic in topics:
        expected: dict[int, list[Subscription]] = {}
        for (subscriber, _), one in every.items():
            if matches(one.levels, topic.split("/")):
                expected.setdefault(subscriber, []).append(one)
        found = index.match(topic)
        assert [(match.subscriber, [*match.subscriptions]) for match in found.direct] == [*expected.items()]
    for subscriber in range(4):
        index.remove_all(subscriber)
    assert index._root.empty


@given(
    kept=st.lists(st.tuples(TOPIC, st.sampled_from([b"", b"1", b"2"])), max_size=30),
    filters=st.lists(FILTER, min_size=1, max_size=10),
)
@settings(max_examples=examples(400))
def test_the_tree_of_retained_messages_finds_what_a_search_finds(
    kept: list[tuple[str, bytes]], filters: list[str]
) -> None:
    """The last message of each topic, in the order of publication; an empty one removes it."""
    retained = Retained()
    every: dict[str, Message] = {}
    for topic, payload in kept:
        each = Message(PublishPacket(topic, payload), "", None)
        retained.put(each, 0.0)
        every.pop(topic, None)
        if payload:
            every[topic] = each
    assert len(retained) == len(every)
    for pattern in filters:
        levels = pattern.split("/")
        assert retained.matching(levels, 0.0) == [
            one for topic, one in every.items() if matches(levels, topic.split("/"))
        ]


def test_expired_retained_messages_do_not_fill_the_memory() -> None:
    """They are not delivered, and removed when their number has doubled."""
    retained = Retained()
    for number in range(3 * PURGED_FROM):
        retained.put(Message(PublishPacket(f"a/{number}", b"x"), "", 1.0), float(number))
    assert len(retained) <= PURGED_FROM
    assert retained.matching(["a", "#"], 2.0) == []


def test_what_is_observed_is_bounded() -> None:
    """Of very many packets the newest are kept, and clients beyond the first 100,000 are counted together."""
    seen: list[int] = []
    for number in range(3 * KEPT_PACKETS):
        note(seen, number)
    assert KEPT_PACKETS // 2 <= len(seen) <= KEPT_PACKETS
    assert seen == [*range(3 * KEPT_PACKETS - len(seen), 3 * KEPT_PACKETS)]
    counters = Counters()
    for number in range(COUNTED_CLIENTS + 5):
        counters.count_connect(str(number))
    assert (len(counters.connects), counters.connects[OTHERS]) == (COUNTED_CLIENTS + 1, 5)


def test_a_message_costs_the_same_with_many_subscriptions() -> None:
    """Ten thousand clients with a filter of their own each, and topics that are all new: under 0.1 ms a topic."""
    index: Index[int] = Index()
    for number in range(10_000):
        index.add(number, f"factory/commands/+/device-{number}", subscription(f"factory/commands/+/device-{number}"))
    start = time.process_time()
    for number in range(10_000):
        (match,) = index.match(f"factory/commands/controller/device-{number}").direct
        assert match.subscriber == number
    assert (time.process_time() - start) / 10_000 < 1e-4


@asynccontextmanager
async def many(port: int, count: int) -> AsyncIterator[list[RawClient]]:
    """Clients with a session that stays, a retained will, and a subscription to their own commands."""
    clients = [RawClient(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
    for number, client in enumerate(clients):
        will = Will(f"status/{number}", payload=b"offline", qos=QoS.AT_LEAST_ONCE, retain=True)
        client.send(ConnectPacket(f"device-{number}", will=will, session_expiry_interval=60))
        client.send(SubscribePacket(1, [TopicFilter(f"commands/+/{number}")]))
    for client in clients:
        await client._frame()
        await client._frame()
    try:
        yield clients
    finally:
        for client in clients:
            client.writer.close()


@pytest.mark.timeout(120)
@in_loop
async def test_a_thousand_connections_cut_at_once_are_a_thousand_wills() -> None:
    """All wills are out within seconds, each once, retained; all clients are back with their sessions."""
    count = 1_000
    async with EmbeddedBroker() as broker, connected(broker.port, "watch") as (watch, _):
        async with many(broker.port, count):
            assert len(broker.connected) == count + 1
            recorder = broker.subscribe("status/+")
            watch.send(SubscribePacket(1, [TopicFilter("status/#")]))
            await watch._frame()
            for number in range(count):
                broker.cut(f"device-{number}")
            await recorder.wait(count, 10.0)
        got = {(await watch.receive(PublishPacket)).topic for _ in range(count)}
        assert got == {f"status/{number}" for number in range(count)}
        assert len(recorder.messages) == len(broker._hub.retained) == count
        await until(lambda: broker.connected == ["watch"], "the end of all")
        async with many(broker.port, count):
            assert sum(bool(one.session_present) for one in broker.connects) == count
            assert broker.publish(message(1, "commands/x/999"))


@in_loop
async def test_without_descriptors_the_log_says_so_once_and_clients_wait(lines: Lines) -> None:
    """At the limit of open files a client waits in the kernel, and is served when there are some again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with EmbeddedBroker() as broker:
        waiting = socket.create_connection(("127.0.0.1", broker.port))
        filled: list[int] = []
        try:
            # Nothing has been accepted yet, as the loop has not turned: no descriptor is left for it.
            resource.setrlimit(resource.RLIMIT_NOFILE, (waiting.fileno() + 1, hard))
            with suppress(OSError):
                while True:
                    filled.append(os.dup(waiting.fileno()))
            waiting.sendall(ConnectPacket("late").write())
            async with asyncio.timeout(5):
                while not lines.count("cannot accept connections, trying again"):  # noqa: ASYNC110 - a log is no event
                    await asyncio.sleep(0.01)
                # Twice the pause between two tries.
                await asyncio.sleep(2 * RETRY_SECONDS)
            assert lines.count("cannot accept connections, trying again") == 1
            assert broker.connected == []
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: broker.connected == ["late"], "the client that waited")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for each in filled:
                os.close(each)
            waiting.close()
