"""Facts about a broker that breaks rules: what we hold then, what we say to it, and that we come back.

The broker is a script on a real socket, which sends bytes that no well-made broker would.
"""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import mqtt5
import pytest

import edge.mqtt.publisher
from edge.delivery.queue import MessageQueue
from edge.mqtt.protocol.codec import CloudEvents, Encoder
from edge.mqtt.protocol.reason_codes import name_of
from edge.mqtt.publisher import Limits, Publisher
from edge.mqtt.transport import Transport
from edge.status import why_not_ready
from fuzz.rogue import CONNECT, DISCONNECT, PUBLISH, WELCOME, Peer, Rogue, Script, length, packet
from plant.telemetry import Message
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, settings_for, until

pytestmark = pytest.mark.usefixtures("brisk", "hurried")

HUGE = b"\x30\xff\xff\xff\x7f"
"""The header of a PUBLISH of 256 MiB."""
MOST_BYTES = 4 * 1024 * 1024


@asynccontextmanager
async def facing(script: Script, **options: object) -> AsyncIterator[tuple[Rogue, Rig]]:
    """A broker with a script, and a client of it."""
    async with Rogue(script) as rogue, Rig(settings_for(rogue.port, **options)) as rig:
        yield rogue, rig


def after_welcome(data: bytes, welcome: bytes = WELCOME) -> Script:
    """Let the client in, send these bytes, and hear what it has to say to that; from the second time on, behave."""

    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await peer.behave()
            return
        await peer.hear(CONNECT)
        await peer.say(welcome + data)
        await peer.gone()

    return script


def user_properties(count: int) -> bytes:
    """So many user properties, with their length in front."""
    properties = b"\x26\x00\x01a\x00\x01b" * count
    return length(len(properties)) + properties


NOT_ASKED_FOR = {
    "a PUBLISH": (packet(0x30, b"\x00\x01t\x00payload"), 0x82, "sent an unexpected PUBLISH"),
    "a PUBLISH at QoS 1": (packet(0x32, b"\x00\x01t\x00\x07\x00"), 0x82, "sent an unexpected PUBLISH"),
    "a PUBREC": (packet(0x50, b"\x04\x00"), 0x82, "sent an unexpected PUBREC"),
    "a PUBREL": (packet(0x62, b"\x04\x00"), 0x82, "sent an unexpected PUBREL"),
    "a SUBACK": (packet(0x90, b"\x00\x01\x00\x00"), 0x82, "sent an unexpected SUBACK"),
    "an UNSUBACK": (packet(0xB0, b"\x00\x01\x00\x00"), 0x82, "sent an unexpected UNSUBACK"),
    "a PINGREQ": (b"\xc0\x00", 0x82, "sent an unexpected PINGREQ"),
    "a CONNECT": (packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x00\x00\x00\x00"), 0x82, "sent an unexpected CONNECT"),
    "an AUTH": (b"\xf0\x00", 0x82, "sent an unexpected AUTH"),
    "a second CONNACK": (WELCOME, 0x82, "sent a second CONNACK"),
    "answers without end": (b"\x40\x02\x90\x00" * 3000, 0x82, "answers to packets that we had not sent"),
    "pongs without end": (b"\xd0\x00" * 3000, 0x82, "answers to packets that we had not sent"),
    "a packet of 256 MiB": (HUGE, 0x95, "sent a packet of 268,435,460 bytes; our maximum is 65,536"),
    "a packet a byte too long": (b"\xe0" + length(65_533), 0x95, "sent a packet of 65,537 bytes"),
    "a length of five bytes": (b"\x40\xff\xff\xff\xff\x01", 0x81, "sent a remaining length of more than four bytes"),
    "the packet 0": (b"\x00\x00", 0x81, "sent a packet with the first byte 0x00"),
    "wrong flags": (b"\x4f\x02\x04\x00", 0x81, "sent a malformed PUBACK"),
    "a PUBACK of nothing": (b"\x40\x00", 0x81, "sent a malformed PUBACK"),
    "a PUBACK of packet 0": (b"\x40\x02\x00\x00", 0x81, "sent a malformed PUBACK"),
    "a PUBACK cut short": (packet(0x40, b"\x04\x00\x00\x09\x1f\x00\x05ab"), 0x81, "sent a malformed PUBACK"),
    "a PINGRESP with more": (b"\xd0\x01\x00", 0x81, "sent a malformed PINGRESP"),
    "a DISCONNECT with no UTF-8": (packet(0xE0, b"\x8b\x05\x1f\x00\x02\xff\xff"), 0x81, "sent a malformed DISCONNECT"),
    "a property twice": (packet(0xE0, b"\x8b\x08\x1f\x00\x01a\x1f\x00\x01b"), 0x82, "sent property 31 twice"),
    "an unknown property": (packet(0xE0, b"\x8b\x02\x7f\x00"), 0x81, "sent a malformed DISCONNECT"),
}


@pytest.mark.parametrize("what", NOT_ASKED_FOR)
@in_loop
async def test_what_breaks_a_rule_ends_the_connection_and_the_line_says_that_we_did(what: str, lines: Lines) -> None:
    """DISCONNECT names the reason, and the next connection delivers."""
    data, code, why = NOT_ASKED_FOR[what]
    async with facing(after_welcome(data)) as (rogue, rig):
        rig.offer("CNC-01 1")
        await rig.connected(times=2)
        await rig.finish()

        assert rogue.peers[0].heard[-1] == (DISCONNECT, bytes((code, 0)))
        assert lines.count(f"closed the connection ({name_of(code)}): the broker ") == 1
        assert lines.count(why) == 1
        assert lines.count("the broker closed the connection") == 0
        assert (rig.ledger.acknowledged, rig.notes.wrong) == (1, [])


OTHER_PROTOCOLS = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "AMQP": b"AMQP\x00\x00\x09\x01",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS": b"\x15\x03\x03\x00\x02\x02\x46",
    "FTP or SMTP": b"220 mail.example ESMTP\r\n",
    "another protocol": b"Hello\x1b[2J",
}


@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
@in_loop
async def test_another_protocol_is_recognised_by_its_first_bytes(protocol: str, lines: Lines) -> None:
    """At once, although what would be the length of a packet announces more, and the server waits."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(OTHER_PROTOCOLS[protocol])
        await peer.gone()

    async with facing(script) as (rogue, _):
        await until(lambda: lines.count(f"does not use MQTT on this port, but {protocol}: ") > 0, protocol, 3.0)
        assert rogue.peers[0].heard[-1] == (DISCONNECT, bytes((0x81, 0)))
        assert lines.count("(see MQTT_BROKER and MQTT_PORT)") > 0
        assert all(line.isprintable() for line in lines.said if "on this port" in line)


@in_loop
async def test_a_wrong_first_byte_is_noticed_before_the_packet_is_complete(lines: Lines) -> None:
    """The rest may never come."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        await peer.hear(PUBLISH)
        await peer.say(b"\x61\x7f")
        await peer.gone()

    async with facing(script) as (_, rig):
        rig.offer("CNC-01 1")
        await until(lambda: lines.count("sent a packet with the first byte 0x61") > 0, "noticed", 3.0)


BAD_WELCOMES = {
    "Receive Maximum 0": (b"\x00\x00\x03\x21\x00\x00", 0x82),
    "Maximum Packet Size 0": (b"\x00\x00\x05\x27\x00\x00\x00\x00", 0x82),
    "Maximum QoS 2": (b"\x00\x00\x02\x24\x02", 0x82),
    "Retain Available 7": (b"\x00\x00\x02\x25\x07", 0x82),
    "a session that was to be forgotten": (b"\x01\x00\x00", 0x82),
    "a session and a refusal": (b"\x01\x87\x00", 0x82),
    "an unknown success": (b"\x00\x03\x00", 0x82),
    "wrong flags": (b"\x02\x00\x00", 0x81),
    "no properties at all": (b"\x00\x00", 0x81),
    "an unknown property": (b"\x00\x00\x02\x7e\x00", 0x81),
    "a property cut short": (b"\x00\x00\x02\x21\x00", 0x81),
    "a property too long for its packet": (b"\x00\x00\x04\x1f\xff\xffa", 0x81),
    "nothing": (b"", 0x81),
}


@pytest.mark.parametrize("what", BAD_WELCOMES)
@in_loop
async def test_a_connack_that_cannot_be_is_a_fault_of_the_broker(what: str, lines: Lines) -> None:
    """DISCONNECT says so, the line says who closed, and it is tried again."""
    body, code = BAD_WELCOMES[what]

    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await peer.behave()
            return
        await peer.hear(CONNECT)
        await peer.say(packet(0x20, body))
        await peer.gone()

    async with facing(script, mqtt_clean_start=True) as (rogue, rig):
        await rig.connected()

        assert rogue.peers[0].heard[-1] == (DISCONNECT, bytes((code, 0)))
        assert lines.count(f"closed the connection ({name_of(code)}): the broker ") == 1


@in_loop
async def test_connect_says_how_long_a_packet_may_be() -> None:
    """Maximum Packet Size is 65,536, and no topic alias is taken."""
    async with facing(after_welcome(b"")) as (rogue, rig):
        await rig.connected()
        first, body = rogue.peers[0].heard[0]
        connect = mqtt5.read(memoryview(packet(first, body)))[0]

        assert isinstance(connect, mqtt5.ConnectPacket)
        assert (connect.max_packet_size, connect.topic_alias_max) == (65_536, 0)


@in_loop
async def test_a_session_in_which_the_broker_broke_a_rule_is_not_taken_up_again() -> None:
    """It may hold somebody else's subscription: the next CONNECT asks for a new one, and later ones do not."""
    async with facing(after_welcome(packet(0x30, b"\x00\x01t\x00"))) as (rogue, rig):
        await rig.connected(times=2)
        rogue.peers[1].reset()
        await rig.connected(times=3)

        # The connect flags are the eighth byte, and Clean Start is its second bit (MQTT 5, 3.1.2.3).
        assert [peer.heard[0][1][7] & 2 for peer in rogue.peers] == [0, 2, 0]


STREAMS = {
    "one packet without end": (HUGE, b"x" * 65_536),
    "messages": (b"", packet(0x30, b"\x00\x01t\x00" + b"x" * 60_000)),
    "answers to nothing": (b"", b"\x40\x02\x90\x00" * 16_384),
    "pongs": (b"", b"\xd0\x00" * 32_768),
    "AUTH": (b"", packet(0xF0, b"\x00" + user_properties(9000))),
    "CONNACKs": (b"", packet(0x20, b"\x00\x00" + user_properties(9000))),
    "DISCONNECTs": (b"", packet(0xE0, b"\x00" + user_properties(9000))),
    "bytes of nothing": (b"", b"\x00" * 65_536),
}


@in_loop
async def test_reads_of_nothing_but_answers_to_nothing_end_the_connection() -> None:
    """They take the short way of answers that are alike, and are counted there, too."""
    link = Transport(lambda _ids, _code: 0, lambda: None, lambda _frame: None, lambda: None)
    reads = 0
    while link.fault is None and reads < 100:
        reads += 1
        link.data_received(b"\x40\x02\x90\x00" * 100)

    assert "answers to packets that we had not sent" in str(link.fault)
    assert reads == 11  # 1,000 are borne with


@pytest.mark.parametrize("what", STREAMS)
@in_loop
async def test_a_broker_cannot_make_us_hold_more_than_a_packet(what: str) -> None:
    """It would send 64 MiB on each of three connections; not even 4 MiB are held at any moment."""
    head, more = STREAMS[what]

    async def script(peer: Peer) -> None:
        if peer.number > 3:
            await peer.behave()
            return
        await peer.hear(CONNECT)
        await peer.say(WELCOME + head)
        for _ in range(64 * 1024 * 1024 // len(more)):
            await peer.say(more)
        await peer.gone()

    async with facing(script) as (_, rig):
        rig.offer("CNC-01 1")
        tracemalloc.start()
        try:
            await rig.connected(times=4)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        await rig.finish()

        assert peak < MOST_BYTES
        assert rig.ledger.acknowledged == 1


@in_loop
async def test_a_packet_that_comes_byte_by_byte_is_heard() -> None:
    """A slow broker is no wrong one: CONNACK and PUBACKs a byte at a time are as good as any."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        for byte in WELCOME:
            await peer.say(bytes((byte,)))
            await asyncio.sleep(0.001)
        for _ in range(2):
            _, body = await peer.hear(PUBLISH)
            topic = int.from_bytes(body[:2], "big")
            for byte in b"\x40\x03" + body[2 + topic : 4 + topic] + b"\x10":
                await peer.say(bytes((byte,)))
                await asyncio.sleep(0.001)
        await peer.gone()

    async with facing(script) as (_, rig):
        rig.offer("CNC-01 1", "CNC-01 2")
        await rig.finish()

        assert rig.ledger.acknowledged == 2


@in_loop
async def test_a_broker_that_acknowledges_everything_twice_is_borne_with() -> None:
    """Its answers to nothing are no more than the others: the connection stays."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        while True:
            _, body = await peer.hear(PUBLISH)
            topic = int.from_bytes(body[:2], "big")
            await peer.say((b"\x40\x02" + body[2 + topic : 4 + topic]) * 2)

    async with facing(script) as (rogue, rig):
        rig.offer(*(f"CNC-{number:04d} 1" for number in range(1, 3001)))
        await until(lambda: rig.ledger.acknowledged == 3000, "all acknowledged")

        assert len(rogue.peers) == 1
        assert rig.notes.wrong == []


@in_loop
async def test_what_a_broker_says_becomes_a_short_piece_of_one_line(lines: Lines) -> None:
    """A Reason String of 60,000 characters, with line breaks and escape sequences, is cut and cleaned."""
    said = b"\x1b[31mred\r\n2026-01-01 ERROR forged " + "…".encode() * 15_000
    reason = b"\x1f" + len(said).to_bytes(2, "big") + said
    async with facing(after_welcome(packet(0xE0, b"\x8b" + length(len(reason)) + reason))) as (_, rig):
        await rig.connected(times=2)
        told = next(line for line in lines.said if "0x8B" in line)

        assert "0x8B Server shutting down; reason string: ?[31mred??2026-01-01 ERROR forged" in told
        assert len(told) < 400
        assert told.isprintable()
        assert all(line.isprintable() for line in lines.said)


# Who closed


@in_loop
async def test_a_broker_that_closes_is_told_from_us(lines: Lines) -> None:
    """By a close without DISCONNECT, a reset, DISCONNECT, and before it has answered: each has its own words."""

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            peer.close()
            return
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        # A reset would overtake CONNACK.
        await asyncio.sleep(0.05)
        if peer.number == 2:
            peer.close()
        elif peer.number == 3:
            peer.reset()
        elif peer.number == 4:
            await peer.say(b"\xe0\x01\x8b")
        await peer.gone()

    async with facing(script) as (rogue, rig):
        await rig.connected(times=4)
        said = "\n".join(line for line in lines.said if "retrying in" in line)

        assert f"127.0.0.1:{rogue.port} closed the connection before it answered" in said
        assert "the broker closed the connection without DISCONNECT; retrying" in said
        assert "connection lost: [Errno 104] Connection reset by peer; retrying" in said
        assert "the broker closed the connection: 0x8B Server shutting down; retrying" in said


def granting(properties: bytes) -> Script:
    """Let in under these conditions, and behave."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(packet(0x20, b"\x00\x00" + length(len(properties)) + properties))
        await peer.behave(greeted=True)

    return script


@in_loop
async def test_an_error_of_ours_while_reading_costs_the_connection_only(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with its type, the traceback is for debug, and the next connection delivers."""

    def stumble(*_: object) -> int:
        monkeypatch.undo()
        raise LookupError("no such thing")

    async with facing(granting(b"")) as (rogue, rig):
        monkeypatch.setattr(edge.mqtt.publisher.Publisher, "_remove_from_flight", stumble)
        rig.offer("CNC-01 1")
        await rig.finish()

        assert len(rogue.peers) == 2
        assert rig.ledger.acknowledged == 1
        assert lines.count("the connection failed: LookupError: no such thing; retrying in") == 1


@in_loop
async def test_a_client_id_that_mqtt_cannot_carry_is_tried_again_not_died_of(lines: Lines) -> None:
    """What the options would have refused, should it come through all the same: struct.error, in a line."""
    settings = settings_for(1).model_copy(update={"mqtt_client_id": "x" * 70_000})
    async with Rogue(after_welcome(b"")) as rogue, Rig(settings.model_copy(update={"mqtt_port": rogue.port})) as rig:
        await until(lambda: lines.count("the connection failed: struct.error: ") > 2, "three attempts")

        assert not rig.living.done()
    assert [line for line in lines.said if "Traceback" in line and "an error of our own" not in line] == []


# What a broker grants, at its edges


@in_loop
async def test_a_keep_alive_of_0_does_not_keep_us_from_noticing_a_dead_link(lines: Lines) -> None:
    """Pings go on as MQTT_KEEP_ALIVE has them, and a warning says so."""
    async with facing(granting(b"\x13\x00\x00"), mqtt_keep_alive=1) as (rogue, rig):
        await rig.connected()
        await until(lambda: (0xC0, b"") in rogue.peers[0].heard, "a ping")

        assert lines.count("the broker turns the keep-alive off: pings are sent all the same") == 1


@in_loop
async def test_a_server_that_is_content_with_fewer_pings_gets_ours(lines: Lines) -> None:
    """Its 65,535 s would have a dead link unnoticed for a day; more pings than it needs are no offence."""
    async with facing(granting(b"\x13\xff\xff"), mqtt_keep_alive=1) as (rogue, rig):
        await rig.connected()
        await until(lambda: (0xC0, b"") in rogue.peers[0].heard, "a ping")


@in_loop
async def test_a_receive_maximum_of_1_lets_one_message_be_in_flight(lines: Lines) -> None:
    """All arrive, one after the other, and a warning says why that is slow."""
    async with facing(granting(b"\x21\x00\x01")) as (_, rig):
        rig.offer(*(f"CNC-{number:02d} 1" for number in range(1, 30)))
        await rig.finish()

        assert rig.ledger.acknowledged == 29
        assert rig.notes.most_in_flight <= 1
        assert lines.count(
            "the broker's Receive Maximum is 1: a message is sent only when the last one is acknowledged"
        )


@in_loop
async def test_a_session_that_is_not_kept_is_warned_of_and_nothing_is_lost(lines: Lines) -> None:
    """Session expiry 0: what was not acknowledged is sent again after a reconnect, as new."""
    async with facing(granting(b"\x11\x00\x00\x00\x00")) as (rogue, rig):
        await rig.connected()
        rogue.peers[0].reset()
        rig.offer("CNC-01 1")
        await rig.finish()

        assert rig.ledger.acknowledged == 1
        assert lines.count("the broker keeps sessions for 0 s, less than MQTT_SESSION_EXPIRY=3600") >= 1


@in_loop
async def test_a_source_that_mqtt_cannot_carry_costs_its_messages_not_the_process() -> None:
    """What the options would have refused, should it come through all the same: dropped, counted, and told why."""
    told: list[str] = []
    encoder = Encoder(lambda message: message.source, 0, CloudEvents("x" * 65_530, "run"))
    outbox = MessageQueue(10)
    delivery = Publisher(
        outbox, encoder, time.monotonic, on_unsendable=lambda *what: told.append(f"{what[1]}: {what[2]}")
    )
    outbox.offer(Message("cnc_machine", "CNC-01", "A", 0, 1, b"{}"))
    delivery.open(Nowhere(), Limits(window=10), session_present=False)

    assert outbox.ledger.dropped == {"too_large": 1}
    assert told == ["too_large: a string of 65,537 bytes; the maximum in MQTT is 65,535"]


class Nowhere:
    """A wire that takes all."""

    writable = True

    def write(self, data: bytes) -> None:
        """Let go of them."""

    def push(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("most", [1, 120])
@in_loop
async def test_where_no_message_fits_readiness_says_so(
    most: int, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """After ten seconds, here 0.1, with the size and the limit; on a connection where they fit it is well again."""
    monkeypatch.setattr(edge.mqtt.publisher, "_BLOCKED_SECONDS", 0.1)
    async with facing(granting(b"\x27" + most.to_bytes(4, "big"))) as (rogue, rig):
        rig.offer("CNC-01 1")
        await until(lambda: rig.broker.facts().blocked, "blocked")
        why = why_not_ready(rig.broker.facts())
        rogue.reform()
        await rig.connected(times=2)
        rig.offer("CNC-01 2")
        await rig.drained()

        assert re.fullmatch(
            rf"no message can be sent: \d+ bytes; the broker's Maximum Packet Size is {most}", why or ""
        )
        assert why_not_ready(rig.broker.facts()) is None
        assert rig.ledger.dropped == {"too_large": 1}
        assert lines.count(f"the broker's Maximum Packet Size is {most} bytes: longer messages are dropped") == 1


@in_loop
async def test_where_every_message_is_refused_readiness_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An authorization that lets us in and to no topic; as soon as one message is taken it is well again."""
    monkeypatch.setattr(edge.mqtt.publisher, "_BLOCKED_SECONDS", 0.1)
    codes = [0x87, 0x87, 0x87]

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        while True:
            _, body = await peer.hear(PUBLISH)
            topic = int.from_bytes(body[:2], "big")
            await peer.say(packet(0x40, body[2 + topic : 4 + topic] + bytes((codes.pop() if codes else 0,))))

    async with facing(script) as (_, rig):
        rig.offer("CNC-01 1", "CNC-01 2", "CNC-01 3")
        await until(lambda: rig.broker.facts().blocked, "blocked")
        assert why_not_ready(rig.broker.facts()) == "the broker refuses every message: 0x87 Not authorized"
        rig.offer("CNC-01 4")
        await rig.drained()

        assert why_not_ready(rig.broker.facts()) is None
        assert (rig.ledger.acknowledged, rig.ledger.refused) == (1, {0x87: 3})


@in_loop
async def test_a_message_whose_packet_id_is_in_use_is_sent_again_under_another(lines: Lines) -> None:
    """PUBACK 0x91 is about the id, not about the message (MQTT 5, 3.4.2.1)."""
    ids: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        while True:
            _, body = await peer.hear(PUBLISH)
            topic = int.from_bytes(body[:2], "big")
            ids.append(body[2 + topic : 4 + topic])
            await peer.say(packet(0x40, ids[-1] + (b"\x91" if len(ids) == 1 else b"\x00")))

    async with facing(script) as (_, rig):
        rig.offer("CNC-01 1")
        await rig.drained()

        assert len(set(ids)) == 2
        assert (rig.ledger.acknowledged, rig.ledger.failed) == (1, 0)
