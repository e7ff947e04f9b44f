"""Rows and truth side by side, as a table and as an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from cli.verify.checks import COARSE_MS, Outcome
from cli.verify.comparison import Difference, Figures, Severity
from cli.verify.input.rows import DISPATCH, ORDER, Rows
from cli.verify.row_counts import MachineRows

_NAMED = 5
_HEADS: Final = ("availability %", "performance %", "quality %", "OEE %", "jobs per hour")
_COLUMNS: Final = ("rows", "truth", "off")
_WIDTHS: Final = (8, 8, 9)
_STEADY_MS: Final = 2.0
_FAULTS: Final[Mapping[str, Callable[[MachineRows], int]]] = {
    "rows that came again": lambda each: each.repeated_rows,
    "jobs finished in two rows": lambda each: each.repeated_jobs,
}


class ExitCode(IntEnum):
    """The exit code of the command."""

    FINE = 0
    WRONG = 1
    UNREADABLE = 2
    SHORT = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What rows say beside what is true."""

    rows: Rows
    outcome: Outcome

    @property
    def off(self) -> list[str]:
        """Machines with a figure that passes its bound."""
        differences = self.outcome.differences.items()
        return [each for each, its in differences if any(one.mark is Severity.TOO_FAR for one in its)]

    @property
    def unjudged(self) -> dict[str, list[str]]:
        """Figures for which the time is too short, or in which nothing happened, by machine."""
        names = Figures._fields
        found = {
            machine_id: [name for name, one in zip(names, its, strict=True) if not one.is_judged]
            for machine_id, its in self.outcome.differences.items()
        }
        return {machine_id: its for machine_id, its in found.items() if its}

    @property
    def is_short(self) -> bool:
        """Whether fewer than half of the figures could be judged."""
        figures = sum(map(len, self.outcome.differences.values()))
        return 2 * sum(map(len, self.unjudged.values())) > figures or not figures

    @property
    def faults(self) -> dict[str, dict[str, int]]:
        """What the rows show of loss, repetition and disorder: how many, by what it is and by who says them."""
        outcome, ordered = self.outcome, self.outcome.ordered
        counts = outcome.counts
        found = {"rows missing": {each: its.missing_rows(*outcome.span) for each, its in counts.items()}}
        if outcome.is_whole:
            found["finished jobs without a row"] = outcome.lost
        else:
            found["job numbers missing"] = {each: its.numbers.missing for each, its in counts.items()}
        found |= {name: {each: count(its) for each, its in counts.items()} for name, count in _FAULTS.items()}
        found["rows older than one before"] = {each: self.rows.machines[each].backwards for each in counts}
        if ordered:
            found["orders and dispatches missing"] = {"orders": ordered.missing}
            found["orders and dispatches that came again"] = {"orders": ordered.repeated}
        return found

    def code(self, *, strict: bool) -> ExitCode:
        """Whether all that is said is true, and enough is said; strictly, whether rows are whole and exact, too."""
        faulty = self.rows.junk or self._unsteady() or any(any(counts.values()) for counts in self.faults.values())
        wrong_states = any(self.outcome.states.values())
        if self.off or self._silent() or self.outcome.findings or wrong_states or (strict and faulty):
            return ExitCode.WRONG
        return ExitCode.SHORT if self.is_short else ExitCode.FINE

    def report(self) -> Iterator[str]:
        """The table, what it comes to, and what rows show beside it; line by line."""
        yield from self._table()
        yield ""
        yield from self._summary()
        yield ""
        yield from self._beside()

    def _silent(self) -> list[str]:
        ordered = self.outcome.ordered
        orders = ["orders and dispatches"] if ordered and ordered.true and ordered.missing == ordered.true else []
        return [*self.outcome.silent, *orders]

    def _table(self) -> Iterator[str]:
        lines = {
            machine_id: [cell for name, one in zip(Figures._fields, its, strict=True) for cell in _cells(name, one)]
            for machine_id, its in self.outcome.differences.items()
        }
        first = max(map(len, [*lines, "machine"]))
        least = _WIDTHS * len(_HEADS)
        widths = [max(width, *(len(its[place]) + 1 for its in lines.values())) for place, width in enumerate(least)]
        groups = [sum(widths[place : place + 3]) for place in range(0, len(widths), 3)]
        heads = (f"  {head:^{width}}" for head, width in zip(_HEADS, groups, strict=True))
        yield (" " * first + "".join(heads)).rstrip()
        yield ("machine".ljust(first) + _aligned(_COLUMNS * len(_HEADS), widths)).rstrip()
        for machine_id, cells in lines.items():
            yield (machine_id.ljust(first) + _aligned(cells, widths)).rstrip()

    def _summary(self) -> Iterator[str]:
        outcome = self.outcome
        count, (since_ms, until_ms) = len(outcome.differences), outcome.span
        seconds = (until_ms - since_ms) / 1000
        machines = "machine" if count == 1 else "machines"
        yield f"{count:,} {machines}, {_text(since_ms)} to {_text(until_ms)} ({seconds:,.0f} s)."
        if (late_ms := since_ms - outcome.known[0]) > 0:
            yield f"The rows begin {late_ms / 1000:,.0f} s after the truth does; what was before is not judged."
        if (early_ms := outcome.known[1] - until_ms) > 0:
            yield f"The rows end {early_ms / 1000:,.0f} s before the truth does; what was after is not judged."
        if worst := [one for place, name in enumerate(Figures._fields) for one in self._worst(place, name)]:
            yield f"Farthest off: {', '.join(worst)}."
        if any(one.mark is Severity.ALLOWED for its in outcome.differences.values() for one in its):
            yield "~ above the bound, and no more than sampling may do in so short a time."
        yield from self._too_short()
        if silent := self._silent():
            yield f"* Without a single row: {_some(silent)}."
        for state, named in self._states().items():
            yield f"* Share of the time in state {state}: {_some(named)}."
        yield from outcome.findings.report()
        yield from self._conclusion()

    def _conclusion(self) -> Iterator[str]:
        if self.off:
            yield f"* above the bound: {_some(self.off)}."
        elif self.is_short:
            yield "Too little could be judged to say that rows are right."
        else:
            yield "Every compared figure is within its bound."
        if self.outcome.is_whole and not self.outcome.findings:
            yield "Every row, job and order agrees with the truth."

    def _too_short(self) -> Iterator[str]:
        if not self.unjudged:
            return
        figures = sum(map(len, self.outcome.differences.values()))
        unjudged = sum(map(len, self.unjudged.values()))
        named = [f"{machine_id} {', '.join(its)}" for machine_id, its in self.unjudged.items()]
        yield f"? too short to judge: {unjudged:,} of {figures:,} figures ({_some(named, separator='; ')})."

    def _states(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for machine_id, shares in self.outcome.states.items():
            for state, rows, truth in shares:
                found.setdefault(state, []).append(f"{machine_id} {100 * rows:.2f} % and not {100 * truth:.2f} %")
        return found

    def _worst(self, place: int, name: str) -> Iterator[str]:
        judged = {each: its[place].value for each, its in self.outcome.differences.items() if its[place].is_judged}
        if judged:
            machine_id, value = max(judged.items(), key=lambda item: abs(item[1]))
            unit = "%" if name == "throughput" else "points"
            yield f"{name} {_figure(value, 100, '+')} {unit} ({machine_id})"

    def _beside(self) -> Iterator[str]:
        rows, counts = self.rows, self.outcome.counts.values()
        extra, jobs = sum(each.extra for each in counts), sum(each.jobs for each in counts)
        yield f"Rows: {sum(each.rows for each in counts):,}, of which {extra:,} extra ones for jobs; jobs: {jobs:,}."
        for name, found in self.faults.items():
            named = [f"{machine_id} {count:,}" for machine_id, count in found.items() if count]
            yield f"{name.capitalize()}: {sum(found.values()):,}" + (f" ({_some(named)})." if named else ".")
        renumbered = sum(each.numbers.renumbered for each in counts)
        unsteady = self._unsteady()
        beside = {
            f"Orders: {rows.events[ORDER]:,}; dispatches: {rows.events[DISPATCH]:,}": sum(rows.events.values()),
            f"Times of rows come in steps of {rows.resolution_ms / 1000:g} s": rows.resolution_ms >= COARSE_MS,
            f"Times of rows are not regular: {_some(unsteady)}": unsteady,
            f"{renumbered:,} times jobs were numbered anew: plant or machine had started again": renumbered,
            f"{rows.outside:,} rows of another time than the truth's were left out": rows.outside,
            f"{rows.others:,} lines are no machine's rows": rows.others,
            f"{rows.junk:,} lines are junk: {_some(rows.named, rows.junk)}": rows.junk,
        }
        yield from (f"{text}." for text, told in beside.items() if told)

    def _unsteady(self) -> list[str]:
        counts = self.outcome.counts.items()
        return [f"{each} by {its.steady_ms:,.0f} ms" for each, its in counts if its.steady_ms > _STEADY_MS]


def _cells(name: str, one: Difference) -> Iterator[str]:
    """The text of a figure by rows and by the truth, and of how far they are apart; with its mark."""
    factor = 1 if name == "throughput" else 100
    yield _figure(one.rows, factor)
    yield _figure(one.truth, factor)
    yield ("-" if one.rows is one.truth is None else _figure(one.value, 100, "+")) + one.mark


def _figure(value: float | None, factor: int, sign: str = "") -> str:
    return "-" if value is None or abs(value) == float("inf") else f"{factor * value:{sign}z.2f}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    sized = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
    return "".join("  " + "".join(sized[place : place + 3]) for place in range(0, len(sized), 3))


def _some(names: Sequence[str], count: int | None = None, separator: str = ", ") -> str:
    """The first few, and how many there are beside them."""
    more = (count or len(names)) - len(names[:_NAMED])
    return separator.join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _text(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat("T", "seconds").replace("+00:00", "Z")
