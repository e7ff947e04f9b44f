"""Log lines about single messages: the first of each kind, and those that were dropped or rejected."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge.delivery.queue import Ledger
from edge.mqtt.protocol.reason_codes import Packet, explain
from edge.observability.logs import RateLimited
from edge.routing import TopicRouter
from plant.telemetry import Message

log = logging.getLogger("app")

_LOG_SECONDS = 30.0
_REFUSED = "the broker rejected a message on %s: %s"
_DEFERRED = "the broker deferred a message on %s: %s"


class DeliveryLog:
    """Logs the first message of each kind, and messages that were dropped or rejected, at a limited rate.

    clock: seconds, monotonic.  show_first: whether the first messages are logged.
    """

    def __init__(
        self, topics: TopicRouter, ledger: Ledger, queue_size: int, clock: Callable[[], float], *, show_first: bool
    ) -> None:
        self._topics, self._ledger, self._queue_size = topics, ledger, queue_size
        self._rate_limited = RateLimited(log, _LOG_SECONDS, clock)
        self._shown = set[str]()
        self._show_first = show_first

    def acknowledged(self, messages: Sequence[Message]) -> None:
        """Log the first message of each kind: newcomers want to see one, and `kubectl logs` shows it."""
        if not self._show_first or len(self._shown) == len(self._ledger.acknowledged_by_kind):
            return
        for message in messages:
            if message.kind not in self._shown:
                self._shown.add(message.kind)
                log.info("first on %s: %s", self._topics.topic(message), message.payload.decode())

    def overflowed(self, what: str) -> None:
        """Log that the queue is full, and that its oldest or the newest message is dropped."""
        text = "the queue is full, dropping the %s message size=%d"
        self._rate_limited.log(logging.WARNING, "overflow", text, what, self._queue_size)

    def refused(self, message: Message, code: int) -> None:
        """Log that the broker rejected a message, with the reason code of its PUBACK."""
        self._log_puback(_REFUSED, message, code)

    def deferred(self, message: Message, code: int) -> None:
        """Log that the broker wants a message later, with the reason code of its PUBACK."""
        self._log_puback(_DEFERRED, message, code)

    def unsendable(self, message: Message, reason: str, why: str) -> None:
        """Log that a message cannot be sent; `reason` is the one that the ledger counts."""
        text = "dropping a message of %s: %s: %s"
        self._rate_limited.log(logging.WARNING, (message.kind, reason), text, message.source, reason, why)

    def flush(self) -> None:
        """Log how many lines were held back."""
        self._rate_limited.flush()

    def _log_puback(self, text: str, message: Message, code: int) -> None:
        topic, why = self._topics.topic(message), explain(Packet.PUBACK, code)
        self._rate_limited.log(logging.WARNING, (message.kind, code), text, topic, why)
