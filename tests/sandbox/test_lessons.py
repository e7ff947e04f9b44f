"""What the embedded broker notes for the exercises: each fact when it happens, with whom, and not otherwise."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
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
from paho.mqtt.enums import MQTTProtocolVersion

from sandbox.access import ServiceAccountTokens
from sandbox.acl import Acl
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import Authority, TokenIssuer
from sandbox.demo import Demo
from sandbox.lessons import FACTS, Lessons
from tests.sandbox.test_clients import needs_mosquitto, run, until
from tests.sandbox.test_versions_of_clients import paho, received
from tests.support.brokers.rawclient import RawClient, connected, in_loop, message
from tests.support.processes.daemon import ROOT

KEPT: dict[str, Any] = {"session_expiry_interval": 600}
CONNECTS = {"connected"}


def happened(broker: EmbeddedBroker) -> set[str]:
    """The facts that have happened, without that somebody connected, which every one needs."""
    return {name for name, fact in broker.lessons.facts.items() if fact.count} - CONNECTS


def is_alarm(topic: str) -> bool:
    """Whether a topic is one of alarms."""
    return topic.startswith("a/alarms/")


def is_command(topic: str) -> bool:
    """Whether a topic is one of commands."""
    return topic.startswith("a/commands/")


async def subscribed(client: RawClient, *filters: str, qos: QoS = QoS.AT_LEAST_ONCE) -> None:
    """Subscribe, and wait for SUBACK."""
    client.send(SubscribePacket(1, [TopicFilter(each, max_qos=qos) for each in filters]))
    await client.receive(SubAckPacket)


async def seen(client: RawClient) -> None:
    """Wait until the broker has processed all that the client has sent."""
    client.send(PingReqPacket())
    await client.receive(PingRespPacket)


async def acknowledged(client: RawClient) -> PublishPacket:
    """Take the next message, and acknowledge it."""
    packet = await client.receive(PublishPacket)
    if packet.packet_id is not None:
        client.send(PubAckPacket(packet.packet_id))
        await seen(client)
    return packet


async def gone(broker: EmbeddedBroker, client_id: str) -> None:
    """Wait until the broker has noticed that a client is away."""
    await until(lambda: client_id not in broker.connected, f"{client_id} is away")


@asynccontextmanager
async def own_and_foreign() -> AsyncIterator[tuple[EmbeddedBroker, RawClient, RawClient, TokenIssuer]]:
    """A broker with a port for tokens beside the plain one, and a client at each: `own` and `foreign`."""
    authority, issuer = Authority(), TokenIssuer()
    secure = Listener(tls=authority.server_context(), access=ServiceAccountTokens(issuer))
    tls = ssl.create_default_context(cadata=authority.ca_pem.decode())
    login: dict[str, Any] = {"authentication_method": "K8S-SAT", "authentication_data": issuer.token().encode()}
    async with (
        EmbeddedBroker(Listener(), secure, wall_clock=issuer.clock) as broker,
        connected(broker.ports[1], "own", tls=tls, **login) as (own, _),
        connected(broker.port, "foreign") as (foreign, _),
    ):
        yield broker, own, foreign, issuer


@in_loop
async def test_every_fact_is_there_from_the_start_and_has_not_happened() -> None:
    """A broker that nobody has used has only zeros."""
    async with EmbeddedBroker() as broker:
        assert broker.lessons.facts.keys() == FACTS.keys()
        assert [fact for fact in broker.lessons.facts.values() if fact.count or fact.last or fact.by] == []


@in_loop
async def test_a_fact_has_count_time_and_client() -> None:
    """The time is that of the clock at the last time, the client that of the last time."""
    times = iter(range(100, 200))
    async with EmbeddedBroker(wall_clock=lambda: float(next(times))) as broker:
        for client_id in ("ann", "bob"):
            async with connected(broker.port, client_id):
                pass
        fact = broker.lessons.facts["connected"]
        assert (fact.count, fact.last, fact.by) == (2, 101.0, "bob")


@pytest.mark.parametrize(
    ("topic_filter", "facts"),
    [
        ("a/b", set()),
        ("a/+/c", {"wildcard_plus"}),
        ("a/#", {"wildcard_hash"}),
        ("+/b/#", {"wildcard_plus", "wildcard_hash"}),
    ],
)
@in_loop
async def test_a_wildcard_counts_once_it_is_granted(topic_filter: str, facts: set[str]) -> None:
    """By the levels of the filter."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        await subscribed(client, topic_filter)
        assert happened(broker) == facts


@in_loop
async def test_the_qos_that_counts_is_that_of_the_delivery() -> None:
    """A message of QoS 1 to a subscription of QoS 0 is delivered at 0; QoS 1 counts at PUBACK."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        await subscribed(client, "a", qos=QoS.AT_MOST_ONCE)
        broker.publish(message(1, "a"))
        await client.receive(PublishPacket)
        assert happened(broker) == {"qos_0"}
        await subscribed(client, "b")
        broker.publish(message(2, "b"))
        packet = await client.receive(PublishPacket)
        assert "qos_1" not in happened(broker)
        client.send(PubAckPacket(packet.packet_id or 0))
        await seen(client)
        assert happened(broker) == {"qos_0", "qos_1", "qos_both"}


@in_loop
async def test_both_qos_count_on_one_connection_only() -> None:
    """Two clients with one each have not seen both beside each other."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "one") as (one, _),
        connected(broker.port, "two") as (two, _),
    ):
        await subscribed(one, "a")
        await subscribed(two, "b")
        broker.publish(message(None, "a"))
        broker.publish(message(1, "b"))
        await acknowledged(one)
        await acknowledged(two)
        assert happened(broker) == {"qos_0", "qos_1"}


@in_loop
async def test_a_retained_message_counts_where_it_comes_by_subscribing() -> None:
    """Not where the same message comes to who was subscribed before."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "early") as (early, _),
        connected(broker.port, "late") as (late, _),
    ):
        await subscribed(early, "a/b")
        early.send(message(None, retain=True))
        await early.receive(PublishPacket)
        assert happened(broker) == {"retained_left", "qos_0"}
        await subscribed(late, "a/b")
        assert (await late.receive(PublishPacket)).retain
        assert broker.lessons.facts["retained_got"].by == "late"


@in_loop
async def test_an_empty_retained_message_counts_where_it_deletes_one() -> None:
    """Neither where there is none, nor without the flag."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        client.send(message(None, payload=b"", retain=True), message(None, payload=b""))
        await seen(client)
        assert happened(broker) == set()
        client.send(message(None, retain=True), message(None, payload=b""))
        await seen(client)
        assert happened(broker) == {"retained_left"}
        client.send(message(None, payload=b"", retain=True))
        await seen(client)
        assert happened(broker) == {"retained_left", "retained_deleted"}


@in_loop
async def test_a_will_counts_when_it_is_published() -> None:
    """That is, when the connection ends without DISCONNECT."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "broken", will=Will(topic="a/b", payload=b"gone")) as (client, _):
            assert happened(broker) == set()
            client.writer.transport.abort()
            await gone(broker, "broken")
        assert happened(broker) == {"will_published"}
        assert broker.lessons.facts["will_published"].by == "broken"


@pytest.mark.parametrize(
    ("will", "reason", "facts"),
    [
        (Will(topic="a/b", payload=b"gone"), DisconnectReasonCode.NORMAL_DISCONNECTION, {"will_forgotten"}),
        (Will(topic="a/b", payload=b"gone"), DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE, {"will_published"}),
        (None, DisconnectReasonCode.NORMAL_DISCONNECTION, set()),
    ],
)
@in_loop
async def test_a_clean_end_counts_where_there_was_a_will(
    will: Will | None, reason: DisconnectReasonCode, facts: set[str]
) -> None:
    """DISCONNECT with the will has it published all the same."""
    async with EmbeddedBroker() as broker, connected(broker.port, "clean", will=will) as (client, _):
        client.send(DisconnectPacket(reason_code=reason))
        assert await client.ended() == "closed"
        assert happened(broker) == facts


@in_loop
async def test_a_session_counts_once_a_missed_message_arrives() -> None:
    """Not the session alone; and messages of QoS 0 that were sent meanwhile are part of another fact."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            await subscribed(client, "a/b")
        await gone(broker, "sub")
        async with connected(broker.port, "sub", clean_start=False, **KEPT) as (client, connack):
            assert connack.session_present
            broker.publish(message(1))
            await acknowledged(client)
            assert happened(broker) == {"qos_1"}
        await gone(broker, "sub")
        broker.publish(message(2))
        async with connected(broker.port, "sub", clean_start=False, **KEPT) as (client, _):
            await acknowledged(client)
            assert happened(broker) == {"qos_1", "session_resumed"}
        await gone(broker, "sub")
        broker.publish(message(3))
        broker.publish(message(None))
        async with connected(broker.port, "sub", clean_start=False, **KEPT) as (client, _):
            assert (await acknowledged(client)).packet_id
            assert happened(broker) == {"qos_1", "session_resumed", "qos_kept"}


@in_loop
async def test_what_has_expired_meanwhile_was_not_got() -> None:
    """The next message, which nobody has missed, makes no session of it."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            await subscribed(client, "a/b")
        await gone(broker, "sub")
        broker.publish(message(1, message_expiry_interval=0))
        async with connected(broker.port, "sub", clean_start=False, **KEPT) as (client, _):
            await seen(client)
            broker.publish(message(2))
            await acknowledged(client)
            assert happened(broker) == {"qos_1"}


@in_loop
async def test_a_clean_start_gets_nothing_that_was_missed() -> None:
    """The session is deleted, and so no fact happens."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            await subscribed(client, "a/b")
        await gone(broker, "sub")
        broker.publish(message(1))
        async with connected(broker.port, "sub", clean_start=True, **KEPT) as (client, connack):
            await seen(client)
            assert not connack.session_present
            assert happened(broker) == set()


@in_loop
async def test_a_command_answers_what_was_missed_on_the_same_connection() -> None:
    """A command of somebody else, or one without a session, is only a command."""
    async with EmbeddedBroker() as broker:
        broker.lessons.watch(is_alarm, is_command)
        async with connected(broker.port, "sub", **KEPT) as (client, _):
            await subscribed(client, "a/alarms/+")
        await gone(broker, "sub")
        async with connected(broker.port, "other") as (other, _):
            other.send(message(1, "a/alarms/press"), message(2, "a/commands/press"))
            await other.receive(PubAckPacket)
            await other.receive(PubAckPacket)
        assert happened(broker) == {"wildcard_plus", "alarm", "command"}
        async with connected(broker.port, "sub", clean_start=False, **KEPT) as (client, _):
            await acknowledged(client)
            assert "session_answered" not in happened(broker)
            client.send(message(1, "a/commands/press"))
            await client.receive(PubAckPacket)
            assert happened(broker) >= {"alarm_got", "session_resumed", "session_answered"}
            assert broker.lessons.facts["session_answered"].by == "sub"


@in_loop
async def test_a_refusal_counts_for_publish_and_for_subscribe() -> None:
    """What is allowed counts as no refusal, and a refused message as nothing else."""
    acl = Acl.parse("topic readwrite free/#")
    async with EmbeddedBroker(Listener(acl=acl)) as broker, connected(broker.port, "x") as (client, _):
        await subscribed(client, "free/note")
        client.send(message(1, "free/other"))
        assert int((await client.receive(PubAckPacket)).reason_code) == 0x10
        assert happened(broker) == set()
        client.send(message(2, "a/b", retain=True))
        assert int((await client.receive(PubAckPacket)).reason_code) == 0x87
        assert happened(broker) == {"publish_refused"}
        await subscribed(client, "admin/#")
        assert happened(broker) == {"publish_refused", "subscribe_refused"}


def renewal(token: bytes) -> AuthPacket:
    """A token on the connection that is there."""
    return AuthPacket(
        reason_code=AuthReasonCode.RE_AUTHENTICATE, authentication_method="K8S-SAT", authentication_data=token
    )


@in_loop
async def test_a_new_token_counts_when_it_is_accepted() -> None:
    """It is that of the plant's own client, on the connection that it has."""
    async with own_and_foreign() as (broker, own, _, issuer):
        assert happened(broker) == set()
        own.send(renewal(issuer.token().encode()))
        await own.receive(AuthPacket)
        assert happened(broker) == {"auth_renewed"}
        assert broker.lessons.facts["auth_renewed"].by == "own"
        own.send(renewal(b"bad"))
        await own.receive(DisconnectPacket)
        assert broker.lessons.facts["auth_renewed"].count == 1


@in_loop
async def test_what_the_plants_own_clients_do_is_no_exercise() -> None:
    """They subscribe, publish and receive as part of their work; their alarms are what the others learn from."""
    async with own_and_foreign() as (broker, own, foreign, _):
        broker.lessons.watch(is_alarm, is_command)
        await subscribed(own, "a/#", "b/+")
        own.send(message(1, "a/alarms/press", retain=True), message(2, "a/commands/press"), message(None, "b/c"))
        await seen_among_messages(own)
        assert happened(broker) == {"alarm"}
        assert broker.lessons.facts["connected"].by == "foreign"
        await subscribed(foreign, "a/alarms/press")
        await acknowledged(foreign)
        assert happened(broker) == {"alarm", "alarm_got", "retained_got", "qos_1"}


async def seen_among_messages(client: RawClient) -> None:
    """Wait until the broker has processed all that was sent; messages and acknowledgements come before."""
    client.send(PingReqPacket())
    while not isinstance(await client.receive_any(), PingRespPacket):
        pass


@in_loop
async def test_the_receive_maximum_of_a_client_counts_when_a_message_has_to_wait() -> None:
    """One message less than it allows is held back by nothing, nor is the last one that it allows."""
    async with EmbeddedBroker() as broker, connected(broker.port, "slow", receive_max=2) as (client, _):
        await subscribed(client, "a/b")
        for number in (1, 2):
            broker.publish(message(number))
            await client.receive(PublishPacket)
        assert happened(broker) == set()
        for number in (3, 4):
            broker.publish(message(number))
        assert happened(broker) == {"receive_maximum"}
        assert broker.lessons.facts["receive_maximum"].count == 1
        client.send(PubAckPacket(1))
        await client.receive(PublishPacket)
        assert broker.lessons.facts["receive_maximum"].count == 2


@in_loop
async def test_a_client_that_names_no_receive_maximum_reaches_none() -> None:
    """The broker's own bound of a client that does not acknowledge is not the client's."""
    async with (
        EmbeddedBroker(limits=Limits(outgoing_window=1)) as broker,
        connected(broker.port, "silent") as (client, _),
    ):
        await subscribed(client, "a/b")
        for number in (1, 2):
            broker.publish(message(number))
        await client.receive(PublishPacket)
        assert happened(broker) == set()


@in_loop
async def test_the_receive_maximum_of_the_broker_counts_when_a_client_fills_it() -> None:
    """Not with one message less, and not by messages of QoS 0, which have no such brake."""
    limits = Limits(receive_maximum=3)
    async with EmbeddedBroker(limits=limits) as broker, connected(broker.port, "busy") as (client, connack):
        assert connack.receive_max == 3
        client.send(message(1), message(2), *[message(None)] * 5)
        await seen_among_messages(client)
        assert happened(broker) == set()
        client.send(message(3), message(4), message(5))
        await seen_among_messages(client)
        assert happened(broker) == {"receive_maximum"}


@in_loop
async def test_a_share_counts_when_two_members_have_got_a_message_each() -> None:
    """One member that gets all of them shares with nobody."""
    async with (
        EmbeddedBroker() as broker,
        connected(broker.port, "ann") as (ann, _),
        connected(broker.port, "bob") as (bob, _),
    ):
        await subscribed(ann, "$share/team/a/b")
        for number in (1, 2):
            broker.publish(message(number))
            await acknowledged(ann)
        assert happened(broker) == {"qos_1"}
        await subscribed(bob, "$share/team/a/b")
        for number in (3, 4):
            broker.publish(message(number))
        await acknowledged(ann)
        await acknowledged(bob)
        assert happened(broker) == {"qos_1", "shared"}


def test_topics_without_end_do_not_fill_the_memory() -> None:
    """What a topic means is known of 20,000 at most, and is right afterwards."""
    lessons = Lessons()
    lessons.watch(is_alarm, is_command)
    for number in range(45_000):
        lessons.meaning(f"a/{number}")
    assert len(lessons._known) <= 20_000
    assert [lessons.meaning(each) for each in ("a/alarms/x", "a/commands/x", "a/7")] == ["alarm", "command", ""]


def test_new_topics_of_alarms_count_from_then_on() -> None:
    """A reload may give them others."""
    lessons = Lessons()
    assert lessons.meaning("a/alarms/x") == ""
    lessons.watch(is_alarm, is_command)
    assert lessons.meaning("a/alarms/x") == "alarm"


@in_loop
async def test_a_client_of_mqtt_3_1_1_teaches_the_same() -> None:
    """paho subscribes, gets a retained message, and has a session; it knows no Receive Maximum."""
    async with EmbeddedBroker() as broker:
        async with paho(broker.port, MQTTProtocolVersion.MQTTv311, clean=False) as (client, _):
            client.subscribe("a/#", qos=1)
            client.publish("a/b", b"x", qos=1, retain=True).wait_for_publish(5)
        await gone(broker, "paho")
        assert happened(broker) >= {"wildcard_hash", "retained_left"}
        broker.publish(message(7, "a/c"))
        async with paho(broker.port, MQTTProtocolVersion.MQTTv311, clean=False) as (client, events):
            await until(lambda: received(events), "the message")
            assert "session_resumed" in happened(broker)
        assert "receive_maximum" not in happened(broker)


@needs_mosquitto
@in_loop
async def test_mosquitto_sub_with_a_wildcard_is_one() -> None:
    """By its client id."""
    async with Demo((0, 0, 0)) as demo:
        demo.broker.publish(message(1, "factory/state/press", retain=True))
        port = str(demo.broker.ports[1])
        process = await run("mosquitto_sub", "-i", "student", "-p", port, "-t", "factory/+/press", "-C", "1")
        assert await process.wait() == 0
        assert happened(demo.broker) == {"wildcard_plus", "retained_got", "qos_0"}
        fact = demo.lessons.facts["wildcard_plus"]
        assert (fact.count, fact.by) == (1, "student")
        assert fact.last is not None
        assert demo.addresses["mqtt"] == f"localhost:{port}"


@in_loop
async def test_the_clients_of_the_command_line_do_exercise_3(tmp_path: Path) -> None:
    """`pub --retain`, `sub --retained`, and an empty message, as docs/sandbox.md has them."""
    async with Demo((0, 0)) as demo:
        port = str(demo.broker.ports[1])
        note = ("--topic", "classroom/note", "--retain", "--qos", "1", "--port", port)
        await app("pub", *note, "--message", "back_at_ten", folder=tmp_path)
        assert happened(demo.broker) == {"retained_left"}
        await app(
            "sub", "--topic", "classroom/#", "--retained", "--count", "1", "--seconds", "10s", "--port", port,
            folder=tmp_path,
        )  # fmt: skip
        assert happened(demo.broker) >= {"retained_got", "wildcard_hash"}
        await app("pub", *note, "--message=", folder=tmp_path)
        assert "retained_deleted" in happened(demo.broker)
        assert demo.lessons.facts["retained_got"].by == "cli-sub"


async def app(*arguments: str, folder: Path) -> None:
    """Run `app.py` to its end."""
    process = await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "app.py"), *arguments, cwd=folder)
    assert await process.wait() == 0
