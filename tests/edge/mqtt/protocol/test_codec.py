"""Facts about the bytes: an independent MQTT 5 codec reads what the encoder writes."""

from __future__ import annotations

import mqtt5
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.mqtt.protocol.codec import PUBACK, CloudEvents, Encoder, Splitter, TextTooLong, Violation, varint
from edge.mqtt.protocol.packet_reader import puback
from edge.timestamps import rfc3339
from plant.telemetry import JobMessage, Message
from tests.support.examples import examples

ROW = Message("cnc_machine", "CNC-01", "LINE-1-STATION-A", 1_769_869_320_250, 7, b'{"status":"running"}')
EVENTS = CloudEvents("aio://plant", "seed/0")


def decode(frame: bytes) -> mqtt5.PublishPacket:
    """Read a PUBLISH with a codec that is not ours."""
    packet, length = mqtt5.read(memoryview(frame))
    assert length == len(frame)
    assert isinstance(packet, mqtt5.PublishPacket)
    return packet


def encoder(events: CloudEvents | None = EVENTS, expiry_seconds: int = 3600) -> Encoder:
    """Encode for the topic `factory/{source}`."""
    return Encoder(lambda message: f"factory/{message.source}", expiry_seconds, events)


def test_a_publish_carries_topic_packet_id_and_payload() -> None:
    """Another codec reads the topic, the packet id, QoS 1 and the payload as they were given."""
    packet = decode(encoder().frame(ROW, 4711))

    assert (packet.topic, packet.packet_id, packet.qos, packet.payload) == ("factory/CNC-01", 4711, 1, ROW.payload)
    assert not packet.duplicate


def test_a_publish_says_what_its_payload_is() -> None:
    """Content type, payload format and expiry are on every message."""
    packet = decode(encoder().frame(ROW, 1))

    assert packet.content_type == "application/json"
    assert packet.payload_format_indicator == 1
    assert packet.message_expiry_interval == 3600


def test_no_expiry_is_said_where_it_is_zero() -> None:
    """An expiry of 0 seconds means none, not at once."""
    assert decode(encoder(expiry_seconds=0).frame(ROW, 1)).message_expiry_interval is None


def test_a_publish_is_a_cloud_event() -> None:
    """The four required attributes, and subject and time, are user properties without a prefix."""
    properties = dict(decode(encoder().frame(ROW, 1)).user_properties)
    identifier = properties.pop("id")

    assert properties == {
        "specversion": "1.0",
        "type": "ms.aio.telemetry",
        "source": "aio://plant/CNC-01",
        "subject": "CNC-01",
        "time": "2026-01-31T14:22:00.250Z",
    }
    assert identifier[14] == "8"
    assert int(identifier[-12:], 16) == ROW.sequence


def test_event_ids_differ_by_sender_count_and_run() -> None:
    """No two events of any run share an id; the same event of the same run has the same one."""
    other_run = CloudEvents("aio://plant", "seed/1")
    rows = [ROW, ROW._replace(sequence=8), ROW._replace(source="CNC-02")]
    frames = [encoder(events).frame(row, 1) for events in (EVENTS, other_run) for row in rows]
    ids = {dict(decode(frame).user_properties)["id"] for frame in frames}

    assert len(ids) == len(frames)
    assert encoder().frame(ROW, 1) == frames[0]


ROWS = st.builds(
    Message,
    st.just("cnc_machine"),
    st.sampled_from(["CNC-01", "CNC-02", "CNC-100"]),
    st.just("LINE-1-STATION-A"),
    st.integers(ROW.time_ms, ROW.time_ms + 2000),
    st.integers(1, 2**40),
    st.binary(max_size=300),
)


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(ROWS, st.integers(1, 65_535)), min_size=1, max_size=20), st.booleans(), st.booleans())
def test_a_batch_has_the_frames_that_its_messages_have_alone(
    sending: list[tuple[Message, int]], at_least_once: bool, dup: bool
) -> None:
    """In their order, each with its own topic, id, length and time, whoever else is in the batch."""
    messages, packet_ids = [message for message, _ in sending], [packet_id for _, packet_id in sending]
    alone = [encoder().frame(message, packet_id if at_least_once else None, dup=dup) for message, packet_id in sending]

    assert encoder().frames(messages, packet_ids if at_least_once else None, dup=dup) == alone


def test_a_sender_whose_source_is_longer_than_mqtt_carries_is_an_error_of_its_own() -> None:
    """The source may just fit, and with the sender's id it does not (MQTT 5, 1.5.4)."""
    with pytest.raises(TextTooLong, match="65,542 bytes; the maximum in MQTT is 65,535"):
        encoder(CloudEvents("aio://" + "x" * 65_529, "run")).frame(ROW, 1)


@pytest.mark.parametrize("events", [EVENTS, None], ids=["cloud_events", "none"])
def test_an_extra_row_says_what_triggered_it(events: CloudEvents | None) -> None:
    """Among others in a batch it has a user property more, and is the same otherwise."""
    messages = [ROW, JobMessage(*ROW), ROW, ROW._replace(source="CNC-02"), JobMessage(*ROW)]

    packets = [decode(frame) for frame in encoder(events).frames(messages, [1, 2, 3, 4, 5])]

    regular = decode(encoder(events).frame(ROW, 1)).user_properties
    assert [packet.packet_id for packet in packets] == [1, 2, 3, 4, 5]
    assert [dict(packet.user_properties).get("trigger") for packet in packets] == [None, "job", None, None, "job"]
    assert [each for each in packets[1].user_properties if each[0] != "trigger"] == [*regular]
    assert {packet.payload for packet in packets} == {ROW.payload}


def test_cloud_events_can_be_left_out() -> None:
    """Without them there is no user property at all."""
    assert decode(encoder(events=None).frame(ROW, 1)).user_properties == []


def test_a_message_sent_again_says_so() -> None:
    """DUP is set, all else is as before."""
    first, again = encoder().frame(ROW, 5), encoder().frame(ROW, 5, dup=True)

    assert decode(again).duplicate
    assert first[1:] == again[1:]


def test_at_qos_0_there_is_no_packet_id() -> None:
    """A frame without a packet id is QoS 0."""
    packet = decode(encoder().frame(ROW, None))

    assert (packet.qos, packet.packet_id) == (0, None)


@settings(max_examples=examples(100))
@given(st.binary(max_size=300), st.integers(1, 65_535), st.text(min_size=1, max_size=200))
def test_any_payload_and_sender_survive(payload: bytes, packet_id: int, source: str) -> None:
    """Lengths are right whatever the sizes, so the other codec reads back what went in."""
    source = source.replace("\0", "") or "x"
    packet = decode(encoder().frame(ROW._replace(payload=payload, source=source), packet_id))

    assert (packet.payload or b"", packet.packet_id) == (payload, packet_id)


@settings(max_examples=examples(100))
@given(st.integers(0, 268_435_455))
def test_a_variable_byte_integer_reads_back(number: int) -> None:
    """Seven bits a byte, the lowest first, the high bit where more follow (MQTT 5, 1.5.5)."""
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(varint(number))) == number
    assert len(varint(number)) == 1 + (number > 127) + (number > 16_383) + (number > 2_097_151)


@settings(max_examples=examples(100))
@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_are_found_however_the_stream_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    """The splitter gives the same frames for any cutting of the bytes."""
    frames = [b"\x30" + varint(len(body)) + body for body in bodies]
    stream, splitter, found = b"".join(frames), Splitter(), list[bytes]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.split(stream[:size])
        stream = stream[size:]

    assert found == frames


def test_a_length_of_five_bytes_is_no_frame() -> None:
    """A remaining length never has more than four bytes."""
    with pytest.raises(Violation):
        list(Splitter().split(b"\x30\xff\xff\xff\xff\x01"))


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (mqtt5.PubAckPacket(513), (513, 0)),
        (mqtt5.PubAckPacket(7, reason_code=mqtt5.PubAckReasonCode.QUOTA_EXCEEDED), (7, 0x97)),
        (mqtt5.PubAckPacket(9, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED, reason_str="x" * 200), (9, 0x87)),
    ],
    ids=["short form", "with a code", "with a long reason string"],
)
def test_an_acknowledgement_is_read_in_every_form(packet: mqtt5.PubAckPacket, expected: tuple[int, int]) -> None:
    """Packet id and reason code are found in the short form, with a code, and with properties."""
    assert puback(packet.write()) == expected


def test_time_has_one_width() -> None:
    """Milliseconds are always three digits, at whole seconds too."""
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_769_869_320_005) == "2026-01-31T14:22:00.005Z"


ANSWERS = st.lists(st.tuples(st.integers(1, 65_535), st.sampled_from([b"", b"\x00", b"\x10", b"\x97", b"\x10\x00"])))


@settings(max_examples=examples(100))
@given(ANSWERS, st.booleans(), st.integers(0, 60))
def test_a_run_of_acknowledgements_says_what_each_of_them_says(
    answers: list[tuple[int, bytes]], alike: bool, cut: int
) -> None:
    """Read as a run or one by one, in whatever pieces they come: the same packet ids with the same codes."""
    endings = [answers[0][1] if alike else ending for _, ending in answers]
    bodies = [packet_id.to_bytes(2, "big") + end for (packet_id, _), end in zip(answers, endings, strict=True)]
    stream = b"".join(bytes((PUBACK, len(body))) + body for body in bodies)
    splitter, heard = Splitter(), list[tuple[int, int]]()
    for data in (stream[:cut], stream[cut:]):
        ids, code = splitter.pubacks(data) or ((), 0)
        heard += [(packet_id, code) for packet_id in ids] or [puback(frame) for frame in splitter.split(data)]

    expected = [(packet_id, (end or b"\x00")[0]) for (packet_id, _), end in zip(answers, endings, strict=True)]
    assert heard == expected


def test_what_is_not_an_acknowledgement_is_no_run_of_them() -> None:
    """A PINGRESP, an AUTH of the length of a PUBACK, and PUBACKs with one other among them are left to be split."""
    puback_4 = b"\x40\x02\x00\x07"
    mixed = puback_4 + b"\xd0\x00" + puback_4
    strangers = (b"\xd0\x00", b"\xf0\x02\x18\x00", b"", b"\x40", mixed, puback_4 + b"\x40\x03")

    assert [Splitter().pubacks(data) for data in strangers] == [None] * 6
    assert Splitter().pubacks(puback_4 + b"\x40") == ((7,), 0)
