"""What was delivered, as those see it who look: questions for messages, and the rows of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

TELEMETRY, EVENT, ALARM, STATUS, COMMAND, ORDER = "telemetry", "event", "alarm", "status", "command", "order"
CATEGORIES: Final = (TELEMETRY, EVENT, ALARM, STATUS, COMMAND, ORDER)
"""What a message is about: regular values; what has happened; an alarm; the state of a machine or of its connection;
what somebody wants; orders and dispatches."""

MOST_ROWS: Final = 1000
"""The most rows that an answer has, and that are kept for a question."""


class TrafficQuery(NamedTuple):
    """Which messages are asked for; None is any.

    topic: a topic filter (MQTT 5, 4.7).  text: in topic or payload; small letters count as capitals (ASCII).
    """

    topic: str | None = None
    category: str | None = None
    qos: int | None = None
    retain: bool | None = None
    text: str | None = None
    machine_id: str | None = None


class TrafficRow(NamedTuple):
    """A message that was delivered.

    at: when, by the wall clock (RFC 3339).  qos, retain: with which it was published.
    machine_id: None where it is about no machine.  bytes: of the whole payload.
    payload: its beginning as text, whatever is no UTF-8 replaced.  cut: whether there is more of it.
    """

    at: str
    topic: str
    qos: int
    retain: bool
    category: str
    machine_id: str | None
    bytes: int
    payload: str
    cut: bool

    def described(self) -> dict[str, object]:
        """Return it as plain data."""
        return self._asdict()


class TrafficBatch(NamedTuple):
    """What was delivered since another batch, or, where that is not known, since somebody began to ask.

    position: of this batch, to go on from.  seen: all messages.  matched: those that were asked for.
    rows: the newest of these, in the order of their delivery.
    """

    position: int
    seen: int
    matched: int
    rows: Sequence[TrafficRow]

    def described(self) -> dict[str, object]:
        """Return it as plain data, without its position."""
        return {"seen": self.seen, "matched": self.matched, "rows": [row.described() for row in self.rows]}


def merged(batches: Iterable[TrafficBatch], position: int, limit: int) -> TrafficBatch:
    """Return the batches of several parts of a plant as one, with a position of its own."""
    parts = list(batches)
    rows = [*merge(*(part.rows for part in parts), key=attrgetter("at"))]
    seen, matched = sum(part.seen for part in parts), sum(part.matched for part in parts)
    return TrafficBatch(position, seen, matched, rows[-limit:])
