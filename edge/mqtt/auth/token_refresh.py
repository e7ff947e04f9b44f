"""A new token for a live connection: AUTH 0x19, or one planned reconnect where the broker does not take it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from edge.mqtt.auth.credentials import SecretFile, Token
from edge.mqtt.protocol.reason_codes import Outcome, Packet, name_of, outcome

log = logging.getLogger("broker")

_ANSWER_SECONDS = 10.0
_RENEW_BEFORE_SECONDS = 60.0


class Renewable(Protocol):
    """A connection as a renewal sees it."""

    def renew(self, token: Token) -> None:
        """Send AUTH 0x19 with the token."""

    def leave(self, *, session_expiry_seconds: int | None = None) -> None:
        """Disconnect, keeping the session."""


class TokenRefresher:
    """Watches the token file for one connection.

    The file is read through its path each time, so the symlink swap of a projected volume is seen, every time.
    latest: what the file held when it was last read, or None where it has not been, or could not be.
    wall_clock: Unix seconds.
    """

    def __init__(
        self,
        file: SecretFile,
        token: Token,
        connection: Renewable,
        latest: Callable[[], Token | None],
        wall_clock: Callable[[], float],
    ) -> None:
        self._file, self._token, self._connection = file, token, connection
        self._latest, self._wall_clock = latest, wall_clock
        self._offered: Token | None = None
        self._answer_due = 0.0
        self._not_before = 0.0
        self._warned = self._due
        self._over = False

    def tick(self, now: float) -> None:
        """Look for a new token; `now` is monotonic seconds. Call it about twice a second."""
        if self._over:
            return
        if self._offered is not None:
            if now > self._answer_due:
                self._reconnect("the broker did not answer AUTH")
        elif (token := self._new_token()) and now >= self._not_before:
            log.info("new token in %s: renewing on the live connection", self._file.path)
            self._offered, self._answer_due = token, now + _ANSWER_SECONDS
            self._connection.renew(token)
        elif self._due and not self._warned:
            self._warned = True
            log.warning("the token expires within %.0f s and no new one is there", _RENEW_BEFORE_SECONDS)

    def answered(self, code: int, now: float) -> Token | None:
        """The server's AUTH (MQTT 5, 3.15.2.1): the token that is in force from now on, or None."""
        token, self._offered = self._offered, None
        if token is None:
            return None
        what = outcome(Packet.AUTH, code)
        if what is Outcome.WAIT:
            log.warning("the broker cannot check the new token now; trying again in %.0f s", _ANSWER_SECONDS)
            self._not_before = now + _ANSWER_SECONDS
            return None
        if what is not Outcome.TAKEN:
            self._reconnect(f"the broker answered AUTH with {name_of(code)}")
            return None
        self._token, self._warned = token, False
        log.info("token renewed on the live connection")
        return token

    @property
    def _due(self) -> bool:
        """Less than a minute is left of the token in force."""
        expiry = self._token.expires_at
        return expiry is not None and expiry - self._wall_clock() < _RENEW_BEFORE_SECONDS

    def _new_token(self) -> Token | None:
        """The token in the file where it differs from the one in force. A file that is away for a moment is no news."""
        token = self._latest()
        return token if token is not None and token.raw != self._token.raw else None

    def _reconnect(self, why: str) -> None:
        self._over = True
        log.warning("%s; reconnecting once with the new token, session kept", why)
        self._connection.leave()
