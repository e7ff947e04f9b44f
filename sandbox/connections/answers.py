"""What a client is answered: acknowledgements in order, refusals, and the last packet before the end.

For demos and tests, not for production.
"""

from __future__ import annotations

import logging
from collections import deque

from mqtt5 import AuthPacket, AuthReasonCode, Packet

from sandbox.access import Admission
from sandbox.connections.channel import Channel
from sandbox.limits import Limits
from sandbox.observe import Counters, SeenConnect
from sandbox.protocol.dialects import VERSION_5, Dialect, dialect_of
from sandbox.protocol.wire import Reason

log = logging.getLogger(__name__)

Waiting = deque[tuple[float, int, int]]
"""Acknowledgements that a fault delays: when each is due, packet id and reason code."""


class Answers(Channel):
    """A channel that speaks the client's version of MQTT."""

    def __init__(self, limits: Limits, buffer: bytearray, counters: Counters) -> None:
        super().__init__(limits, buffer)
        self.client_id = ""
        self.dialect: Dialect = VERSION_5
        self._counters = counters
        self._seen_connect: SeenConnect | None = None
        self._admission = Admission()
        self._unacknowledged = 0
        self._unwritten_acknowledgements = 0
        self._delayed: Waiting | None = None
        self._noted_qos_2 = False

    def decode(self, frame: memoryview) -> Packet:
        """Decode a frame; the first one tells the version of all."""
        if self._seen_connect is None:
            self.dialect = dialect_of(frame)
        return self.dialect.decode(frame)

    def on_written(self) -> None:
        """Count acknowledgements when they are written, so that the window is the one that the client knows (4.9)."""
        self._unacknowledged -= self._unwritten_acknowledgements
        self._unwritten_acknowledgements = 0

    def detach_session(self, *, keep_will: bool) -> None:
        """Detach from the session."""

    def acknowledge_id(self, packet_id: int, code: int, delay_seconds: float = 0.0) -> None:
        """Send PUBACK, never before that of an earlier message (MQTT 5, 4.6)."""
        # While one acknowledgement is delayed, all later ones have to wait for it.
        if delay_seconds <= 0 and not self._delayed:
            self._send_acknowledgement(packet_id, code)
            return
        if self._delayed is None:
            self._delayed = deque()
        self._delayed.append((self.loop.time() + delay_seconds, packet_id, code))
        if len(self._delayed) == 1:
            self.later(delay_seconds, self._send_delayed)

    def refuse(self, code: int) -> None:
        """Send CONNACK with a reason code, then close."""
        if self.closing:
            return
        self._counters.refused[int(code)] += 1
        if self._seen_connect is not None:
            self._seen_connect.reason_code = int(code)
        log.debug("client %r: refused with 0x%02X", self.client_id, code)
        self.send(self.dialect.refusal(code))
        self.finish()

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT with a reason code, then close; the session continues without this connection."""
        if self.closing:
            return
        frame = self.dialect.disconnect(code)
        if frame:
            self._counters.disconnected[int(code)] += 1
            log.debug("client %r: DISCONNECT 0x%02X", self.client_id, code)
        else:
            # The client does not learn the reason, so somebody has to; at the broker's own end all know it.
            level = logging.DEBUG if code == Reason.SERVER_SHUTTING_DOWN else logging.INFO
            text = "closed an MQTT %s connection, which has no DISCONNECT client_id=%r reason=0x%02X"
            log.log(level, text, self.dialect.version, self.client_id, code)
        self.send(frame)
        self.finish()
        # Now, not when the connection is closed: messages sent to it meanwhile would be lost.
        self.detach_session(keep_will=True)

    def note_qos_2(self, outcome: str) -> None:
        """Log once for a connection that QoS 2 is not offered: a client may not show what it was answered."""
        if not self._noted_qos_2:
            self._noted_qos_2 = True
            log.info("QoS 2 is not offered, %s client_id=%r mqtt=%s", outcome, self.client_id, self.dialect.version)

    def authenticated(self, code: AuthReasonCode) -> None:
        """Send AUTH with a reason code."""
        self.send(AuthPacket(reason_code=code, authentication_method=self._admission.method).write())

    def _send_acknowledgement(self, packet_id: int, code: int) -> None:
        self._counters.acknowledged[int(code)] += 1
        self._unwritten_acknowledgements += 1
        self.send(self.dialect.puback(packet_id, code))

    def _send_delayed(self) -> None:
        now = self.loop.time()
        while self._delayed and self._delayed[0][0] <= now:
            _, packet_id, code = self._delayed.popleft()
            self._send_acknowledgement(packet_id, code)
        if self._delayed:
            self.later(self._delayed[0][0] - now, self._send_delayed)
