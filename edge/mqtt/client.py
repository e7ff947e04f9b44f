"""The life with the broker: connect, stay, renew the token, come back; until told to stop or refused for good."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from functools import partial
from math import inf

from edge.mqtt.auth.credentials import CredentialsUnavailable, Login, Reader, Token, read_token, token_file
from edge.mqtt.auth.token_refresh import TokenRefresher
from edge.mqtt.backoff import Backoff
from edge.mqtt.connack import shortcomings
from edge.mqtt.connection import BrokerRefused, Connection, ConnectionEnded
from edge.mqtt.dialing import Dialer
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED
from edge.mqtt.publisher import Publisher
from edge.redaction import printable
from edge.settings.host_names import joined
from edge.settings.loader import AuthMethod, Settings
from edge.status import ConnectionStatus

log = logging.getLogger("broker")

_TOLERATED_REFUSALS = 5
_MOST_AUDIENCES = 8


class MqttClient:
    """Keeps a connection, whatever happens to it.

    wall_clock: Unix seconds, to compare with a token's expiry.
    """

    def __init__(self, settings: Settings, delivery: Publisher, wall_clock: Callable[[], float]) -> None:
        self._settings, self._delivery, self._wall_clock = settings, delivery, wall_clock
        self._files = Reader(partial(Login.of, settings))
        self._token_file = token_file(settings)
        self._dialer = Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._connection: Connection | None = None
        self._renewal: TokenRefresher | None = None
        self._connects = self._renewals = self._refusals = 0
        self._token: Token | None = None
        self._last_reason = "connecting"
        self._connected_at = inf
        self._lost_at = self._dropped_then = 0.0
        self._anew = settings.mqtt_clean_start
        self._stopping = asyncio.Event()
        self._refused_for_good = False

    def facts(self) -> ConnectionStatus:
        """The connection as it is now."""
        now, acknowledged = asyncio.get_running_loop().time(), self._delivery.last_acknowledgement
        return ConnectionStatus(
            connected=self._connection is not None,
            connects=self._connects,
            token_renewals=self._renewals,
            token_expiry=self._token.expires_at if self._token else None,
            last_reason=self._last_reason,
            last_ack_age_seconds=None if acknowledged is None else now - acknowledged,
            waiting_seconds=self._delivery.waiting_seconds,
            blocked=self._delivery.blocked if self._connection else None,
        )

    async def run(self) -> None:
        """Connect, and again; ends after `stop`, or raises BrokerRefused where that is of no use."""
        backoff, clock = Backoff(), asyncio.get_running_loop().time
        while not self._stopping.is_set():
            self._connected_at = inf
            try:
                reason = await self._one_life()
            except BrokerRefused:
                self._refused_for_good = True
                raise
            if self._connected_at < inf:
                self._lost_at, self._dropped_then = clock(), self._delivery.ledger.dropped.total()
                backoff.lived(self._lost_at - self._connected_at, productive=self._delivery.taken > 0)
            if reason is None or self._stopping.is_set():
                continue
            self._last_reason, delay = reason, backoff.wait_seconds()
            log.warning("%s; next attempt in %.2f s", reason, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until all is acknowledged, or the broker refuses for good; return whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # A look each 20 ms is cheap and soon over.
                while not self._delivery.idle and not self._refused_for_good:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        return self._delivery.idle

    async def stop(self) -> None:
        """Say good-bye, ending the session at the broker, and let `run` end."""
        self._stopping.set()
        if self._connection is not None:
            self._last_reason = "disconnected cleanly"
            self._connection.leave(session_expiry_seconds=0)
            await self._connection.closed(1.0)

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""
        self._delivery.abandon(reason)

    async def _one_life(self) -> str | None:
        """One connection from beginning to end: why it ended, or None where another should follow at once."""
        connection = Connection(self._settings, self._delivery, self._on_auth, self._dialer)
        try:
            login = await self._login()
            await self._open(connection, login)
            await connection.keep(self._tick)
        except (ConnectionEnded, CredentialsUnavailable) as ended:
            return self._with_expiry(ended)
        except BrokerRefused as refused:
            return self._tolerate(refused)
        except Exception as error:
            # Whatever it is, the next attempt may do better.
            log.debug("a connection ended by an error of our own", exc_info=error)
            kind = type(error)
            name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
            return f"the connection failed: {name}: {printable(str(error))}"
        finally:
            # A session in which the broker breaks rules may be the reason: one with somebody else's subscriptions, say.
            self._anew = self._anew or connection.violated
            self._connection = self._renewal = None
            connection.close()
        return None

    async def _login(self) -> Login:
        """Who we are, fresh from the files; CredentialsUnavailable where one is not there."""
        login = await self._files.now()
        if login.token is not None and (self._token is None or login.token.raw != self._token.raw):
            self._refusals = 0
        self._token = login.token
        return login

    async def _open(self, connection: Connection, login: Login) -> None:
        settings = self._settings
        if settings.mqtt_tls_insecure:
            log.warning("MQTT_TLS_INSECURE: the broker is not verified; whoever answers gets our credentials")
        if login.context is None and (login.token or login.password):
            log.warning("MQTT_TLS=false: our credentials cross the network in the clear")
        accepted = await connection.open(login, clean_start=self._anew)
        self._connection, self._anew = connection, False
        self._connected_at = asyncio.get_running_loop().time()
        self._connects += 1
        self._refusals = 0
        if login.token is not None:
            latest = Reader(partial(read_token, self._token_file)).latest
            self._renewal = TokenRefresher(self._token_file, login.token, connection, latest, self._wall_clock)
        self._last_reason = "connected"
        log.info(
            "connected to %s as %s (%s, %s), %s session, window %s, QoS %s",
            joined(settings.mqtt_broker, settings.mqtt_port),
            settings.mqtt_client_id,
            settings.mqtt_auth_method,
            "TLS" if login.context else "no TLS",
            "kept" if accepted.session_present else "new",
            accepted.limits.window,
            accepted.limits.qos,
        )
        for line in shortcomings(accepted.granted, settings):
            log.warning("%s", line)
        self._tell_absence()

    def _tell_absence(self) -> None:
        """For how long we were away, what was dropped meanwhile, and what waits to be sent."""
        if self._connects > 1:
            ledger = self._delivery.ledger
            log.info(
                "reconnected after=%.1fs dropped=%d queued=%d",
                self._connected_at - self._lost_at,
                ledger.dropped.total() - self._dropped_then,
                ledger.pending,
            )

    def _tick(self) -> None:
        if self._renewal is not None:
            self._renewal.tick(asyncio.get_running_loop().time())

    def _on_auth(self, code: int) -> None:
        if self._renewal is not None and (renewed := self._renewal.answered(code, asyncio.get_running_loop().time())):
            self._token = renewed
            self._renewals += 1

    @property
    def _expired(self) -> bool:
        """The token's time is up: the broker then closes without a word."""
        expiry = self._token.expires_at if self._token else None
        return expiry is not None and self._wall_clock() >= expiry

    def _with_expiry(self, why: Exception) -> str:
        return f"{why}; the token has expired; waiting for a new one" if self._expired else str(why)

    def _tolerate(self, refused: BrokerRefused) -> str:
        """Why to try again all the same; raises `refused` where that is of no use."""
        if not refused.final:
            return str(refused)
        if refused.code != NOT_AUTHORIZED or self._settings.mqtt_auth_method is not AuthMethod.K8S_SAT:
            raise refused
        if self._expired:
            return self._with_expiry(refused)
        self._refusals += 1
        if self._refusals > _TOLERATED_REFUSALS:
            raise refused
        return f"{refused}{self._audience()}"

    def _audience(self) -> str:
        audience = self._token.audience if self._token else ()
        if audience:
            return f" - the token's audience is {printable(', '.join(audience[:_MOST_AUDIENCES]))}"
        return f" - token file {self._token_file.path} holds no JWT with an audience (see {self._token_file.option})"
