"""Shared subscriptions of the embedded broker (MQTT 5, 4.8.2): each message goes to one member of the group."""

from __future__ import annotations

import asyncio

import pytest
from mqtt5 import (
    DisconnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)
from paho.mqtt.enums import MQTTProtocolVersion

from sandbox.broker import EmbeddedBroker
from tests.sandbox.test_clients import until
from tests.sandbox.test_versions_of_clients import paho, received
from tests.support.brokers.rawclient import RawClient, connected, in_loop, message

SHARE = "$share/group/a/+"


async def join(client: RawClient, pattern: str = SHARE) -> int:
    """Subscribe; return the code of SUBACK."""
    client.send(SubscribePacket(9, [TopicFilter(pattern, retain_as_published=False)]))
    return int((await client.receive(SubAckPacket)).reason_codes[0])


async def payloads(client: RawClient, count: int, *, acknowledge: bool = True) -> list[bytes]:
    """The next messages of a client."""
    got = []
    for _ in range(count):
        packet = await client.receive(PublishPacket)
        got.append(packet.payload)
        if acknowledge and packet.packet_id is not None:
            client.send(PubAckPacket(packet.packet_id))
    return got


def publish(broker: EmbeddedBroker, *numbers: int) -> list[bool]:
    """Publish numbered messages with QoS 1; return of each whether somebody gets it."""
    return [broker.publish(message(number, "a/b", b"%d" % number)) for number in numbers]


@in_loop
async def test_members_take_turns_and_others_get_all() -> None:
    """Round robin within the group; a plain subscriber, and another group, get each message too."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "one") as (one, connack),
        connected(broker.port, "two") as (two, _),
        connected(broker.port, "other") as (other, _),
        connected(broker.port, "plain") as (plain, _),
    ):
        assert connack.shared_subscription_available
        assert [await join(one), await join(two), await join(other, "$share/others/#")] == [1, 1, 1]
        assert await join(plain, "a/b") == 1
        publish(broker, 1, 2, 3, 4)
        assert [await payloads(one, 2), await payloads(two, 2)] == [[b"1", b"3"], [b"2", b"4"]]
        assert await payloads(other, 4) == await payloads(plain, 4) == [b"1", b"2", b"3", b"4"]


@in_loop
async def test_a_share_gets_no_retained_messages() -> None:
    """They would go to each new member, or to none (4.8.2)."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        broker.publish(message(1, "a/b", b"kept", retain=True))
        await join(client)
        client.send(PingReqPacket())
        await client.receive(PingRespPacket)


@pytest.mark.parametrize(
    "pattern", ["$share/group", "$share//a", "$share/+/a", "$share/g#/a", "$share/g/", "$share/g/a#"]
)
@in_loop
async def test_a_share_needs_a_name_and_a_filter(pattern: str) -> None:
    """Otherwise SUBACK has 0x8F."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        stand_in = "x" * len(pattern)
        frame = SubscribePacket(9, [TopicFilter(stand_in)]).write()
        client.send(frame.replace(stand_in.encode(), pattern.encode()))
        assert [int(code) for code in (await client.receive(SubAckPacket)).reason_codes] == [0x8F]


@in_loop
async def test_what_a_lost_member_has_not_acknowledged_goes_to_the_others() -> None:
    """Also what was queued behind it, and also while its session stays; what it has acknowledged does not."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "stays") as (stays, _),
        connected(broker.port, "lost", receive_max=2, session_expiry_interval=60) as (lost, _),
    ):
        await join(lost)
        publish(broker, 1, 2, 3, 4)
        assert await payloads(lost, 2, acknowledge=False) == [b"1", b"2"]
        await join(stays)
        lost.send(PubAckPacket(1), PingReqPacket())
        assert await payloads(lost, 1, acknowledge=False) == [b"3"]
        lost.writer.close()
        assert await payloads(stays, 3) == [b"2", b"3", b"4"]
        publish(broker, 5, 6)
        assert await payloads(stays, 2) == [b"5", b"6"]
        # The session has lost nothing of its own by it, and takes its turn again.
        async with connected(broker.port, "lost", session_expiry_interval=60) as (again, connack):
            assert connack.session_present
            publish(broker, 7, 8)
            assert sorted(await payloads(again, 1) + await payloads(stays, 1)) == [b"7", b"8"]


@in_loop
async def test_the_only_member_keeps_its_messages_until_it_is_back() -> None:
    """With nobody else there, what it has not acknowledged comes again with DUP, then what came meanwhile."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "only", session_expiry_interval=60) as (only, _):
            await join(only)
            publish(broker, 1)
            await payloads(only, 1, acknowledge=False)
        await until(lambda: not broker.connected, "its end")
        assert publish(broker, 2) == [True]
        async with connected(broker.port, "only", session_expiry_interval=60) as (only, _):
            first, second = await only.receive(PublishPacket), await only.receive(PublishPacket)
            assert [(one.payload, one.duplicate) for one in (first, second)] == [(b"1", True), (b"2", False)]


@in_loop
async def test_a_session_that_expires_hands_over_what_it_kept() -> None:
    """A member that came later gets it then (4.8.2); without one it is counted as dropped."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "only", session_expiry_interval=1) as (only, _):
            await join(only)
            publish(broker, 1)
            await payloads(only, 1, acknowledge=False)
        await until(lambda: not broker.connected, "its end")
        async with connected(broker.port, "heir") as (heir, _):
            await join(heir)
            assert await payloads(heir, 1, acknowledge=False) == [b"1"]
        await until(lambda: not broker.sessions, "the end of the last member")
        assert broker.counters.dropped["no member of the share left"] == 1


@in_loop
async def test_a_member_that_unsubscribes_is_left_out() -> None:
    """With the last one the group is gone."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "one") as (one, _),
        connected(broker.port, "two") as (two, _),
    ):
        await join(one)
        await join(two)
        one.send(UnsubscribePacket(3, [SHARE]))
        assert [int(code) for code in (await one.receive(UnsubAckPacket)).reason_codes] == [0]
        publish(broker, 1, 2)
        assert await payloads(two, 2) == [b"1", b"2"]
        two.send(DisconnectPacket())
        assert await two.ended() == "closed"
        assert publish(broker, 3) == [False]


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5])
@in_loop
async def test_paho_of_either_version_shares(version: MQTTProtocolVersion) -> None:
    """3.1.1 has no shared subscriptions, but brokers serve them under the same filter."""
    async with (
        EmbeddedBroker() as broker,
        paho(broker.port, version, "one") as (one, first),
        paho(broker.port, MQTTProtocolVersion.MQTTv5, "two") as (two, second),
    ):
        for client, events in ((one, first), (two, second)):
            client.subscribe(SHARE, qos=1)
            await until(lambda events=events: ("suback", [1]) in events, "SUBACK")  # type: ignore[misc]
        publish(broker, *range(1, 11))
        await until(lambda: len(received(first)) == len(received(second)) == 5, "five messages each")
        await asyncio.sleep(0)
        assert [payload for _, payload, _ in received(first)] == [b"1", b"3", b"5", b"7", b"9"]
