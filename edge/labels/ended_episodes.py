"""The newest episodes of faults that have ended, in a bounded memory."""

from __future__ import annotations

from collections import deque
from typing import Final

from edge.labels.queries import Place, place_of
from plant.truth.events import FaultEpisode

MOST_KEPT: Final = 10_000


class EndedEpisodes:
    """Listens to a plant, and keeps the newest episodes. dropped: how many older ones there were."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._kept = deque[tuple[str, FaultEpisode]](maxlen=most)
        self.dropped = 0

    def __call__(self, kind: str, episode: FaultEpisode) -> None:
        """Keep an episode. kind: the key of the machine type."""
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append((kind, episode))

    @property
    def kept(self) -> list[tuple[str, FaultEpisode]]:
        """The episodes, in the order of their ends, with the keys of their types."""
        return [*self._kept]

    @property
    def places(self) -> set[Place]:
        """Their places among all."""
        return {place_of(episode) for _, episode in self._kept}
