"""The order of states as a machine type declares it, what follows from it, and where it cannot be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Final

from plant.definition.document.errors import Place, Violation
from plant.definition.states.state_type import EXPONENTIAL, StateType
from plant.definition.states.transitions import Chain, Conflict, Row, Rows, chain, complete_row, separate

TRANSITIONS: Final = "transitions"
BETWEEN_JOBS: Final = "only_between_jobs"
_HOUR_MS: Final = 3_600_000
_NEVER: Final = 1e-9
_ROUNDS: Final = 200

States = Mapping[str, StateType]


@dataclass(frozen=True, slots=True)
class Order:
    """Which state follows which, and when. transitions: the weights of the next states, by state, as they are declared.

    between_jobs: states that are entered only as a job ends: from the producing state, or after one another.
    """

    transitions: Rows = field(default_factory=dict)
    between_jobs: tuple[str, ...] = ()

    @property
    def is_declared(self) -> bool:
        """Whether there is any rule; otherwise the next state is drawn by its share (visits.py)."""
        return any(self.transitions.values()) or bool(self.between_jobs)


def rates_of(states: States) -> Mapping[str, float]:
    """Return how often each state is entered, relative to the others; only states with a share."""
    return {name: state.weight / (state.dwell_seconds * 1000) for name, state in states.items() if state.weight}


def final_states(states: States) -> frozenset[str]:
    """Return the states whose stays have the length that was drawn, so that another state follows (visits.py)."""
    rates = rates_of(states)
    found = (name for name in rates if states[name].distribution != EXPONENTIAL)
    return frozenset(found) if len(rates) > 1 else frozenset()


def chain_of(states: States, order: Order) -> Chain:
    """Return the chance of each state to follow each, where an order is declared."""
    return chain(rates_of(states), final_states(states), order.transitions, _in_mid_job(states, order))


def stops_between_jobs(states: States, order: Order) -> Row:
    """Return the chance of each state that is entered only between jobs to follow the producing one."""
    if not order.between_jobs:
        return {}
    row = next((row for name, row in chain_of(states, order).rows.items() if states[name].produces), {})
    return {name: row[name] for name in sorted(order.between_jobs) if name in row}


def before_a_job(states: States, order: Order) -> Row:
    """Return the chance, by state, that a visit has come after a stop between jobs, without producing in between."""
    rates, rows = rates_of(states), chain_of(states, order).rows
    found = {name: float(name in order.between_jobs) for name in rates}
    visits = [
        (name, to, rates[name] * chance / rates[to])
        for name, row in rows.items()
        for to, chance in row.items()
        if not states[name].produces and not states[to].produces and to not in order.between_jobs
    ]
    for _ in range(_ROUNDS if order.between_jobs else 0):
        into = dict.fromkeys(found, 0.0)
        for name, to, part in visits:
            into[to] += part * found[name]
        found |= {name: chance for name, chance in into.items() if name not in order.between_jobs}
    return found


def _in_mid_job(states: States, order: Order) -> frozenset[tuple[str, str]]:
    """Return the pairs of states of which the second would be entered in the middle of a job."""
    before = [name for name, state in states.items() if not state.produces and name not in order.between_jobs]
    return frozenset((name, to) for name in before for to in order.between_jobs)


def next_rows(states: States, order: Order) -> Rows:
    """Return the chance of each state to follow each; also after states that are entered only from outside."""
    rates, rows = rates_of(states), chain_of(states, order).rows
    return {name: rows[name] if name in rows else _row_from_outside(name, rates, order) for name in states}


def _row_from_outside(name: str, rates: Row, order: Order) -> Row:
    row = order.transitions.get(name, {})
    return complete_row(row) or {to: rate for to, rate in rates.items() if row.get(to) != 0} or rates


def order_violations(states: States, order: Order) -> Iterator[Violation]:
    """Yield what is wrong with an order; places begin at the entry of the type."""
    if wrong := [*_wrong_names(states, order), *_wrong_rows(states, order)]:
        yield from wrong
        return
    found = chain_of(states, order)
    if found.conflict:
        yield _Refusal(states, order, found.conflict).violation
    elif apart := separate(found.rows):
        rule = f"never leads from {_listed(apart)} to {_listed([name for name in found.rows if name not in apart])}"
        yield Violation(
            (TRANSITIONS if order.transitions else BETWEEN_JOBS,),
            f"{rule}: a machine would be in some of its states only",
        )


def _wrong_names(states: States, order: Order) -> Iterator[Violation]:
    known, rule = [*states], "is not a state of this type"
    for place, name in enumerate(order.between_jobs):
        if name not in states:
            yield Violation((BETWEEN_JOBS, place), rule, known, name)
        elif states[name].produces:
            yield Violation((BETWEEN_JOBS, place), "must be a state in which jobs do not advance")
    for name, row in order.transitions.items():
        if name not in states:
            yield Violation((TRANSITIONS, name), rule, known)
        yield from (Violation((TRANSITIONS, name, to), rule, known) for to in row if to not in states)


def _wrong_rows(states: States, order: Order) -> Iterator[Violation]:
    final, barred = final_states(states), _in_mid_job(states, order)
    for name, row in order.transitions.items():
        entered = [to for to, weight in row.items() if weight and to in states]
        for to in entered if name in states and states[name].weight else ():
            if rule := _rule_against(name, to, states, final, barred):
                yield Violation((TRANSITIONS, name, to), f"must be 0: {rule}")


def _rule_against(
    name: str, to: str, states: States, final: Collection[str], barred: Collection[tuple[str, str]]
) -> str | None:
    """Return why a state may not follow another one."""
    if not states[to].weight:
        return "that state has a share of 0"
    if (name, to) in barred:
        return "that state is entered only between jobs, so from the producing state"
    if to == name and name in final:
        return f"after a stay of a {states[name].distribution} distribution comes another state"
    return None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Says why there is no chain, about the fewer states: those that are entered too often, or the others."""

    states: States
    order: Order
    conflict: Conflict

    @property
    def violation(self) -> Violation:
        after, followers, entered, wanted = self.conflict
        if not followers:
            return Violation(self._place(after), self._leads_nowhere(after))
        rates = rates_of(self.states)
        others = [name for name in rates if name not in followers]
        if len(others) >= len(followers):
            return Violation(self._place(after), self._too_often(followers, after, entered, wanted))
        total, before = fsum(rates.values()), [name for name in rates if name not in after]
        return Violation(self._place(before), self._too_seldom(others, before, total - entered, total - wanted))

    def _leads_nowhere(self, names: Sequence[str]) -> str:
        rule = "each state is forbidden there, or entered as often as it may be by other rows"
        return f"nothing can follow {_listed(names)}: {rule}"

    def _too_often(self, names: Sequence[str], after: Sequence[str], entered: float, wanted: float) -> str:
        how_often = f"{self._hourly(entered)} times an hour after {_listed(after)}"
        return f"{self._wants(names, f'entered {how_often}', wanted)}: {self._remedy(names, entered / wanted)}"

    def _too_seldom(self, names: Sequence[str], before: Sequence[str], entered: float, wanted: float) -> str:
        if entered < _NEVER * wanted:
            return f"{self._wants(names, 'never entered', wanted)}: let a state lead there"
        leading = [name for name in before if self._may_lead(name, names)] or before
        how_often = f"{self._hourly(entered)} times an hour, after {_listed(leading)}"
        return f"{self._wants(names, f'entered at most {how_often}', wanted)}: {self._remedy(names, entered / wanted)}"

    def _may_lead(self, name: str, to: Collection[str]) -> bool:
        """Return whether one of some states may follow a state, whose row fixes all that follow it or forbids some."""
        row = self.order.transitions.get(name, {})
        complete = complete_row(row)
        return any(complete.get(each) if complete else row.get(each) != 0 for each in to)

    def _wants(self, names: Sequence[str], entered: str, wanted: float) -> str:
        is_one = len(names) == 1
        verb, whose = ("is", "its share and stays want") if is_one else ("are together", "their shares and stays want")
        return f"{_listed(names)} {verb} {entered}, but {whose} {self._hourly(wanted)}"

    def _remedy(self, names: Sequence[str], factor: float) -> str:
        """Return what to change. factor: by how much the states have to be entered more often."""
        at_least, at_most = ("at least", "at most") if factor > 1 else ("at most", "at least")
        if len(names) > 1:
            return f"multiply their shares by {at_least} {factor:.4g}, or divide their stays by it"
        state = self.states[names[0]]
        share, dwell = state.weight * factor, state.dwell_seconds / factor
        return f"it takes a share of {at_least} {share:.10g}, or stays of {at_most} {dwell:.10g} s"

    def _hourly(self, rate: float) -> str:
        return f"{rate * _HOUR_MS / fsum(state.weight for state in self.states.values()):.4g}"

    def _place(self, names: Collection[str]) -> Place:
        declared = [name for name in names if self.order.transitions.get(name)]
        if not self.order.transitions:
            return (BETWEEN_JOBS,)
        return (TRANSITIONS, declared[0]) if declared else (TRANSITIONS,)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
