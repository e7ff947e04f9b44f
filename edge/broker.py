"""The life with the broker: connect, stay, renew the token, come back; until told to stop or refused for good."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random  # noqa: TID251 - spreads the reconnects of a fleet; no part of the plant
from collections.abc import Callable, Iterator
from math import inf

from edge.connection import BrokerRefused, Connection, ConnectionEnded, Login
from edge.credentials import CredentialsUnavailable, Token
from edge.delivery import Delivery
from edge.dial import Dialer
from edge.facts import ConnectionFacts
from edge.hosts import joined
from edge.reasons import NOT_AUTHORIZED
from edge.renewal import Renewal
from edge.settings import AuthMethod, Settings

log = logging.getLogger("broker")

_FIRST_DELAY_SECONDS, _MOST_DELAY_SECONDS = 0.25, 60.0
_SETTLED_SECONDS = 10.0
_TOLERATED_REFUSALS = 5


def backoff() -> Iterator[float]:
    """Seconds to wait before each further attempt: 0.25 doubling to 60, each shortened at random by up to half."""
    ceiling = _FIRST_DELAY_SECONDS
    while True:
        yield ceiling * random.uniform(0.5, 1.0)
        ceiling = min(ceiling * 2, _MOST_DELAY_SECONDS)


class Broker:
    """Keeps a connection, whatever happens to it.

    wall_clock: Unix seconds, to compare with a token's expiry.
    """

    def __init__(self, settings: Settings, delivery: Delivery, wall_clock: Callable[[], float]) -> None:
        self._settings, self._delivery, self._wall_clock = settings, delivery, wall_clock
        self._dialer = Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._connection: Connection | None = None
        self._renewal: Renewal | None = None
        self._connects = self._renewals = self._refusals = 0
        self._token: Token | None = None
        self._last_reason = "not connected yet"
        self._connected_at = inf
        self._stopping = asyncio.Event()

    def facts(self) -> ConnectionFacts:
        """The connection as it is now."""
        now, acknowledged = asyncio.get_running_loop().time(), self._delivery.last_acknowledgement
        return ConnectionFacts(
            connected=self._connection is not None,
            connects=self._connects,
            token_renewals=self._renewals,
            token_expiry=self._token.expires_at if self._token else None,
            last_reason=self._last_reason,
            last_ack_age_seconds=None if acknowledged is None else now - acknowledged,
            waiting_seconds=self._delivery.waiting_seconds,
        )

    async def run(self) -> None:
        """Connect, and again; ends after `stop`, or raises BrokerRefused where that is of no use."""
        delays = backoff()
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            self._connected_at = inf
            reason = await self._one_life()
            if reason is None or self._stopping.is_set():
                continue
            if clock() - self._connected_at > _SETTLED_SECONDS:
                delays = backoff()
            self._last_reason, delay = reason, next(delays)
            log.warning("%s; next attempt in %.2f s", reason, delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until all is acknowledged; say whether it was."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._delivery.idle:  # noqa: ASYNC110 - a look each 20 ms is cheap and soon over
                    await asyncio.sleep(0.02)
        return self._delivery.idle

    async def stop(self) -> None:
        """Say good-bye, ending the session at the broker, and let `run` end."""
        self._stopping.set()
        self._last_reason = "closed in good order"
        if self._connection is not None:
            self._connection.leave(session_expiry_seconds=0)
            await self._connection.closed(1.0)

    def abandon(self, reason: str) -> None:
        """Count what is left as dropped."""
        self._delivery.abandon(reason)

    async def _one_life(self) -> str | None:
        """One connection from beginning to end: why it ended, or None where another should follow at once."""
        connection = Connection(self._settings, self._delivery, self._on_auth, self._dialer)
        try:
            login = self._login()
            await self._open(connection, login)
            await connection.keep(self._tick)
        except (ConnectionEnded, CredentialsUnavailable) as ended:
            return self._with_expiry(ended)
        except BrokerRefused as refused:
            return self._tolerate(refused)
        finally:
            self._connection = self._renewal = None
            connection.close()
        return None

    def _login(self) -> Login:
        """Who we are, fresh from the files; CredentialsUnavailable where one is not there."""
        login = Login.of(self._settings)
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
        first = not self._connects
        accepted = await connection.open(login, clean_start=settings.mqtt_clean_start and first)
        self._connection = connection
        self._connected_at = asyncio.get_running_loop().time()
        self._connects += 1
        self._refusals = 0
        if login.token is not None:
            self._renewal = Renewal(settings.sat_token_path, login.token, connection, self._wall_clock)
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
        return f" - the token's audience is {', '.join(audience)}" if audience else " - the token file holds no JWT"
