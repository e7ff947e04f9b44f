"""The embedded broker's sessions: what outlives a connection, in which order it comes, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mqtt5 import (
    DisconnectPacket,
    DisconnectReasonCode,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    Will,
)

from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.demo import Demo
from tests.support.brokers.rawclient import RawClient, connected, in_loop, message
from tests.support.brokers.rig import until

KEPT: dict[str, Any] = {"session_expiry_interval": 600}


@asynccontextmanager
async def subscriber(broker: EmbeddedBroker, pattern: str = "a/b", **options: Any) -> AsyncIterator[RawClient]:
    """A client called `sub` with a session that is kept and one subscription."""
    async with connected(broker.port, "sub", **KEPT | options) as (client, _):
        client.send(SubscribePacket(1, [TopicFilter(pattern)]))
        await client.receive(SubAckPacket)
        yield client


async def payloads(client: RawClient, count: int) -> list[tuple[bytes, bool]]:
    """Payload and DUP of the next messages."""
    packets = [await client.receive(PublishPacket) for _ in range(count)]
    return [(packet.payload, packet.duplicate) for packet in packets]


async def away(broker: EmbeddedBroker, client_id: str = "sub") -> None:
    """Wait until the broker has seen that a client has gone."""
    await until(lambda: client_id not in broker.connected, f"{client_id} has gone")


def publish(broker: EmbeddedBroker, *numbers: int) -> None:
    """Publish QoS 1 messages from inside."""
    for number in numbers:
        broker.publish(message(number, payload=b"%d" % number))


@in_loop
async def test_what_was_not_acknowledged_comes_again_in_order() -> None:
    """After a loss unacknowledged messages come again first, marked DUP, with their packet ids, then what waited."""
    async with EmbeddedBroker() as broker:
        async with subscriber(broker, receive_max=3) as client:
            publish(broker, 1, 2, 3, 4)
            first = await client.receive(PublishPacket)
            second = await client.receive(PublishPacket)
            client.send(PubAckPacket(first.packet_id or 0), PingReqPacket())
            assert await payloads(client, 2) == [(b"3", False), (b"4", False)]
            await client.receive(PingRespPacket)
            client.writer.transport.abort()
        await away(broker)
        publish(broker, 5)
        async with connected(broker.port, "sub", **KEPT) as (client, connack):
            assert connack.session_present
            again = await client.receive(PublishPacket)
            assert (again.payload, again.duplicate, again.packet_id) == (b"2", True, second.packet_id)
            assert await payloads(client, 3) == [(b"3", True), (b"4", True), (b"5", False)]


@in_loop
async def test_redelivery_keeps_to_the_new_receive_maximum() -> None:
    """What comes again respects the window of the new connection, also through a second loss."""
    async with EmbeddedBroker() as broker:
        async with subscriber(broker) as client:
            publish(broker, 1, 2, 3)
            await payloads(client, 3)
        await away(broker)
        async with connected(broker.port, "sub", receive_max=1, **KEPT) as (client, _):
            assert await payloads(client, 1) == [(b"1", True)]
            assert await client.silent(0.05)
        await away(broker)
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            assert await payloads(client, 3) == [(b"1", True), (b"2", True), (b"3", True)]


@in_loop
async def test_qos_0_does_not_wait_for_an_absent_client() -> None:
    """Only QoS 1 messages are kept for who is away."""
    async with EmbeddedBroker() as broker:
        async with subscriber(broker) as client:
            client.send(DisconnectPacket())
            await client.ended()
        broker.publish(message(None, payload=b"0"))
        publish(broker, 1)
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            assert await payloads(client, 1) == [(b"1", False)]


@in_loop
async def test_the_queue_of_an_absent_client_is_bounded() -> None:
    """The oldest messages make room, by number and by bytes, and are counted."""
    async with EmbeddedBroker(limits=Limits(queue_messages=3, queue_bytes=150)) as broker:
        async with subscriber(broker):
            pass
        await away(broker)
        publish(broker, 1, 2, 3, 4)
        assert broker.counters.dropped["queue full"] == 1
        broker.publish(message(5, payload=b"x" * 149))
        assert broker.counters.dropped["queue full"] == 3
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            assert await payloads(client, 2) == [(b"4", False), (b"x" * 149, False)]


@in_loop
async def test_a_subscriber_that_does_not_read_costs_bounded_memory() -> None:
    """With a reader that hangs, the broker holds its queue and no more, whatever the QoS."""
    async with EmbeddedBroker(limits=Limits(queue_messages=50)) as broker, subscriber(broker) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(3_000):
            broker.publish(message(number % 1_000 + 1 if number % 2 else None, payload=bytes(20_000)))
            if number % 50 == 0:
                await asyncio.sleep(0)
        session = broker.sessions["sub"]
        assert broker.counters.dropped["queue full"] > 1_500
        assert session.waiting <= 50 + broker.limits.outgoing_window
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len((await client.receive(PublishPacket)).payload) == 20_000


@in_loop
async def test_clean_start_ends_the_old_session() -> None:
    """Clean start forgets subscriptions and messages."""
    async with EmbeddedBroker() as broker:
        async with subscriber(broker):
            pass
        await away(broker)
        publish(broker, 1)
        async with connected(broker.port, "sub", clean_start=True, **KEPT) as (client, connack):
            assert not connack.session_present
            publish(broker, 2)
            assert await client.silent(0.05)


@pytest.mark.parametrize(
    ("connect_seconds", "disconnect_seconds", "present"),
    [(600, None, True), (600, 0, False), (0, None, False), (1, None, False), (1, 600, True), (0xFFFFFFFF, None, True)],
)
@in_loop
async def test_a_session_ends_when_its_time_is_over(
    connect_seconds: int, disconnect_seconds: int | None, present: bool
) -> None:
    """The session expiry of CONNECT holds unless DISCONNECT gives another."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, session_expiry_interval=connect_seconds) as (client, _):
            client.send(DisconnectPacket(session_expiry_interval=disconnect_seconds))
            await client.ended()
        await asyncio.sleep(0 if connect_seconds != 1 else 1.05)
        assert ("raw" in broker.sessions) is present
        async with connected(broker.port, session_expiry_interval=5) as (_, connack):
            assert connack.session_present is present


@in_loop
async def test_a_session_expiry_beyond_the_limit_is_cut_and_told() -> None:
    """CONNACK names the session expiry that was granted, if it is another than asked."""
    async with EmbeddedBroker(limits=Limits(session_expiry_maximum_seconds=60)) as broker:
        async with connected(broker.port, session_expiry_interval=600) as (_, connack):
            assert connack.session_expiry_interval == 60
        async with connected(broker.port, "other", session_expiry_interval=30) as (_, connack):
            assert connack.session_expiry_interval is None


@in_loop
async def test_a_second_client_of_the_same_name_takes_over() -> None:
    """The older connection gets DISCONNECT 0x8E; the newer one has the session."""
    async with (
        EmbeddedBroker() as broker,
        subscriber(broker) as old,
        connected(broker.port, "sub", **KEPT) as (new, connack),
    ):
        assert connack.session_present
        assert (await old.receive(DisconnectPacket)).reason_code == 0x8E
        assert await old.ended() == "closed"
        publish(broker, 1)
        assert await payloads(new, 1) == [(b"1", False)]
        assert broker.connected == ["sub"]


WILL = Will("will", payload=b"gone", qos=QoS.AT_LEAST_ONCE, content_type="text/plain", user_properties=[("a", "b")])


@pytest.mark.parametrize(
    ("leaving", "said"),
    [
        (DisconnectPacket(), False),
        (DisconnectPacket(reason_code=DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE), True),
        (None, True),
        (PublishPacket("a", b"", qos=QoS.EXACTLY_ONCE, packet_id=1), True),
    ],
    ids=["0x00", "0x04", "loss", "violation"],
)
@in_loop
async def test_a_will_is_published_unless_the_client_took_its_leave(leaving: Any, said: bool) -> None:
    """Only a normal DISCONNECT discards the will."""
    async with EmbeddedBroker() as broker:
        recorder = broker.subscribe("will")
        async with connected(broker.port, will=WILL) as (client, _):
            client.send(*([leaving] if leaving is not None else []))
            if leaving is not None:
                await away(broker, "raw")
        await away(broker, "raw")
        seen = [(one.payload, one.packet.content_type, one.user_properties) for one in recorder.messages]
        assert seen == [(b"gone", "text/plain", [("a", "b")])] * said


@in_loop
async def test_a_delayed_will_is_not_published_if_the_client_comes_back() -> None:
    """A resumed session cancels its will and its own end; the end of the session publishes a will before its delay."""
    will = Will("will", payload=b"gone", will_delay_interval=2)
    async with EmbeddedBroker() as broker:
        recorder = broker.subscribe("will")
        async with connected(broker.port, will=will, session_expiry_interval=2):
            pass
        await away(broker, "raw")
        async with connected(broker.port, **KEPT) as (client, _):
            await asyncio.sleep(2.05)
            assert recorder.messages == []
            assert broker.connected == ["raw"]
            client.send(DisconnectPacket())
            await client.ended()
        async with connected(broker.port, will=will, **KEPT):
            pass
        await away(broker, "raw")
        async with connected(broker.port, clean_start=True):
            assert len(recorder.messages) == 1


@in_loop
async def test_a_delayed_will_is_published_after_its_delay() -> None:
    """One second of delay is one second."""
    async with EmbeddedBroker() as broker:
        recorder, loop = broker.subscribe("will"), asyncio.get_running_loop()
        async with connected(broker.port, will=Will("will", payload=b"gone", will_delay_interval=1), **KEPT):
            before = loop.time()
        await away(broker, "raw")
        later = asyncio.create_task(asyncio.sleep(1.2))
        await recorder.wait(1, 10.0)
        assert loop.time() - before >= 1.0
        await later
        assert len(recorder.messages) == 1


@pytest.mark.parametrize("lose_sessions", [False, True])
@in_loop
async def test_sessions_survive_a_restart_unless_they_are_lost(lose_sessions: bool) -> None:
    """A killed broker comes back on its port with its sessions and retained messages, or without any."""
    async with EmbeddedBroker() as broker:
        port = broker.port
        async with subscriber(broker) as client:
            broker.publish(message(1, "kept", b"x", retain=True))
            await broker.kill(lose_sessions=lose_sessions)
            assert await client.ended() == "reset"
        await broker.start()
        assert broker.port == port
        async with connected(port, "sub", **KEPT) as (client, connack):
            assert connack.session_present is not lose_sessions
            client.send(SubscribePacket(1, [TopicFilter("kept")]))
            await client.receive(SubAckPacket)
            assert await client.silent(0.05) is lose_sessions


@in_loop
async def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    """`start` raises OSError, and the listeners before the one that failed are closed again."""
    async with EmbeddedBroker() as first:
        second = EmbeddedBroker(Listener(), Listener(port=first.port))
        with pytest.raises(OSError, match="in use"):
            await second.start()


@in_loop
async def test_a_taken_port_is_another_one_where_any_will_do() -> None:
    """Also where it was free as the broker was made: two may start at the same moment, and each gets one of its own."""
    first, second = (EmbeddedBroker(Listener(port=18884, or_any_port=True)) for _ in range(2))
    async with first, second:
        assert first.port != second.port
        async with connected(first.port, "one"), connected(second.port, "two"):
            pass


@in_loop
async def test_demos_that_start_at_once_have_ports_of_their_own() -> None:
    """Both want the usual ones."""
    first, second = Demo(), Demo()
    async with first, second:
        assert len({*first.broker.ports, *second.broker.ports}) == 6
