"""What a machine's connection announces: a birth, a last will, and that it ends; all retained.

Birth and will are those of most systems of devices, such as Sparkplug: who looks at the topic sees who is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import orjson

from edge.delivery.tap import About, NoteMessage, unheard
from edge.mqtt.devices.places import Place, status_topic
from edge.mqtt.protocol.codec import Encoder
from edge.mqtt.protocol.plain_encoder import PlainEncoder
from edge.mqtt.protocol.versions import rules_of
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.sending import Subscriber
from edge.mqtt.session import ANNOUNCEMENT_IDS, REFUSED_FROM, Will
from edge.settings.loader import Settings
from edge.timestamps import rfc3339_seconds
from edge.traffic import STATUS
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
    note: called with each that the broker has, for those who look at the traffic.
    """

    def __init__(
        self,
        settings: Settings,
        wall_clock: Callable[[], float],
        on_refused: Callable[[str, int], None],
        note: NoteMessage = unheard,
    ) -> None:
        self._settings, self._wall_clock, self.on_refused, self._note = settings, wall_clock, on_refused, note
        # Without an expiry: who looks a day later still finds it.
        has_properties = rules_of(settings.mqtt_version).has_properties
        self._encoder = Encoder(self._topic, 0, None, _All()) if has_properties else PlainEncoder(self._topic, _All())

    def message(self, place: Place, status: str) -> Message:
        """Return the announcement of a machine now."""
        now = self._wall_clock()
        content = {"device_id": place.machine_id, "status": status, "ts": rfc3339_seconds(now)}
        return Message(place.kind, place.machine_id, place.station, round(now * 1000), 0, orjson.dumps(content))

    def frame(self, message: Message, limits: Limits, packet_id: int | None) -> bytes:
        """Return the PUBLISH of one, at QoS 0 without a packet id."""
        self._encoder.follow_limits(retain=limits.retain)
        return self._encoder.frame(message, packet_id)

    def published(self, message: Message, qos: int) -> None:
        """Note that the broker has one."""
        self._note(About(self._topic(message), qos, True, STATUS, message.source), message.payload)

    def will_is_due(self, machine_id: str, will: Will) -> None:
        """Note that the broker publishes a will: a connection has ended without DISCONNECT (MQTT 5, 3.1.2.5)."""
        self._note(About(will.topic, 1, True, STATUS, machine_id), will.payload)

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

    __slots__ = (
        *("_announcements", "_due", "_limits", "_place", "_subscription", "_will", "_wire"),
        *("packets", "receive_maximum"),
    )

    def __init__(self, place: Place, announcements: Announcements | None, subscription: Subscriber | None) -> None:
        self._place, self._announcements, self._subscription = place, announcements, subscription
        self.packets = _NO_PACKETS if subscription is None else subscription.packets
        self.receive_maximum = 1 if subscription is None else subscription.receive_maximum
        self._wire: FrameWriter | None = None
        self._limits = Limits(window=1)
        self._due: dict[int, Message] = {}
        self._will: Will | None = None

    def will(self) -> Will | None:
        """Return the last will for a connection that begins now."""
        self._will = None if self._announcements is None else self._announcements.will(self._place)
        return self._will

    def move(self, place: Place) -> None:
        """Announce the machine in another place from now on."""
        self._place = place
        if self._announcements is not None:
            self._announcements.invalidate()

    def announce_end(self) -> None:
        """Announce that the connection ends, before it is ended with DISCONNECT, which discards the will."""
        self._will = None
        self._announce(OFFLINE, _END)
        self._published(_END)  # nobody waits for its acknowledgement

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
        if self._wire is not None and self._announcements is not None and self._will is not None:
            self._announcements.will_is_due(self._place.machine_id, self._will)
        self._wire = self._will = None
        if self._subscription is not None:
            self._subscription.close()

    def fill(self) -> None:
        """Write what is due of the subscription."""
        if self._subscription is not None:
            self._subscription.fill()

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs that are not of telemetry; return how many of the ids were in flight."""
        ours = self._due.keys() & packet_ids
        for packet_id in ours:
            if code < REFUSED_FROM:
                self._published(packet_id)
            else:
                self._refused(packet_id, code)
        others = [] if self._subscription is None else [each for each in packet_ids if each not in ours]
        return len(ours) + (self._subscription.acknowledged(others, code) if self._subscription and others else 0)

    def _announce(self, status: str, packet_id: int) -> None:
        if self._wire is not None and self._announcements is not None:
            message, is_counted = self._announcements.message(self._place, status), self._is_counted
            self._due[packet_id] = message
            self._wire.write(self._announcements.frame(message, self._limits, packet_id if is_counted else None))
            if not is_counted:
                self._published(packet_id)

    @property
    def _is_counted(self) -> bool:
        """Whether the broker has room for announcements at QoS 1."""
        return bool(self._limits.most_qos and self._limits.announcements)

    def _published(self, packet_id: int) -> None:
        message = self._due.pop(packet_id, None)
        if message is not None and self._announcements is not None:
            self._announcements.published(message, int(self._is_counted))

    def _refused(self, packet_id: int, code: int) -> None:
        del self._due[packet_id]
        if self._announcements is not None:
            self._announcements.on_refused(self._place.machine_id, code)
