"""Situations: the combinations of state, phase and kind of job that a machine may be in, by index."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from plant.definition.signals.signal_spec import OTHERWISE
from plant.definition.signals.vocabulary import Vocabulary


class Situation(NamedTuple):
    """What a machine is doing: state, and phase and kind of its job, if any.

    done_ms: producing time of the job so far.  cycle_ms: all that it takes; 0 without a job.
    variant: 0 for a machine as its type is; others have numbers of their own.
    """

    state: str
    phase: str | None = None
    kind: str | None = None
    done_ms: int = 0
    cycle_ms: int = 0
    variant: int = 0


@dataclass(frozen=True)
class Situations:
    """All situations of a machine type. The last state, phase and kind stand for every other name, and for none.

    An other state is one that is imposed from outside, such as a planned stop.
    variants: in how many ways the machines of the type differ; each variant has all situations for itself.
    imposed: the states imposed from outside that have situations of their own.
    """

    vocabulary: Vocabulary
    variants: int = 1
    imposed: tuple[str, ...] = ()

    @property
    def states(self) -> tuple[str, ...]:
        """The states that have a name here."""
        return (*self.vocabulary.states, *self.imposed)

    def __len__(self) -> int:
        return self.size * self.variants

    @property
    def size(self) -> int:
        """The number of situations of one variant."""
        names = self.vocabulary
        return (len(self.states) + 1) * (len(names.phases) + 1) * (len(names.kinds) + 1)

    def index(self, situation: Situation) -> int:
        """Return the index of a situation."""
        names = self.vocabulary
        state = _place(situation.state, self.states)
        phase = _place(situation.phase, names.phases)
        kind = _place(situation.kind, names.kinds)
        place = (state * (len(names.phases) + 1) + phase) * (len(names.kinds) + 1) + kind
        return situation.variant * self.size + place

    def names(self, index: int) -> tuple[str | None, str | None, str | None]:
        """Return state, phase and kind of a situation, None for any other."""
        names = self.vocabulary
        index, kind = divmod(index % self.size, len(names.kinds) + 1)
        state, phase = divmod(index, len(names.phases) + 1)
        return _name(state, self.states), _name(phase, names.phases), _name(kind, names.kinds)

    def matching(self, what: str, name: str, *, equal: bool = True) -> array[float]:
        """Return 1 for each situation whose state, phase or kind has that name, or has not, otherwise 0."""
        place = ("state", "phase", "kind").index(what)
        return array("d", (float((self.names(index)[place] == name) == equal) for index in range(len(self))))

    def levels(self, by_state: Sequence[Mapping[str, float]]) -> array[float]:
        """Return the number of each situation. by_state: of each variant.

        An other state has that of `else`; without it, that of the first state that does not produce, if there is one.
        """
        names = self.vocabulary
        others = (state for state in names.states if state != names.producing_state)
        stand_in = names.resting_state or next(others, names.producing_state or "")
        each = ((by_state[index // self.size], self._declared(index)) for index in range(len(self)))
        return array("d", (_level(levels, names, stand_in) for levels, names in each))

    def _declared(self, index: int) -> tuple[str | None, str | None, str | None]:
        """Return state, phase and kind of a situation, None for each that the type does not declare."""
        state, phase, kind = self.names(index)
        return (None if state in self.imposed else state), phase, kind


class SituationIndex:
    """Finds situations fast. follows: what signals follow of "phase" and "kind".

    names: state, phase and kind of each situation by index, None for any other.  states: only the states.
    alike: for each situation the first one that no signal can tell from it.
    """

    __slots__ = ("_found", "_situations", "alike", "names", "states")

    def __init__(self, situations: Situations, follows: Collection[str]) -> None:
        self._situations = situations
        self._found: dict[tuple[str, str | None, str | None, int], int] = {}
        self.names = names = [situations.names(index) for index in range(len(situations))]
        self.states = [state for state, _, _ in names]
        seen = [
            (
                index // situations.size,
                state,
                phase if "phase" in follows else None,
                kind if "kind" in follows else None,
            )
            for index, (state, phase, kind) in enumerate(names)
        ]
        first = {each: index for index, each in reversed([*enumerate(seen)])}
        self.alike = [first[each] for each in seen]

    def index(self, situation: Situation) -> int:
        """Return the index of a situation."""
        state, phase, kind, _, _, variant = situation
        found = self._found.get((state, phase, kind, variant))
        if found is None:
            found = self._found[state, phase, kind, variant] = self._situations.index(situation)
        return found


def _place(name: str | None, names: tuple[str, ...]) -> int:
    return names.index(name) if name in names else len(names)


def _name(place: int, names: tuple[str, ...]) -> str | None:
    return names[place] if place < len(names) else None


def _level(by_state: Mapping[str, float], names: tuple[str | None, str | None, str | None], stand_in: str) -> float:
    state, phase, kind = names
    if state is None and OTHERWISE in by_state:
        return by_state[OTHERWISE]
    known = state or stand_in
    found = (by_state.get(key) for key in (f"{known}.{phase}", f"{known}.{kind}", known, OTHERWISE))
    first_of_state = (level for key, level in by_state.items() if key.partition(".")[0] == known)
    return next((level for level in (*found, *first_of_state) if level is not None), 0.0)
