"""PUBLISH frames of MQTT 3.1.1, which have no properties."""

from __future__ import annotations

from collections.abc import Callable, Collection

from edge.mqtt.protocol.codec import CloudEvents, Encoder, Envelope, text
from plant.telemetry import Message


class PlainEncoder(Encoder):
    """Encodes messages as PUBLISH frames of topic, packet id and payload (MQTT 3.1.1, 3.3).

    What the properties of MQTT 5 say of a message is left out: whose it is, when it expires, what triggered it.
    """

    def __init__(self, topic: Callable[[Message], str], retained: Collection[str] = ()) -> None:
        super().__init__(topic, 0, None, retained)

    def start_run(self, events: CloudEvents | None) -> None:
        """Do nothing: frames do not say of which run they are."""

    def _envelope_of(self, message: Message) -> Envelope:
        name = text(self._topic(message))
        return name, b"", len(name), message.kind in self._retained
