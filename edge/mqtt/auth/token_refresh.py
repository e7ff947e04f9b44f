"""The service account token of a client: its expiry, and its refresh on the live connection by AUTH 0x19."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from edge.mqtt.auth.credentials import Reader, SecretFile, Token, read_token
from edge.mqtt.protocol.reason_codes import Outcome, Packet, name_of, outcome
from edge.redaction import printable

log = logging.getLogger("broker")

_ANSWER_SECONDS = 10.0
_REFRESH_BEFORE_SECONDS = 60.0
_TOLERATED_REFUSALS = 5
_MOST_AUDIENCES = 8
_Log = logging.Logger | logging.LoggerAdapter[logging.Logger]

TokenSource = Callable[[], Token | None]
"""Returns what the token file held when it was last read; None where it has not been, or could not be."""


class Refreshable(Protocol):
    """A connection whose token can be replaced."""

    def refresh(self, token: Token) -> None:
        """Send AUTH 0x19 with the token."""

    def disconnect(self, *, session_expiry_seconds: int | None = None) -> None:
        """Disconnect, keeping the session."""


def read_in_background(file: SecretFile) -> TokenSource:
    """Return a source that reads the file in a thread, one reading at a time."""
    return Reader(partial(read_token, file)).latest


class TokenRefresher:
    """The state of a client's token, from its first connection attempt to its last.

    `present` it at each attempt; between `connected` and `disconnected`, `tick` looks for a new token in the file and
    offers it to the broker. Where the broker does not accept it (MQTT 5, 4.12.1), the client reconnects once. The file
    is opened through its path each time, so the symlink swap of a projected volume is noticed every time.

    clock: monotonic seconds.  wall_clock: Unix seconds.  source: makes the reader of the file for one connection.
    log: for what happens to this token.
    """

    def __init__(
        self,
        file: SecretFile,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        source: Callable[[SecretFile], TokenSource] = read_in_background,
        log: _Log = log,
    ) -> None:
        self._log = log
        self._file, self._clock, self._wall_clock, self._source = file, clock, wall_clock, source
        self._token: Token | None = None
        self._refreshes = self._refusals = 0
        self._exchange: _Exchange | None = None

    @property
    def token(self) -> Token | None:
        """The token that was last presented or accepted; None without K8S-SAT."""
        return self._token

    @property
    def expires_at(self) -> float | None:
        """The token's `exp` in Unix seconds, or None."""
        return self._token.expires_at if self._token else None

    @property
    def refreshes(self) -> int:
        """How many times the broker has accepted a new token on a live connection."""
        return self._refreshes

    @property
    def expired(self) -> bool:
        """Whether the token has expired: the broker then closes the connection without DISCONNECT."""
        return self.expires_at is not None and self._wall_clock() >= self.expires_at

    def present(self, token: Token | None) -> None:
        """Record the token that the next CONNECT sends."""
        if token is not None and (self._token is None or token.raw != self._token.raw):
            self._refusals = 0
        self._token = token

    def connected(self, connection: Refreshable) -> None:
        """Start to refresh the token on this connection, which the broker has accepted it for."""
        self._refusals = 0
        if self._token is not None:
            self._exchange = _Exchange(connection, self._source(self._file), warned=self._expires_soon)

    def disconnected(self) -> None:
        """Stop refreshing: the connection is closed."""
        self._exchange = None

    def refused(self) -> str | None:
        """Count a CONNECT refused as not authorized; return the likely cause, or None where a retry is of no use.

        A projected token may be newer at the next attempt, so that several refusals of one token are tolerated.
        """
        if self.expired:
            return self.expiry_note
        self._refusals += 1
        return self._audience() if self._refusals <= _TOLERATED_REFUSALS else None

    @property
    def expiry_note(self) -> str:
        """The end of an error's text that says that the token has expired; "" while it has not."""
        return "; the token has expired; waiting for a new one" if self.expired else ""

    def tick(self) -> None:
        """Look for a new token and offer it to the broker. Call it about twice a second."""
        exchange, now = self._exchange, self._clock()
        if exchange is None or exchange.over:
            return
        if exchange.offered is not None:
            if now > exchange.answer_due:
                self._reconnect(exchange, "no answer to AUTH")
        elif (token := self._new_token(exchange)) and now >= exchange.not_before:
            self._log.info("refreshing the token on the live connection file=%s", self._file.path)
            exchange.offered, exchange.answer_due = token, now + _ANSWER_SECONDS
            exchange.connection.refresh(token)
        elif self._expires_soon and not exchange.warned:
            exchange.warned = True
            self._log.warning(
                "the token expires within %.0f s and there is no new one file=%s",
                _REFRESH_BEFORE_SECONDS,
                self._file.path,
            )

    def answered(self, code: int) -> None:
        """Process the reason code of the server's AUTH (MQTT 5, 3.15.2.1)."""
        exchange = self._exchange
        if exchange is None or exchange.offered is None:
            return
        token, exchange.offered = exchange.offered, None
        result = outcome(Packet.AUTH, code)
        if result is Outcome.WAIT:
            self._log.warning("the broker cannot check the new token now; retrying in %.1fs", _ANSWER_SECONDS)
            exchange.not_before = self._clock() + _ANSWER_SECONDS
        elif result is not Outcome.TAKEN:
            self._reconnect(exchange, f"the broker answered AUTH with {name_of(code)}")
        else:
            self._token, exchange.warned = token, False
            self._refreshes += 1
            self._log.info("token refreshed on the live connection")

    @property
    def _expires_soon(self) -> bool:
        return self.expires_at is not None and self.expires_at - self._wall_clock() < _REFRESH_BEFORE_SECONDS

    def _new_token(self, exchange: _Exchange) -> Token | None:
        """Return the file's token where it differs from ours; a file that is missing for a moment is ignored."""
        token = exchange.latest()
        return token if token is not None and self._token is not None and token.raw != self._token.raw else None

    def _reconnect(self, exchange: _Exchange, why: str) -> None:
        exchange.over = True
        self._log.warning("%s; reconnecting once with the new token, session kept", why)
        exchange.connection.disconnect()

    def _audience(self) -> str:
        audience = self._token.audience if self._token else ()
        if audience:
            return f" - the token's audience is {printable(', '.join(audience[:_MOST_AUDIENCES]))}"
        return f" - token file {self._file.path} contains no JWT with an audience (see {self._file.option})"


class _Exchange:
    """The refresh on one connection.

    latest: reads the file.  offered: the token in an AUTH that has no answer yet, which is due until `answer_due`.
    not_before: when to offer again.  warned: that the token expires soon.  over: the connection is being closed.
    """

    def __init__(self, connection: Refreshable, latest: TokenSource, *, warned: bool) -> None:
        self.connection, self.latest, self.warned = connection, latest, warned
        self.offered: Token | None = None
        self.answer_due = self.not_before = 0.0
        self.over = False
