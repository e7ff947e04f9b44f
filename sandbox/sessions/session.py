"""A client's session: what is unacknowledged, and what is queued.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sandbox.lessons import QOS_1, RECEIVE_MAXIMUM, SHARED, UNSEEN, Learner
from sandbox.limits import Limits
from sandbox.observe import Counters
from sandbox.protocol.index import Group
from sandbox.sessions.messages import Delivery, Link, Subscriber, Will

Readable = Callable[[str], bool]
"""Whether access control lets a client receive a topic's messages."""


class Session:
    """The state of a client that outlasts a connection (MQTT 5, 4.1).

    Messages are sent in their order of arrival. Unacknowledged ones are sent again, first and with DUP, on the next
    connection (MQTT 5, 4.4). The queue is bounded; the oldest message is dropped and counted.
    """

    def __init__(self, client_id: str, limits: Limits, counters: Counters) -> None:
        self.client_id = client_id
        self.link: Link | None = None
        self.will: Will | None = None
        self.expiry_seconds = 0
        self.timers: list[asyncio.TimerHandle] = []
        self.identity: str | None = None
        self.readable: Readable | None = None
        self.learner: Learner = UNSEEN
        self._limits = limits
        self._counters = counters
        self._window = 0
        self._frame_limit: int | None = None
        self._last_id = 0
        self._unacknowledged: dict[int, Delivery] = {}
        self._again: deque[tuple[int, Delivery]] = deque()
        self._queue: deque[Delivery] = deque()
        self._queued_bytes = 0
        self._missed = 0
        self._lost_any = False
        self._client_limits = self._is_held = False

    @property
    def waiting(self) -> int:
        """Messages queued or not acknowledged."""
        return len(self._queue) + len(self._again) + len(self._unacknowledged)

    @property
    def present(self) -> bool:
        """Whether its client is connected now."""
        return self.link is not None

    def may_read(self, topic: str) -> bool:
        """Return whether access control lets its client receive a topic's messages."""
        return self.readable is None or self.readable(topic)

    def attach(self, link: Link, receive_maximum: int, maximum_packet_size: int | None) -> None:
        """Attach a connection with the client's limits. Nothing is sent before `pump`."""
        self.link = link
        # Otherwise a client that allows 65,535 and acknowledges none keeps as many messages in memory.
        self._window = min(receive_maximum, self._limits.outgoing_window)
        self._client_limits = receive_maximum <= self._limits.outgoing_window
        self._frame_limit = maximum_packet_size
        self._missed, self._is_held = len(self._queue), False
        # A second loss may happen when some of them are sent again: those are the older ones.
        self._again.extendleft(reversed(self._unacknowledged.items()))
        self._unacknowledged.clear()

    def cancel_timers(self) -> None:
        """Cancel the delayed will and the expiry of the session."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    def offer(self, delivery: Delivery) -> None:
        """Send a message, or queue it; QoS 0 is not queued for an absent client."""
        if self.link is None and delivery.qos == 0:
            self._lost_any = True
            return
        self._queue.append(delivery)
        self._queued_bytes += len(delivery.message.packet.payload)
        # Send first, then drop: a message that is sent at once must not displace another.
        self.pump()
        while len(self._queue) > self._limits.queue_messages or self._queued_bytes > self._limits.queue_bytes:
            self._take()
            self._counters.dropped["queue full"] += 1

    def acknowledge(self, packet_id: int) -> None:
        """Process the client's PUBACK; with any code the message is done (MQTT 5, 4.3.2)."""
        if self._unacknowledged.pop(packet_id, None) is not None:
            self.learner.does(QOS_1)
            self._is_held = False
            self.pump()

    def take_shared(self, wanted: Callable[[Group[Subscriber]], bool]) -> list[Delivery]:
        """Remove and return what is not acknowledged of the wanted shared subscriptions, oldest message first."""

        def leaves(delivery: Delivery) -> bool:
            return delivery.group is not None and wanted(delivery.group)

        pending = [*(one for _, one in self._again), *self._unacknowledged.values(), *self._queue]
        leaving = [one for one in pending if leaves(one)]
        if leaving:
            self._again = deque(each for each in self._again if not leaves(each[1]))
            self._unacknowledged = {key: one for key, one in self._unacknowledged.items() if not leaves(one)}
            self._queue = deque(one for one in self._queue if not leaves(one))
            self._queued_bytes = sum(len(one.message.packet.payload) for one in self._queue)
        return leaving

    def pump(self) -> None:
        """Send as much as the window and the connection allow."""
        link = self.link
        while link is not None and link.writable and self._can_send_next():
            self._send_next(link)
        if link is not None and self._client_limits and link.writable and not self._is_held and self._has_waiting:
            self._is_held = True
            self.learner.does(RECEIVE_MAXIMUM)

    @property
    def _has_waiting(self) -> bool:
        return bool(self._again or self._queue)

    def _can_send_next(self) -> bool:
        room = len(self._unacknowledged) < self._window
        # QoS 0 needs no room in the window, but is never sent before earlier messages.
        if self._again:
            return room
        return bool(self._queue) and (room or self._queue[0].qos == 0)

    def _send_next(self, link: Link) -> None:
        now = asyncio.get_running_loop().time()
        if self._again:
            # Sent before, so its expiry no longer counts (MQTT 5, 3.3.2.3.3), and its packet id stays (4.4).
            packet_id, delivery = self._again.popleft()
            self._transmit(link, delivery, packet_id, delivery.frame(link.dialect, packet_id, duplicate=True, now=now))
            return
        was_kept = self._missed > 0
        delivery = self._take()
        if delivery.message.expired(now):
            self._counters.dropped["expired"] += 1
            return
        new_id = self._new_id() if delivery.qos else None
        frame = delivery.frame(link.dialect, new_id, duplicate=False, now=now)
        if self._transmit(link, delivery, new_id, frame) and was_kept and delivery.qos:
            self.learner.gets_missed(but_not_all=self._lost_any)
            self._missed, self._lost_any = 0, False

    def _transmit(self, link: Link, delivery: Delivery, packet_id: int | None, frame: bytes) -> bool:
        """Send a frame, unless it is too large; return whether it was sent."""
        # MQTT 5, 3.1.2-25, requires to drop it silently.
        if self._frame_limit is not None and len(frame) > self._frame_limit:
            self._counters.dropped["too large for the client"] += 1
            return False
        if packet_id is not None:
            self._unacknowledged[packet_id] = delivery
        self._counters.delivered += 1
        link.send(frame)
        self.learner.gets(delivery.message.packet.topic, delivery.qos)
        if delivery.group is not None:
            self._note_share(delivery.group)
        return True

    def _note_share(self, group: Group[Subscriber]) -> None:
        before, group.served = group.served, self.client_id
        if before not in {"", self.client_id}:
            self.learner.does(SHARED)

    def _take(self) -> Delivery:
        delivery = self._queue.popleft()
        self._missed = max(0, self._missed - 1)
        self._queued_bytes -= len(delivery.message.packet.payload)
        return delivery

    def _new_id(self) -> int:
        """Return an unused packet id; there is one, as the window is smaller than 65,535."""
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self._unacknowledged:
                return self._last_id
