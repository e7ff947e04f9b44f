"""Sessions, subscriptions, retained messages and wills: the broker without its sockets.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from mqtt5 import ConnectPacket, PublishPacket, RetainHandling, TopicFilter

from sandbox.limits import Limits
from sandbox.observe import Observations
from sandbox.protocol.topics import Index, Subscription, matches
from sandbox.protocol.wire import Reason
from sandbox.sessions.session import Delivery, Link, Message, Session, Will


class Subscriber(Protocol):
    """Receives messages: a session, or a recorder inside the process."""

    @property
    def client_id(self) -> str:
        """Its client id, for the option No Local."""

    def offer(self, delivery: Delivery) -> None:
        """Accept a message, or drop it."""


class Hub:
    """Routes messages to subscribers, and keeps sessions while their clients are away."""

    def __init__(self, limits: Limits, seen: Observations) -> None:
        self.limits = limits
        self.seen = seen
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, Message] = {}
        self._index: Index[Subscriber] = Index()

    def open(self, connect: ConnectPacket, client_id: str, link: Link, expiry_seconds: int) -> tuple[Session, bool]:
        """Return the client's session, now on `link`, and whether it existed before (MQTT 5, 3.1.4)."""
        session = self._previous(client_id, clean_start=connect.clean_start)
        present = session is not None
        if session is None:
            session = self.sessions[client_id] = Session(client_id, self.limits, self.seen.counters)
        # The client has reconnected: a delayed will is not sent (MQTT 5, 3.1.3.2.2).
        session.cancel_timers()
        session.will = None if connect.will is None else Will.of(connect.will)
        session.expiry_seconds = expiry_seconds
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
        if session.will is not None:
            self._later(session, session.will.delay_seconds, self._publish_will)
        # 0xFFFFFFFF, which means never (MQTT 5, 3.1.2.11.2), is 136 years here.
        self._later(session, session.expiry_seconds, self._end)

    def drop_all(self) -> None:
        """Drop sessions and retained messages, like a broker without persistence that is killed."""
        for session in list(self.sessions.values()):
            # A killed broker publishes no wills.
            session.will = None
            self._end(session)
        self.retained.clear()

    def route(self, packet: PublishPacket, publisher: str) -> bool:
        """Pass a message to all subscribers; return whether there was one."""
        expiry = packet.message_expiry_interval
        expires_at = None if expiry is None else asyncio.get_running_loop().time() + expiry
        message = Message(packet, publisher, expires_at)
        if packet.retain:
            self._retain(message)
        reached = False
        for subscriber, subscriptions in self._index.match(packet.topic):
            delivery = _delivery(message, subscriptions, subscriber.client_id)
            if delivery is not None:
                subscriber.offer(delivery)
                reached = True
        return reached

    def subscribe(self, subscriber: Subscriber, wanted: TopicFilter, identifier: int | None) -> list[Delivery]:
        """Add a subscription; return its retained messages, to be offered after SUBACK (MQTT 5, 3.3.1.3)."""
        subscription = Subscription.of(wanted, identifier, self.limits.maximum_qos)
        existed = self._index.add(subscriber, wanted.pattern, subscription)
        handling = wanted.retain_handling
        if handling == RetainHandling.SEND_NEVER or (existed and handling != RetainHandling.SEND_ALWAYS):
            return []
        return self._retained_for(subscription)

    def unsubscribe(self, subscriber: Subscriber, pattern: str) -> bool:
        """Remove a subscription; return whether there was one."""
        return self._index.remove(subscriber, pattern)

    def unsubscribe_all(self, subscriber: Subscriber) -> None:
        """Remove all subscriptions of a subscriber."""
        self._index.remove_all(subscriber)

    def _previous(self, client_id: str, *, clean_start: bool) -> Session | None:
        """Return the session to resume; an old connection of it is disconnected (MQTT 5, 3.1.4-3)."""
        session = self.sessions.get(client_id)
        if session is not None and session.link is not None:
            link = session.link
            # Detach first: the old connection must no longer have the session while it closes.
            self.detach(session, link, keep_will=True)
            link.disconnect(Reason.SESSION_TAKEN_OVER)
        # Looked up again: a session without expiry has just ended with its connection.
        session = self.sessions.get(client_id)
        if session is not None and clean_start:
            self._end(session)
            return None
        return session

    def _end(self, session: Session) -> None:
        """End a session; a delayed will is published now (MQTT 5, 3.1.3.2.2)."""
        session.cancel_timers()
        self.sessions.pop(session.client_id, None)
        self._index.remove_all(session)
        self._publish_will(session)

    def _publish_will(self, session: Session) -> None:
        will, session.will = session.will, None
        if will is not None:
            self.route(will.packet, session.client_id)

    def _later(self, session: Session, seconds: int, then: _SessionAction) -> None:
        if seconds == 0:
            then(session)
        else:
            session.timers.append(asyncio.get_running_loop().call_later(seconds, then, session))

    def _retain(self, message: Message) -> None:
        """Retain the topic's message; an empty payload removes it (MQTT 5, 3.3.1.3)."""
        # Removed even if it is replaced, so that the order is that of publication.
        self.retained.pop(message.packet.topic, None)
        if message.packet.payload:
            self.retained[message.packet.topic] = message

    def _retained_for(self, subscription: Subscription) -> list[Delivery]:
        now = asyncio.get_running_loop().time()
        for topic in [topic for topic, message in self.retained.items() if message.expired(now)]:
            del self.retained[topic]
        ids = _identifiers((subscription,))
        return [
            Delivery(message, min(int(message.packet.qos), subscription.qos), retain=True, subscription_ids=ids)
            for topic, message in self.retained.items()
            if matches(subscription.levels, topic.split("/"))
        ]


class _SessionAction(Protocol):
    def __call__(self, session: Session, /) -> None: ...


def _delivery(message: Message, subscriptions: tuple[Subscription, ...], client_id: str) -> Delivery | None:
    """Return one copy for overlapping subscriptions, with their highest QoS (MQTT 5, 3.3.4)."""
    mine = message.publisher == client_id
    matching = [one for one in subscriptions if not (mine and one.no_local)]
    if not matching:
        return None
    packet = message.packet
    qos = min(int(packet.qos), max(one.qos for one in matching))
    retain = packet.retain and any(one.retain_as_published for one in matching)
    return Delivery(message, qos, retain, _identifiers(matching))


def _identifiers(subscriptions: list[Subscription] | tuple[Subscription, ...]) -> list[int]:
    return [one.identifier for one in subscriptions if one.identifier is not None]
