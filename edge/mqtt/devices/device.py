"""The client of one machine: connects, stays connected, reconnects; and stays away on command."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from edge.mqtt.auth.credentials import SecretFile
from edge.mqtt.auth.token_refresh import TokenRefresher, TokenSource
from edge.mqtt.backoff import Backoff
from edge.mqtt.connection import BrokerRefused, Connection
from edge.mqtt.devices.figures import Figures
from edge.mqtt.devices.gate import ConnectGate
from edge.mqtt.devices.logins import DeviceLogins
from edge.mqtt.devices.places import Place, client_id_of
from edge.mqtt.devices.presence import Presence
from edge.mqtt.dialing import Dialer
from edge.mqtt.endings import reason_to_retry
from edge.mqtt.publisher import Publisher
from edge.settings.loader import Settings

log = logging.getLogger("broker")

_REFUSED_SECONDS: Final = 60.0
"""How long a machine that the broker refuses for a reason that stays is left alone: the others go on."""


class _Quiet(logging.LoggerAdapter[logging.Logger]):
    """A log of what happens on one of many connections: for who looks for it (LOG_LEVEL=debug)."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log at the level for details."""
        super().log(min(level, logging.DEBUG), msg, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Shared:
    """What all machines use together.

    clock: seconds, monotonic.  wall_clock: Unix seconds.  token: what the token file held when it was last read.
    on_refused: called where the broker refuses a machine for a reason that stays.
    on_accepted: called with the machine of each new connection, and its keep-alive in seconds.
    """

    settings: Settings
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    dialer: Dialer
    gate: ConnectGate
    logins: DeviceLogins
    token_file: SecretFile
    token: TokenSource
    figures: Figures
    on_refused: Callable[[Place, BrokerRefused], None]
    on_accepted: Callable[[Place, int], None]


class Device:
    """A machine's client. Between `start` and `end`, `tick` is called from time to time."""

    __slots__ = (
        *("_away_until", "_clean_start", "_connection", "_connects", "_is_ending", "_log", "_pausing", "_shared"),
        *("_task", "place", "presence", "publisher", "refused", "tokens"),
    )

    def __init__(self, shared: Shared, place: Place, publisher: Publisher, presence: Presence) -> None:
        self._shared, self.place, self.publisher, self.presence = shared, place, publisher, presence
        self._log = _Quiet(log)
        self.tokens = TokenRefresher(
            shared.token_file, shared.clock, shared.wall_clock, lambda _file: shared.token, self._log
        )
        self._connection: Connection | None = None
        self._connects = 0
        self._clean_start = shared.settings.mqtt_clean_start
        self._away_until = -inf
        self._is_ending = False
        self._pausing: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self.refused: BrokerRefused | None = None

    @property
    def is_up(self) -> bool:
        """Whether it is connected."""
        return self._connection is not None

    def start(self, after: Collection[asyncio.Task[None]] = ()) -> None:
        """Begin to connect, after some tasks: those of an earlier client with the same id."""
        self._task = asyncio.get_running_loop().create_task(self._run(after))

    def tick(self) -> None:
        """Ping where that is due, notice a dead connection, and look for a new token."""
        if self._connection is not None:
            self._connection.check()
            self.tokens.tick()

    def crash(self, seconds: float | None) -> None:
        """Cut the connection so that the broker publishes the will; stay away for some seconds, if they are given."""
        self._away_until = self._until(seconds, 0.0)
        if self._connection is not None:
            self._connection.reset()
        self._wake()

    def disconnect(self, seconds: float | None) -> None:
        """Announce that the machine is offline, and disconnect; stay away for some seconds, or until `reconnect`.

        The session is kept at the broker, as MQTT_SESSION_EXPIRY says.
        """
        self._away_until = self._until(seconds, inf)
        self._leave(None)
        self._wake()

    def reconnect(self) -> None:
        """Connect at once; a machine that is connected disconnects before."""
        self._away_until = -inf
        self._leave(None)
        self._wake()

    def move(self, place: Place) -> None:
        """Announce the machine in another place of the plant, on another connection."""
        self._leave(None)
        self.place = place
        self.presence.move(place)

    @property
    def is_ending(self) -> bool:
        """Whether `leave` was called."""
        return self._is_ending

    def leave(self) -> None:
        """Announce that the machine is offline, disconnect, and end the session: the last one."""
        self._is_ending = True
        self._leave(0)

    async def end(self) -> None:
        """End, after `leave`: wait a moment for the last bytes."""
        if self._connection is not None:
            await self._connection.closed(1.0)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, after: Collection[asyncio.Task[None]]) -> None:
        if after:
            await asyncio.wait(after)
        backoff = Backoff()
        while not self._is_ending:
            await self._stay_away()
            reason, lasted = await self._connect_once()
            if lasted < inf:
                backoff.connection_lasted(lasted, productive=self.publisher.acknowledged_count > 0)
            if reason is None:
                continue
            self._log.info("machine=%s: %s", self.place.machine_id, reason)
            self._shared.figures.ended(reason)
            await self._pause(backoff.wait_seconds() if self.refused is None else _REFUSED_SECONDS)

    async def _connect_once(self) -> tuple[str | None, float]:
        """Run one connection from beginning to end.

        Returns why it ended, or None where we have ended it, and how long it lasted in seconds; inf if it never began.
        """
        shared, began = self._shared, inf
        connection = Connection(
            shared.settings,
            self.publisher,
            self.tokens.answered,
            shared.dialer,
            self.presence,
            client_id_of(self.place, shared.settings),
        )
        try:
            async with shared.gate:
                await self._open(connection)
            began = shared.clock()
            await connection.ended()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may do better
            return self._reason(error), shared.clock() - began if began < inf else inf
        finally:
            self._close(connection)
        return None, shared.clock() - began

    async def _open(self, connection: Connection) -> None:
        shared, began = self._shared, self._shared.clock()
        login = await shared.logins.of(self.place)
        self.tokens.present(login.token)
        accepted = await connection.open(login, clean_start=self._clean_start, will=self.presence.will())
        self._connection, self._clean_start, self.refused = connection, False, None
        self.tokens.connected(connection)
        shared.figures.opened(shared.clock() - began, is_first=not self._connects, resumed=accepted.session_present)
        self._connects += 1
        shared.on_accepted(self.place, connection.keep_alive)
        self._log.info(
            "connected machine=%s session=%s", self.place.machine_id, "kept" if accepted.session_present else "new"
        )
        if shared.clock() < self._away_until:  # sent away meanwhile
            self._leave(None)

    def _close(self, connection: Connection) -> None:
        # A session in which the broker breaks rules may be the reason: one with another client's subscriptions.
        self._clean_start = self._clean_start or connection.violated
        if self._connection is connection:
            self._connection = None
            self._shared.figures.closed(announced=connection.disconnecting)
        self.tokens.disconnected()
        connection.close()

    def _reason(self, error: Exception) -> str:
        self.refused = None
        try:
            return reason_to_retry(error, self._shared.settings.mqtt_auth_method, self.tokens)
        except BrokerRefused as refused:
            self.refused = refused
            self._shared.on_refused(self.place, refused)
            return str(refused)

    def _leave(self, session_expiry_seconds: int | None) -> None:
        if self._connection is not None and not self._connection.disconnecting:
            self.presence.announce_end()
            self._connection.disconnect(session_expiry_seconds=session_expiry_seconds)

    def _until(self, seconds: float | None, otherwise: float) -> float:
        return self._shared.clock() + (otherwise if seconds is None else seconds)

    async def _stay_away(self) -> None:
        """Wait for as long as the last command has said; another one may come meanwhile."""
        while (seconds := self._away_until - self._shared.clock()) > 0:
            await self._pause(seconds)

    def _wake(self) -> None:
        if self._pausing is not None:
            _finish(self._pausing)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless a command for the connection comes before."""
        loop = asyncio.get_running_loop()
        self._pausing = loop.create_future()
        timer = loop.call_later(seconds, _finish, self._pausing) if seconds < inf else None
        try:
            await self._pausing
        finally:
            self._pausing = None
            if timer is not None:
                timer.cancel()


def _finish(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
