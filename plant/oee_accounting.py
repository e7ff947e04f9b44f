"""The books: what each machine did with its time and what came of its jobs, in sums that are exact at any moment.

The machines of one type share a table of whole numbers with a row for each: milliseconds by state, finished jobs by
result, and the milliseconds that the work done should have taken. It is kept three times - as of now, as of the
beginning of the clock hour, and of the hour before - so that an entry is one sum, and an hour a difference.
Jobs count where they finish. The time that they should have taken counts as it is worked: a job that is done in part
is credited with that part of its ideal time. What is entered at a finish is all of it; the part of the present job is
added where a table is read or put by, and what was done before the machine's time began is subtracted at its beginning.
All times are milliseconds of plant time. The moment between two hours belongs to the second.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal, Protocol, get_args

from plant.telemetry import PLANNED_STOP, Listener, StateInterval

HOUR_MS: Final = 3_600_000
_IDEAL: Final = 0

Span = Literal["run", "hour", "last_hour"]
"""A machine's whole time, the clock hour (UTC) that is not over yet, and the one before it."""

SPANS: Final[tuple[Span, ...]] = get_args(Span)

Figures = tuple[float, float, dict[str, float], float, dict[str, int], int]
"""The fields of `plant.telemetry.Oee` in their order."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class AccountedMachine(Protocol):
    """What the books know of a machine.

    number: its row, see `OeeAccounts`.  hour_ends_ms: the end of the hour that its row is at.
    """

    id: str
    number: int
    hour_ends_ms: int

    @property
    def state(self) -> _Named:
        """Where it is."""

    def credit_ms(self, now_ms: int) -> int:
        """The part of its present job's ideal time that is done, at a time since its last event."""


class OeeAccounts:
    """The books of the machines of one type. `listener`, where there is one, is told of each stay as it ends.

    before: told of a machine for which something is about to be entered, and when, while all is still as it was.
    greatest: the greatest number of a machine.  shards: every how-manieth number is one; its row is number // shards.
    good: results that count as good.
    """

    __slots__ = (
        "_entered", "_good", "_hour", "_hour_ends_ms", "_last_hour", "_now", "_results", "_rows", "_shards", "_states",
        "_width", "before", "listener",
    )  # fmt: skip

    def __init__(self, greatest: int = 0, shards: int = 1, good: Collection[str] = ()) -> None:
        self.listener: Listener | None = None
        self.before: Callable[[AccountedMachine, int], None] | None = None
        self._shards, self._width, self._good = shards, 1, good
        self._now, self._hour, self._last_hour = array("q"), array("q"), array("q")
        self._entered = array("q")
        self._states: dict[str, int] = {}
        self._results: dict[str, int] = {}
        self._hour_ends_ms = 0
        self.resize(greatest)

    def resize(self, greatest: int) -> None:
        """Have rows for machines up to a number, -1 for none at all; what is beyond is forgotten."""
        self._rows = greatest // self._shards + 1
        cells = self._rows * self._width
        for table, size in (
            (self._now, cells),
            (self._hour, cells),
            (self._last_hour, cells),
            (self._entered, self._rows),
        ):
            del table[size:]
            table.frombytes(bytes(table.itemsize * (size - len(table))))

    def begin(self, machine: AccountedMachine, now_ms: int) -> None:
        """The machine's first stay begins."""
        machine.hour_ends_ms = self._hour_end(now_ms)
        row = machine.number // self._shards
        self._entered[row] = now_ms
        self._now[row * self._width + _IDEAL] -= machine.credit_ms(now_ms)

    def leave(self, machine: AccountedMachine, now_ms: int) -> None:
        """The machine's stay ends; what follows is another one, be it in the same state."""
        if self.before is not None:
            self.before(machine, now_ms)
        if now_ms >= machine.hour_ends_ms:
            self._turn(machine, now_ms)
        self._enter(machine, now_ms)
        row = machine.number // self._shards
        if self.listener is not None and now_ms > self._entered[row]:
            self.listener(StateInterval(machine.id, machine.state.name, self._entered[row], now_ms))
        self._entered[row] = now_ms

    def finish(self, machine: AccountedMachine, result: str, ideal_ms: int, now_ms: int) -> None:
        """The machine has finished a job."""
        if self.before is not None:
            self.before(machine, now_ms)
        if now_ms >= machine.hour_ends_ms:
            self._turn(machine, now_ms)
        column = self._results.get(result) or self._widen(self._results, result)
        row, now = machine.number // self._shards * self._width, self._now
        now[row + column] += 1
        now[row + _IDEAL] += ideal_ms

    def figures(self, machine: AccountedMachine, producing: str, span: Span, now_ms: int) -> Figures:
        """One machine's; it has lived up to now."""
        row = machine.number // self._shards
        return self._figures(range(row, row + 1), [machine], producing, span, now_ms)

    def total(self, machines: Sequence[AccountedMachine], producing: str, span: Span, now_ms: int) -> Figures:
        """Those of machines that follow each other by number; they have lived up to now."""
        first, last = (machine.number // self._shards for machine in (machines[0], machines[-1]))
        return self._figures(range(first, last + 1), machines, producing, span, now_ms)

    def _hour_end(self, now_ms: int) -> int:
        """The end of the hour that a moment is in: the same object for all machines, which saves them 32 bytes each."""
        if not 0 < self._hour_ends_ms - now_ms <= HOUR_MS:
            self._hour_ends_ms = (now_ms // HOUR_MS + 1) * HOUR_MS
        return self._hour_ends_ms

    def _widen(self, columns: dict[str, int], name: str) -> int:
        """One more column, of noughts, for a name that is new."""
        columns[name], self._width = self._width, self._width + 1
        self._now, self._hour, self._last_hour = map(self._wider, (self._now, self._hour, self._last_hour))
        return columns[name]

    def _wider(self, table: array[int]) -> array[int]:
        wide = array("q", bytes(table.itemsize * self._rows * self._width))
        for column in range(self._width - 1):
            wide[column :: self._width] = table[column :: self._width - 1]
        return wide

    def _enter(self, machine: AccountedMachine, now_ms: int) -> None:
        """Enter the stay up to now; what was before this hour is entered already."""
        column = self._states.get(machine.state.name) or self._widen(self._states, machine.state.name)
        self._now[machine.number // self._shards * self._width + column] += now_ms - self._since(machine)

    def _since(self, machine: AccountedMachine) -> int:
        return max(self._entered[machine.number // self._shards], machine.hour_ends_ms - HOUR_MS)

    def _turn(self, machine: AccountedMachine, now_ms: int) -> None:
        """Go on to the hour of now. A long stay may have skipped hours: only the last two of them are kept."""
        hour_ms = self._hour_end(now_ms) - HOUR_MS
        for begins_ms in (hour_ms - HOUR_MS, hour_ms):
            if begins_ms >= machine.hour_ends_ms:
                self._enter(machine, begins_ms)
                row = machine.number // self._shards * self._width
                cells = slice(row, row + self._width)
                self._last_hour[cells], self._hour[cells] = self._hour[cells], self._now[cells]
                self._hour[row + _IDEAL] += machine.credit_ms(begins_ms)
                machine.hour_ends_ms = begins_ms + HOUR_MS
        machine.hour_ends_ms = self._hour_end(now_ms)

    def _open(self, machines: Iterable[AccountedMachine], now_ms: int) -> tuple[dict[str, int], int]:
        """What is not entered yet, because it goes on: time in each state, and the part done of the present jobs."""
        found: dict[str, int] = {}
        credit_ms = 0
        for machine in machines:
            if now_ms >= machine.hour_ends_ms:
                if self.before is not None:
                    self.before(machine, now_ms)
                self._turn(machine, now_ms)
            name = machine.state.name
            found[name] = found.get(name, 0) + now_ms - self._since(machine)
            credit_ms += machine.credit_ms(now_ms)
        return found, credit_ms

    def _figures(
        self, rows: range, machines: Iterable[AccountedMachine], producing: str, span: Span, now_ms: int
    ) -> Figures:
        open_ms, credit_ms = self._open(machines, now_ms)  # also turns all to the hour of now
        if span == "last_hour":
            open_ms, credit_ms = {}, 0
        times = {name: self._sum(column, rows, span) + open_ms.pop(name, 0) for name, column in self._states.items()}
        times |= open_ms
        planned_ms = sum(times.values()) - times.get(PLANNED_STOP, 0)
        producing_ms = times.pop(producing, 0)
        stopped = {name: ms / 1000 for name, ms in times.items() if ms}
        results = {name: self._sum(column, rows, span) for name, column in self._results.items()}
        ideal_ms = self._sum(_IDEAL, rows, span) + credit_ms
        good = sum(results.get(name, 0) for name in self._good)
        return planned_ms / 1000, producing_ms / 1000, stopped, ideal_ms / 1000, results, good

    def _sum(self, column: int, rows: range, span: Span) -> int:
        tables = {
            "run": (self._now,),
            "hour": (self._now, self._hour),
            "last_hour": (self._hour, self._last_hour),
        }
        cells = slice(rows.start * self._width + column, rows.stop * self._width, self._width)
        until, *before = (sum(table[cells]) for table in tables[span])
        return until - sum(before)
