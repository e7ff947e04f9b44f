"""The report of `verify`: a table of figures by messages and by ground truth, a summary, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from cli.verify.alarms.alarm_messages import CLEARED, RAISED
from cli.verify.comparison import Difference, Figures, Severity
from cli.verify.counts.message_counts import MessageCounts
from cli.verify.energy_report import energy_out_of_bounds, energy_table
from cli.verify.input.received_messages import DISPATCH, ORDER, ReceivedMessages
from cli.verify.time_tolerance import COARSE_MS
from cli.verify.verification import Outcome

_LISTED = 5
_HEADS: Final = ("availability %", "performance %", "quality %", "OEE %", "jobs per hour")
_OF_SHARES: Final = ("messages", "truth", "points")
_OF_COUNTS: Final = ("messages", "truth", "percent")
_COLUMNS: Final = _OF_SHARES * 4 + _OF_COUNTS
"""Over each figure by messages, by ground truth, and their difference: of shares in percentage points, of jobs per hour
in percent of the greater one."""
_WIDTHS: Final = (8, 8, 9)
_REGULAR_MS: Final = 2.0
_COUNTED_FAULTS: Final[Mapping[str, Callable[[MessageCounts], int]]] = {
    "messages repeated": lambda each: each.repeated_messages,
    "jobs reported in two messages": lambda each: each.repeated_jobs,
}


class ExitCode(IntEnum):
    """The exit code of `verify`."""

    SUCCESS = 0
    MISMATCH = 1
    INVALID_INPUT = 2
    TOO_SHORT = 3


@dataclass(frozen=True, slots=True)
class Report:
    """The report on an outcome."""

    messages: ReceivedMessages
    outcome: Outcome

    @property
    def machines_out_of_bounds(self) -> list[str]:
        """Machines with a figure that exceeds its bound."""
        differences = self.outcome.differences.items()
        return [each for each, entries in differences if any(one.severity is Severity.EXCEEDED for one in entries)]

    @property
    def uncompared(self) -> dict[str, list[str]]:
        """By machine, figures that are undefined or for which the span is too short."""
        names = Figures._fields
        found = {
            machine_id: [name for name, one in zip(names, entries, strict=True) if one.applies and not one.is_compared]
            for machine_id, entries in self.outcome.differences.items()
        }
        return {machine_id: entries for machine_id, entries in found.items() if entries}

    @property
    def is_too_short(self) -> bool:
        """Whether fewer than half of the figures could be compared; energy alone is enough."""
        figures = self._figures
        nothing = not figures and not self.outcome.energy
        return 2 * sum(map(len, self.uncompared.values())) > figures or nothing

    @property
    def _figures(self) -> int:
        return sum(one.applies for entries in self.outcome.differences.values() for one in entries)

    @property
    def delivery_faults(self) -> dict[str, dict[str, int]]:
        """Faults of delivery, by what they are and by source: messages missing, repeated or out of order."""
        outcome, orders = self.outcome, self.outcome.orders
        counts, sources = outcome.counts, outcome.sources
        missing = {each: its.missing_messages(*outcome.span) for each, its in sources.items()}
        found = {"messages missing": missing | outcome.untimed}
        if outcome.is_detailed:
            found["finished jobs without a message"] = outcome.unreported_jobs
        else:
            found["job numbers missing"] = {each: its.job_numbers.missing for each, its in counts.items()}
        if any(outcome.unreported_changes.values()):
            found["changes of the state without a message"] = outcome.unreported_changes
        found |= {name: {each: count(its) for each, its in sources.items()} for name, count in _COUNTED_FAULTS.items()}
        received = self.messages.machines
        found["messages out of order"] = {each: received[each].out_of_order for each in sources if each in received}
        if numbered := {each: its.missing_numbers for each, its in received.items() if its.is_numbered}:
            found["message numbers missing"] = numbered
            found["message numbers repeated"] = {each: received[each].repeated_numbers for each in numbered}
        if outcome.missing_alarms is not None:
            found["alarm messages missing"] = outcome.missing_alarms
        if orders:
            found["orders and dispatches missing"] = {"orders": orders.missing}
            found["orders and dispatches repeated"] = {"orders": orders.repeated}
        return found

    def exit_code(self, *, strict: bool) -> ExitCode:
        """Return whether messages agree with the ground truth.  strict: delivery faults count as a mismatch too."""
        outcome = self.outcome
        off = self.machines_out_of_bounds or energy_out_of_bounds(outcome)
        if off or any(outcome.states.values()) or outcome.discrepancies:
            return ExitCode.MISMATCH
        if self._silent_sources() or (strict and self._has_delivery_faults()):
            return ExitCode.MISMATCH
        return ExitCode.TOO_SHORT if self.is_too_short else ExitCode.SUCCESS

    def lines(self) -> Iterator[str]:
        """Yield the lines of the table, the summary, and the counts of messages."""
        yield from self._table() if self.outcome.differences or not self.outcome.energy else ()
        yield from energy_table(self.outcome)
        yield ""
        yield from self._summary()
        yield ""
        yield from self._message_lines()

    def _has_delivery_faults(self) -> bool:
        counted = any(any(counts.values()) for counts in self.delivery_faults.values())
        return counted or bool(self.messages.unreadable) or bool(self._irregular())

    def _silent_sources(self) -> list[str]:
        orders = self.outcome.orders
        are_silent = orders is not None and 0 < orders.actual == orders.missing
        return [*self.outcome.silent, *(["orders and dispatches"] if are_silent else [])]

    def _table(self) -> Iterator[str]:
        lines = {
            machine_id: [cell for name, one in zip(Figures._fields, entries, strict=True) for cell in _cells(name, one)]
            for machine_id, entries in self.outcome.differences.items()
        }
        first = max(map(len, [*lines, "machine"]))
        least = _WIDTHS * len(_HEADS)
        widths = [
            max([width, *(len(entries[column]) + 1 for entries in lines.values())])
            for column, width in enumerate(least)
        ]
        groups = [sum(widths[column : column + 3]) for column in range(0, len(widths), 3)]
        heads = (f"  {head:^{width}}" for head, width in zip(_HEADS, groups, strict=True))
        yield (" " * first + "".join(heads)).rstrip()
        yield ("machine".ljust(first) + _aligned(_COLUMNS, widths)).rstrip()
        for machine_id, cells in lines.items():
            yield (machine_id.ljust(first) + _aligned(cells, widths)).rstrip()

    def _summary(self) -> Iterator[str]:
        outcome = self.outcome
        metered = {each.machine_id for each in outcome.energy if each.machine_id}
        count, (since_ms, until_ms) = len(outcome.differences.keys() | metered), outcome.span
        seconds = (until_ms - since_ms) / 1000
        machines = "machine" if count == 1 else "machines"
        yield f"{count:,} {machines}, {_text(since_ms)} to {_text(until_ms)} ({seconds:,.0f} s)."
        if (late_ms := since_ms - outcome.reference_span[0]) > 0:
            yield f"The messages begin {late_ms / 1000:,.0f} s after the ground truth; the time before is not compared."
        if (early_ms := outcome.reference_span[1] - until_ms) > 0:
            yield f"The messages end {early_ms / 1000:,.0f} s before the ground truth; the time after is not compared."
        if largest := [one for column, name in enumerate(Figures._fields) for one in self._largest(column, name)]:
            yield f"Largest differences: {', '.join(largest)}."
        if any(one.severity is Severity.ALLOWED for entries in outcome.differences.values() for one in entries):
            yield "~ above the bound, but within what sampling can cause in so short a time."
        yield from self._too_short()
        if silent := self._silent_sources():
            yield f"* Without any message: {_abbreviated(silent)}."
        for state, named in self._states().items():
            yield f"* Share of the time in state {state}: {_abbreviated(named)}."
        if outcome.losses.stopped_ms or outcome.losses.jobs:
            stopped_ms, jobs, bad = outcome.losses
            stops = f"Faults and wear caused {stopped_ms / 1000:,.0f} s of stops"
            yield f"{stops}; faults changed {jobs:,} jobs, {bad:,} bad."
        yield from outcome.discrepancies.report()
        yield from self._conclusion()

    def _conclusion(self) -> Iterator[str]:
        if off := energy_out_of_bounds(self.outcome):
            yield f"* energy off: {_abbreviated(off)}."
        if self.machines_out_of_bounds:
            yield f"* above the bound: {_abbreviated(self.machines_out_of_bounds)}."
        elif self.is_too_short:
            yield "Too few figures could be compared for a result."
        elif not off:
            yield "Every compared figure is within its bound."
        if self.outcome.is_detailed and not self.outcome.discrepancies:
            yield "Every message, job and order agrees with the ground truth."

    def _too_short(self) -> Iterator[str]:
        if not self.uncompared:
            return
        figures = self._figures
        uncompared = sum(map(len, self.uncompared.values()))
        named = [f"{machine_id} {', '.join(entries)}" for machine_id, entries in self.uncompared.items()]
        yield f"? too short to compare: {uncompared:,} of {figures:,} figures ({_abbreviated(named, separator='; ')})."

    def _states(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for machine_id, shares in self.outcome.states.items():
            for state, measured, actual in shares:
                difference = f"{machine_id} {100 * measured:.2f} % instead of {100 * actual:.2f} %"
                found.setdefault(state, []).append(difference)
        return found

    def _largest(self, column: int, name: str) -> Iterator[str]:
        compared = {
            each: entries[column].value
            for each, entries in self.outcome.differences.items()
            if entries[column].is_compared
        }
        if compared:
            machine_id, value = max(compared.items(), key=lambda item: abs(item[1]))
            unit = "%" if name == "throughput" else "points"
            yield f"{name} {_figure(value, 100, '+')} {unit} ({machine_id})"

    def _message_lines(self) -> Iterator[str]:
        messages, counts = self.messages, self.outcome.counts.values()
        sources = self.outcome.sources.values()
        additional, jobs = sum(each.additional for each in sources), sum(each.jobs for each in counts)
        total = sum(each.messages for each in sources)
        yield f"Messages: {total:,}, of which {additional:,} additional; finished jobs: {jobs:,}."
        for name, found in self.delivery_faults.items():
            named = [f"{machine_id} {count:,}" for machine_id, count in found.items() if count]
            yield f"{name.capitalize()}: {sum(found.values()):,}" + (f" ({_abbreviated(named)})." if named else ".")
        renumbered = sum(each.job_numbers.renumbered for each in counts)
        irregular, examples = self._irregular(), _abbreviated(messages.unreadable_examples, messages.unreadable)
        orders, dispatches, resolution_ms = messages.events[ORDER], messages.events[DISPATCH], messages.resolution_ms
        alarms = messages.alarms.counts
        notes = {
            f"Orders: {orders:,}; dispatches: {dispatches:,}": orders + dispatches,
            f"Alarms: {alarms[RAISED]:,} raised; {alarms[CLEARED]:,} cleared": sum(alarms.values()),
            f"Message times have a resolution of {resolution_ms / 1000:g} s": resolution_ms >= COARSE_MS,
            f"Message times are irregular: {_abbreviated(irregular)}": irregular,
            f"Job numbers restarted {renumbered:,} times: the plant or a machine was started again": renumbered,
            f"{messages.outside:,} messages outside the time of the ground truth were ignored": messages.outside,
            f"{messages.unrelated:,} lines are not messages of a machine": messages.unrelated,
            f"{messages.unreadable:,} lines are unreadable: {examples}": messages.unreadable,
        }
        yield from (f"{text}." for text, applies in notes.items() if applies)

    def _irregular(self) -> list[str]:
        counts = self.outcome.sources.items()
        return [f"{each} by {entries.jitter_ms:,.0f} ms" for each, entries in counts if _is_irregular(entries)]


def _is_irregular(counts: MessageCounts) -> bool:
    """Return whether times deviate from the period; those that have whole seconds by declaration do so anyway."""
    return counts.jitter_ms > _REGULAR_MS and not counts.is_coarse


def _cells(name: str, one: Difference) -> Iterator[str]:
    """Yield a figure by messages, by ground truth, and their difference with its mark."""
    factor = 1 if name == "throughput" else 100
    yield _figure(one.measured, factor)
    yield _figure(one.actual, factor)
    yield ("-" if one.measured is one.actual is None else _figure(one.value, 100, "+")) + one.severity


def _figure(value: float | None, factor: int, sign: str = "") -> str:
    return "-" if value is None or abs(value) == float("inf") else f"{factor * value:{sign}z.2f}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    sized = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
    return "".join("  " + "".join(sized[column : column + 3]) for column in range(0, len(sized), 3))


def _abbreviated(names: Sequence[str], count: int | None = None, separator: str = ", ") -> str:
    """Return the first names as one text, with the number of the others."""
    more = (count or len(names)) - len(names[:_LISTED])
    return separator.join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _text(time_ms: float) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat("T", "seconds").replace("+00:00", "Z")
