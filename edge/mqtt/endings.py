"""What the end of a connection, or of an attempt to connect, means for the next attempt."""

from __future__ import annotations

import logging

from edge.mqtt.auth.credentials import CredentialsUnavailable
from edge.mqtt.auth.token_refresh import TokenRefresher
from edge.mqtt.connection import BrokerRefused, ConnectionEnded
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED
from edge.redaction import from_peer
from edge.settings.loader import AuthMethod

log = logging.getLogger("broker")


def reason_to_retry(error: Exception, method: AuthMethod, tokens: TokenRefresher) -> str:
    """Return why a connection ended; raise BrokerRefused where another attempt is of no use.

    tokens: of the client, which count a refusal.
    """
    if isinstance(error, ConnectionEnded | CredentialsUnavailable):
        return f"{error}{tokens.expiry_note}"
    if isinstance(error, BrokerRefused):
        return _tolerated(error, method, tokens)
    log.debug("a connection ended by an error of our own", exc_info=error)
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"the connection failed: {name}: {from_peer(str(error))}"


def _tolerated(refused: BrokerRefused, method: AuthMethod, tokens: TokenRefresher) -> str:
    """Return why to retry all the same; raise `refused` where that is of no use."""
    if not refused.final:
        return str(refused)
    if refused.code != NOT_AUTHORIZED or method is not AuthMethod.K8S_SAT:
        raise refused
    cause = tokens.refused()
    if cause is None:
        raise refused
    return f"{refused}{cause}"
