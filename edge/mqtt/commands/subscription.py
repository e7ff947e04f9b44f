"""The subscription to commands: made at each connection; its messages are acknowledged once the desk has them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import cycle
from typing import Final

from edge.mqtt.commands.answers import FIRST_ID, Answers
from edge.mqtt.commands.desk import CommandDesk
from edge.mqtt.protocol.codec import PROTOCOL_ERROR, PUBLISH, Violation
from edge.mqtt.protocol.packet_reader import SUBACK, UNSUBACK
from edge.mqtt.protocol.packet_writer import puback
from edge.mqtt.protocol.properties import REASON_STRING
from edge.mqtt.protocol.publish_reader import Publish
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.mqtt.protocol.versions import MQTT_5, Rules
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.session import REFUSED_FROM
from edge.status import CommandStatus

log = logging.getLogger("broker")

RECEIVE_MAXIMUM: Final = MQTT_5.receive_maximum
"""Commands that the broker may send without acknowledgement: with the longest packets two MiB."""

_MOST_KNOWN: Final = 1000
"""Messages that are recognised when they come again, where the version of MQTT has no Receive Maximum."""

MOST_PER_SECOND: Final = 1000
"""Messages at QoS 0 that are read in a second. Nothing else limits them, and each takes time from telemetry."""

_QOS: Final = 0x06
_RECEIVE_MAXIMUM_EXCEEDED: Final = 0x93
_NOT_CONNECTED: Final = "not connected"


class CommandSubscription:
    """Receives commands at QoS 1, and acknowledges each when the desk has it: executed, refused, or waiting.

    A message that comes again because a lost connection took its acknowledgement is acknowledged, and not taken again.
    clock: seconds, monotonic.  rules: of the version of MQTT.
    is_one_of_many: each machine has one, which are not all worth a line in the log.
    """

    def __init__(
        self,
        topics: str,
        desk: CommandDesk,
        answers: Answers,
        clock: Callable[[], float],
        rules: Rules = MQTT_5,
        *,
        is_one_of_many: bool = False,
    ) -> None:
        self._level = logging.DEBUG if is_one_of_many else logging.INFO
        self._rules, self.receive_maximum = rules, rules.receive_maximum
        self._most_known = min(rules.receive_maximum, _MOST_KNOWN)
        self.packets: Mapping[int, Callable[[bytes], None]] = {
            PUBLISH: self._on_publish,
            SUBACK: self._on_suback,
            UNSUBACK: self._on_unsuback,
        }
        self._topics, self._desk, self._answers = topics, desk, answers
        self._wire: FrameWriter | None = None
        self._subscribed, self._why_not = False, _NOT_CONNECTED
        self._asked: dict[int, str] = {}
        self._ids = cycle(range(1, FIRST_ID))
        self._due = deque[int]()
        self._taken: dict[int, bytes] = {}
        self._clock, self._second, self._read = clock, 0, 0

    def status(self) -> CommandStatus:
        """Return the state of the subscription, and counts."""
        why_not = None if self._subscribed else self._why_not
        return CommandStatus(
            self._topics, self._subscribed, why_not, dict(self._desk.counts), dict(self._answers.counts)
        )

    def follow(self, topics: str) -> None:
        """Subscribe to another filter in place of the one so far."""
        before, self._topics = self._topics, topics
        if self._wire is not None and topics != before:
            self._write(self._rules.unsubscribe, before)
            self._subscribe()

    # Subscriber

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """Subscribe, and send again the answers that are unacknowledged: the connection is up."""
        self._wire = wire
        if not session_present:
            self._taken.clear()
        self._subscribe()
        self._answers.open(wire, limits, session_present=session_present)
        self.fill()

    def close(self) -> None:
        """Write nothing more: the connection is closed."""
        self._wire = None
        self._subscribed, self._why_not = False, _NOT_CONNECTED
        self._asked.clear()
        self._due.clear()
        self._answers.close()

    def fill(self) -> None:
        """Write acknowledgements and answers, as far as there is room for them."""
        if self._wire is None or not self._wire.writable:
            return
        if self._due:
            self._wire.write(b"".join(map(puback, self._due)))
            self._due.clear()
        self._answers.fill()

    def acknowledged(self, packet_ids: Sequence[int], code: int) -> int:
        """Process PUBACKs of answers; return how many of the ids were in flight."""
        return self._answers.acknowledged(packet_ids, code)

    def _on_publish(self, frame: bytes) -> None:
        if not frame[0] & _QOS and not self._has_time():
            self._desk.overrun(1)
            return
        message = self._rules.publish(frame)
        if message.packet_id is None:
            self._desk.take(message, self._answers)
            return
        if len(self._due) >= self.receive_maximum:
            raise Violation(_RECEIVE_MAXIMUM_EXCEEDED, f"sent more than {self.receive_maximum} unacknowledged messages")
        self._due.append(message.packet_id)
        if self._is_repeated(message, message.packet_id):
            self._desk.repeated()
        else:
            self._desk.take(message, self._answers)
        self.fill()

    def _has_time(self) -> bool:
        """Return whether another message at QoS 0 is read in this second; at QoS 1, acknowledgements set the pace."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._read = second, 0
        self._read += 1
        return self._read <= MOST_PER_SECOND

    def _is_repeated(self, message: Publish, packet_id: int) -> bool:
        """Return whether a message has been taken before in this session; from now on it has (MQTT 5, 4.4).

        The broker sends again only what it holds to be unacknowledged, which are among the last that it may have sent.
        """
        content = repr((message.topic, message.payload, message.response_topic, message.correlation))
        digest = blake2b(content.encode(), digest_size=16).digest()
        before = self._taken.pop(packet_id, None)
        self._taken[packet_id] = digest
        if len(self._taken) > self._most_known:
            del self._taken[next(iter(self._taken))]
        return message.dup and before == digest

    def _on_suback(self, frame: bytes) -> None:
        packet_id, answer = self._rules.suback("SUBACK", frame)
        topics = self._asked_for("SUBACK", packet_id)
        if topics != self._topics:
            return
        self._subscribed = answer.code < REFUSED_FROM
        if self._subscribed:
            log.log(self._level, "subscribed to commands topics=%s qos=%d", topics, answer.code)
        else:
            reason = answer.text(REASON_STRING)
            self._why_not = explain(Packet.SUBACK, answer.code, reason_string=reason, version=self._rules.version)
            log.warning("no commands over MQTT: the broker refused the subscription to %s: %s", topics, self._why_not)

    def _on_unsuback(self, frame: bytes) -> None:
        packet_id, _ = self._rules.suback("UNSUBACK", frame)
        self._asked_for("UNSUBACK", packet_id)

    def _asked_for(self, name: str, packet_id: int) -> str:
        if packet_id not in self._asked:
            raise Violation(PROTOCOL_ERROR, f"sent an unexpected {name}")
        return self._asked.pop(packet_id)

    def _subscribe(self) -> None:
        self._subscribed, self._why_not = False, "the broker has not answered to the subscription"
        self._write(self._rules.subscribe, self._topics)

    def _write(self, packet: Callable[[int, str], bytes], topics: str) -> None:
        if self._wire is not None:
            packet_id = next(self._ids)
            self._asked[packet_id] = topics
            self._wire.write(packet(packet_id, topics))
