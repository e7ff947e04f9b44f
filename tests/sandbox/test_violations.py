"""The embedded broker ends a connection that breaks the rules of MQTT 5, and says why."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    PingReqPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubscribePacket,
    TopicFilter,
    UnsubscribePacket,
    Will,
)

from sandbox.broker import EmbeddedBroker, Limits
from tests.support.brokers.rawclient import connected, dialled, in_loop, message
from tests.support.examples import examples

VIOLATIONS: dict[str, tuple[bytes, int]] = {
    "second CONNECT": (ConnectPacket("raw").write(), 0x82),
    "QoS 2": (PublishPacket("a", b"", qos=QoS.EXACTLY_ONCE, packet_id=1).write(), 0x9B),
    "topic alias": (PublishPacket("a", b"", topic_alias=1).write(), 0x94),
    "packet id 0": (PublishPacket("a", b"", qos=QoS.AT_LEAST_ONCE, packet_id=0).write(), 0x82),
    "subscription id in PUBLISH": (PublishPacket("a", b"", subscription_ids=[1]).write(), 0x82),
    "DUP at QoS 0": (PublishPacket("a", b"", duplicate=True).write(), 0x81),
    "NUL in a topic": (PublishPacket("a\0", b"").write(), 0x90),
    "wildcard in a topic": (bytes.fromhex("300400012300"), 0x90),
    "wildcard in a response topic": (bytes.fromhex("30080001610408000123"), 0x82),
    "payload format 2": (PublishPacket("a", b"", payload_format_indicator=2).write(), 0x82),
    "too large": (PublishPacket("a", b"x" * 2_000).write(), 0x95),
    "endless length": (b"\x30\xff\xff\xff\xff", 0x81),
    "no such packet": (b"\x00\x00", 0x81),
    "length beyond the frame": (bytes.fromhex("3003ffff61"), 0x81),
    "No Local of a share": (SubscribePacket(1, [TopicFilter("$share/g/a", no_local=True)]).write(), 0x82),
    "SUBSCRIBE with id 0": (SubscribePacket(0, [TopicFilter("a")]).write(), 0x82),
    "a server's packet": (ConnAckPacket().write(), 0x82),
    "AUTH on a session without": (bytes.fromhex("f0021900"), 0x82),
    "session expiry out of nothing": (DisconnectPacket(session_expiry_interval=5).write(), 0x82),
}


@pytest.mark.parametrize(("sent", "code"), VIOLATIONS.values(), ids=VIOLATIONS)
@in_loop
async def test_a_violation_is_named_before_the_end(sent: bytes, code: int) -> None:
    """Each thing a client may not do is answered by DISCONNECT with its code, and the connection closes."""
    limits = Limits(maximum_packet_size=1_000)
    async with EmbeddedBroker(limits=limits) as broker, connected(broker.port) as (client, _):
        client.send(sent, message(7))
        assert (await client.receive(DisconnectPacket)).reason_code == code
        assert await client.ended() == "closed"
        assert broker.counters.disconnected == {code: 1}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@in_loop
async def test_text_that_is_not_utf_8_is_a_malformed_packet(capfd: pytest.CaptureFixture[str]) -> None:
    """The codec panics on such text; the broker answers 0x81 and lives on."""
    async with EmbeddedBroker() as broker:
        async with connected(broker.port) as (client, _):
            client.send(bytes.fromhex("30050002c32800"))
            assert (await client.receive(DisconnectPacket)).reason_code == 0x81
        async with connected(broker.port) as (_, connack):
            assert connack.reason_code == 0


@in_loop
async def test_a_client_in_full_flow_hears_the_reason() -> None:
    """DISCONNECT arrives although the client has sent more behind its mistake than the broker reads."""
    async with EmbeddedBroker() as broker, connected(broker.port) as (client, _):
        client.send(message(0), bytes(4_000_000))
        await asyncio.sleep(0.1)
        assert (await client.receive(DisconnectPacket)).reason_code == 0x82


CONNECT_VIOLATIONS: dict[str, tuple[bytes, bytes]] = {
    "MQTT 3.1": (bytes.fromhex("100f00064d51497364700302000000016 1".replace(" ", "")), b"\x20\x02\x00\x01"),
    "MQTT 6": (bytes.fromhex("100e0004 4d515454 06 02 0000 00 0001 61".replace(" ", "")), b"\x20\x03\x00\x84\x00"),
    "reserved flag": (
        bytes.fromhex("100e0004 4d515454 05 03 0000 00 0001 61".replace(" ", "")),
        b"\x20\x03\x00\x81\x00",
    ),
    "Receive Maximum 0": (bytes.fromhex("100e00044d51545405020000032100000000"), b"\x20\x03\x00\x81\x00"),
    "something else first": (PingReqPacket().write(), b"\x20\x03\x00\x82\x00"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n" * 8, b"\x20\x03\x00\x81\x00"),
    "will on a wildcard": (
        ConnectPacket("a", will=Will("w")).write().replace(b"\x00\x01w", b"\x00\x01+"),
        b"\x20\x03\x00\x90\x00",
    ),
    "will with QoS 2": (ConnectPacket("a", will=Will("w", qos=QoS.EXACTLY_ONCE)).write(), b"\x20\x03\x00\x9b\x00"),
}


@pytest.mark.parametrize(("sent", "answer"), CONNECT_VIOLATIONS.values(), ids=CONNECT_VIOLATIONS)
@in_loop
async def test_a_bad_start_is_answered_by_connack(sent: bytes, answer: bytes) -> None:
    """Before there is a session the reason goes into CONNACK; a client of MQTT 3.1 is answered in its own format."""
    async with EmbeddedBroker() as broker, dialled(broker.port) as client:
        client.send(sent)
        assert await client._reader.readexactly(len(answer)) == answer
        assert await client.ended() == "closed"


GOOD_FRAMES = (
    ConnectPacket(
        "fuzz", will=Will("w/t", payload=b"x", response_topic="q"), username="u", max_packet_size=900
    ).write(),
    message(7, content_type="x/y", response_topic="r", user_properties=[("a", "b")]).write(),
    SubscribePacket(3, [TopicFilter("a/+"), TopicFilter("b/#")], subscription_id=2).write(),
    PubAckPacket(1).write(),
    UnsubscribePacket(4, ["a/+"]).write(),
    DisconnectPacket(session_expiry_interval=0).write(),
)
CHANGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(changes=CHANGES)
@settings(max_examples=examples(100), deadline=None, derandomize=True)
@in_loop
async def test_no_bytes_upset_the_broker(changes: list[tuple[int, int, int]]) -> None:
    """Damaged packets are answered or end the connection; nothing is raised, and the next client is served."""
    frames = [bytearray(frame) for frame in GOOD_FRAMES]
    for frame, position, byte in changes:
        frames[frame][position % len(frames[frame])] = byte
    upset: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: upset.append(context))
    async with EmbeddedBroker() as broker:
        recorder = broker.subscribe("#")
        async with dialled(broker.port) as client:
            client.send(b"".join(frames))
            client.writer.write_eof()
            with suppress(OSError):
                await client._reader.read()
        async with connected(broker.port, "next") as (after, _):
            after.send(message(1, "still/here"))
            assert (await after.receive(PubAckPacket)).reason_code == 0
        assert recorder.messages[-1].topic == "still/here"
    assert upset == []
