"""What is told paired with what is true, by what both are called, in a bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

Told = TypeVar("Told")
True_ = TypeVar("True_")

MOST_WAITING: Final = 1000


class Pairing(Generic[Told, True_]):
    """Pairs what comes of both in order of time. The last thousand of each wait for their counterpart.

    paired: called with a pair: when and what was told, when and what is true.
    twice: called with what was told again.  unknown: with what was told and is not true.  untold: with the reverse.
    """

    def __init__(
        self,
        paired: Callable[[int, Told, int, True_], None],
        twice: Callable[[int, Told], None],
        unknown: Callable[[int, Told], None],
        untold: Callable[[int, True_], None],
        most: int = MOST_WAITING,
    ) -> None:
        self._paired, self._twice, self._unknown, self._untold, self._most = paired, twice, unknown, untold, most
        self.waiting: dict[str, tuple[int, True_]] = {}
        self._early: dict[str, tuple[int, Told]] = {}
        self._done: dict[str, None] = {}

    def true(self, name: str, time_ms: int, fact: True_) -> None:
        """Take in what is true."""
        if name in self._early:
            self._pair(name, *self._early.pop(name), time_ms, fact)
            return
        self.waiting[name] = time_ms, fact
        if len(self.waiting) > self._most:
            self._untold(*self.waiting.pop(next(iter(self.waiting))))

    def told(self, name: str, time_ms: int, fact: Told) -> None:
        """Take in what is told."""
        if name in self.waiting:
            self._pair(name, time_ms, fact, *self.waiting.pop(name))
        elif name in self._done or name in self._early:
            self._twice(time_ms, fact)
        else:
            self._early[name] = time_ms, fact
            if len(self._early) > self._most:
                self._unknown(*self._early.pop(next(iter(self._early))))

    def close(self) -> None:
        """Nothing more comes: what waits has no counterpart."""
        for told in self._early.values():
            self._unknown(*told)
        for true in self.waiting.values():
            self._untold(*true)

    def _pair(self, name: str, told_ms: int, told: Told, true_ms: int, true: True_) -> None:
        self._paired(told_ms, told, true_ms, true)
        self._done[name] = None
        if len(self._done) > self._most:
            del self._done[next(iter(self._done))]
