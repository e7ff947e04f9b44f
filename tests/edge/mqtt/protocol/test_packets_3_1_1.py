"""Facts about the bytes of MQTT 3.1.1: written out as the OASIS standard has them, or decoded by a few lines of it.

The independent codec of the other tests has MQTT 5 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.mqtt.protocol.codec import LONGEST_PACKET, MALFORMED, PROTOCOL_ERROR, CloudEvents, Encoder, Violation
from edge.mqtt.protocol.packets_3_1_1 import (
    CuttingSplitter,
    connack,
    puback,
    read_publish,
    suback,
    subscribe,
    unsubscribe,
)
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.protocol.versions import MQTT_3_1_1
from fuzz.rogue import length, packet
from plant.telemetry import JobMessage, Message
from tests.support.examples import examples

ROW = Message("cnc_machine", "CNC-01", "LINE-1-STATION-A", 1_769_869_320_250, 7, b'{"status":"running"}')


class Decoded(NamedTuple):
    """A PUBLISH as MQTT 3.1.1, 3.3 has it."""

    first: int
    topic: str
    packet_id: int | None
    payload: bytes


def decode(frame: bytes) -> Decoded:
    """Read a PUBLISH by the rules of MQTT 3.1.1: 2.2.3 (remaining length), 1.5.3 (strings), 3.3.2 and 3.3.3."""
    remaining, place, multiplier = 0, 1, 1
    while True:
        byte = frame[place]
        remaining, multiplier, place = remaining + (byte & 127) * multiplier, multiplier * 128, place + 1
        if not byte & 128:
            break
    assert len(frame) == place + remaining
    size = (frame[place] << 8) + frame[place + 1]
    topic, place = frame[place + 2 : place + 2 + size].decode(), place + 2 + size
    if not frame[0] & 6:
        return Decoded(frame[0], topic, None, frame[place:])
    return Decoded(frame[0], topic, (frame[place] << 8) + frame[place + 1], frame[place + 2 :])


def encoder(**options: tuple[str, ...]) -> PlainEncoder:
    """Encode for the topic `f/{source}`."""
    return PlainEncoder(lambda message: f"f/{message.source}", **options)


def test_a_publish_is_topic_packet_id_and_payload() -> None:
    """Byte for byte: no length of properties between packet id and payload (MQTT 3.1.1, 3.3)."""
    row = ROW._replace(source="A", payload=b"{}")

    assert encoder().frame(row, 513) == b"\x32\x09\x00\x03f/A\x02\x01{}"
    assert encoder().frame(row, 513, dup=True) == b"\x3a\x09\x00\x03f/A\x02\x01{}"
    assert encoder().frame(row, None) == b"\x30\x07\x00\x03f/A{}"
    assert encoder(retained=("cnc_machine",)).frame(row, 513) == b"\x33\x09\x00\x03f/A\x02\x01{}"


def test_an_additional_message_has_the_form_of_all_others() -> None:
    """Its trigger is a property of MQTT 5."""
    frames = encoder().frames([ROW, JobMessage(*ROW), ROW], [1, 2, 3])

    assert [decode(frame) for frame in frames] == [Decoded(0x32, "f/CNC-01", each, ROW.payload) for each in (1, 2, 3)]


def test_another_run_leaves_the_frames_as_they_are() -> None:
    """The run is a part of CloudEvents ids, which frames do not have."""
    ours = encoder()
    before = ours.frame(ROW, 1)
    ours.start_run(CloudEvents("aio://plant", "seed/1"))

    assert ours.frame(ROW, 1) == before


MESSAGES = st.lists(
    st.tuples(
        st.builds(
            ROW._replace,
            source=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200),
            payload=st.binary(max_size=300),
        ),
        st.integers(1, 65_535),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=examples(100))
@given(MESSAGES, st.booleans(), st.booleans())
def test_any_batch_reads_back(sending: list[tuple[Message, int]], at_least_once: bool, dup: bool) -> None:
    """Topics, packet ids, payloads and flags, whatever the sizes."""
    messages, ids = [message for message, _ in sending], [packet_id for _, packet_id in sending]
    frames = encoder().frames(messages, ids if at_least_once else None, dup=dup)

    first = (0x3A if dup else 0x32) if at_least_once else 0x30
    assert [decode(frame) for frame in frames] == [
        Decoded(first, f"f/{message.source}", packet_id if at_least_once else None, message.payload)
        for message, packet_id in sending
    ]


def test_the_frame_of_mqtt_5_is_longer_by_its_properties_alone() -> None:
    """Without them there is still their length, which is one byte."""
    newer = Encoder(lambda message: f"f/{message.source}", 0, None)

    shorter = encoder().frame(ROW, 1)
    longer = newer.frame(ROW, 1)
    assert longer[2:12] == shorter[2:12]
    assert longer[12:14] == shorter[12:14]
    assert longer.endswith(shorter[14:])


def test_subscribe_and_unsubscribe_are_a_packet_id_and_a_filter() -> None:
    """SUBSCRIBE has the QoS after the filter, and no more options (MQTT 3.1.1, 3.8 and 3.10)."""
    assert subscribe(1, "f/+") == b"\x82\x08\x00\x01\x00\x03f/+\x01"
    assert unsubscribe(2, "f/+") == b"\xa2\x07\x00\x02\x00\x03f/+"


def test_an_acknowledgement_is_a_packet_id() -> None:
    """PUBACK always means success (MQTT 3.1.1, 3.4)."""
    assert puback(b"\x40\x02\x02\x01") == (513, 0)


CONNACKS = {
    "new": (b"\x00\x00", 0, False),
    "kept": (b"\x01\x00", 0, True),
    "version": (b"\x00\x01", 0x84, False),
    "identifier": (b"\x00\x02", 0x85, False),
    "unavailable": (b"\x00\x03", 0x88, False),
    "password": (b"\x00\x04", 0x86, False),
    "not authorized": (b"\x00\x05", 0x87, False),
    "a broker of MQTT 5 alone": (b"\x00\x84\x00", 0x84, False),
    "the same, with a reason": (b"\x00\x84\x05\x1f\x00\x02no", 0x84, False),
}


@pytest.mark.parametrize("what", CONNACKS)
def test_a_connack_is_two_bytes(what: str) -> None:
    """Session present, and a return code; or the refusal of a broker of MQTT 5, which may have its own form."""
    body, code, present = CONNACKS[what]
    answer = connack(packet(0x20, body))

    assert (answer.code, answer.session_present, dict(answer.values)) == (code, present, {})


def test_a_suback_has_the_qos_that_is_granted_or_failure() -> None:
    """UNSUBACK has only its packet id (MQTT 3.1.1, 3.9 and 3.11)."""
    answers = [suback("SUBACK", packet(0x90, b"\x00\x07" + bytes((code,)))) for code in (0, 1, 2, 0x80)]

    assert [(packet_id, answer.code) for packet_id, answer in answers] == [(7, 0), (7, 1), (7, 2), (7, 0x80)]
    assert suback("UNSUBACK", packet(0xB0, b"\x00\x07"))[0] == 7


def test_a_publish_is_read_as_it_stands() -> None:
    """What would be properties in MQTT 5 is payload here."""
    read = read_publish(b"\x3b\x09\x00\x03f/A\x02\x01\x00{")

    assert (read.topic, read.payload, read.packet_id, read.dup, read.retain) == ("f/A", b"\x00{", 513, True, True)
    assert (read.response_topic, read.correlation, dict(read.carrier)) == (None, None, {})


Reader = Callable[[bytes], object]


def _suback(frame: bytes) -> object:
    return suback("SUBACK", frame)


def _unsuback(frame: bytes) -> object:
    return suback("UNSUBACK", frame)


WRONG: dict[str, tuple[Reader, bytes, int]] = {
    "CONNACK of nothing": (connack, b"\x20\x00", MALFORMED),
    "CONNACK with properties": (connack, packet(0x20, b"\x00\x00\x00"), MALFORMED),
    "CONNACK with other flags": (connack, packet(0x20, b"\x02\x00"), MALFORMED),
    "CONNACK with a reserved code": (connack, packet(0x20, b"\x00\x06"), PROTOCOL_ERROR),
    "CONNACK with a session and a refusal": (connack, packet(0x20, b"\x01\x05"), PROTOCOL_ERROR),
    "PUBACK with a reason code": (puback, packet(0x40, b"\x00\x01\x00"), MALFORMED),
    "PUBACK of packet 0": (puback, packet(0x40, b"\x00\x00"), MALFORMED),
    "PUBACK with flags": (puback, packet(0x42, b"\x00\x01"), MALFORMED),
    "SUBACK without a code": (_suback, packet(0x90, b"\x00\x01"), MALFORMED),
    "SUBACK with properties": (_suback, packet(0x90, b"\x00\x01\x00\x01"), MALFORMED),
    "SUBACK with a reason code of MQTT 5": (_suback, packet(0x90, b"\x00\x01\x87"), MALFORMED),
    "UNSUBACK with a code": (_unsuback, packet(0xB0, b"\x00\x01\x00"), MALFORMED),
    "PUBLISH at QoS 2": (read_publish, packet(0x34, b"\x00\x01t\x00\x01"), PROTOCOL_ERROR),
    "PUBLISH at QoS 3": (read_publish, packet(0x36, b"\x00\x01t\x00\x01"), MALFORMED),
    "PUBLISH with DUP at QoS 0": (read_publish, packet(0x38, b"\x00\x01t"), MALFORMED),
    "PUBLISH of packet 0": (read_publish, packet(0x32, b"\x00\x01t\x00\x00"), MALFORMED),
    "PUBLISH with half a packet id": (read_publish, packet(0x32, b"\x00\x01t\x00"), MALFORMED),
    "PUBLISH without a topic": (read_publish, packet(0x30, b"\x00\x00{}"), PROTOCOL_ERROR),
    "PUBLISH to a wildcard": (read_publish, packet(0x30, b"\x00\x01#"), MALFORMED),
    "PUBLISH with NUL in the topic": (read_publish, packet(0x30, b"\x00\x01\x00"), MALFORMED),
    "PUBLISH of nothing": (read_publish, b"\x30\x00", MALFORMED),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_breaks_a_rule_is_a_violation(what: str) -> None:
    """With the code by which the log names its kind."""
    read, frame, code = WRONG[what]
    with pytest.raises(Violation) as raised:
        read(frame)

    assert raised.value.code == code


@settings(max_examples=examples(100))
@given(st.integers(0, 15), st.binary(max_size=40))
@example(0, b"")
def test_any_bytes_are_an_answer_or_a_violation(flags: int, body: bytes) -> None:
    """Nothing else is raised by any reader, and what is read is in bounds."""
    with suppress(Violation):
        assert connack(packet(0x20, body)).code in {0, *range(0x80, 0x100)}
    with suppress(Violation):
        assert puback(packet(0x40 | flags, body)) == (int.from_bytes(body, "big"), 0)
    for name in ("SUBACK", "UNSUBACK"):
        with suppress(Violation):
            assert suback(name, packet(0x90, body))[1].code in {0, 1, 2, 0x80}
    with suppress(Violation):
        read = read_publish(packet(0x30 | flags, body))
        assert read.topic
        assert read.packet_id != 0
        assert body.endswith(read.payload)


@settings(max_examples=examples(100))
@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_are_found_however_the_stream_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    """Also with messages among them that are too long, of which the beginning is left."""
    frames = [b"\x30" + length(len(body)) + body for body in bodies]
    place = data.draw(st.integers(0, len(frames)))
    over = data.draw(st.integers(1, 3 * LONGEST_PACKET))
    long = b"\x32" + length(LONGEST_PACKET - 4 + over) + b"x" * (LONGEST_PACKET - 4) + b"\xd0" * over
    stream = b"".join([*frames[:place], long, *frames[place:]])
    splitter, found, sizes = CuttingSplitter(), list[bytes](), list[int]()
    while stream:
        size = data.draw(st.integers(1, len(stream))) if len(sizes) < 20 else len(stream)
        sizes.append(size)
        found += splitter.split(stream[:size])
        assert len(splitter.unfinished) < LONGEST_PACKET
        stream = stream[size:]

    assert found == [*frames[:place], long[:LONGEST_PACKET], *frames[place:]]


def test_of_other_packets_none_may_be_too_long() -> None:
    """Only a message is another client's."""
    with pytest.raises(Violation, match="sent a packet of 65,537 bytes; our maximum is 65,536"):
        list(CuttingSplitter().split(b"\x90" + length(LONGEST_PACKET - 3)))
    with pytest.raises(Violation, match="more than four bytes"):
        list(CuttingSplitter().split(b"\x30\xff\xff\xff\xff\x01"))


def test_acknowledgements_are_read_as_a_run_only_in_their_one_form() -> None:
    """With a reason code they are left to be read one by one, which is a violation; and so is what is skipped."""
    assert CuttingSplitter().pubacks(b"\x40\x02\x00\x07\x40\x02\x00\x08") == ((7, 8), 0)
    assert CuttingSplitter().pubacks(b"\x40\x03\x00\x07\x10") is None
    splitter = CuttingSplitter()
    [_] = splitter.split(b"\x30" + length(LONGEST_PACKET) + b"x" * (LONGEST_PACKET - 4))
    assert splitter.pubacks(b"\x40\x02\x00\x07") is None
    assert list(splitter.split(b"\x40\x02\x00\x07\xd0\x00")) == [b"\xd0\x00"]


def test_a_violation_has_no_packet_to_say_it_with() -> None:
    """DISCONNECT would mean that all is well (MQTT 3.1.1, 3.14 and 4.8)."""
    assert MQTT_3_1_1.disconnect_for(MALFORMED) == b""
