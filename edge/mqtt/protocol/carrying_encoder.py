"""PUBLISH frames that carry further user properties for single messages, such as their place in a trace."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from typing import Final

from edge.mqtt.protocol.codec import CloudEvents, Encoder, user_property, varint
from edge.mqtt.protocol.properties import varint_at
from plant.telemetry import Message

_QOS: Final = 0x06
"""The bits of the fixed header with the QoS; above 0 there is a packet id (MQTT 5, 3.3.1.2 and 3.3.2.2)."""


class CarryingEncoder(Encoder):
    """Encodes messages as PUBLISH frames, some with further properties. extra: those of single messages; may change."""

    def __init__(
        self,
        extra: Mapping[Message, Mapping[str, str]],
        topic: Callable[[Message], str],
        expiry_seconds: int,
        events: CloudEvents | None,
        retained: Collection[str],
    ) -> None:
        super().__init__(topic, expiry_seconds, events, retained)
        self._extra, self._most_bytes = extra, inf

    def follow_limits(self, *, retain: bool, frame_bytes: int | None = None) -> None:
        """Follow the broker, also in that no frame is made longer than it accepts."""
        super().follow_limits(retain=retain)
        self._most_bytes = inf if frame_bytes is None else frame_bytes

    def frames(
        self, messages: Sequence[Message], packet_ids: Sequence[int] | None, *, dup: bool = False
    ) -> list[bytes]:
        """Return a frame for each message; raise what Encoder raises."""
        frames = super().frames(messages, packet_ids, dup=dup)
        if not self._extra:
            return frames
        return [self._with_extra(frame, message) for frame, message in zip(frames, messages, strict=True)]

    def _with_extra(self, frame: bytes, message: Message) -> bytes:
        extra = self._extra.get(message)
        if not extra:
            return frame
        longer = with_properties(frame, b"".join(user_property(*each) for each in extra.items()))
        return longer if len(longer) <= self._most_bytes else frame


def with_properties(frame: bytes, more: bytes) -> bytes:
    """Return a PUBLISH frame with further properties, encoded, after those that it has (MQTT 5, 3.3.2.3)."""
    _, start = varint_at(frame, 1)
    topic_bytes = int.from_bytes(frame[start : start + 2], "big")
    place = start + 2 + topic_bytes + (2 if frame[0] & _QOS else 0)
    length, first = varint_at(frame, place)
    end = first + length
    rest = b"".join((frame[start:place], varint(length + len(more)), frame[first:end], more, frame[end:]))
    return frame[:1] + varint(len(rest)) + rest
