"""Match reported items with actual ones by key, in a bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Reported = TypeVar("Reported")
Actual = TypeVar("Actual")

DEFAULT_CAPACITY: Final = 1000


class Matcher(Generic[Reported, Actual]):
    """A matcher of two streams in order of time. The last `capacity` items of each wait for their counterpart.

    on_match: called with the time and value of a reported item, and of the actual one.  on_repeated: called with an
    item that is reported again.  on_unknown: with a reported one that has no counterpart.  on_unreported: with an
    actual one that has none.
    """

    def __init__(
        self,
        on_match: Callable[[int, Reported, int, Actual], None],
        on_repeated: Callable[[int, Reported], None],
        on_unknown: Callable[[int, Reported], None],
        on_unreported: Callable[[int, Actual], None],
        capacity: int = DEFAULT_CAPACITY,
    ) -> None:
        self._on_match, self._on_repeated = on_match, on_repeated
        self._on_unknown, self._on_unreported = on_unknown, on_unreported
        self._capacity = capacity
        self.waiting: dict[str, tuple[int, Actual]] = {}
        self._unmatched: dict[str, tuple[int, Reported]] = {}
        self._matched: dict[str, None] = {}

    def add_actual(self, key: str, time_ms: int, value: Actual) -> None:
        """Add an actual item."""
        if key in self._unmatched:
            self._match(key, *self._unmatched.pop(key), time_ms, value)
            return
        self.waiting[key] = time_ms, value
        if len(self.waiting) > self._capacity:
            self._on_unreported(*self.waiting.pop(next(iter(self.waiting))))

    def add_reported(self, key: str, time_ms: int, value: Reported) -> None:
        """Add a reported item."""
        if key in self.waiting:
            self._match(key, time_ms, value, *self.waiting.pop(key))
        elif key in self._matched or key in self._unmatched:
            self._on_repeated(time_ms, value)
        else:
            self._unmatched[key] = time_ms, value
            if len(self._unmatched) > self._capacity:
                self._on_unknown(*self._unmatched.pop(next(iter(self._unmatched))))

    def close(self) -> None:
        """Report what still waits, as nothing more will be added."""
        for reported in self._unmatched.values():
            self._on_unknown(*reported)
        for actual in self.waiting.values():
            self._on_unreported(*actual)

    def _match(self, key: str, reported_ms: int, reported: Reported, actual_ms: int, actual: Actual) -> None:
        self._on_match(reported_ms, reported, actual_ms, actual)
        self._matched[key] = None
        if len(self._matched) > self._capacity:
            del self._matched[next(iter(self._matched))]
