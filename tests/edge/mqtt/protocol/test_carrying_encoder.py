"""Frames that carry further properties for single messages, as paho reads them."""

from __future__ import annotations

import pytest

from edge.mqtt.protocol.carrying_encoder import CarryingEncoder, with_properties
from edge.mqtt.protocol.codec import CloudEvents, Encoder, user_property
from edge.mqtt.protocol.properties import varint_at
from plant.telemetry import Message

EVENTS = CloudEvents("aio://test", "run")
CARRIED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=b"}


def message(number: int = 1, size: int = 300) -> Message:
    """A message of a machine."""
    return Message("cnc_machine", "CNC-01", "LINE-1", 1_767_600_000_000, number, b"x" * size)


def encoders(extra: dict[Message, dict[str, str]], events: CloudEvents | None = EVENTS) -> tuple[Encoder, Encoder]:
    """One that carries, and one that does not."""
    return (
        CarryingEncoder(extra, lambda _: "factory/cnc", 3600, events, ()),
        Encoder(lambda _: "factory/cnc", 3600, events, ()),
    )


def rest_of(frame: bytes) -> int:
    """How long a frame is by its own header."""
    length, start = varint_at(frame, 1)
    return start + length


@pytest.mark.parametrize("ids", [[7, 8], None], ids=["QoS 1", "QoS 0"])
def test_other_messages_are_the_bytes_that_they_were(ids: list[int] | None) -> None:
    """Without anything to carry, and beside a message that carries something."""
    extra: dict[Message, dict[str, str]] = {}
    carrying, plain = encoders(extra)
    before = plain.frames([message(1), message(2)], ids)

    assert carrying.frames([message(1), message(2)], ids) == before
    extra[message(2)] = CARRIED
    assert carrying.frames([message(1), message(2)], ids)[0] == before[0]


@pytest.mark.parametrize("events", [EVENTS, None], ids=["events", "no events"])
@pytest.mark.parametrize("size", [1, 40, 120, 16_200, 16_383, 70_000])
@pytest.mark.parametrize("packet_id", [7, None], ids=["QoS 1", "QoS 0"])
def test_a_frame_has_the_further_properties_last(events: CloudEvents | None, size: int, packet_id: int | None) -> None:
    """Whatever lengths grow by a byte with them: the rest is as it was."""
    carrying, plain = encoders({message(1, size): CARRIED}, events)
    frame, before = carrying.frame(message(1, size), packet_id), plain.frame(message(1, size), packet_id)
    added = b"".join(user_property(*each) for each in CARRIED.items())

    assert rest_of(frame) == len(frame)
    assert frame.replace(added, b"").endswith(before[-size - 20 :])
    assert frame.endswith(added + b"x" * size)
    assert len(frame) - len(before) in range(len(added), len(added) + 3)


def test_properties_come_after_none() -> None:
    """A frame without any has a length of 0 for them."""
    assert with_properties(b"\x30\x05\x00\x01tp\x00"[:5] + b"\x00p", b"\x26\x00\x01a\x00\x01b") == (
        b"\x30\x0c\x00\x01t\x07\x26\x00\x01a\x00\x01bp"
    )


def test_a_message_is_not_dropped_for_what_it_would_carry() -> None:
    """A frame that would be longer than the broker accepts carries nothing."""
    carrying, plain = encoders({message(): CARRIED})
    before = plain.frame(message(), 7)
    carrying.follow_limits(retain=True, frame_bytes=len(before) + 20)

    assert carrying.frame(message(), 7) == before
    carrying.follow_limits(retain=True)
    assert len(carrying.frame(message(), 7)) > len(before) + 20
