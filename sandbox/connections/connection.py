"""One client's connection: the rules of MQTT between a channel's packets and the hub.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
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
    SubAckReasonCode,
    SubscribePacket,
    TopicFilter,
    UnsubscribePacket,
)

from sandbox import lessons
from sandbox.access import Access, Admission
from sandbox.acl import Acl, Permissions
from sandbox.connections.answers import Answers
from sandbox.faults import Faults
from sandbox.observe import SeenAuth, SeenConnect, note
from sandbox.protocol import wire
from sandbox.protocol.rules import check_message, require_packet_id
from sandbox.protocol.topics import is_shared, is_subscribable
from sandbox.protocol.wire import Reason, Violation
from sandbox.sessions.hub import Hub, Login
from sandbox.sessions.messages import Delivery, Will
from sandbox.sessions.session import Session

log = logging.getLogger(__name__)

KEEP_ALIVE_FACTOR = 1.5
"""A silent client is disconnected after one and a half times its keep-alive (MQTT 5, 3.1.2.10)."""

FAILURE = 0x80
"""The first reason code that is a failure (MQTT 5, 2.4)."""


class Connection(Answers):
    """A client's connection from its first byte to its last.

    buffer: for reading, shared by all.  members: all connections of the broker.  access: who may connect.
    acl: what they may do, or None for all.
    """

    def __init__(
        self,
        hub: Hub,
        faults: Faults,
        buffer: bytearray,
        members: set[Connection],
        access: Access,
        acl: Acl | None,
    ) -> None:
        super().__init__(hub.limits, buffer, hub.seen.counters)
        self._hub = hub
        self._access = access
        self._acl = acl
        self._faults = faults
        self._members = members
        self._session: Session | None = None
        self._permissions: Permissions | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._keep_alive_seconds = 0
        self._counted_as = ""
        self._learner = lessons.UNSEEN

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
            self.refuse(violation.code)

    def on_writable(self) -> None:
        """Send what is queued."""
        if self._session is not None:
            self._session.pump()

    def on_gone(self) -> None:
        """Clean up a connection that ended without DISCONNECT: the will is due (MQTT 5, 3.1.2.5)."""
        self._members.discard(self)
        self.detach_session(keep_will=True)

    def take(self, packet: PublishPacket) -> Reason:
        """Route a message that the client may publish; return the reason code for its acknowledgement."""
        if self._permissions is not None and not self._permissions.may_write(packet.topic):
            self._counters.dropped["not authorized"] += 1
            self._learner.does(lessons.PUBLISH_REFUSED)
            log.debug("publish refused by the acl client_id=%r topic=%r", self.client_id, packet.topic)
            return Reason.NOT_AUTHORIZED
        self._learner.publishes(packet, replaces=packet.topic in self._hub.retained)
        reached = self._hub.route(packet, self.client_id)
        return Reason.SUCCESS if reached else Reason.NO_MATCHING_SUBSCRIBERS

    def acknowledge(self, packet: PublishPacket, code: int, delay_seconds: float = 0.0) -> None:
        """Send PUBACK for QoS 1, now or later, in the order of the messages."""
        if packet.packet_id is not None:
            self.acknowledge_id(packet.packet_id, code, delay_seconds)

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
        self._counted_as = self._counters.count_connect(self.client_id)
        self._seen_connect = SeenConnect.of(packet, self.dialect.version)
        note(self._hub.seen.connects, self._seen_connect)

    def _inspect_publish(self, packet: PublishPacket) -> None:
        self._counters.publishes[self._counted_as] += 1
        if packet.qos == QoS.EXACTLY_ONCE:
            self.note_qos_2("publish refused")
        check_message(packet, self.limits)
        self._unacknowledged += packet.packet_id is not None
        # MQTT 3.1.1 has no Receive Maximum; there TCP slows a client that sends too much.
        if self._unacknowledged >= self.limits.receive_maximum and self.dialect.announces_limits:
            if self._unacknowledged > self.limits.receive_maximum:
                raise Violation(Reason.RECEIVE_MAXIMUM_EXCEEDED)
            if packet.packet_id is not None:
                self._learner.does(lessons.RECEIVE_MAXIMUM)

    def _inspect_auth(self, packet: AuthPacket) -> None:
        note(self._hub.seen.auths, SeenAuth.of(self.client_id, packet))

    def _connect(self, packet: ConnectPacket) -> None:
        will = self._will(packet)
        self._admit(self._access.admit(packet, self.transport.get_extra_info("peercert")))
        identity, readable = self._admission.identity, None
        if self._acl is not None:
            permissions = self._permissions = self._acl.permissions(identity, self.client_id)
            readable = permissions.may_read if permissions.denies else None
            if will is not None and not permissions.may_write(will.packet.topic):
                log.info("will dropped by the acl client_id=%r topic=%r", self.client_id, will.packet.topic)
                will = None
        expiry_seconds = self._granted_expiry(packet.session_expiry_interval)
        # CONNACK before the session's messages, which `pump` sends.
        self._learner = lessons.Learner(self._hub.seen.lessons, self.client_id, own=self._admission.method is not None)
        self._learner.does(lessons.CONNECTED)
        login = Login(will, expiry_seconds, self._learner, identity, readable)
        self._session, present = self._hub.open(packet, self.client_id, self, login)
        self.send(self.dialect.connack(self._connack(packet, expiry_seconds, present=present)))
        self._watch_keep_alive(packet)
        self._session.pump()
        text = "client %r: connected by MQTT %s, session present: %s"
        log.debug(text, self.client_id, self.dialect.version, present)

    def _will(self, packet: ConnectPacket) -> Will | None:
        """Return the will of a CONNECT; raise Violation for one that no client may have."""
        if packet.will is None:
            return None
        if packet.will.qos == QoS.EXACTLY_ONCE:
            self.note_qos_2("will refused")
        try:
            will = Will.of(packet.will)
        except ValueError as error:
            raise Violation(Reason.TOPIC_NAME_INVALID) from error
        check_message(will.packet, self.limits)
        return will

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
        )

    def _publish(self, packet: PublishPacket, _session: Session) -> None:
        code = self.take(packet)
        self.acknowledge(packet, code)

    def _puback(self, packet: PubAckPacket, session: Session) -> None:
        session.acknowledge(packet.packet_id)

    def _subscribe(self, packet: SubscribePacket, session: Session) -> None:
        require_packet_id(packet)
        if any(one.no_local and is_shared(one.pattern) for one in packet.topic_filters):
            # A Protocol Error (MQTT 5, 3.8.3.1).
            raise Violation(Reason.PROTOCOL_ERROR)
        codes: list[SubAckReasonCode] = []
        retained: list[Delivery] = []
        for wanted in packet.topic_filters:
            codes.append(self._code_for(wanted))
            if int(codes[-1]) < FAILURE:
                self._learner.subscribes(wanted.pattern)
                retained += self._hub.subscribe(session, wanted, packet.subscription_id)
        # SUBACK first: not required, but clients expect it before retained messages.
        self.send(self.dialect.suback(packet.packet_id, codes))
        for delivery in retained:
            self._learner.does(lessons.RETAINED_GOT)
            session.offer(delivery)

    def _code_for(self, wanted: TopicFilter) -> SubAckReasonCode:
        """Return the QoS granted for a filter, or why it is refused."""
        if not is_subscribable(wanted.pattern):
            return SubAckReasonCode.TOPIC_FILTER_INVALID
        if self._permissions is not None and not self._permissions.may_subscribe(wanted.pattern):
            log.debug("subscription refused by the acl client_id=%r filter=%r", self.client_id, wanted.pattern)
            self._learner.does(lessons.SUBSCRIBE_REFUSED)
            return SubAckReasonCode.NOT_AUTHORIZED
        if wanted.max_qos == QoS.EXACTLY_ONCE:
            self.note_qos_2(f"subscription granted QoS {self.limits.maximum_qos}")
        return SubAckReasonCode(min(int(wanted.max_qos), self._hub.limits.maximum_qos))

    def refuse_subscription(self, packet: SubscribePacket, code: int) -> None:
        """Send SUBACK with a reason code for each filter."""
        self.send(self.dialect.suback(packet.packet_id, [SubAckReasonCode(code)] * len(packet.topic_filters)))

    def _unsubscribe(self, packet: UnsubscribePacket, session: Session) -> None:
        require_packet_id(packet)
        removed = [self._hub.unsubscribe(session, pattern) for pattern in packet.patterns]
        self.send(self.dialect.unsuback(packet.packet_id, removed))

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
        keep_will = packet.reason_code != DisconnectReasonCode.NORMAL_DISCONNECTION
        if session.will is not None and not keep_will:
            self._learner.note(lessons.WILL_FORGOTTEN)
        self.detach_session(keep_will=keep_will)
        self.hang_up()

    def _auth(self, packet: AuthPacket, _session: Session) -> None:
        """Re-authenticate: the connection expires with the new token from now on (MQTT 5, 4.12.1)."""
        if self._admission.method is None or packet.reason_code != AuthReasonCode.RE_AUTHENTICATE:
            raise Violation(Reason.PROTOCOL_ERROR)
        self._admit(self._access.readmit(packet))
        self._counters.reauthentications += 1
        self._learner.note(lessons.AUTH_RENEWED)
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
        # There is no way to give a client of MQTT 3.1.1 another keep-alive than its own.
        server = self.limits.server_keep_alive_seconds if self.dialect.announces_limits else None
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
