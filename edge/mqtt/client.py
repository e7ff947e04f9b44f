"""The MQTT client: connects, stays connected, reconnects; until it is stopped or refused for a reason that stays."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from math import inf

from edge.mqtt.auth.credentials import Login, Reader, token_file
from edge.mqtt.auth.token_refresh import TokenRefresher
from edge.mqtt.backoff import Backoff
from edge.mqtt.connack import Accepted, shortcomings
from edge.mqtt.connection import BrokerRefused, Connection
from edge.mqtt.dialing import Dialer
from edge.mqtt.endings import reason_to_retry
from edge.mqtt.publisher import Publisher
from edge.mqtt.sending import CommandSubscriber
from edge.observability.tracing import spans
from edge.settings.loader import Settings
from edge.status import ConnectionStatus

log = logging.getLogger("broker")


class MqttClient:
    """A client of one broker, which keeps a connection whatever happens to it.

    wall_clock: Unix seconds, to compare with a token's expiry.
    subscriber: receives what it subscribes to at each connection, if there is one.
    """

    def __init__(
        self,
        settings: Settings,
        publisher: Publisher,
        wall_clock: Callable[[], float],
        subscriber: CommandSubscriber | None = None,
    ) -> None:
        self._settings, self._publisher, self._subscriber = settings, publisher, subscriber
        self._files = Reader(partial(Login.of, settings))
        self._tokens = TokenRefresher(token_file(settings), _loop_seconds, wall_clock)
        self._dialer = Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._connection: Connection | None = None
        self._connects = self._failed_attempts = 0
        self._last_reason = "connecting"
        self._connected_at = inf
        self._lost_at = self._dropped_before = 0.0
        self._clean_start = settings.mqtt_clean_start
        self._stopping = asyncio.Event()
        self._refused = False

    def facts(self) -> ConnectionStatus:
        """Return the state of the connection as it is now."""
        acknowledged = self._publisher.last_acknowledgement
        return ConnectionStatus(
            connected=self._connection is not None,
            connects=self._connects,
            token_renewals=self._tokens.refreshes,
            token_expiry=self._tokens.expires_at,
            last_reason=self._last_reason,
            last_ack_age_seconds=None if acknowledged is None else _loop_seconds() - acknowledged,
            waiting_seconds=self._publisher.waiting_seconds,
            blocked=self._publisher.blocked if self._connection else None,
            commands=self._subscriber.status() if self._subscriber else None,
        )

    async def run(self) -> None:
        """Connect and reconnect until `stop`; raise BrokerRefused where another attempt is of no use."""
        backoff = Backoff()
        while not self._stopping.is_set():
            self._connected_at = inf
            try:
                reason = await self._connect_once()
            except BrokerRefused:
                self._refused = True
                raise
            if self._connected_at < inf:
                self._lost_at, self._dropped_before = _loop_seconds(), self._publisher.ledger.dropped.total()
                productive = self._publisher.acknowledged_count > 0
                backoff.connection_lasted(self._lost_at - self._connected_at, productive=productive)
            if reason is None or self._stopping.is_set():
                continue
            self._last_reason, delay = reason, backoff.wait_seconds()
            self._failed_attempts += 1
            log.warning("%s; retrying in %.2fs attempt=%d", reason, delay, self._failed_attempts)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until everything is acknowledged, or `run` was refused; return whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Polling each 20 ms is cheap and soon over.
                while not self._publisher.idle and not self._refused:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        return self._publisher.idle

    async def stop(self) -> None:
        """Disconnect, ending the session at the broker, and let `run` return."""
        self._stopping.set()
        if self._connection is not None:
            self._last_reason = "disconnected cleanly"
            self._connection.disconnect(session_expiry_seconds=0)
            await self._connection.closed(1.0)

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""
        self._publisher.abandon(reason)

    async def _connect_once(self) -> str | None:
        """Run one connection from beginning to end; return why it ended, or None where to reconnect at once."""
        connection = Connection(self._settings, self._publisher, self._tokens.answered, self._dialer, self._subscriber)
        try:
            await self._log_in(connection)
            await connection.keep(self._tokens.tick)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may do better
            return reason_to_retry(error, self._settings.mqtt_auth_method, self._tokens)
        finally:
            # A session in which the broker breaks rules may be the reason: one with another client's subscriptions.
            self._clean_start = self._clean_start or connection.violated
            self._connection = None
            self._tokens.disconnected()
            connection.close()
        return None

    async def _log_in(self, connection: Connection) -> None:
        settings = self._settings
        attributes: dict[str, str | int] = {
            "messaging.system": "mqtt",
            "messaging.client.id": settings.mqtt_client_id,
            "server.address": settings.mqtt_broker,
            "server.port": settings.mqtt_port,
            "edgemqttsim.connect.attempt": self._failed_attempts + 1,
        }
        with spans.span("connect", attributes, spans.Kind.CLIENT) as span:
            try:
                login = await self._files.now()
                self._tokens.present(login.token)
                await self._open(connection, login)
            except BrokerRefused as refused:
                span.set("edgemqttsim.connect.reason_code", refused.code)
                raise
            span.set("edgemqttsim.connect.reason_code", 0)

    async def _open(self, connection: Connection, login: Login) -> None:
        settings = self._settings
        if settings.mqtt_tls_insecure:
            log.warning("MQTT_TLS_INSECURE: the broker is not verified; any server that answers gets our credentials")
        if login.context is None and (login.token or login.password):
            log.warning("MQTT_TLS=false: our credentials cross the network in the clear")
        accepted = await connection.open(login, clean_start=self._clean_start)
        self._connection, self._clean_start = connection, False
        self._connected_at = _loop_seconds()
        self._connects += 1
        self._failed_attempts = 0
        self._tokens.connected(connection)
        self._last_reason = "connected"
        self._log_connected(login, accepted)
        if self._stopping.is_set():  # `stop` had no connection to end
            connection.disconnect(session_expiry_seconds=0)

    def _log_connected(self, login: Login, accepted: Accepted) -> None:
        settings = self._settings
        log.info(
            "connected to broker host=%s port=%d client_id=%s auth=%s tls=%s session=%s window=%d qos=%d",
            settings.mqtt_broker,
            settings.mqtt_port,
            settings.mqtt_client_id,
            settings.mqtt_auth_method,
            "on" if login.context else "off",
            "kept" if accepted.session_present else "new",
            accepted.limits.window,
            accepted.limits.qos,
        )
        for line in shortcomings(accepted.granted, settings):
            log.warning("%s", line)
        if self._connects > 1:
            ledger = self._publisher.ledger
            log.info(
                "reconnected after=%.1fs dropped=%d queued=%d",
                self._connected_at - self._lost_at,
                ledger.dropped.total() - self._dropped_before,
                ledger.pending,
            )


def _loop_seconds() -> float:
    """Return the event loop's monotonic clock."""
    return asyncio.get_running_loop().time()
