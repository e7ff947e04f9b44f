"""The episodes of faults of one machine type: counted, and passed on as they begin and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Final, NamedTuple

from plant.truth.events import FaultEpisode

FaultListener = Callable[[str, FaultEpisode], None]
"""Receives the key of the machine type and each episode when it ends. Those of different machines are in no order."""

_number_of: Final = itemgetter(0)


class Change(NamedTuple):
    """An episode that has begun or ended. present: the faults of the machine that are there after that, by name."""

    episode: FaultEpisode
    present: tuple[str, ...]


class FaultLog:
    """The episodes of the machines of one type.

    kind: the key of the type.  active, ended: how many there are now, and how many have ended, by fault.
    listener: called with each episode as it ends; may be None.
    """

    __slots__ = ("_changes", "_is_followed", "_present", "active", "ended", "kind", "listener")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.active: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.listener: FaultListener | None = None
        self._present: dict[int, tuple[str, ...]] = {}
        self._changes: list[tuple[int, Change]] = []
        self._is_followed = False

    def follow(self, *, is_followed: bool) -> None:
        """Keep begins and ends from now on until they are taken, or do not."""
        self._is_followed = is_followed
        if not is_followed:
            self._changes.clear()

    def begin(self, number: int, episode: FaultEpisode) -> None:
        """Note that an episode has begun. number: of the machine."""
        self.active[episode.fault] += 1
        self._note(number, episode, (*self._present.get(number, ()), episode.fault))

    def end(self, number: int, episode: FaultEpisode) -> None:
        """Note that an episode has ended."""
        self.active[episode.fault] -= 1
        self.ended[episode.fault] += 1
        self._note(number, episode, (each for each in self._present[number] if each != episode.fault))
        if self.listener is not None:
            self.listener(self.kind, episode)

    def take_changes(self) -> list[Change]:
        """Return and forget the begins and ends since the last call, by machine, those of each in order of time."""
        changes = sorted(self._changes, key=_number_of)
        self._changes.clear()
        return [change for _, change in changes]

    def _note(self, number: int, episode: FaultEpisode, present: Iterable[str]) -> None:
        # A tuple: a trial takes back what a mapping has, and nothing within a set.
        now = self._present[number] = tuple(sorted(present))
        if not now:
            del self._present[number]
        if self._is_followed:
            self._changes.append((number, Change(episode, now)))
