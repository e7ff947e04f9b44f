"""Rows and truth side by side, as a table and as an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from edge.comparison import Difference, Figures, Mark
from edge.rows import MachineRows, Rows

_NAMED = 5
_HEADS: Final = ("availability %", "performance %", "quality %", "OEE %", "jobs per hour")
_WIDTHS: Final = (8, 8, 9)
_FAULTS: Final[Mapping[str, Callable[[MachineRows], int]]] = {
    "job numbers missing": lambda each: each.numbers.missing,
    "rows that came again": lambda each: each.repeated_rows,
    "jobs finished in two rows": lambda each: each.repeated_jobs,
    "rows older than one before": lambda each: each.backwards,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What rows say beside what is true.

    since_ms, until_ms: the time that both cover.  differences: by machine, in the order of `Figures`.
    silent: machines of the truth without a row.  unknown: machines with rows of which the truth does not know.
    """

    rows: Rows
    since_ms: int
    until_ms: int
    differences: Mapping[str, Sequence[Difference]]
    silent: Sequence[str] = ()
    unknown: Sequence[str] = ()

    @property
    def off(self) -> list[str]:
        """Machines with a figure that passes its bound."""
        return [each for each, its in self.differences.items() if any(one.mark is Mark.TOO_FAR for one in its)]

    @property
    def faults(self) -> dict[str, dict[str, int]]:
        """What the rows show of loss, repetition and disorder: how many, by what it is and by machine."""
        machines = [self.rows.machines[machine_id] for machine_id in self.differences]
        missing = {each.machine_id: each.missing_rows(self.since_ms, self.until_ms) for each in machines}
        others = {name: {each.machine_id: count(each) for each in machines} for name, count in _FAULTS.items()}
        return {"rows missing": missing} | others

    def agrees(self, *, strict: bool) -> bool:
        """Whether all figures are within their bounds and no machine is silent; strictly, whether rows are whole."""
        faulty = self.rows.junk or any(any(counts.values()) for counts in self.faults.values())
        return not (self.off or self.silent or (strict and faulty))

    def report(self) -> Iterator[str]:
        """The table, what it comes to, and what rows show beside it; line by line."""
        yield from self._table()
        yield ""
        yield from self._summary()
        yield ""
        yield from self._beside()

    def _table(self) -> Iterator[str]:
        width = max(map(len, [*self.differences, "machine"]))
        yield (" " * width + "".join(f"  {head:^{sum(_WIDTHS)}}" for head in _HEADS)).rstrip()
        names = "".join(f"{name:>{size}}" for name, size in zip(("rows", "truth", "off"), _WIDTHS, strict=True))
        yield "machine".ljust(width) + f"  {names}" * len(_HEADS)
        for machine_id, its in self.differences.items():
            shown = (_cells(name, one) for name, one in zip(Figures._fields, its, strict=True))
            yield (machine_id.ljust(width) + "".join(f"  {cells}" for cells in shown)).rstrip()

    def _summary(self) -> Iterator[str]:
        count, seconds = len(self.differences), (self.until_ms - self.since_ms) / 1000
        yield f"{count:,} machines, {_text(self.since_ms)} to {_text(self.until_ms)} ({seconds:,.0f} s)."
        worst = (self._worst(place, name) for place, name in enumerate(Figures._fields))
        yield f"Farthest off: {', '.join(worst)}."
        if any(one.mark is Mark.ALLOWED for its in self.differences.values() for one in its):
            yield "~ above the bound, and no more than sampling may do in so short a time."
        if self.silent:
            yield f"Without a single row: {_some(self.silent)}."
        yield (f"* above the bound: {_some(self.off)}." if self.off else "Every compared figure is within its bound.")

    def _worst(self, place: int, name: str) -> str:
        machine_id, its = max(self.differences.items(), key=lambda item: abs(item[1][place].value))
        unit = "%" if name == "throughput" else "points"
        return f"{name} {100 * its[place].value:+z.2f} {unit} ({machine_id})"

    def _beside(self) -> Iterator[str]:
        rows, machines = self.rows, [self.rows.machines[machine_id] for machine_id in self.differences]
        extra, jobs = sum(each.extra for each in machines), sum(each.jobs for each in machines)
        yield f"Rows: {sum(each.rows for each in machines):,}, of which {extra:,} extra ones for jobs; jobs: {jobs:,}."
        for name, counts in self.faults.items():
            found = [f"{machine_id} {count:,}" for machine_id, count in counts.items() if count]
            yield f"{name.capitalize()}: {sum(counts.values()):,}" + (f" ({_some(found)})." if found else ".")
        renumbered = sum(each.numbers.renumbered for each in machines)
        beside = {
            f"{renumbered:,} times jobs were numbered anew: the plant had started again": renumbered,
            f"{rows.outside:,} rows of another time than the truth's were left out": rows.outside,
            f"{rows.others:,} lines are no machine's rows": rows.others,
            f"{len(self.unknown):,} machines have rows but no truth: {_some(self.unknown)}": self.unknown,
            f"{rows.junk:,} lines are junk: {_some(rows.named, rows.junk)}": rows.junk,
        }
        yield from (f"{text}." for text, told in beside.items() if told)


def _cells(name: str, one: Difference) -> str:
    factor = 1 if name == "throughput" else 100
    figures = [_figure(one.rows, factor), _figure(one.truth, factor), _figure(one.value, 100, "+")]
    aligned = "".join(f"{text:>{size}}" for text, size in zip(figures, (*_WIDTHS[:2], _WIDTHS[2] - 1), strict=True))
    return aligned + one.mark


def _figure(value: float | None, factor: int, sign: str = "") -> str:
    return "-" if value is None else f"{factor * value:{sign}z.2f}"


def _some(names: Sequence[str], count: int | None = None) -> str:
    """The first few, and how many there are beside them."""
    more = (count or len(names)) - len(names[:_NAMED])
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more else "")


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat("T", "seconds").replace("+00:00", "Z")
