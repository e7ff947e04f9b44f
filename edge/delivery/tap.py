"""The tap: what is delivered, for those who look, and only while they do.

Each question has a watch, which counts and filters as messages are delivered, so that a message that is rare is found
however many others there are. A watch that nobody asks for a few seconds is forgotten; without any, a message costs
nothing, and a batch of them one comparison.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

from edge.routing import TopicError, matches
from edge.status import Busy
from edge.timestamps import rfc3339
from edge.traffic import MOST_ROWS, TrafficBatch, TrafficQuery, TrafficRow
from plant.telemetry import Message

SHOWN_BYTES: Final = 8192
"""Of a payload."""
_FORGOTTEN_SECONDS: Final = 5.0
_MOST_WATCHES: Final = 32
_MOST_BYTES: Final = 2_097_152
"""Of the payloads that a watch keeps."""
_MOST_MARKS: Final = 100
_MOST_KNOWN: Final = 200_000
_REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
_NO, _BY_PAYLOAD, _YES = range(3)

NoteMessage = Callable[["About", bytes], None]
"""Takes a message that is not the plant's, with its description and its payload."""


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """What is the same for all messages of a source: see TrafficRow."""

    topic: str
    qos: int
    retain: bool
    category: str
    machine_id: str | None


def unheard(_about: About, _payload: bytes) -> None:
    """Take no notice of a message: nobody can look."""


class _Kept(NamedTuple):
    """A message that somebody may ask for. at_ms: when it was delivered.  size: of the whole payload, in bytes."""

    at_ms: int
    about: About
    size: int
    payload: bytes

    def row(self) -> TrafficRow:
        about, is_cut = self.about, self.size > len(self.payload)
        text = self.payload.decode(errors="replace")
        text = text.rstrip(_REPLACED) if is_cut else text  # a character may have been cut, too
        place = about.topic, about.qos, about.retain, about.category, about.machine_id
        return TrafficRow(rfc3339(self.at_ms), *place, self.size, text, is_cut)


class _Watch:
    """What there is for one question.  until: seconds, when it is forgotten."""

    def __init__(self, query: TrafficQuery) -> None:
        self._query = query
        self._takes_all = query == TrafficQuery()
        self._text = (query.text or "").lower()
        self._bytes_of_text = (query.text or "").encode(errors="replace").lower()
        self.until = inf
        self._seen = self._matched = 0
        self._kept = deque[_Kept](maxlen=MOST_ROWS)
        self._bytes = 0
        self._known: dict[About, int] = {}
        self._marks: dict[int, tuple[int, int]] = {}

    def see(self, delivered: Sequence[tuple[About, bytes]], at_ms: int) -> None:
        """Count messages, and keep the newest of those that are asked for."""
        found = delivered if self._takes_all else [each for each in delivered if self._takes(*each)]
        self._seen += len(delivered)
        self._matched += len(found)
        for about, payload in found[-MOST_ROWS:]:
            self._keep(_Kept(at_ms, about, len(payload), payload[:SHOWN_BYTES]))

    def batch(self, position: int, after: int | None, limit: int) -> TrafficBatch:
        """Return what has come since the batch of a position; `position` is that of this one."""
        seen, matched = self._marks.get(-1 if after is None else after, (0, 0))
        new = min(self._matched - matched, len(self._kept), limit)
        rows = [self._kept[-place].row() for place in range(new, 0, -1)]
        self._marks[position] = self._seen, self._matched
        if len(self._marks) > _MOST_MARKS:
            del self._marks[next(iter(self._marks))]
        return TrafficBatch(position, self._seen - seen, self._matched - matched, rows)

    def forget_sources(self) -> None:
        """Forget what is known of messages by their source."""
        self._known.clear()

    def _keep(self, message: _Kept) -> None:
        if len(self._kept) == MOST_ROWS:
            self._bytes -= len(self._kept[0].payload)
        self._kept.append(message)
        self._bytes += len(message.payload)
        while self._bytes > _MOST_BYTES:
            self._bytes -= len(self._kept.popleft().payload)

    def _takes(self, about: About, payload: bytes) -> bool:
        known = self._known.get(about)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:  # each command and each announcement has one of its own
                self._known.clear()
            known = self._known[about] = self._first_look(about)
        return known == _YES or (known == _BY_PAYLOAD and self._bytes_of_text in payload.lower())

    def _first_look(self, about: About) -> int:
        """Return what is known of a message without its payload."""
        query = self._query
        pairs = (
            (query.category, about.category),
            (query.qos, about.qos),
            (query.retain, about.retain),
            (query.machine_id, about.machine_id),
        )
        if any(wanted is not None and wanted != given for wanted, given in pairs):
            return _NO
        if query.topic is not None and not matches(query.topic, about.topic):
            return _NO
        return _YES if self._text in about.topic.lower() else _BY_PAYLOAD


class Tap:
    """Where messages are seen as they are delivered.

    about: describes a message; raises TopicError where it has no topic.  clock: seconds, monotonic.
    wall_clock: Unix seconds.  on_closed: called when nobody looks any more.
    is_open: whether somebody looks; only read, and a plain attribute, as each batch asks.
    """

    def __init__(
        self,
        about: Callable[[Message], About],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._about, self._clock, self._wall_clock, self._on_closed = about, clock, wall_clock, on_closed
        self._watches: dict[TrafficQuery, _Watch] = {}
        self._listener: Callable[[Sequence[Message]], None] | None = None
        self._pulls = 0
        self.is_open = False

    def listen(self, listener: Callable[[Sequence[Message]], None] | None) -> None:
        """Have one listener take the plant's messages as they are delivered; None: nobody."""
        self._listener = listener
        self._note_open()

    def delivered(self, messages: Sequence[Message]) -> None:
        """Show messages that were acknowledged, or at QoS 0 written, if somebody looks."""
        if self._listener is not None:
            self._listener(messages)
        if self._watches:
            self._show([*self._described(messages)])

    def note(self, about: About, payload: bytes) -> None:
        """Show a message that is not the plant's, if somebody looks: an announcement, or a command that has come."""
        if self._watches:
            self._show([(about, payload)])

    def pull(self, query: TrafficQuery, after: int | None, limit: int) -> TrafficBatch:
        """Return what was delivered since a batch, or since the first pull; raises Busy where there are too many.

        after: the position of the batch; one that is not known any more counts as None.
        """
        self._forget_unasked()
        watch = self._watches.get(query)
        if watch is None:
            if len(self._watches) >= _MOST_WATCHES:
                raise Busy
            watch = self._watches[query] = _Watch(query)
            self._note_open()
        watch.until = self._clock() + _FORGOTTEN_SECONDS
        self._pulls += 1
        return watch.batch(self._pulls, after, limit)

    def invalidate(self) -> None:
        """Forget what is known of messages by their source, because the configuration has changed."""
        for watch in self._watches.values():
            watch.forget_sources()

    def _show(self, delivered: Sequence[tuple[About, bytes]]) -> None:
        self._forget_unasked()
        at_ms = round(self._wall_clock() * 1000)
        for watch in self._watches.values():
            watch.see(delivered, at_ms)

    def _described(self, messages: Iterable[Message]) -> Iterable[tuple[About, bytes]]:
        for message in messages:
            try:
                yield self._about(message), message.payload
            except TopicError:  # since another configuration was loaded
                continue

    def _forget_unasked(self) -> None:
        now = self._clock()
        for query in [query for query, watch in self._watches.items() if watch.until < now]:
            del self._watches[query]
            self._note_open()

    def _note_open(self) -> None:
        was_open, self.is_open = self.is_open, bool(self._watches) or self._listener is not None
        if was_open and not self.is_open:
            self._on_closed()
