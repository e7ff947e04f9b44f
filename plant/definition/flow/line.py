"""The line of a plant, complete: its stages in order, each with what its jobs take, and where their pieces go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage as configured: the machines of one type, with the buffer behind them.

    sources: the stages whose pieces its jobs take.  usual_bill: how many of each a job takes; `bills`: the same by kind
    of job, for kinds that differ.  processes: whether a job works on a unit, and makes nothing new.
    places: the size of the buffer.  takes_pieces: whether any of its jobs takes a piece, even if only to repair it.
    """

    key: str
    sources: tuple[str, ...]
    usual_bill: Mapping[str, int]
    bills: Mapping[str, Mapping[str, int]]
    processes: bool
    places: int
    takes_pieces: bool

    def bill(self, kind: str) -> Mapping[str, int]:
        """Return how many pieces of each source a new job of a kind takes; a source of which it takes 0 is left out."""
        return self.bills.get(kind, self.usual_bill)

    def may_take(self, source: str) -> bool:
        """Return whether jobs of any kind take pieces of a stage."""
        return any(source in bill for bill in (self.usual_bill, *self.bills.values()))


@dataclass(frozen=True, slots=True)
class Line:
    """The line of a plant.

    stages: by key, each after its sources.  ships: the stage that fills orders, if any.
    repairs: the stage that repairs a piece, by the result of its job; None for the stage that it comes from.
    made_to_order: the stages that work on a unit for an order, from the one at which it begins to the one that ships;
    empty where stages make what they can.
    """

    stages: Mapping[str, StageSpec] = field(default_factory=dict)
    ships: str | None = None
    repairs: Mapping[str, str | None] = field(default_factory=dict)
    made_to_order: tuple[str, ...] = ()

    def takes_pieces(self, key: str) -> bool:
        """Return whether any job of a machine type takes a piece."""
        return key in self.stages and self.stages[key].takes_pieces

    def starves(self, key: str) -> bool:
        """Return whether machines of a type may wait for pieces, or for an order."""
        return key in self.made_to_order[:1] or (key in self.stages and bool(self.stages[key].sources))

    def without_way_out(self) -> list[str]:
        """Return the stages whose pieces never become part of what is shipped, so that in the end they are blocked."""
        useful = {self.ships}
        for stage in reversed([*self.stages.values()]):
            if stage.key in useful:
                useful.update(source for source in stage.sources if stage.may_take(source))
        return [key for key in self.stages if key not in useful]
