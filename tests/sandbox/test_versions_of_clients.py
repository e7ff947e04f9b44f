"""The embedded broker with clients of MQTT 3.1.1 that others wrote: paho-mqtt, mosquitto_pub and mosquitto_sub."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sandbox.access import Passwords
from sandbox.acl import Acl
from sandbox.broker import EmbeddedBroker, Listener
from tests.sandbox.test_clients import needs_mosquitto, run, until
from tests.support.brokers.rawclient import in_loop, message
from tests.support.brokers.subscriber import end_loop

V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5
Transport = Literal["tcp", "websockets"]


@asynccontextmanager
async def paho(
    port: int,
    version: MQTTProtocolVersion = V311,
    client_id: str = "paho",
    *,
    transport: Transport = "tcp",
    login: tuple[str, str] | None = None,
    clean: bool = True,
) -> AsyncIterator[tuple[Client, list[Any]]]:
    """paho in its own thread, connected; and a list that its callbacks fill with what they are told."""
    fresh = {} if version == V5 else {"clean_session": clean}
    client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, transport=transport, **fresh)
    if login is not None:
        client.username_pw_set(*login)
    events: list[Any] = []
    client.on_connect = lambda _c, _u, flags, code, _p: events.append(("connack", code.value, flags.session_present))
    client.on_disconnect = lambda _c, _u, _f, code, _p: events.append(("disconnect", code.value))
    client.on_publish = lambda _c, _u, mid, code, _p: events.append(("puback", mid, code.value))
    client.on_message = lambda _c, _u, received: events.append(received)
    client.on_subscribe = lambda _c, _u, _m, codes, _p: events.append(("suback", [code.value for code in codes]))
    await asyncio.to_thread(client.connect, "localhost", port, 30)
    client.loop_start()
    try:
        await until(lambda: events, "CONNACK")
        yield client, events
    finally:
        client.disconnect()
        await asyncio.to_thread(end_loop, client)


def received(events: list[Any]) -> list[tuple[str, bytes, int]]:
    """The messages among what paho was told."""
    return [(one.topic, bytes(one.payload), one.qos) for one in events if isinstance(one, MQTTMessage)]


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
@pytest.mark.parametrize(("publisher", "subscriber"), [(V311, V311), (V311, V5), (V5, V311), (V5, V5)])
@in_loop
async def test_paho_of_either_version_hears_the_other(
    publisher: MQTTProtocolVersion, subscriber: MQTTProtocolVersion, transport: Transport
) -> None:
    """A QoS 1 message arrives whole, over TCP and over WebSocket, also one that spans many frames."""
    large = bytes(range(256)) * 800
    async with (
        EmbeddedBroker(Listener(websocket=transport == "websockets")) as broker,
        paho(broker.port, subscriber, "sub", transport=transport) as (sub, heard),
        paho(broker.port, publisher, "pub", transport=transport) as (pub, told),
    ):
        sub.subscribe("factory/#", qos=1)
        await until(lambda: ("suback", [1]) in heard, "SUBACK")
        pub.publish("factory/cnc", b"{}", qos=1)
        pub.publish("factory/large", large, qos=1)
        await until(lambda: len(received(heard)) == 2 and ("puback", 2, 0) in told, "the messages")
        assert received(heard) == [("factory/cnc", b"{}", 1), ("factory/large", large, 1)]


@in_loop
async def test_pahos_session_of_3_1_1_is_there_when_it_reconnects() -> None:
    """Without Clean Session it is told that there is a session, and gets what came meanwhile."""
    async with EmbeddedBroker() as broker:
        async with paho(broker.port, clean=False) as (client, events):
            client.subscribe("a", qos=1)
            await until(lambda: ("suback", [1]) in events, "SUBACK")
        await until(lambda: not broker.connected, "its end")
        broker.publish(message(1, "a", b"kept"))
        async with paho(broker.port, clean=False) as (_, events):
            await until(lambda: received(events), "the message")
            assert events[0] == ("connack", 0, True)
            assert received(events) == [("a", b"kept", 1)]


@in_loop
async def test_a_refused_publish_of_3_1_1_is_acknowledged_and_dropped() -> None:
    """The client learns nothing; its refused subscription is answered 0x80, which it does learn."""
    acl = Acl.parse("topic read free/#\ntopic write free/#")
    async with (
        EmbeddedBroker(Listener(acl=acl)) as broker,
        paho(broker.port) as (client, events),
    ):
        recorder = broker.subscribe("#")
        client.subscribe([("secret/#", 1), ("free/#", 1)])
        await until(lambda: ("suback", [0x80, 1]) in events, "SUBACK")
        client.publish("secret/a", b"1", qos=1)
        client.publish("free/a", b"2", qos=1)
        await until(lambda: ("puback", 3, 0) in events and ("puback", 2, 0) in events, "both PUBACKs")
        assert [one.topic for one in recorder.messages] == ["free/a"]


@in_loop
async def test_a_wrong_password_of_3_1_1_is_told_so() -> None:
    """paho translates return code 4 into its own reason: bad user name or password."""
    listener = Listener(access=Passwords({"ann": "right"}))
    async with EmbeddedBroker(listener) as broker, paho(broker.port, login=("ann", "wrong")) as (_, events):
        assert events[0][:2] == ("connack", 0x86)


@needs_mosquitto
@in_loop
async def test_mosquittos_programs_need_no_flag_for_the_version() -> None:
    """mosquitto_pub and mosquitto_sub speak 3.1.1 by default; QoS 2 is granted as 1."""
    async with EmbeddedBroker() as broker:
        common = ("-h", "localhost", "-p", str(broker.port))
        subscriber = await run("mosquitto_sub", *common, "-t", "factory/+", "-q", "2", "-C", "2", "-F", "%t %q %p")
        await until(lambda: broker._hub._index._of, "its subscription")
        publisher = await run("mosquitto_pub", *common, "-t", "factory/cnc", "-m", "one", "-q", "1")
        _, errors = await publisher.communicate()
        assert (publisher.returncode, errors) == (0, b"")
        broker.publish(message(1, "factory/new", b"two", content_type="text/plain"))
        output, errors = await subscriber.communicate()
        assert output.decode().splitlines() == ["factory/cnc 1 one", "factory/new 1 two"]
        assert [one.version for one in broker.connects] == ["3.1.1", "3.1.1"]


@needs_mosquitto
@in_loop
async def test_mosquitto_pub_with_qos_2_ends_and_says_so() -> None:
    """The connection closes, so mosquitto_pub fails instead of waiting."""
    async with EmbeddedBroker() as broker:
        publisher = await run(
            "mosquitto_pub", "-h", "localhost", "-p", str(broker.port), "-t", "a", "-m", "x", "-q", "2"
        )
        _, errors = await publisher.communicate()
        assert (publisher.returncode, errors) == (7, b"Error: The connection was lost.\n")
