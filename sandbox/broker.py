"""The embedded broker: MQTT 5 and 3.1.1 in the caller's event loop, with K8S-SAT and with faults on demand.

For demos and tests, not for production: nothing is persistent, and `faults` change its behaviour.

It supports QoS 0 and 1 over TCP, TLS and WebSocket: wildcards, shared subscriptions, retained messages, wills, sessions
that outlast their connections, keep-alive, flow control both ways, and access control. No QoS 2 or topic aliases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

from mqtt5 import ConnectPacket, PublishPacket, TopicFilter

from sandbox.connections.channel import READ_BYTES
from sandbox.connections.connection import Connection
from sandbox.connections.listener import Listener, ListeningSocket
from sandbox.faults import Faults, Rule
from sandbox.lessons import Lessons
from sandbox.limits import Limits
from sandbox.observe import Counters, Observations, SeenAuth, SeenConnect
from sandbox.protocol.wire import Reason
from sandbox.sessions.hub import Hub
from sandbox.sessions.recorder import Recorder
from sandbox.sessions.session import Session

__all__ = ["EmbeddedBroker", "Limits", "Listener"]

CLOSE_SECONDS = 2.0


class EmbeddedBroker:
    """A broker of MQTT 5 and 3.1.1; without listeners it has a plain anonymous one on loopback.

    Use it as an async context manager, or `start` and `close` it. After `close` or `kill` it can be started again, on
    the same ports, with the sessions that were kept.

    wall_clock: Unix seconds, for the times of lessons.
    """

    def __init__(
        self,
        *listeners: Listener,
        limits: Limits | None = None,
        faults: Faults | None = None,
        wall_clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._listeners = listeners or (Listener(),)
        self._ports = [listener.port for listener in self._listeners]
        self._open_listeners: list[ListeningSocket] = []
        self._connections: set[Connection] = set()
        self._seen = Observations(lessons=Lessons(wall_clock))
        self._hub = Hub(limits or Limits(), self._seen)
        self._stall: Rule | None = None
        self.faults = faults or Faults()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def ports(self) -> list[int]:
        """The ports, in the order of the listeners; known after `start`."""
        return list(self._ports)

    @property
    def port(self) -> int:
        """The first listener's port."""
        return self._ports[0]

    @property
    def counters(self) -> Counters:
        """Counts since the broker was created."""
        return self._seen.counters

    @property
    def connects(self) -> list[SeenConnect]:
        """The CONNECT packets so far, in order; of more than 10,000 only the newest."""
        return self._seen.connects

    @property
    def auths(self) -> list[SeenAuth]:
        """The AUTH packets so far, in order; of more than 10,000 only the newest."""
        return self._seen.auths

    @property
    def lessons(self) -> Lessons:
        """What has happened of the things that the exercises are about, since the broker was created."""
        return self._seen.lessons

    @property
    def sessions(self) -> dict[str, Session]:
        """All sessions by client id, also those of absent clients."""
        return self._hub.sessions

    @property
    def connected(self) -> list[str]:
        """Client ids that have a connection and a session now."""
        return [client_id for client_id, session in self._hub.sessions.items() if session.link is not None]

    @property
    def limits(self) -> Limits:
        """The limits of new connections."""
        return self._hub.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._hub.limits = limits

    async def start(self) -> None:
        """Listen; raise OSError if a port is in use."""
        self._hub.clock = asyncio.get_running_loop().time
        make_connection = partial(Connection, self._hub, self.faults, bytearray(READ_BYTES), self._connections)
        try:
            for index, listener in enumerate(self._listeners):
                make = partial(make_connection, listener.access, listener.acl)
                self._open_listeners.append(ListeningSocket(listener, self._ports[index], make, self.counters))
        except OSError:
            await self._stop_listening()
            raise
        # Kept, so that clients find the broker again after `kill` and `start`.
        self._ports = [each.port for each in self._open_listeners]

    async def close(self) -> None:
        """Shut down: DISCONNECT 0x8B to all, no wills. Sessions are kept for another `start`."""
        # Stop listening first: a disconnected client may reconnect at once.
        await self._stop_listening()
        for connection in list(self._connections):
            connection.detach_session(keep_will=False)
            connection.disconnect(Reason.SERVER_SHUTTING_DOWN)
        await self._wait_closed()

    async def kill(self, *, lose_sessions: bool = False) -> None:
        """End like a killed process: RST to all, no wills; sessions and retained messages are kept or lost."""
        await self._stop_listening()
        for connection in list(self._connections):
            connection.detach_session(keep_will=False)
            connection.cut()
        if lose_sessions:
            self._hub.drop_all()
        await self._wait_closed()

    def subscribe(self, pattern: str) -> Recorder:
        """Return a recorder that is subscribed from now on; it gets retained messages first."""
        recorder = Recorder(self._hub.unsubscribe_all)
        for delivery in self._hub.subscribe(recorder, TopicFilter(pattern), None):
            recorder.offer(delivery)
        return recorder

    def publish(self, packet: PublishPacket) -> bool:
        """Publish from inside the process; return whether there was a subscriber. For QoS 1 give any packet id."""
        return self._hub.route(packet, "")

    def cut(self, client_id: str | None = None) -> int:
        """Reset a client's connection now, or all; return how many."""
        return self._each(client_id, Connection.cut)

    def disconnect(self, code: int, client_id: str | None = None) -> int:
        """Send DISCONNECT to a client now, or to all; return how many."""
        return self._each(client_id, lambda connection: connection.disconnect(code))

    def stall(self, seconds: float | None = None) -> None:
        """Read and do not answer on all connections, also new ones, for a time or until `release`."""
        self._each(None, lambda connection: connection.stall(seconds))
        # From CONNECT on: a listening socket accepts by itself, so a hanging broker seems to work until then.
        if self._stall is None:
            self._stall = self.faults.stall(None, ConnectPacket, times=None)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self.release)

    def release(self) -> None:
        """End all stalls."""
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self._each(None, Connection.release)

    def _each(self, client_id: str | None, action: Callable[[Connection], object]) -> int:
        chosen = [one for one in self._connections if client_id in {None, one.client_id}]
        for connection in chosen:
            action(connection)
        return len(chosen)

    async def _stop_listening(self) -> None:
        listeners, self._open_listeners = self._open_listeners, []
        for listener in listeners:
            await listener.close()

    async def _wait_closed(self) -> None:
        """Wait until all connections are closed; reset those that take too long."""
        await self._wait_gone()
        self._each(None, Connection.cut)
        await self._wait_gone()
        # A transport closes its socket one turn of the loop after it called its protocol.
        await asyncio.sleep(0)

    async def _wait_gone(self) -> None:
        if self._connections:
            await asyncio.wait([connection.gone for connection in self._connections], timeout=CLOSE_SECONDS)
