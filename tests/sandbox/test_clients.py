"""The embedded broker with clients that others wrote: paho-mqtt, mosquitto_pub and mosquitto_sub."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mqtt5 import ConnectPacket, PubAckPacket, PublishPacket, QoS
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from sandbox.access import Passwords, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import Authority, TokenIssuer
from tests.support.brokers.rawclient import connected, in_loop, message
from tests.support.brokers.requester import Requester
from tests.support.brokers.subscriber import Recorder, end_loop
from tests.support.processes.daemon import running
from tests.support.processes.waiting import wait_until

DESCRIPTORS = Path("/proc/self/fd")
needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto_sub") is None, reason="mosquitto_pub and mosquitto_sub are not installed"
)


def properties(packet_type: int, **values: Any) -> Properties:
    """paho's properties."""
    made = Properties(packet_type)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(made, name, value)
    return made


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for another thread's or process's work."""
    await asyncio.to_thread(wait_until, condition, 20.0, what)


@asynccontextmanager
async def paho(port: int, tls: ssl.SSLContext | None = None, **connect: Any) -> AsyncIterator[tuple[Client, list[Any]]]:
    """paho in its own thread, connected; and a list that its callbacks fill with (event, value)."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="paho", protocol=MQTTProtocolVersion.MQTTv5)
    events: list[Any] = []
    client.on_connect = lambda _c, _u, _f, code, _p: events.append(("connack", code.value))
    client.on_disconnect = lambda _c, _u, _f, code, _p: events.append(("disconnect", code.value))
    client.on_publish = lambda _c, _u, mid, code, _p: events.append(("puback", mid, code.value))
    client.on_message = lambda _c, _u, received: events.append(received)
    client.on_subscribe = lambda _c, _u, _m, codes, _p: events.append(("suback", codes[0].value))
    if tls is not None:
        client.tls_set_context(tls)
    options = properties(PacketTypes.CONNECT, SessionExpiryInterval=60, **connect)
    await asyncio.to_thread(client.connect, "localhost", port, 30, "", 0, False, options)
    client.loop_start()
    try:
        await until(lambda: events, "CONNACK")
        yield client, events
    finally:
        client.disconnect()
        await asyncio.to_thread(end_loop, client)


@in_loop
async def test_paho_goes_the_whole_way_over_tls_with_a_token() -> None:
    """paho logs in with K8S-SAT over TLS, publishes with properties, and gets its own message back."""
    authority, issuer = Authority(), TokenIssuer()
    listener = Listener(tls=authority.server_context(), access=ServiceAccountTokens(issuer))
    tls = ssl.create_default_context(cadata=authority.ca_pem.decode())
    login = {"AuthenticationMethod": "K8S-SAT", "AuthenticationData": issuer.token().encode()}
    async with EmbeddedBroker(listener) as broker, paho(broker.port, tls, **login) as (client, events):
        client.subscribe("factory/#", options=SubscribeOptions(qos=1))
        await until(lambda: ("suback", 1) in events, "SUBACK")
        sent = properties(PacketTypes.PUBLISH, ContentType="application/json", UserProperty=("id", "7"))
        client.publish("factory/cnc", b"{}", qos=1, properties=sent)
        await until(lambda: len(events) == 4, "PUBACK and the message")
        assert ("connack", 0) in events
        assert ("puback", 2, 0) in events
        (got,) = [event for event in events if isinstance(event, MQTTMessage)]
        assert (got.topic, got.payload, got.qos) == ("factory/cnc", b"{}", 1)
        assert (got.properties.ContentType, got.properties.UserProperty) == ("application/json", [("id", "7")])  # type: ignore[union-attr]


@in_loop
async def test_paho_comes_back_after_a_kill_and_misses_nothing() -> None:
    """paho reconnects by itself to the restarted broker, finds its session, and delivers what was not acknowledged."""
    async with EmbeddedBroker() as broker:
        recorder = broker.subscribe("#")
        broker.faults.withhold(nth=2)
        async with paho(broker.port) as (client, events):
            client.reconnect_delay_set(1, 1)
            client.publish("a", b"1", qos=1)
            client.publish("a", b"2", qos=1)
            await recorder.wait(2)
            await broker.kill()
            await broker.start()
            await recorder.wait(3)
            assert [(one.payload, one.dup) for one in recorder.messages] == [(b"1", False), (b"2", False), (b"2", True)]
            await until(lambda: ("puback", 2, 0) in events, "PUBACK")
        assert broker.connects[1].session_present


@in_loop
async def test_paho_reports_scripted_codes() -> None:
    """Reason codes of PUBACK and DISCONNECT reach an application."""
    async with EmbeddedBroker() as broker, paho(broker.port) as (client, events):
        broker.faults.puback(0x97)
        broker.faults.disconnect(0x98, nth=2)
        client.publish("a", b"1", qos=1)
        await until(lambda: ("puback", 1, 0x97) in events, "PUBACK 0x97")
        client.publish("a", b"2", qos=1)
        await until(lambda: ("disconnect", 0x98) in events, "DISCONNECT 0x98")


@in_loop
async def test_pahos_burst_beyond_the_receive_maximum_is_caught() -> None:
    """paho 2.2 sends what it queued all at once, whatever CONNACK allows: a strict broker answers 0x93."""
    async with EmbeddedBroker(limits=Limits(receive_maximum=5)) as broker, paho(broker.port) as (client, events):
        broker.stall()
        for _ in range(20):
            client.publish("a", b"x", qos=1)
        # All of them have to be on their way before the first is acknowledged.
        await asyncio.sleep(0.2)
        broker.release()
        await until(lambda: ("disconnect", 0x93) in events, "DISCONNECT 0x93")


async def run(*command: str) -> asyncio.subprocess.Process:
    """Start a program with its output in pipes."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)


@needs_mosquitto
@in_loop
async def test_mosquitto_clients_pass_messages_over_tls_with_a_password(tmp_path: Path) -> None:
    """mosquitto_pub's lines arrive at mosquitto_sub, in order and with QoS 1."""
    authority = Authority()
    (tmp_path / "ca.crt").write_bytes(authority.ca_pem)
    listener = Listener(tls=authority.server_context(), access=Passwords({"ann": "secret"}))
    async with EmbeddedBroker(listener, Listener()) as broker:
        common = ("-V", "5", "-h", "localhost", "-q", "1", "-p")
        secure = (str(broker.port), "-u", "ann", "-P", "secret", "--cafile", str(tmp_path / "ca.crt"))
        subscriber = await run("mosquitto_sub", *common, *secure, "-t", "factory/+", "-C", "3", "-F", "%t %q %p")
        await until(lambda: broker._hub._index.match("factory/cnc").direct, "the subscriber")
        publisher = await run("mosquitto_pub", *common, str(broker.ports[1]), "-t", "factory/cnc", "-m", "one")
        await publisher.communicate()
        for number in (2, 3):
            broker.publish(message(number, "factory/cnc", b"%d" % number))
        output, errors = await subscriber.communicate()
        assert errors == b""
        assert output.decode().splitlines() == [f"factory/cnc 1 {text}" for text in ("one", "2", "3")]


@in_loop
async def test_it_is_quick_enough_to_be_no_bottleneck() -> None:
    """A windowed QoS 1 client and the broker together use under 0.1 ms of processor time a message: 10,000 a second."""
    window, total = 100, 5_000
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        recorder = broker.subscribe("#")
        frames = [message(number % window + 1, "factory/cnc", bytes(300)).write() for number in range(total)]
        start = time.process_time()
        for first in range(0, total, window):
            client.send(*frames[first : first + window])
            for _ in range(window):
                await client.receive(PubAckPacket)
        assert (time.process_time() - start) / total < 1e-4
        assert len(recorder.messages) == total
        assert isinstance(recorder.messages[0].packet, PublishPacket)


@in_loop
async def test_many_records_of_tls_in_one_read_are_all_read() -> None:
    """A client over TLS that writes many messages in a row has all of them routed, each in a record of its own."""
    authority = Authority()
    tls = ssl.create_default_context(cadata=authority.ca_pem.decode())
    async with EmbeddedBroker(Listener(tls=authority.server_context())) as broker:
        seen = broker.subscribe("records/#")
        reader, writer = await asyncio.open_connection("localhost", broker.port, ssl=tls)
        writer.write(ConnectPacket(client_id="records").write())
        await reader.read(4)
        for number in range(100):
            writer.write(PublishPacket(f"records/{number}", bytes(1000), qos=QoS.AT_MOST_ONCE).write())
        await seen.wait(100)
        writer.close()
    assert [one.topic for one in seen.messages] == [f"records/{number}" for number in range(100)]


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="only Linux shows a process its own descriptors")
@pytest.mark.parametrize("kind", [Recorder, Requester])
def test_a_client_that_has_ended_leaves_no_socket_to_the_garbage_collector(
    kind: type[Recorder | Requester],
) -> None:
    """Nor those that wake the thread of paho: collected before their client, they would say that they are unclosed."""
    with running(EmbeddedBroker()) as broker:
        client = kind(broker.port)
        before = len([*DESCRIPTORS.iterdir()])
        with client:
            assert len([*DESCRIPTORS.iterdir()]) > before
        wait_until(lambda: len([*DESCRIPTORS.iterdir()]) <= before, 20.0, "all sockets are closed")
