"""The embedded broker keeps the rules of MQTT 5, packet by packet."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

from sandbox.broker import EmbeddedBroker, Limits
from sandbox.protocol.topics import matches
from tests.support.brokers.rawclient import RawClient, connected, dialled, in_loop, message

ONE_OF_EACH_PROPERTY: dict[str, Any] = {
    "payload_format_indicator": 1,
    "content_type": "application/json",
    "response_topic": "re/ply",
    "correlation_data": b"42",
    "user_properties": [("b", "2"), ("a", "1"), ("a", "again")],
}


async def subscribe(client: RawClient, *filters: TopicFilter | str, identifier: int | None = None) -> list[int]:
    """Subscribe; the codes of SUBACK."""
    wanted = [TopicFilter(one, retain_as_published=False) if isinstance(one, str) else one for one in filters]
    client.send(SubscribePacket(9, wanted, subscription_id=identifier))
    return [int(code) for code in (await client.receive(SubAckPacket)).reason_codes]


@pytest.mark.parametrize(
    ("pattern", "topic", "taken"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("+/+", "/b", True),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/load", False),
        ("+/load", "$SYS/load", False),
        ("$SYS/#", "$SYS/load", True),
    ],
)
def test_a_filter_takes_the_topics_of_the_specification(pattern: str, topic: str, taken: bool) -> None:
    """Wildcards and `$` topics go by MQTT 5, 4.7."""
    assert matches(pattern.split("/"), topic.split("/")) is taken


@pytest.mark.parametrize(
    ("pattern", "valid"),
    [
        ("#", True),
        ("+", True),
        ("/", True),
        ("a/+/b/#", True),
        ("", False),
        ("a#", False),
        ("+a", False),
        ("a/#/b", False),
    ],
)
@in_loop
async def test_a_wrong_filter_is_refused(pattern: str, valid: bool) -> None:
    """A filter with a misplaced wildcard is answered 0x8F in SUBACK; others in the same packet are granted."""
    # The codec writes no wrong filter, so it is put in place afterwards.
    stand_in = "x" * len(pattern)
    frame = SubscribePacket(9, [TopicFilter(stand_in), TopicFilter("right")]).write()
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        client.send(frame.replace(stand_in.encode(), pattern.encode(), 1) if pattern else frame)
        codes = (await client.receive(SubAckPacket)).reason_codes
        assert [int(code) for code in codes] == [1 if valid else 0x8F, 1]


@in_loop
async def test_connack_announces_the_limits() -> None:
    """A client learns from CONNACK what it may do and, if it gave none, its name."""
    limits = Limits(receive_maximum=7, maximum_packet_size=5_000, server_keep_alive_seconds=11)
    async with EmbeddedBroker(limits=limits) as broker, connected(broker.port, "") as (_, connack):
        assert connack.receive_max == 7
        assert connack.max_packet_size == 5_000
        assert connack.server_keep_alive == 11
        assert connack.max_qos == QoS.AT_LEAST_ONCE
        assert broker.connected == [connack.assigned_client_id]
        assert not connack.session_present


@in_loop
async def test_a_message_arrives_as_it_was_sent() -> None:
    """Payload and properties are forwarded, user properties in their order, with the lower of the two QoS."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "sub") as (sub, _),
        connected(broker.port) as (pub, _),
    ):
        assert await subscribe(sub, "a/+") == [1]
        pub.send(message(5, message_expiry_interval=60, **ONE_OF_EACH_PROPERTY))
        assert (await pub.receive(PubAckPacket)).reason_code == 0
        got = await sub.receive(PublishPacket)
        assert (got.topic, got.payload, got.qos, got.duplicate) == ("a/b", b"x", 1, False)
        assert {name: getattr(got, name) for name in ONE_OF_EACH_PROPERTY} == ONE_OF_EACH_PROPERTY
        assert got.message_expiry_interval == 60


@in_loop
async def test_qos_is_the_lower_of_publisher_and_subscriber() -> None:
    """QoS 2 is granted as 1; a QoS 1 message comes as QoS 0 to whom asked for that."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "sub") as (sub, _),
        connected(broker.port) as (pub, _),
    ):
        low = TopicFilter("low", max_qos=QoS.AT_MOST_ONCE)
        assert await subscribe(sub, low, "high") == [0, 1]
        pub.send(message(1, "low"), message(2, "high"), message(None, "high"))
        assert [(await sub.receive(PublishPacket)).qos for _ in range(3)] == [0, 1, 0]


@in_loop
async def test_overlapping_subscriptions_give_one_copy() -> None:
    """One copy at the highest QoS, with the identifiers of all subscriptions that match."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        await subscribe(client, TopicFilter("a/#", max_qos=QoS.AT_MOST_ONCE), identifier=3)
        await subscribe(client, "a/b", identifier=4)
        client.send(message(1), PingReqPacket())
        got = await client.receive(PublishPacket)
        assert (got.qos, got.subscription_ids) == (1, [3, 4])
        await client.receive(PubAckPacket)
        await client.receive(PingRespPacket)


@in_loop
async def test_puback_tells_when_nobody_subscribes() -> None:
    """The reason is 0x10 while nobody subscribes, also after UNSUBSCRIBE; an unknown filter there is 0x11."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        await subscribe(client, "a/b")
        client.send(UnsubscribePacket(2, ["a/b", "other"]), message(3))
        assert [int(code) for code in (await client.receive(UnsubAckPacket)).reason_codes] == [0, 0x11]
        assert (await client.receive(PubAckPacket)).reason_code == 0x10


@in_loop
async def test_no_local_keeps_a_client_from_hearing_itself() -> None:
    """With `no local` a client's own messages do not come back."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        await subscribe(client, TopicFilter("#", no_local=True))
        client.send(message(1))
        assert (await client.receive(PubAckPacket)).reason_code == 0x10


@in_loop
async def test_retained_messages_are_replayed_and_cleared() -> None:
    """The last retained message of a topic greets a subscriber, until an empty one removes it."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        client.send(message(None, "r", b"old", retain=True), message(None, "r", b"new", retain=True))
        await subscribe(client, "r")
        got = await client.receive(PublishPacket)
        assert (got.payload, got.retain) == (b"new", True)
        client.send(message(None, "r", b"", retain=True))
        assert (await client.receive(PublishPacket)).retain is False
        await subscribe(client, "r")
        assert await client.silent(0.05)


@in_loop
async def test_retain_options_of_a_subscription_are_kept() -> None:
    """Retain as published, and the three ways to handle retained messages (MQTT 5, 3.8.3.1)."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        client.send(message(None, "r", b"kept", retain=True))
        await subscribe(client, TopicFilter("r", retain_handling=RetainHandling.SEND_NEVER))
        await subscribe(client, TopicFilter("r", retain_handling=RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS))
        client.send(message(None, "r", b"live", retain=True))
        got = await client.receive(PublishPacket)
        assert (got.payload, got.retain) == (b"live", True)
        await subscribe(client, TopicFilter("r"))
        assert (await client.receive(PublishPacket)).payload == b"live"


@in_loop
async def test_an_expired_message_is_not_delivered() -> None:
    """A message past its expiry is dropped and counted, a retained one too; the other tells the seconds it has left."""
    async with EmbeddedBroker() as broker, connected(broker.port, "sub", session_expiry_interval=60) as (sub, _):
        await subscribe(sub, "a/b")
        sub.send(DisconnectPacket())
        await sub.ended()
        broker.publish(message(1, payload=b"short", message_expiry_interval=1, retain=True))
        broker.publish(message(2, payload=b"long", message_expiry_interval=9))
        await asyncio.sleep(1.05)
        async with connected(broker.port, "sub", session_expiry_interval=60) as (again, _):
            got = await again.receive(PublishPacket)
            assert (got.payload, (got.message_expiry_interval or 9) < 9) == (b"long", True)
            await subscribe(again, "a/b")
            assert await again.silent(0.05)
        assert broker.counters.dropped["expired"] == 1


@in_loop
async def test_a_client_with_a_small_maximum_packet_size_is_spared_large_packets() -> None:
    """A message beyond the client's Maximum Packet Size is dropped and counted, the next one comes (3.1.2-25)."""
    async with EmbeddedBroker() as broker, connected(broker.port, max_packet_size=100) as (client, _):
        await subscribe(client, "#")
        broker.publish(message(None, payload=b"x" * 200))
        broker.publish(message(None, payload=b"small"))
        assert (await client.receive(PublishPacket)).payload == b"small"
        assert broker.counters.dropped["too large for the client"] == 1


@in_loop
async def test_the_clients_receive_maximum_is_a_window() -> None:
    """No more unacknowledged messages than the client allows; each PUBACK lets one more through, in order."""
    async with EmbeddedBroker() as broker, connected(broker.port, receive_max=2) as (client, _):
        await subscribe(client, "a/b")
        for number in range(1, 4):
            broker.publish(message(number, payload=b"%d" % number))
        first, second = [await client.receive(PublishPacket) for _ in range(2)]
        assert await client.silent(0.05)
        client.send(PubAckPacket(second.packet_id or 0))
        assert (await client.receive(PublishPacket)).payload == b"3"
        assert first.packet_id != second.packet_id


@in_loop
async def test_a_client_beyond_the_receive_maximum_is_sent_away() -> None:
    """A burst of more QoS 1 messages than were allowed gets DISCONNECT 0x93; a burst of just so many is taken."""
    limits = Limits(receive_maximum=5)
    async with EmbeddedBroker(limits=limits) as broker, connected(broker.port) as (client, _):
        client.send(*[message(number) for number in range(1, 6)])
        acknowledged = [(await client.receive(PubAckPacket)).packet_id for _ in range(5)]
        assert acknowledged == [1, 2, 3, 4, 5]
        client.send(*[message(number) for number in range(6, 12)])
        assert [(await client.receive(PubAckPacket)).packet_id for _ in range(5)] == [6, 7, 8, 9, 10]
        assert (await client.receive(DisconnectPacket)).reason_code == 0x93


@in_loop
async def test_a_silent_client_is_given_up_after_one_and_a_half_keep_alives() -> None:
    """DISCONNECT 0x8D after 1.5 keep-alives; pings keep a client alive, and the server's keep-alive overrules."""
    limits = Limits(server_keep_alive_seconds=1)
    async with EmbeddedBroker(limits=limits) as broker, connected(broker.port, keep_alive=600) as (client, _):
        await asyncio.sleep(0.5)
        pinged = asyncio.get_running_loop().time()
        client.send(PingReqPacket())
        await client.receive(PingRespPacket)
        assert (await client.receive(DisconnectPacket)).reason_code == 0x8D
        assert asyncio.get_running_loop().time() - pinged >= 1.5


@in_loop
async def test_a_connection_without_connect_is_closed() -> None:
    """Who says nothing does not stay."""
    async with EmbeddedBroker(limits=Limits(connect_seconds=0.05)) as broker, dialled(broker.port) as client:
        assert await client.ended() == "closed"


@in_loop
async def test_frames_are_put_together_from_any_pieces() -> None:
    """Bytes that arrive one by one mean the same as in one piece."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        for byte in ConnectPacket("slow").write() + message(1, payload=b"x" * 200).write():
            client.send(bytes((byte,)))
            await asyncio.sleep(0)
        await client.receive(ConnAckPacket)
        assert (await client.receive(PubAckPacket)).packet_id == 1


@in_loop
async def test_a_recorder_sees_messages_in_order() -> None:
    """Inside the process a recorder shows topic, payload, properties, DUP, QoS and retain, retained ones first."""
    async with EmbeddedBroker() as broker, connected(broker.port, "pub") as (pub, _):
        pub.send(message(None, "a/0", retain=True), PingReqPacket())
        await pub.receive(PingRespPacket)
        recorder = broker.subscribe("a/+")
        pub.send(message(1, "a/1", duplicate=True, user_properties=[("k", "v")]), message(2, "b"), message(3, "a/2"))
        seen = await recorder.wait(3)
        assert [(one.topic, one.qos, one.retain, one.dup, one.client_id) for one in seen] == [
            ("a/0", 0, True, False, "pub"),
            ("a/1", 1, False, True, "pub"),
            ("a/2", 1, False, False, "pub"),
        ]
        assert seen[1].user_properties == [("k", "v")]
        recorder.close()
        with pytest.raises(TimeoutError, match=r"3 of 4 messages in 0\.01 s"):
            await recorder.wait(4, 0.01)


@in_loop
async def test_a_polite_close_says_so() -> None:
    """`close` sends DISCONNECT 0x8B, and the port is free at once."""
    broker = EmbeddedBroker()
    await broker.start()
    async with connected(broker.port) as (client, _):
        closing = asyncio.create_task(broker.close())
        assert (await client.receive(DisconnectPacket)).reason_code == 0x8B
        assert await client.ended() == "closed"
        await closing
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", broker.port)
