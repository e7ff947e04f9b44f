"""Which state follows which where transitions are declared, so that each state still takes its share of the time.

A state is left as often as it is entered: at the rate share / dwell, the stationary vector of the jump chain. A row
with weights above 0 fixes who follows. The flows of the other rows are free: they add up to the rates of their states,
and to what the fixed rows leave of the rates at which states are entered. Among all such flows those are taken that
iterative proportional fitting leads to, which have the most entropy: nothing is assumed of the order but what is
declared. The fitting need not converge: what it misses is put in by augmenting paths, and where there is none left, the
minimal cut tells which states are entered too often (Ford and Fulkerson).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import fsum
from typing import Final, NamedTuple

_ROUNDS: Final = 100
_TOLERANCE: Final = 1e-7
"""Of the visits of the rarest state: what shares that are written with some digits may miss."""
_NOTHING: Final = 1e-13
"""Of all visits: what rounding leaves."""

Row = Mapping[str, float]
Rows = Mapping[str, Row]
Pair = tuple[str, str]
_Flows = dict[Pair, float]


class Conflict(NamedTuple):
    """Why there is no solution. After the states `after` only `followers` come, which are entered too often by that.

    entered, wanted: the rates at which they are entered together, and should be, in the unit of the rates.
    """

    after: tuple[str, ...]
    followers: tuple[str, ...]
    entered: float
    wanted: float

    def times(self, factor: float) -> Conflict:
        """Return the same with rates in another unit."""
        return self._replace(entered=factor * self.entered, wanted=factor * self.wanted)


class Chain(NamedTuple):
    """The chance of each state to follow each, by both; conflict: why there are none, else None."""

    rows: Rows
    conflict: Conflict | None = None


def complete_row(row: Row) -> Row:
    """Return the chances that a row fixes; an empty row where it leaves them free, as it only forbids."""
    total = fsum(row.values())
    return {name: weight / total for name, weight in row.items() if weight} if total else {}


def chain(rates: Row, final: Collection[str], rows: Rows, barred: Collection[Pair] = ()) -> Chain:
    """Return the chances of each state that is entered to follow each.

    rates: at which states are entered, relative to each other, above 0.  final: those of them that do not follow
    themselves.  rows: as declared, also of states that are never entered.  barred: pairs that do not occur.
    """
    total = fsum(rates.values())
    # Sorted, so that another order in the file changes no bit.
    share = {name: rates[name] / total for name in sorted(rates)}
    fixed = _fixed_flows(share, rows)
    entering = {name: fsum(flow for (_, to), flow in fixed.items() if to == name) for name in share}
    if conflict := _entered_too_often(share, fixed, entering):
        return Chain({}, conflict.times(total))
    left = {name for name, _ in fixed}
    free = {name: rate for name, rate in share.items() if name not in left}
    wanted = {name: max(0.0, rate - entering[name]) for name, rate in share.items()}
    found = _Fitting(free, wanted, [*_allowed(free, share, final, rows, barred)])
    if conflict := _unmet(found, share, entering):
        return Chain({}, conflict.times(total))
    return Chain({name: _row(name, share, fixed | found.flows) for name in share})


def _fixed_flows(share: Row, rows: Rows) -> _Flows:
    """Return the flows of the rows that fix who follows."""
    complete = ((name, complete_row(rows.get(name, {}))) for name in share)
    return {(name, to): share[name] * part for name, row in complete for to, part in row.items()}


def _entered_too_often(share: Row, fixed: _Flows, entering: Row) -> Conflict | None:
    """Return the first state that is entered too often by the fixed rows alone."""
    for name, rate in share.items():
        if entering[name] > rate * (1 + _TOLERANCE):
            return Conflict(tuple(before for before, to in fixed if to == name), (name,), entering[name], rate)
    return None


def _allowed(free: Row, share: Row, final: Collection[str], rows: Rows, barred: Collection[Pair]) -> Iterator[Pair]:
    """Yield the pairs of states that may follow each other, of those whose rows are free."""
    for name in free:
        forbidden = {to for to, weight in rows.get(name, {}).items() if weight == 0}
        forbidden |= {name} if name in final else set()
        yield from ((name, to) for to in share if to not in forbidden and (name, to) not in barred)


def _unmet(found: _Fitting, share: Row, entering: Row) -> Conflict | None:
    """Return the states that are entered too often because the flows do not fit."""
    # Beside a very rare state the rounding of the others counts for more than its tolerance.
    if found.missing <= max(_TOLERANCE * min(share.values()), _NOTHING * len(share)):
        return None
    after, followers = found.cut()
    entered = fsum((*(share[name] for name in after), *(entering[name] for name in followers)))
    return Conflict(after, followers, entered, fsum(share[name] for name in followers))


def separate(rows: Rows) -> tuple[str, ...]:
    """Return states that are never left for one of the others; empty where each leads to each."""
    for name in rows:
        reached, new = {name}, [name]
        while new:
            new = [to for to in {to for each in new for to in rows[each]} if to not in reached]
            reached.update(new)
        if len(reached) < len(rows):
            return tuple(each for each in rows if each in reached)
    return ()


def _row(name: str, rates: Row, flows: _Flows) -> Row:
    row = {to: flows.get((name, to), 0.0) for to in rates}
    total = fsum(row.values())
    return {to: flow / total for to, flow in row.items() if flow > _NOTHING}


class _Fitting:
    """Flows over the allowed pairs that add up to the rates of rows and columns, as far as there are such.

    missing: what the flows lack of the rates of the rows.
    """

    def __init__(self, rows: Row, columns: Row, allowed: Collection[Pair]) -> None:
        self._followers = {row: [to for each, to in allowed if each == row and columns[to] > 0] for row in rows}
        self._rows, self._columns = rows, columns
        self.flows: _Flows = {(row, to): 1.0 for row, followers in self._followers.items() for to in followers}
        for _ in range(_ROUNDS):
            self._scale(0, rows)
            self._scale(1, columns)
        self._scale(0, rows)
        sums = self._sums(1, columns)
        most = max((sums[to] / rate for to, rate in columns.items() if rate), default=1.0)
        self.flows = {pair: flow / max(1.0, most) for pair, flow in self.flows.items()}
        left, lacking = self._sums(0, rows), self._sums(1, columns)
        self._supply = {row: rate - left[row] for row, rate in rows.items()}
        self._demand = {to: rate - lacking[to] for to, rate in columns.items()}
        while path := self._path():
            self._augment(path)

    @property
    def missing(self) -> float:
        """What is missing after all paths are used up."""
        return fsum(max(0.0, each) for each in self._supply.values())

    def cut(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the states from which what is missing comes, and all that may follow them."""
        rows = [row for row, left in self._supply.items() if left > _NOTHING]
        followers: list[str] = []
        for row in rows:  # it grows
            new = [to for to in self._followers[row] if to not in followers]
            followers += new
            rows += [each for each in self._rows if each not in rows and self._gives(each, new)]
        return tuple(rows), tuple(followers)

    def _gives(self, row: str, columns: Collection[str]) -> bool:
        return any(self.flows.get((row, to), 0.0) > _NOTHING for to in columns)

    def _sums(self, side: int, names: Iterable[str]) -> dict[str, float]:
        sums = dict.fromkeys(names, 0.0)
        for pair, flow in self.flows.items():
            sums[pair[side]] += flow
        return sums

    def _scale(self, side: int, rates: Row) -> None:
        sums = self._sums(side, rates)
        self.flows = {
            pair: flow * rates[pair[side]] / sums[pair[side]] if sums[pair[side]] else 0.0
            for pair, flow in self.flows.items()
        }

    def _path(self) -> list[Pair]:
        """Return pairs from a row with something left to a column that lacks it, every second of them to be given back.

        It is a shortest path: so there are few (Edmonds and Karp).
        """
        paths = {row: list[Pair]() for row, left in self._supply.items() if left > _NOTHING}
        seen, rows = set[str](), [*paths]
        for row in rows:  # it grows
            for to in self._followers[row]:
                if to in seen:
                    continue
                seen.add(to)
                if self._demand[to] > _NOTHING:
                    return [*paths[row], (row, to)]
                for other in self._givers(to):
                    if other not in paths:
                        paths[other] = [*paths[row], (row, to), (other, to)]
                        rows.append(other)
        return []

    def _givers(self, column: str) -> Iterator[str]:
        return (row for row in self._rows if self._gives(row, (column,)))

    def _augment(self, path: list[Pair]) -> None:
        given_back = path[1::2]
        first, last = path[0][0], path[-1][1]
        amount = min(self._supply[first], self._demand[last], *(self.flows[pair] for pair in given_back))
        for place, pair in enumerate(path):
            self.flows[pair] += -amount if place % 2 else amount
        self._supply[first] -= amount
        self._demand[last] -= amount
