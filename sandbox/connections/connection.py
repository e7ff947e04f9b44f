"""One client's connection: the rules of MQTT 5 between a channel's packets and the hub.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mqtt5 import (
    AuthPacket,
    AuthReasonCode,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubAckReasonCode,
    SubscribePacket,
    UnsubAckPacket,
    UnsubAckReasonCode,
    UnsubscribePacket,
)

from sandbox.access import Access, Admission
from sandbox.connections.channel import Channel
from sandbox.faults import Faults
from sandbox.observe import SeenAuth, SeenConnect
from sandbox.protocol import wire
from sandbox.protocol.rules import check_message, is_filter
from sandbox.protocol.topics import is_shared
from sandbox.protocol.wire import Reason, Violation
from sandbox.sessions.hub import Hub
from sandbox.sessions.session import Delivery, Session, Will

log = logging.getLogger(__name__)

KEEP_ALIVE_FACTOR = 1.5
"""A silent client is disconnected after one and a half times its keep-alive (MQTT 5, 3.1.2.10)."""


class Connection(Channel):
    """A client's connection from its first byte to its last.  members: all connections of the broker."""

    def __init__(self, hub: Hub, access: Access, faults: Faults, members: set[Connection]) -> None:
        super().__init__(hub.limits)
        self.client_id = ""
        self._hub = hub
        self._access = access
        self._faults = faults
        self._members = members
        self._counters = hub.seen.counters
        self._seen_connect: SeenConnect | None = None
        self._session: Session | None = None
        self._admission = Admission()
        self._expiry: asyncio.TimerHandle | None = None
        self._keep_alive_seconds = 0
        self._unacknowledged = 0
        self._unwritten_acknowledgements = 0
        self._delayed: deque[tuple[float, int, int]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for CONNECT for a limited time; called by asyncio."""
        super().connection_made(transport)
        self._members.add(self)
        self.later(self.limits.connect_seconds, self._expect_session)

    def on_packet(self, packet: Packet) -> None:
        """Check the rules that no fault skips; then a fault answers, or the handler of this packet type."""
        # A scripted fault replaces the answer, not the rules: a violation is answered under faults too.
        inspect = self._inspections.get(type(packet))
        if inspect is not None:
            inspect(self, packet)
        if self._seen_connect is None:
            raise Violation(Reason.PROTOCOL_ERROR)
        if self._faults.apply(self, packet):
            return
        if isinstance(packet, ConnectPacket):
            self._connect(packet)
        # Without a session a fault has left CONNECT unanswered, and later packets are ignored (MQTT 5, 3.1.4).
        elif self._session is not None:
            self._handlers.get(type(packet), Connection._unexpected)(self, packet, self._session)

    def on_violation(self, violation: Violation) -> None:
        """Send the reason code: by CONNACK before there is a session, by DISCONNECT after (MQTT 5, 4.13)."""
        if self._session is not None:
            self.disconnect(violation.code)
        else:
            self._refuse(violation.code, wire.REFUSAL_OF_OLD_CLIENT if violation.old else wire.refusal(violation.code))

    def on_written(self) -> None:
        """Count acknowledgements when they are written, so that the window is the one that the client knows (4.9)."""
        self._unacknowledged -= self._unwritten_acknowledgements
        self._unwritten_acknowledgements = 0

    def on_writable(self) -> None:
        """Send what is queued."""
        if self._session is not None:
            self._session.pump()

    def on_gone(self) -> None:
        """Clean up a connection that ended without DISCONNECT: the will is due (MQTT 5, 3.1.2.5)."""
        self._members.discard(self)
        self.detach_session(keep_will=True)

    def take(self, packet: PublishPacket) -> Reason:
        """Route a message; return the reason code for its acknowledgement."""
        reached = self._hub.route(packet, self.client_id)
        return Reason.SUCCESS if reached else Reason.NO_MATCHING_SUBSCRIBERS

    def acknowledge(self, packet: PublishPacket, code: int, delay_seconds: float = 0.0) -> None:
        """Send PUBACK for QoS 1, never before that of an earlier message (MQTT 5, 4.6)."""
        packet_id = packet.packet_id
        if packet_id is None:
            return
        # While one acknowledgement is delayed, all later ones have to wait for it.
        if delay_seconds <= 0 and not self._delayed:
            self._send_acknowledgement(packet_id, code)
            return
        self._delayed.append((self.loop.time() + delay_seconds, packet_id, code))
        if len(self._delayed) == 1:
            self.later(delay_seconds, self._send_delayed)

    def refuse(self, code: int) -> None:
        """Send CONNACK with a reason code, then close."""
        self._refuse(code, wire.refusal(code))

    def disconnect(self, code: int) -> None:
        """Send DISCONNECT with a reason code, then close; the session continues without this connection."""
        if self.closing:
            return
        self._counters.disconnected[int(code)] += 1
        log.debug("client %r: DISCONNECT 0x%02X", self.client_id, code)
        self.send(wire.disconnect(code))
        self.finish()
        # Now, not when the connection is closed: messages sent to it meanwhile would be lost.
        self.detach_session(keep_will=True)

    def authenticated(self, code: AuthReasonCode) -> None:
        """Send AUTH with a reason code."""
        self.send(AuthPacket(reason_code=code, authentication_method=self._admission.method).write())

    def detach_session(self, *, keep_will: bool) -> None:
        """Detach from the session."""
        session, self._session = self._session, None
        if session is not None:
            self._hub.detach(session, self, keep_will=keep_will)

    def _inspect_connect(self, packet: ConnectPacket) -> None:
        if self._seen_connect is not None:
            raise Violation(Reason.PROTOCOL_ERROR)
        # Set before anything else, so that faults can select a client.
        self.client_id = packet.client_id or f"sandbox-{uuid.uuid4()}"
        self._counters.connects[self.client_id] += 1
        self._seen_connect = SeenConnect.of(packet)
        self._hub.seen.connects.append(self._seen_connect)

    def _inspect_publish(self, packet: PublishPacket) -> None:
        self._counters.publishes[self.client_id] += 1
        check_message(packet, self.limits)
        self._unacknowledged += packet.packet_id is not None
        if self._unacknowledged > self.limits.receive_maximum:
            raise Violation(Reason.RECEIVE_MAXIMUM_EXCEEDED)

    def _inspect_auth(self, packet: AuthPacket) -> None:
        self._hub.seen.auths.append(SeenAuth.of(self.client_id, packet))

    def _connect(self, packet: ConnectPacket) -> None:
        self._check_will(packet)
        self._admit(self._access.admit(packet, self.transport.get_extra_info("peercert")))
        expiry_seconds = self._granted_expiry(packet.session_expiry_interval)
        # CONNACK before the session's messages, which `pump` sends.
        self._session, present = self._hub.open(packet, self.client_id, self, expiry_seconds)
        self.send(self._connack(packet, expiry_seconds, present=present).write())
        self._watch_keep_alive(packet)
        self._session.pump()
        log.debug("client %r: connected, session present: %s", self.client_id, present)

    def _check_will(self, packet: ConnectPacket) -> None:
        if packet.will is None:
            return
        try:
            check_message(Will.of(packet.will).packet, self.limits)
        except ValueError as error:
            raise Violation(Reason.TOPIC_NAME_INVALID) from error

    def _connack(self, packet: ConnectPacket, expiry_seconds: int, *, present: bool) -> ConnAckPacket:
        if self._seen_connect is not None:
            self._seen_connect.reason_code, self._seen_connect.session_present = 0, present
        return ConnAckPacket(
            session_present=present,
            session_expiry_interval=None if expiry_seconds == packet.session_expiry_interval else expiry_seconds,
            assigned_client_id=None if packet.client_id else self.client_id,
            server_keep_alive=self.limits.server_keep_alive_seconds,
            authentication_method=self._admission.method,
            receive_max=self.limits.receive_maximum,
            max_qos=QoS(self.limits.maximum_qos),
            max_packet_size=self.limits.maximum_packet_size,
            shared_subscription_available=False,
        )

    def _publish(self, packet: PublishPacket, _session: Session) -> None:
        code = self.take(packet)
        self.acknowledge(packet, code)

    def _puback(self, packet: PubAckPacket, session: Session) -> None:
        session.acknowledge(packet.packet_id)

    def _subscribe(self, packet: SubscribePacket, session: Session) -> None:
        _require_packet_id(packet)
        if any(is_shared(one.pattern) for one in packet.topic_filters):
            raise Violation(Reason.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
        codes: list[SubAckReasonCode] = []
        retained: list[Delivery] = []
        for wanted in packet.topic_filters:
            if not is_filter(wanted.pattern):
                codes.append(SubAckReasonCode.TOPIC_FILTER_INVALID)
                continue
            retained += self._hub.subscribe(session, wanted, packet.subscription_id)
            codes.append(SubAckReasonCode(min(int(wanted.max_qos), self._hub.limits.maximum_qos)))
        # SUBACK first: not required, but clients expect it before retained messages.
        self.send(SubAckPacket(packet.packet_id, codes).write())
        for delivery in retained:
            session.offer(delivery)

    def refuse_subscription(self, packet: SubscribePacket, code: int) -> None:
        """Send SUBACK with a reason code for each filter."""
        codes = [SubAckReasonCode(code)] * len(packet.topic_filters)
        self.send(SubAckPacket(packet.packet_id, codes).write())

    def _unsubscribe(self, packet: UnsubscribePacket, session: Session) -> None:
        _require_packet_id(packet)
        removed = [self._hub.unsubscribe(session, pattern) for pattern in packet.patterns]
        codes = (UnsubAckReasonCode.NO_SUBSCRIPTION_EXISTED, UnsubAckReasonCode.SUCCESS)
        self.send(UnsubAckPacket(packet.packet_id, [codes[one] for one in removed]).write())

    def _ping(self, _packet: PingReqPacket, _session: Session) -> None:
        self.send(wire.PINGRESP)

    def _disconnect(self, packet: DisconnectPacket, session: Session) -> None:
        """Disconnect the client; 0 discards its will, and the session may get another expiry (MQTT 5, 3.14)."""
        expiry = packet.session_expiry_interval
        if expiry is not None:
            # A session without expiry cannot get one in DISCONNECT.
            if expiry and session.expiry_seconds == 0:
                raise Violation(Reason.PROTOCOL_ERROR)
            session.expiry_seconds = self._granted_expiry(expiry)
        self.detach_session(keep_will=packet.reason_code != DisconnectReasonCode.NORMAL_DISCONNECTION)
        self.hang_up()

    def _auth(self, packet: AuthPacket, _session: Session) -> None:
        """Re-authenticate: the connection expires with the new token from now on (MQTT 5, 4.12.1)."""
        if self._admission.method is None or packet.reason_code != AuthReasonCode.RE_AUTHENTICATE:
            raise Violation(Reason.PROTOCOL_ERROR)
        self._admit(self._access.readmit(packet))
        self._counters.reauthentications += 1
        self.authenticated(AuthReasonCode.SUCCESS)

    def _unexpected(self, _packet: Packet, _session: Session) -> None:
        raise Violation(Reason.PROTOCOL_ERROR)

    _inspections: ClassVar[Mapping[type[Any], Callable[[Connection, Any], None]]] = {
        ConnectPacket: _inspect_connect,
        PublishPacket: _inspect_publish,
        AuthPacket: _inspect_auth,
    }
    _handlers: ClassVar[Mapping[type[Any], Callable[[Connection, Any, Session], None]]] = {
        PublishPacket: _publish,
        PubAckPacket: _puback,
        SubscribePacket: _subscribe,
        UnsubscribePacket: _unsubscribe,
        PingReqPacket: _ping,
        DisconnectPacket: _disconnect,
        AuthPacket: _auth,
    }

    def _refuse(self, code: int, frame: bytes) -> None:
        if self.closing:
            return
        self._counters.refused[int(code)] += 1
        if self._seen_connect is not None:
            self._seen_connect.reason_code = int(code)
        log.debug("client %r: refused with 0x%02X", self.client_id, code)
        self.send(frame)
        self.finish()

    def _send_acknowledgement(self, packet_id: int, code: int) -> None:
        self._counters.acknowledged[int(code)] += 1
        self._unwritten_acknowledgements += 1
        self.send(wire.puback(packet_id, code))

    def _send_delayed(self) -> None:
        now = self.loop.time()
        while self._delayed and self._delayed[0][0] <= now:
            _, packet_id, code = self._delayed.popleft()
            self._send_acknowledgement(packet_id, code)
        if self._delayed:
            self.later(self._delayed[0][0] - now, self._send_delayed)

    def _admit(self, admission: Admission) -> None:
        # The newest token's expiry counts, even if it is earlier.
        if self._expiry is not None:
            self._expiry.cancel()
        self._admission = admission
        if admission.seconds is not None:
            self._expiry = self.later(admission.seconds, self._expire)

    def _expire(self) -> None:
        """Close without DISCONNECT, like Azure IoT Operations: the token has expired."""
        self._counters.expiries += 1
        log.debug("client %r: token expired", self.client_id)
        self.hang_up()

    def _granted_expiry(self, asked: int) -> int:
        maximum = self.limits.session_expiry_maximum_seconds
        return asked if maximum is None else min(asked, maximum)

    def _expect_session(self) -> None:
        if self._session is None and not self.stalled:
            self.hang_up()

    def _watch_keep_alive(self, packet: ConnectPacket) -> None:
        server = self.limits.server_keep_alive_seconds
        self._keep_alive_seconds = packet.keep_alive if server is None else server
        if self._keep_alive_seconds:
            self.later(self._keep_alive_seconds * KEEP_ALIVE_FACTOR, self._check_keep_alive)

    def _check_keep_alive(self) -> None:
        left = self.last_received_at + self._keep_alive_seconds * KEEP_ALIVE_FACTOR - self.loop.time()
        if left <= 0 and not self.stalled:
            self.disconnect(Reason.KEEP_ALIVE_TIMEOUT)
        else:
            # Checked from time to time instead of at each packet, which would be a timer a message.
            self.later(max(left, self._keep_alive_seconds / 2), self._check_keep_alive)


def _require_packet_id(packet: SubscribePacket | UnsubscribePacket) -> None:
    if packet.packet_id == 0:
        raise Violation(Reason.PROTOCOL_ERROR)
