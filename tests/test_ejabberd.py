"""Facts about what ejabberd's MQTT can and cannot, as docs/brokers.md tells it, and the simulator's use of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    PubAckPacket,
    PubCompPacket,
    PublishPacket,
    PubRecPacket,
    PubRelPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    Will,
)

from tests.support.brokers.rawclient import RawClient, dialled, in_loop
from tests.support.neutral.ejabberd import Ejabberd
from tests.support.neutral.required import require_ejabberd

NAME, OTHER, PASSWORD = "factory", "other", "a long word"
SHARED_SUBSCRIPTIONS_NOT_SUPPORTED, TAKEN_OVER = 0x9E, 0x8E


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ejabberd]:
    """An ejabberd without access rules, for all tests here."""
    require_ejabberd()
    with Ejabberd(tmp_path_factory.mktemp("ejabberd"), {NAME: PASSWORD, OTHER: PASSWORD}) as broker:
        yield broker


@asynccontextmanager
async def entered(
    broker: Ejabberd, client_id: str, name: str = NAME, **options: Any
) -> AsyncIterator[tuple[RawClient, ConnAckPacket]]:
    """A client after CONNECT, and its CONNACK."""
    async with dialled(broker.mqtt_port) as client:
        client.send(ConnectPacket(client_id, username=name, password=PASSWORD.encode(), **options))
        yield client, await client.receive(ConnAckPacket)


async def subscribe(client: RawClient, topics: str, qos: QoS = QoS.AT_LEAST_ONCE) -> int:
    """Subscribe; the reason code."""
    client.send(SubscribePacket(1, [TopicFilter(topics, max_qos=qos)]))
    [code] = (await client.receive(SubAckPacket)).reason_codes
    return int(code)


@in_loop
async def test_the_connack_says_little(ejabberd: Ejabberd) -> None:
    """No Receive Maximum, no Maximum QoS: 65,535 and 2; Topic Alias Maximum 100; no shared subscriptions."""
    async with entered(ejabberd, "connack", session_expiry_interval=3600, keep_alive=30) as (_, connack):
        assert (connack.receive_max, connack.max_qos, connack.topic_alias_max) == (65_535, QoS.EXACTLY_ONCE, 100)
        assert connack.retain_available
        assert not connack.shared_subscription_available
        assert connack.session_expiry_interval == 300  # at most, unless mod_mqtt's session_expiry says more


@in_loop
async def test_a_shared_subscription_ends_the_connection(ejabberd: Ejabberd) -> None:
    """With DISCONNECT 0x9E."""
    async with entered(ejabberd, "sharing") as (client, _):
        client.send(SubscribePacket(1, [TopicFilter("$share/group/a")]))
        assert (await client.receive(DisconnectPacket)).reason_code == SHARED_SUBSCRIPTIONS_NOT_SUPPORTED


@in_loop
async def test_a_message_of_qos_2_goes_through_its_four_steps(ejabberd: Ejabberd) -> None:
    """To the broker, and from it to a subscriber that was granted 2."""
    async with entered(ejabberd, "twice") as (client, _):
        assert await subscribe(client, "two", QoS.EXACTLY_ONCE) == 2
        client.send(PublishPacket("two", b"x", qos=QoS.EXACTLY_ONCE, packet_id=7))
        answers = {type(packet) for packet in [await client.receive_any(), await client.receive_any()]}
        assert answers == {PubRecPacket, PublishPacket}
        client.send(PubRelPacket(7))
        assert (await client.receive(PubCompPacket)).packet_id == 7


@in_loop
async def test_one_message_is_in_flight_to_a_subscriber(ejabberd: Ejabberd) -> None:
    """Whatever Receive Maximum the subscriber announces; so its rate at QoS 1 is one message a round trip."""
    async with entered(ejabberd, "slow", receive_max=100) as (reader, _), entered(ejabberd, "fast") as (writer, _):
        await subscribe(reader, "one")
        for number in (1, 2):
            writer.send(PublishPacket("one", b"%d" % number, qos=QoS.AT_LEAST_ONCE, packet_id=number))
            await writer.receive(PubAckPacket)
        first = await reader.receive(PublishPacket)
        assert first.payload == b"1"
        assert await reader.silent(0.3)
        reader.send(PubAckPacket(first.packet_id or 0))
        assert (await reader.receive(PublishPacket)).payload == b"2"


@in_loop
async def test_a_topic_alias_stands_for_its_topic(ejabberd: Ejabberd) -> None:
    """From a client to the broker, which sends none itself; user properties, content type and expiry go through."""
    async with entered(ejabberd, "alias", topic_alias_max=10) as (client, _):
        await subscribe(client, "long/topic")
        about: dict[str, Any] = {"content_type": "a/b", "user_properties": [("k", "v")], "message_expiry_interval": 60}
        client.send(PublishPacket("long/topic", b"1", topic_alias=3, **about))
        client.send(PublishPacket("", b"2", topic_alias=3))
        first, second = await client.receive(PublishPacket), await client.receive(PublishPacket)
        assert [each.topic for each in (first, second)] == ["long/topic"] * 2
        assert (first.content_type, first.user_properties) == ("a/b", [("k", "v")])
        assert first.message_expiry_interval in (59, 60)
        assert first.topic_alias is None


@in_loop
async def test_a_will_is_published_when_the_connection_is_cut_and_not_after_disconnect(ejabberd: Ejabberd) -> None:
    """It is kept, if it is to be retained."""
    will = Will("will/of/one", payload=b"gone", qos=QoS.AT_LEAST_ONCE, retain=True)
    async with entered(ejabberd, "watching") as (watcher, _):
        await subscribe(watcher, "will/#")
        async with entered(ejabberd, "leaving", will=Will("will/of/leaving", payload=b"x")) as (leaving, _):
            leaving.send(DisconnectPacket())
            assert await leaving.ended() == "closed"
        async with entered(ejabberd, "dying", will=will) as (dying, _):
            dying.writer.transport.abort()
        assert (await watcher.receive(PublishPacket)).topic == "will/of/one"
    async with entered(ejabberd, "late") as (late, _):
        await subscribe(late, "will/of/one")
        assert (await late.receive(PublishPacket)).retain


@in_loop
async def test_a_client_id_is_taken_over_by_the_same_user_alone(ejabberd: Ejabberd) -> None:
    """The session is that of user and client id: with another user it is another one (otherwise MQTT 5, 3.1.4-3)."""
    async with entered(ejabberd, "same") as (first, _):
        async with entered(ejabberd, "same", OTHER) as (second, _):
            assert await subscribe(first, "a") == await subscribe(second, "a") == 1
        async with entered(ejabberd, "same"):
            assert (await first.receive(DisconnectPacket)).reason_code == TAKEN_OVER


@in_loop
async def test_a_session_is_kept_with_what_came_meanwhile(ejabberd: Ejabberd) -> None:
    """In memory, at most five minutes by default: not over a restart."""
    kept: dict[str, Any] = {"session_expiry_interval": 100}
    async with entered(ejabberd, "kept", **kept) as (client, _):
        await subscribe(client, "kept/#")
    async with entered(ejabberd, "writer") as (writer, _):
        writer.send(PublishPacket("kept/1", b"x", qos=QoS.AT_LEAST_ONCE, packet_id=1))
        await writer.receive(PubAckPacket)
    async with entered(ejabberd, "kept", clean_start=False, **kept) as (client, connack):
        assert connack.session_present
        assert (await client.receive(PublishPacket)).topic == "kept/1"
