"""The embedded broker keeps the rules of MQTT 3.1.1, byte by byte. Sections are those of the standard."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import PubAckPacket, PublishPacket, SubscribePacket, TopicFilter

from sandbox.access import Passwords, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import TokenIssuer
from sandbox.protocol.version311 import Version311
from sandbox.protocol.wire import Violation, frame_end
from tests.sandbox.test_clients import until
from tests.support.brokers.rawclient import RawClient, connected, dialled, in_loop, message
from tests.support.brokers.rig import Lines
from tests.support.examples import examples


def text(value: str) -> bytes:
    """A text with its length in front (1.5.3)."""
    return len(value.encode()).to_bytes(2, "big") + value.encode()


def frame(first: int, *parts: bytes) -> bytes:
    """A frame of fewer than 128 bytes."""
    body = b"".join(parts)
    return bytes((first, len(body))) + body


def connect(client_id: str = "old", flags: int = 0x02, *more: bytes, keep_alive: int = 0) -> bytes:
    """CONNECT; flags: 0x02 is Clean Session."""
    return frame(0x10, text("MQTT"), bytes((4, flags)), keep_alive.to_bytes(2, "big"), text(client_id), *more)


def subscribe(pattern: str, qos: int = 1) -> bytes:
    """SUBSCRIBE with packet id 9."""
    return frame(0x82, b"\0\x09", text(pattern), bytes((qos,)))


def publish(topic: str, payload: bytes = b"x", packet_id: int | None = None, *, first: int = 0x30) -> bytes:
    """PUBLISH: QoS 1 if it has a packet id."""
    middle = b"" if packet_id is None else packet_id.to_bytes(2, "big")
    return frame(first if packet_id is None else first | 0x02, text(topic), middle, payload)


ACCEPTED, PRESENT = b"\x20\x02\0\0", b"\x20\x02\1\0"
GRANTED = b"\x90\x03\0\x09\x01"


async def answer(client: RawClient, *sent: bytes, expected: bytes) -> None:
    """Send frames, and check the bytes that come back."""
    client.send(*sent)
    async with asyncio.timeout(3):
        assert await client._reader.readexactly(len(expected)) == expected


@in_loop
async def test_each_packet_is_answered_in_the_form_of_3_1_1() -> None:
    """CONNACK without properties, SUBACK with QoS, PUBACK and UNSUBACK without codes, PINGRESP."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        await answer(client, connect(), expected=ACCEPTED)
        await answer(client, subscribe("a/+", 0), expected=b"\x90\x03\0\x09\x00")
        await answer(client, publish("a/b", b"hi", 5), expected=b"\x30\x07\0\3a/bhi" + b"\x40\x02\0\x05")
        await answer(client, frame(0xA2, b"\0\x03", text("a/+")), expected=b"\xb0\x02\0\x03")
        await answer(client, publish("a/b", b"hi", 6), expected=b"\x40\x02\0\x06")
        await answer(client, b"\xc0\0", expected=b"\xd0\0")
        client.send(b"\xe0\0")
        assert await client.ended() == "closed"
        assert broker.connects[0].version == "3.1.1"


@in_loop
async def test_a_session_without_clean_session_stays_until_one_with_it() -> None:
    """Clean Session 0 keeps subscription and QoS 1 messages; CONNACK says so; Clean Session 1 ends it (3.1.2.4)."""
    async with EmbeddedBroker() as broker:
        async with dialled(broker.port) as client:
            await answer(client, connect(flags=0), subscribe("a"), expected=ACCEPTED + GRANTED)
        await until_absent(broker, "old")
        broker.publish(message(1, "a", b"kept"))
        async with dialled(broker.port) as client:
            await answer(client, connect(flags=0), expected=PRESENT + b"\x32\x09\0\1a\0\1kept")
        await until_absent(broker, "old")
        async with dialled(broker.port) as client:
            await answer(client, connect(), expected=ACCEPTED)
            assert not broker.publish(message(2, "a", b"gone"))
        await until_absent(broker, "old")
        assert broker.sessions == {}


async def until_absent(broker: EmbeddedBroker, client_id: str) -> None:
    """Wait until the broker has noticed the end of a connection."""
    await until(lambda: client_id not in broker.connected, f"the end of {client_id}")


@in_loop
async def test_what_was_not_acknowledged_comes_again_with_dup() -> None:
    """On the next connection, with its packet id (4.4)."""
    async with EmbeddedBroker() as broker:
        for flag in (0x32, 0x3A):
            async with dialled(broker.port) as client:
                known = ACCEPTED + GRANTED if flag == 0x32 else PRESENT
                await answer(client, connect(flags=0), *([subscribe("a")] if flag == 0x32 else []), expected=known)
                if flag == 0x32:
                    broker.publish(message(1, "a", b"x"))
                await answer(client, expected=bytes((flag, 6)) + b"\0\1a\0\1x")
            await until_absent(broker, "old")


@in_loop
async def test_messages_cross_between_the_versions_both_ways() -> None:
    """A message of MQTT 5 arrives without its properties; one of 3.1.1 arrives with none."""
    async with (
        EmbeddedBroker() as broker,
        dialled(broker.port) as old,
        connected(broker.port, "new") as (new, _),
    ):
        await answer(old, connect(), subscribe("a/#"), expected=ACCEPTED + GRANTED)
        new.send(message(1, "a/b", b"new", content_type="t", user_properties=[("k", "v")], response_topic="r"))
        await answer(old, expected=b"\x32\x0a\0\3a/b\0\1new")
        assert (await new.receive(PubAckPacket)).reason_code == 0
        new.send(SubscribePacket(1, [TopicFilter("b", retain_as_published=False)]))
        await new._frame()
        old.send(publish("b", b"old", 7))
        got = await new.receive(PublishPacket)
        assert (got.topic, got.payload, got.qos, got.user_properties, got.content_type) == ("b", b"old", 1, [], None)


@in_loop
async def test_a_will_of_3_1_1_comes_on_a_cut_and_not_on_a_clean_end() -> None:
    """The will is published, retained, unless DISCONNECT came before the end (3.1.2.5)."""
    async with EmbeddedBroker() as broker:
        recorder = broker.subscribe("status/#")
        for client_id, last in (("clean", b"\xe0\0"), ("cut", b"")):
            async with dialled(broker.port) as client:
                # Clean Session, will, QoS 1, retained.
                will = (text(f"status/{client_id}"), text("offline"))
                await answer(client, connect(client_id, 0x02 | 0x04 | 0x08 | 0x20, *will), expected=ACCEPTED)
                client.send(last)
            await until_absent(broker, client_id)
        (got,) = await recorder.wait(1)
        assert (got.topic, got.payload, got.qos, got.retain) == ("status/cut", b"offline", 1, True)
        late = broker.subscribe("#")
        assert [(one.topic, one.retain) for one in late.messages] == [("status/cut", True)]


@in_loop
async def test_a_second_client_of_the_same_name_closes_the_first_without_a_packet() -> None:
    """3.1.1 has no DISCONNECT from a server: the connection just closes (3.1.4)."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as first, dialled(broker.port) as second:
        await answer(first, connect(), expected=ACCEPTED)
        await answer(second, connect(), expected=ACCEPTED)
        assert await first.ended() == "closed"
        assert broker.connected == ["old"]


@in_loop
async def test_the_keep_alive_is_the_clients_own() -> None:
    """A silent client is closed after 1.5 times its keep-alive; the broker's own is not for it (3.1.2.10)."""
    limits = Limits(server_keep_alive_seconds=3_600)
    async with EmbeddedBroker(limits=limits) as broker, dialled(broker.port) as client:
        await answer(client, connect(keep_alive=1), expected=ACCEPTED)
        started = asyncio.get_running_loop().time()
        assert await client.ended() == "closed"
        assert 1.4 < asyncio.get_running_loop().time() - started < 2.5


@in_loop
async def test_more_messages_in_flight_than_the_receive_maximum_are_no_mistake() -> None:
    """3.1.1 knows no Receive Maximum, so a client cannot keep to it."""
    async with EmbeddedBroker(limits=Limits(receive_maximum=2)) as broker, dialled(broker.port) as client:
        burst = [publish("a", b"x", number) for number in range(1, 51)]
        expected = b"".join(b"\x40\x02" + number.to_bytes(2, "big") for number in range(1, 51))
        await answer(client, connect(), *burst, expected=ACCEPTED + expected)


REFUSED: dict[str, tuple[Listener, bytes, bytes]] = {
    "no id, no Clean Session": (Listener(), connect("", 0), b"\x20\x02\0\2"),
    "wrong password": (
        Listener(access=Passwords({"ann": "right"})),
        connect("a", 0xC2, text("ann"), text("wrong")),
        b"\x20\x02\0\4",
    ),
    "no token": (Listener(access=ServiceAccountTokens(TokenIssuer())), connect(), b"\x20\x02\0\5"),
}


@pytest.mark.parametrize(("listener", "sent", "expected"), REFUSED.values(), ids=REFUSED)
@in_loop
async def test_a_refused_client_gets_a_return_code(listener: Listener, sent: bytes, expected: bytes) -> None:
    """CONNACK has the return codes of 3.2.2.3."""
    async with EmbeddedBroker(listener) as broker, dialled(broker.port) as client:
        await answer(client, sent, expected=expected)
        assert await client.ended() == "closed"


@pytest.mark.parametrize(("code", "expected"), [(0x97, b"\x20\x02\0\3"), (0x87, b"\x20\x02\0\5"), (0x82, b"")])
@in_loop
async def test_a_scripted_refusal_is_translated(code: int, expected: bytes) -> None:
    """A reason code of MQTT 5 becomes the return code nearest to it; without one the connection closes."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        broker.faults.refuse(code)
        await answer(client, connect(), expected=expected)
        assert await client.ended() == "closed"


CLOSED: dict[str, bytes] = {
    "second CONNECT": connect(),
    "QoS 2": frame(0x34, text("a"), b"\0\1"),
    "QoS 3": frame(0x36, text("a"), b"\0\1"),
    "DUP at QoS 0": frame(0x38, text("a")),
    "packet id 0": frame(0x32, text("a"), b"\0\0"),
    "wildcard in a topic": publish("a/#"),
    "empty topic": publish(""),
    "NUL in a topic": publish("a\0b"),
    "surrogate in a topic": frame(0x30, b"\0\3\xed\xa0\x80"),
    "no UTF-8": frame(0x30, b"\0\2\xc3\x28"),
    "wrong filter": subscribe("a#"),
    "no filter": frame(0x82, b"\0\1"),
    "QoS 3 in SUBSCRIBE": subscribe("a", 3),
    "flags of SUBSCRIBE": b"\x80" + subscribe("a")[1:],
    "flags of PINGREQ": b"\xc1\0",
    "a byte too many": b"\xc0\1\0",
    "a server's packet": b"\xd0\0",
    "AUTH": b"\xf0\0",
    "PUBREL": b"\x62\2\0\1",
    "endless length": b"\x30\xff\xff\xff\xff",
}


@pytest.mark.parametrize("sent", CLOSED.values(), ids=CLOSED)
@in_loop
async def test_a_violation_closes_and_the_log_says_why(sent: bytes, lines: Lines) -> None:
    """The client gets no packet (4.8), so one line of the log names it and the reason; its will is due."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        recorder = broker.subscribe("will")
        await answer(client, connect("old", 0x06, text("will"), text("w")), expected=ACCEPTED)
        client.send(sent, publish("next"))
        assert await client.ended() == "closed"
        await recorder.wait(1)
        assert lines.count("closed an MQTT 3.1.1 connection") == 1
        assert broker.counters.publishes["old"] <= 1


BAD_STARTS: dict[str, bytes] = {
    "reserved flag": connect("a", 0x03),
    "password without a name": connect("a", 0x42, text("p")),
    "QoS without a will": connect("a", 0x0A),
    "will with QoS 3": connect("a", 0x1E, text("w"), text("")),
    "will with QoS 2": connect("a", 0x16, text("w"), text("")),
    "will on a wildcard": connect("a", 0x06, text("w/#"), text("")),
    "NUL in the client id": connect("a\0b"),
    "bytes behind": connect("a", 0x02, b"more"),
    "cut short": frame(0x10, text("MQTT"), b"\4\2\0\0"),
}


@pytest.mark.parametrize("sent", BAD_STARTS.values(), ids=BAD_STARTS)
@in_loop
async def test_a_malformed_connect_is_closed_without_connack(sent: bytes) -> None:
    """There is no return code for it (3.1.4)."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        client.send(sent)
        assert await client.ended() == "closed"
        assert broker.sessions == {}


@pytest.mark.parametrize("version", ["3.1.1", "5"])
@in_loop
async def test_qos_2_is_refused_and_the_log_says_so_once(version: str, lines: Lines) -> None:
    """A subscription is granted QoS 1, a message ends the connection, and one line names client and version."""
    async with EmbeddedBroker() as broker:
        if version == "5":
            async with connected(broker.port, "two") as (client, connack):
                assert connack.max_qos == 1
                client.send(SubscribePacket(9, [TopicFilter("a")]), frame(0x34, text("a"), b"\0\1\0"))
                assert (await client._frame())[-1] == 1
                assert (await client._frame()) == b"\xe0\x01\x9b"
        else:
            async with dialled(broker.port) as client:
                await answer(client, connect("two"), subscribe("a", 2), expected=ACCEPTED + GRANTED)
                client.send(frame(0x34, text("a"), b"\0\1"))
                assert await client.ended() == "closed"
        said = f"QoS 2 is not offered, subscription granted QoS 1 client_id='two' mqtt={version}"
        assert lines.count(said) == lines.count("QoS 2 is not offered") == 1


@in_loop
async def test_faults_are_answered_in_the_form_of_3_1_1() -> None:
    """PUBACK has no code, SUBACK 0x80, and instead of DISCONNECT the connection closes."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        broker.faults.puback(0x87)
        broker.faults.suback(0x97)
        broker.faults.disconnect(0x98, nth=2)
        await answer(client, connect(), publish("a", b"x", 1), expected=ACCEPTED + b"\x40\x02\0\1")
        await answer(client, subscribe("a"), expected=b"\x90\x03\0\x09\x80")
        client.send(publish("a", b"x", 2))
        assert await client.ended() == "closed"


GOOD = (
    connect("fuzz", 0xF6 & ~0x10, text("w/t"), text("gone"), text("user"), text("password")),
    publish("a/b", b"payload", 7),
    subscribe("a/+"),
    frame(0x40, b"\0\1"),
    frame(0xA2, b"\0\4", text("a/+")),
    b"\xc0\0",
    b"\xe0\0",
)
DAMAGED = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.builds(
        lambda good, at, byte: good[: at % len(good)] + bytes((byte,)) + good[at % len(good) + 1 :],
        st.sampled_from(GOOD),
        st.integers(0, 80),
        st.integers(0, 255),
    ),
    st.builds(lambda good, end: good[:end] or good, st.sampled_from(GOOD), st.integers(1, 80)),
    st.builds(frame, st.integers(0, 255), st.binary(max_size=100)),
)


@given(frame=DAMAGED)
@settings(max_examples=examples(2_000), deadline=None)
def test_any_bytes_are_a_packet_or_a_violation(frame: bytes) -> None:
    """The decoder of 3.1.1 raises nothing else, whatever it is given."""
    with suppress(Violation):
        assert type(Version311().decode(memoryview(frame))).__name__.endswith("Packet")


@pytest.mark.parametrize("good", GOOD, ids=lambda good: f"{good[0]:02x}")
def test_the_frames_that_are_damaged_are_right_themselves(good: bytes) -> None:
    """Otherwise the test above would show less than it says."""
    assert frame_end(good, 0, 1_000) == len(good)
    assert type(Version311().decode(memoryview(good))).__name__.endswith("Packet")


@given(changes=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=examples(60), deadline=None, derandomize=True)
@in_loop
async def test_no_bytes_of_3_1_1_upset_the_broker(changes: list[tuple[int, int, int]]) -> None:
    """Damaged packets are answered or end the connection; nothing is raised, and the next client is served."""
    frames = [bytearray(one) for one in GOOD]
    for number, position, byte in changes:
        frames[number][position % len(frames[number])] = byte
    upset: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: upset.append(context))
    async with EmbeddedBroker() as broker:
        async with dialled(broker.port) as client:
            client.send(b"".join(frames))
            client.writer.write_eof()
            with suppress(OSError):
                await client._reader.read()
        async with dialled(broker.port) as after:
            await answer(after, connect("next"), publish("still/here", b"", 1), expected=ACCEPTED + b"\x40\x02\0\1")
    assert upset == []
