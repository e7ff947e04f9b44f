"""Sessions, subscriptions, retained messages and wills: the broker without its sockets.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Protocol

from mqtt5 import ConnectPacket, PublishPacket, RetainHandling, TopicFilter

from sandbox.lessons import WILL_PUBLISHED, Learner
from sandbox.limits import Limits
from sandbox.observe import Observations
from sandbox.protocol.index import Group, Index, Match
from sandbox.protocol.topics import Subscription, is_shared
from sandbox.protocol.wire import Reason
from sandbox.sessions.messages import Delivery, Link, Message, Subscriber, Will
from sandbox.sessions.retained import Retained
from sandbox.sessions.session import Readable, Session

NEVER = 0xFFFFFFFF
"""A session expiry that means never (MQTT 5, 3.1.2.11.2)."""


class Login(NamedTuple):
    """What a new connection brings to its session.

    will: as far as access control allows it.  learner: notes what happens on this connection.
    identity: as whom the client was accepted, or None.  readable: what the client may receive, or None for all.
    """

    will: Will | None
    expiry_seconds: int
    learner: Learner
    identity: str | None = None
    readable: Readable | None = None


class Hub:
    """Routes messages to subscribers, and keeps sessions while their clients are away.

    clock: that of the event loop in which the broker runs; who publishes from another thread has none of its own.
    """

    def __init__(self, limits: Limits, seen: Observations) -> None:
        self.limits = limits
        self.seen = seen
        self.clock: Callable[[], float] = lambda: 0.0
        self.sessions: dict[str, Session] = {}
        self.retained = Retained()
        self._index: Index[Subscriber] = Index()

    def open(self, connect: ConnectPacket, client_id: str, link: Link, login: Login) -> tuple[Session, bool]:
        """Return the client's session, now on `link`, and whether it existed before (MQTT 5, 3.1.4)."""
        session = self._previous(client_id, clean_start=connect.clean_start, identity=login.identity)
        present = session is not None
        if session is None:
            session = self.sessions[client_id] = Session(client_id, self.limits, self.seen.counters)
        # The client has reconnected: a delayed will is not sent (MQTT 5, 3.1.3.2.2).
        session.cancel_timers()
        session.will, session.expiry_seconds, session.learner, session.identity, session.readable = login
        session.attach(link, connect.receive_max, connect.max_packet_size)
        return session, present

    def detach(self, session: Session, link: Link, *, keep_will: bool) -> None:
        """Detach a closed connection; will and session expiry become due (MQTT 5, 3.1.2.5 and 4.1)."""
        # After a takeover the old connection ends too, but no longer has the session.
        if session.link is not link:
            return
        session.link = None
        if not keep_will:
            session.will = None
        if session.expiry_seconds == 0:
            self._end(session)
            return
        # The others do not wait for it; where there are none, it gets its messages when it reconnects.
        self._hand_over(session.take_shared(lambda group: any(one.present for one in group.members)))
        if session.will is not None:
            self._later(session, session.will.delay_seconds, self._publish_will)
        if session.expiry_seconds != NEVER:
            self._later(session, session.expiry_seconds, self._end)

    def drop_all(self) -> None:
        """Drop sessions and retained messages, like a broker without persistence that is killed."""
        for session in list(self.sessions.values()):
            # A killed broker publishes no wills.
            session.will = None
            self._end(session)
        self.retained.clear()

    def route(self, packet: PublishPacket, publisher: str) -> bool:
        """Pass a message to all subscribers, and to one of each shared subscription; return whether there was one."""
        expiry = packet.message_expiry_interval
        now = self.clock()
        expires_at = None if expiry is None else now + expiry
        message = Message(packet, publisher, expires_at)
        if packet.retain:
            self.retained.put(message, now)
        reached = False
        found = self._index.match(packet.topic)
        for match in found.direct:
            reached |= _offer(message, match)
        for group in found.groups:
            reached |= self._share(message, group)
        return reached

    def subscribe(self, subscriber: Subscriber, wanted: TopicFilter, identifier: int | None) -> list[Delivery]:
        """Add a subscription; return its retained messages, to be offered after SUBACK (MQTT 5, 3.3.1.3)."""
        subscription = Subscription.of(wanted, identifier, self.limits.maximum_qos)
        existed = self._index.add(subscriber, wanted.pattern, subscription)
        handling = wanted.retain_handling
        # A shared subscription gets no retained messages (MQTT 5, 4.8.2).
        if is_shared(wanted.pattern) or handling == RetainHandling.SEND_NEVER:
            return []
        if existed and handling != RetainHandling.SEND_ALWAYS:
            return []
        return self._retained_for(subscriber, subscription)

    def unsubscribe(self, subscriber: Subscriber, pattern: str) -> bool:
        """Remove a subscription; return whether there was one."""
        return self._index.remove(subscriber, pattern)

    def unsubscribe_all(self, subscriber: Subscriber) -> None:
        """Remove all subscriptions of a subscriber."""
        self._index.remove_all(subscriber)

    def _previous(self, client_id: str, *, clean_start: bool, identity: str | None) -> Session | None:
        """Return the session to resume; an old connection of it is disconnected (MQTT 5, 3.1.4-3)."""
        session = self.sessions.get(client_id)
        if session is not None and session.link is not None:
            link = session.link
            # Detach first: the old connection must no longer have the session while it closes.
            self.detach(session, link, keep_will=True)
            link.disconnect(Reason.SESSION_TAKEN_OVER)
        # Looked up again: a session without expiry has just ended with its connection.
        session = self.sessions.get(client_id)
        # Another user does not get what was subscribed, and queued, with the rights of the one before.
        if session is not None and (clean_start or session.identity != identity):
            self._end(session)
            return None
        return session

    def _end(self, session: Session) -> None:
        """End a session; a delayed will is published now (MQTT 5, 3.1.3.2.2)."""
        session.cancel_timers()
        self.sessions.pop(session.client_id, None)
        self._index.remove_all(session)
        self._hand_over(session.take_shared(lambda _group: True))
        self._publish_will(session)

    def _publish_will(self, session: Session) -> None:
        will, session.will = session.will, None
        if will is not None:
            session.learner.note(WILL_PUBLISHED)
            self.route(will.packet, session.client_id)

    def _later(self, session: Session, seconds: int, then: _SessionAction) -> None:
        if seconds == 0:
            then(session)
        else:
            session.timers.append(asyncio.get_running_loop().call_later(seconds, then, session))

    def _retained_for(self, subscriber: Subscriber, subscription: Subscription) -> list[Delivery]:
        ids = _identifiers((subscription,))
        return [
            Delivery(message, min(int(message.packet.qos), subscription.qos), retain=True, subscription_ids=ids)
            for message in self.retained.matching(subscription.levels, self.clock())
            if subscriber.may_read(message.packet.topic)
        ]

    def _share(self, message: Message, group: Group[Subscriber]) -> bool:
        """Give a message to the member of a group whose turn it is; return whether there was one (MQTT 5, 4.8.2)."""
        topic = message.packet.topic
        match = group.next(lambda one: one.present and one.may_read(topic)) or group.next(
            # Nobody is there: it is queued for one of those that reconnect.
            lambda one: one.may_read(topic)
        )
        if match is None:
            return False
        return _offer(message, match, group)

    def _hand_over(self, deliveries: list[Delivery]) -> None:
        """Give messages of a member that is gone to other members (MQTT 5, 4.8.2)."""
        for delivery in deliveries:
            if delivery.group is None or not self._share(delivery.message, delivery.group):
                self.seen.counters.dropped["no member of the share left"] += 1


class _SessionAction(Protocol):
    def __call__(self, session: Session, /) -> None: ...


def _offer(message: Message, match: Match[Subscriber], group: Group[Subscriber] | None = None) -> bool:
    """Offer one copy for overlapping subscriptions, with their highest QoS (MQTT 5, 3.3.4); return whether it was."""
    subscriber, subscriptions = match
    packet = message.packet
    if message.publisher == subscriber.client_id:
        subscriptions = tuple(one for one in subscriptions if not one.no_local)
    if not subscriptions or not subscriber.may_read(packet.topic):
        return False
    qos = min(int(packet.qos), max(one.qos for one in subscriptions))
    retain = packet.retain and any(one.retain_as_published for one in subscriptions)
    subscriber.offer(Delivery(message, qos, retain, _identifiers(subscriptions), group))
    return True


def _identifiers(subscriptions: tuple[Subscription, ...]) -> list[int]:
    return [one.identifier for one in subscriptions if one.identifier is not None]
