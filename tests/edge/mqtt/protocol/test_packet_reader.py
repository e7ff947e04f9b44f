"""Facts about what a broker sends because of a subscription, read strictly; another codec writes it."""

from __future__ import annotations

from contextlib import suppress

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.mqtt.protocol import packet_reader
from edge.mqtt.protocol.codec import MALFORMED, PROTOCOL_ERROR, Splitter, Violation, varint
from edge.mqtt.protocol.packet_writer import AnswerPacket, puback, subscribe, unsubscribe
from edge.mqtt.protocol.publish_reader import LONGEST_CARRIED, read_publish
from fuzz.rogue import packet
from tests.support.examples import examples

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0+#"), max_size=30)
_BYTES = st.binary(max_size=300)
PUBLISHES = st.builds(
    mqtt5.PublishPacket,
    topic=_TEXT.filter(bool),
    payload=_BYTES,
    qos=st.just(mqtt5.QoS.AT_LEAST_ONCE),
    packet_id=st.integers(1, 65_535),
    retain=st.booleans(),
    duplicate=st.booleans(),
    payload_format_indicator=st.integers(0, 1),
    message_expiry_interval=st.none() | st.integers(0, 2**32 - 1),
    content_type=st.none() | _TEXT,
    response_topic=st.none() | _TEXT,
    correlation_data=st.none() | _BYTES,
    subscription_ids=st.lists(st.integers(1, 268_435_455), max_size=3),
    user_properties=st.lists(st.tuples(_TEXT, _TEXT), max_size=3),
)


@settings(max_examples=examples(100))
@given(PUBLISHES)
def test_a_publish_is_read_as_it_was_written(written: mqtt5.PublishPacket) -> None:
    """Topic, payload, packet id, flags, response topic and correlation data."""
    read = read_publish(written.write())

    assert (read.topic, read.payload) == (written.topic, bytes(written.payload))
    assert (read.packet_id, read.dup, read.retain) == (written.packet_id, written.duplicate, written.retain)
    assert read.response_topic == (None if written.response_topic is None else written.response_topic.encode())
    given_data = written.correlation_data
    assert read.correlation == (None if given_data is None else bytes(given_data))


@settings(max_examples=examples(100))
@given(PUBLISHES, st.data())
def test_a_publish_that_is_cut_or_changed_is_a_violation_or_another_publish(
    written: mqtt5.PublishPacket, data: st.DataObject
) -> None:
    """Nothing else is raised, whatever byte differs."""
    body = bytearray(written.write()[2 if written.write()[1] < 128 else 3 :])
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    with suppress(Violation):
        read = read_publish(packet(data.draw(st.integers(0x30, 0x3F)), bytes(body[:cut])))
        assert read.topic
        assert len(read.payload) <= cut


@settings(max_examples=examples(100))
@given(st.binary(max_size=60), st.sampled_from([0x90, 0xB0]))
def test_any_bytes_as_an_answer_to_a_subscription_are_read_or_a_violation(body: bytes, first: int) -> None:
    """SUBACK and UNSUBACK."""
    try:
        packet_id, answer = packet_reader.suback("SUBACK", packet(first, body))
    except Violation:
        return
    assert 0 < packet_id < 65_536
    assert answer.code == body[-1]


WRONG = {
    "QoS 2": (packet(0x34, b"\0\1t\0\1\0"), PROTOCOL_ERROR, "QoS 2"),
    "QoS 3": (packet(0x36, b"\0\1t\0\1\0"), MALFORMED, "malformed PUBLISH"),
    "DUP at QoS 0": (packet(0x38, b"\0\1t\0"), MALFORMED, "malformed PUBLISH"),
    "packet id 0": (packet(0x32, b"\0\1t\0\0\0"), MALFORMED, "malformed PUBLISH"),
    "no topic": (packet(0x30, b"\0\0\0"), PROTOCOL_ERROR, "without a topic"),
    "a wildcard": (packet(0x30, b"\0\1+\0"), MALFORMED, "malformed PUBLISH"),
    "NUL in the topic": (packet(0x30, b"\0\1\0\0"), MALFORMED, "malformed PUBLISH"),
    "a topic that is no UTF-8": (packet(0x30, b"\0\1\xff\0"), MALFORMED, "malformed PUBLISH"),
    "a topic alias": (packet(0x30, b"\0\1t\3\x23\0\1"), 0x94, "topic alias"),
    "a payload format of 2": (packet(0x30, b"\0\1t\2\1\2"), PROTOCOL_ERROR, "property 1 with the value 2"),
    "subscription id 0": (packet(0x30, b"\0\1t\2\x0b\0"), PROTOCOL_ERROR, "property 11 with the value 0"),
    "a response topic twice": (packet(0x30, b"\0\1t\x08\x08\0\1a\x08\0\1b"), PROTOCOL_ERROR, "property 8 twice"),
    "a property of CONNACK": (packet(0x30, b"\0\1t\3\x21\0\1"), MALFORMED, "malformed PUBLISH"),
    "properties longer than the packet": (packet(0x30, b"\0\1t\x40\1"), MALFORMED, "malformed PUBLISH"),
    "a property cut by the payload": (packet(0x30, b"\0\1t\2\x08\0payload"), MALFORMED, "malformed PUBLISH"),
    "nothing": (packet(0x30, b""), MALFORMED, "malformed PUBLISH"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_publish_that_breaks_a_rule_is_a_violation(what: str) -> None:
    """With the reason code for DISCONNECT."""
    frame, code, words = WRONG[what]
    with pytest.raises(Violation, match=words) as raised:
        read_publish(frame)

    assert raised.value.code == code


def publish_with(*properties: tuple[bytes, bytes]) -> bytes:
    """A PUBLISH with user properties, as a broker passes them on that does not look at them."""
    pairs = (b"\x26" + b"".join(len(each).to_bytes(2, "big") + each for each in pair) for pair in properties)
    encoded = b"".join(pairs)
    return packet(0x30, b"\0\1t" + varint(len(encoded)) + encoded + b"payload")


LONG = b"x" * (LONGEST_CARRIED + 1)
CARRIED: list[tuple[list[tuple[bytes, bytes]], dict[str, str]]] = [
    ([(b"traceparent", b"00-1"), (b"tracestate", b"a=1")], {"traceparent": "00-1", "tracestate": "a=1"}),
    ([(b"who", b"me"), (b"Traceparent", b"00-1")], {}),
    ([(b"traceparent", b"00-1"), (b"traceparent", b"00-2")], {"traceparent": "00-1"}),
    ([(b"traceparent", b"\xff"), (b"tracestate", LONG), (b"\xff", b"\xff")], {}),
    ([(b"tracestate", LONG[1:])], {"tracestate": LONG[1:].decode()}),
]


@pytest.mark.parametrize(("properties", "kept"), CARRIED, ids=["both", "others", "twice", "unfit", "longest"])
def test_of_user_properties_only_a_place_in_a_trace_is_kept(
    properties: list[tuple[bytes, bytes]], kept: dict[str, str]
) -> None:
    """Whatever else they are, they break no rule."""
    read = read_publish(publish_with(*properties))

    assert read.carrier == kept
    assert read.payload == b"payload"


@settings(max_examples=examples(100))
@given(
    _TEXT, _BYTES, _TEXT, st.none() | _BYTES, st.integers(0, 2**32 - 1), st.booleans(), st.dictionaries(_TEXT, _TEXT)
)
def test_an_answer_is_a_publish_that_another_codec_reads(
    topic: str,
    payload: bytes,
    content_type: str,
    correlation: bytes | None,
    expiry: int,
    dup: bool,
    own: dict[str, str],
) -> None:
    """At QoS 1 with a packet id, at QoS 0 without; its size is that of the longer one."""
    answer = AnswerPacket(topic or "t", payload, content_type, correlation, expiry, own)
    for packet_id in (None, 17):
        frame = answer.frame(packet_id, dup=dup)
        [split] = Splitter().split(frame)
        read, _ = mqtt5.read(memoryview(split))

        assert isinstance(read, mqtt5.PublishPacket)
        assert (read.topic, bytes(read.payload), read.packet_id) == (topic or "t", payload, packet_id)
        assert read.duplicate == (dup and packet_id is not None)
        assert (read.content_type, read.message_expiry_interval) == (content_type, expiry or None)
        assert dict(read.user_properties) == own
        assert len(frame) <= answer.size
    assert len(answer.frame(1)) == answer.size


def test_subscribe_unsubscribe_and_puback_are_read_by_another_codec() -> None:
    """Each with its packet id."""
    read = [mqtt5.read(memoryview(frame))[0] for frame in (subscribe(3, "a/+"), unsubscribe(4, "a/+"), puback(5))]

    assert [type(each) for each in read] == [mqtt5.SubscribePacket, mqtt5.UnsubscribePacket, mqtt5.PubAckPacket]
    assert [each.packet_id for each in read] == [3, 4, 5]  # type: ignore[union-attr]
