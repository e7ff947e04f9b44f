"""OEE accounts: the time of each machine by state and its jobs by result, in sums that are exact at any moment.

The machines of one type share a table of whole numbers with one row for each machine: milliseconds by state, finished
jobs by result, and the ideal time of the work done in milliseconds. There are three copies of the table - as of now, as
of the beginning of the clock hour, and of the hour before - so that an entry is one addition, and an hour a difference.
A job counts when it finishes, but its ideal time counts as its work is done. Tables contain the ideal time of finished
jobs. When one is read or copied, the share of the current job that is done is added. A machine may begin in the middle
of a job: what was done of it before is subtracted once, when the machine begins.
All times are milliseconds of plant time. The moment between two hours belongs to the second one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, Literal, Protocol, get_args

from plant.telemetry import PLANNED_STOP
from plant.truth.events import Listener, StateInterval

HOUR_MS: Final = 3_600_000
_IDEAL: Final = 0

Span = Literal["run", "hour", "last_hour"]
"""A machine's whole time, the current clock hour (UTC), and the hour before it."""

SPANS: Final[tuple[Span, ...]] = get_args(Span)

Figures = tuple[float, float, dict[str, float], float, dict[str, int], int]
"""The fields of `plant.telemetry.Oee` in their order."""


class _HasName(Protocol):
    @property
    def name(self) -> str: ...


class AccountedMachine(Protocol):
    """A machine as the accounts see it.

    number: determines its row, see `OeeAccounts`.  hour_ends_ms: the end of the hour up to which its row is recorded.
    """

    id: str
    number: int
    hour_ends_ms: int

    @property
    def state(self) -> _HasName:
        """Its current state."""

    @property
    def stay_cause(self) -> str | None:
        """The fault or wear that has led to its stay, if any."""

    @property
    def stay_reason(self) -> str | None:
        """The reason of its stay, if any."""

    def credit_ms(self, now_ms: int) -> int:
        """Return the part of its current job's ideal time that is done, at a time since its last event."""


class OeeAccounts:
    """The OEE accounts of the machines of one type.

    listener: called with each stay as it ends; may be None.
    before_change: called with a machine and a time just before something is recorded for the machine; may be None.
    greatest: the greatest number of a machine.  shards: the step between numbers; a row is number // shards.
    good: results that count as good.  planned_stops: states whose time is no planned working time.
    """

    __slots__ = (
        "_hour",
        "_hour_ends_ms",
        "_last_hour",
        "_now",
        "_results",
        "_rows",
        "_shards",
        "_states",
        "_stay_began_ms",
        "_width",
        "before_change",
        "good",
        "listener",
        "planned_stops",
    )  # fmt: skip

    def __init__(
        self,
        greatest: int = 0,
        shards: int = 1,
        good: Collection[str] = (),
        planned_stops: Collection[str] = (PLANNED_STOP,),
    ) -> None:
        self.listener: Listener | None = None
        self.before_change: Callable[[AccountedMachine, int], None] | None = None
        self._shards, self._width, self.good, self.planned_stops = shards, 1, good, planned_stops
        self._now, self._hour, self._last_hour = array("q"), array("q"), array("q")
        self._stay_began_ms = array("q")
        self._states: dict[str, int] = {}
        self._results: dict[str, int] = {}
        self._hour_ends_ms = 0
        self.resize(greatest)

    def resize(self, greatest: int) -> None:
        """Set the number of rows by the greatest number of a machine, -1 for none; rows beyond it are deleted."""
        self._rows = greatest // self._shards + 1
        cells = self._rows * self._width
        for table, size in (
            (self._now, cells),
            (self._hour, cells),
            (self._last_hour, cells),
            (self._stay_began_ms, self._rows),
        ):
            del table[size:]
            table.frombytes(bytes(table.itemsize * (size - len(table))))

    def start_machine(self, machine: AccountedMachine, now_ms: int) -> None:
        """Open the row of a new machine: its first stay begins."""
        machine.hour_ends_ms = self._hour_end(now_ms)
        row = machine.number // self._shards
        self._stay_began_ms[row] = now_ms
        self._now[row * self._width + _IDEAL] -= machine.credit_ms(now_ms)

    def end_stay(self, machine: AccountedMachine, now_ms: int) -> None:
        """Record the end of a machine's stay; another one begins, perhaps in the same state."""
        if self.before_change is not None:
            self.before_change(machine, now_ms)
        if now_ms >= machine.hour_ends_ms:
            self._roll_to_hour(machine, now_ms)
        self._record_stay(machine, now_ms)
        row = machine.number // self._shards
        if self.listener is not None and now_ms > self._stay_began_ms[row]:
            stay = machine.id, machine.state.name, self._stay_began_ms[row], now_ms
            self.listener(StateInterval(*stay, machine.stay_cause, machine.stay_reason))
        self._stay_began_ms[row] = now_ms

    def stay_began_ms(self, machine: AccountedMachine) -> int:
        """Return when the stay of a machine began; it has advanced to now."""
        return self._stay_began_ms[machine.number // self._shards]

    def count_job(self, machine: AccountedMachine, result: str, ideal_ms: int, now_ms: int) -> None:
        """Count a finished job of a machine, and record its ideal time."""
        if self.before_change is not None:
            self.before_change(machine, now_ms)
        if now_ms >= machine.hour_ends_ms:
            self._roll_to_hour(machine, now_ms)
        column = self._results.get(result) or self._add_column(self._results, result)
        row, now = machine.number // self._shards * self._width, self._now
        now[row + column] += 1
        now[row + _IDEAL] += ideal_ms

    def lose_work(self, machine: AccountedMachine, now_ms: int) -> None:
        """Let the work that a machine has done on its current job count nowhere: it is about to start again.

        What was done before the machine began, or before an hour, has been subtracted, or added, there.
        """
        if self.before_change is not None:
            self.before_change(machine, now_ms)
        if now_ms >= machine.hour_ends_ms:
            self._roll_to_hour(machine, now_ms)
        cell = machine.number // self._shards * self._width + _IDEAL
        finished_ms = self._now[cell] = max(0, self._now[cell])
        for table in (self._hour, self._last_hour):
            table[cell] = min(table[cell], finished_ms)

    def figures(self, machine: AccountedMachine, producing: str, span: Span, now_ms: int) -> Figures:
        """Return the figures of one machine, which has advanced to now."""
        row = machine.number // self._shards
        return self._figures(range(row, row + 1), [machine], producing, span, now_ms)

    def total(self, machines: Sequence[AccountedMachine], producing: str, span: Span, now_ms: int) -> Figures:
        """Return the sums of machines that follow each other by number; they have advanced to now."""
        first, last = (machine.number // self._shards for machine in (machines[0], machines[-1]))
        return self._figures(range(first, last + 1), machines, producing, span, now_ms)

    def _hour_end(self, now_ms: int) -> int:
        """Return the end of the hour of a moment; all machines share the object, which saves 32 bytes for each."""
        if not 0 < self._hour_ends_ms - now_ms <= HOUR_MS:
            self._hour_ends_ms = (now_ms // HOUR_MS + 1) * HOUR_MS
        return self._hour_ends_ms

    def _add_column(self, columns: dict[str, int], name: str) -> int:
        """Add a column of zeros for a new name, and return its index."""
        columns[name], self._width = self._width, self._width + 1
        self._now, self._hour, self._last_hour = map(self._widened, (self._now, self._hour, self._last_hour))
        return columns[name]

    def _widened(self, table: array[int]) -> array[int]:
        wide = array("q", bytes(table.itemsize * self._rows * self._width))
        for column in range(self._width - 1):
            wide[column :: self._width] = table[column :: self._width - 1]
        return wide

    def _record_stay(self, machine: AccountedMachine, now_ms: int) -> None:
        """Record the stay up to now; time before this hour is recorded already."""
        column = self._states.get(machine.state.name) or self._add_column(self._states, machine.state.name)
        self._now[machine.number // self._shards * self._width + column] += now_ms - self._unrecorded_since_ms(machine)

    def _unrecorded_since_ms(self, machine: AccountedMachine) -> int:
        return max(self._stay_began_ms[machine.number // self._shards], machine.hour_ends_ms - HOUR_MS)

    def _roll_to_hour(self, machine: AccountedMachine, now_ms: int) -> None:
        """Move the row to the hour of now. After a stay of several hours only the last two of them are kept."""
        hour_ms = self._hour_end(now_ms) - HOUR_MS
        for hour_begins_ms in (hour_ms - HOUR_MS, hour_ms):
            if hour_begins_ms >= machine.hour_ends_ms:
                self._record_stay(machine, hour_begins_ms)
                row = machine.number // self._shards * self._width
                cells = slice(row, row + self._width)
                self._last_hour[cells], self._hour[cells] = self._hour[cells], self._now[cells]
                self._hour[row + _IDEAL] += machine.credit_ms(hour_begins_ms)
                machine.hour_ends_ms = hour_begins_ms + HOUR_MS
        machine.hour_ends_ms = self._hour_end(now_ms)

    def _unrecorded(self, machines: Iterable[AccountedMachine], now_ms: int) -> tuple[dict[str, int], int]:
        """Return what is in progress and not recorded: time in each state, and the done part of the current jobs."""
        found: dict[str, int] = {}
        credit_ms = 0
        for machine in machines:
            if now_ms >= machine.hour_ends_ms:
                if self.before_change is not None:
                    self.before_change(machine, now_ms)
                self._roll_to_hour(machine, now_ms)
            name = machine.state.name
            found[name] = found.get(name, 0) + now_ms - self._unrecorded_since_ms(machine)
            credit_ms += machine.credit_ms(now_ms)
        return found, credit_ms

    def _figures(
        self, rows: range, machines: Iterable[AccountedMachine], producing: str, span: Span, now_ms: int
    ) -> Figures:
        open_ms, credit_ms = self._unrecorded(machines, now_ms)  # also moves all rows to the hour of now
        if span == "last_hour":
            open_ms, credit_ms = {}, 0
        state_ms = {name: self._sum(column, rows, span) + open_ms.pop(name, 0) for name, column in self._states.items()}
        state_ms |= open_ms
        planned_ms = sum(ms for name, ms in state_ms.items() if name not in self.planned_stops)
        producing_ms = state_ms.pop(producing, 0)
        # Which machine was first in a state, or had a result, depends on how far each has advanced: names are in order.
        stopped = {name: ms / 1000 for name, ms in sorted(state_ms.items()) if ms}
        results = {name: self._sum(column, rows, span) for name, column in sorted(self._results.items())}
        ideal_ms = self._sum(_IDEAL, rows, span) + credit_ms
        good = sum(results.get(name, 0) for name in self.good)
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
