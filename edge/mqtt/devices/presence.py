"""What a machine's connection announces: a birth, a last will, and that it ends; all retained.

Birth and will are those of most systems of devices, such as Sparkplug: who looks at the topic sees who is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

from edge.mqtt.devices.places import Place, status_topic
from edge.mqtt.protocol.codec import Encoder
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.protocol.versions import rules_of
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.sending import Subscriber
from edge.mqtt.session import ANNOUNCEMENT_IDS, REFUSED_FROM, Will
from edge.settings.loader import Settings
from edge.timestamps import rfc3339_seconds
from plant.telemetry import Message

ONLINE, OFFLINE = "online", "offline"
_BIRTH, _END = ANNOUNCEMENT_IDS
_NO_PACKETS: Final[Mapping[int, Callable[[bytes], None]]] = MappingProxyType({})


class _All(frozenset[str]):
    """All kinds of message."""

    def __contains__(self, kind: object) -> bool:
        return True


class Announcements:
    """Makes the announcements of all machines.  wall_clock: Unix seconds.

    on_refused: called with a machine's id and the reason code where the broker refuses one.
    """

    def __init__(
        self, settings: Settings, wall_clock: Callable[[], float], on_refused: Callable[[str, int], None]
    ) -> None:
        self._settings, self._wall_clock, self.on_refused = settings, wall_clock, on_refused
        # Without an expiry: who looks a day later still finds it.
        has_properties = rules_of(settings.mqtt_version).has_properties
        self._encoder = Encoder(self._topic, 0, None, _All()) if has_properties else PlainEncoder(self._topic, _All())

    def message(self, place: Place, status: str) -> Message:
        """Return the announcement of a machine now."""
        now = self._wall_clock()
        content = {"device_id": place.machine_id, "status": status, "ts": rfc3339_seconds(now)}
        return Message(place.kind, place.machine_id, place.station, round(now * 1000), 0, orjson.dumps(content))

    def frame(self, place: Place, status: str, limits: Limits, packet_id: int) -> bytes:
        """Return the PUBLISH of it, at QoS 1 where the broker has room for that."""
        self._encoder.follow_limits(retain=limits.retain)
        is_counted = limits.most_qos and limits.announcements
        return self._encoder.frame(self.message(place, status), packet_id if is_counted else None)

    def will(self, place: Place) -> Will:
        """Return the last will, with the time of now, when it is given to the broker."""
        message = self.message(place, OFFLINE)
        return Will(self._topic(message), message.payload)

    def _topic(self, message: Message) -> str:
        return status_topic(message, self._settings)

    def invalidate(self) -> None:
        """Find the topic of each machine again."""
        self._encoder.invalidate()

    def topic(self, place: Place) -> str:
        """Return where a machine announces itself."""
        return status_topic(self.message(place, ONLINE), self._settings)


class Presence:
    """The announcements of one machine, before its telemetry, and its subscription to commands, if it has one.

    announcements: None for what announces nothing.
    """

    __slots__ = ("_announcements", "_due", "_limits", "_place", "_subscription", "_wire", "packets", "receive_maximum")

    def __init__(self, place: Place, announcements: Announcements | None, subscription: Subscriber | None) -> None:
        self._place, self._announcements, self._subscription = place, announcements, subscription
        self.packets = _NO_PACKETS if subscription is None else subscription.packets
        self.receive_maximum = 1 if subscription is None else subscription.receive_maximum
        self._wire: FrameWriter | None = None
        self._limits = Limits(window=1)
        self._due: set[int] = set()

    def will(self) -> Will | None:
        """Return the last will for a connection that begins now."""
        return None if self._announcements is None else self._announcements.will(self._place)

    def move(self, place: Place) -> None:
        """Announce the machine in another place from now on."""
        self._place = place
        if self._announcements is not None:
            self._announcements.invalidate()

    def announce_end(self) -> None:
        """Announce that the connection ends, before it is ended with DISCONNECT, which discards the will."""
        self._announce(OFFLINE, _END)

    # Subscriber

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Announce that the machine is online, and subscribe: the connection is up."""
        self._wire, self._limits = wire, limits
        self._due.clear()
        self._announce(ONLINE, _BIRTH)
        if self._subscription is not None:
            self._subscription.open(wire, limits, session_present=session_present)

    def close(self) -> None:
        """Write nothing more: the connection is closed."""
        self._wire = None
        if self._subscription is not None:
            self._subscription.close()

    def fill(self) -> None:
        """Write what is due of the subscription."""
        if self._subscription is not None:
            self._subscription.fill()

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs that are not of telemetry; return how many of the ids were in flight."""
        ours = self._due.intersection(packet_ids)
        self._due -= ours
        if ours and code >= REFUSED_FROM and self._announcements is not None:
            self._announcements.on_refused(self._place.machine_id, code)
        others = [] if self._subscription is None else [each for each in packet_ids if each not in ours]
        return len(ours) + (self._subscription.acknowledged(others, code) if self._subscription and others else 0)

    def _announce(self, status: str, packet_id: int) -> None:
        if self._wire is not None and self._announcements is not None:
            self._wire.write(self._announcements.frame(self._place, status, self._limits, packet_id))
            self._due.add(packet_id)
