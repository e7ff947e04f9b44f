"""What a plant will say: messages per second by type, before anything runs. `python app.py check` prints it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plant.structure import MACHINE_TYPES, CustomerOrder, Dispatch, MachineSpec, Structure, StructureError, load

SECONDS_PER_HOUR: Final = 3600.0

_HEAD: Final = ("type", "machines", "every", "messages/s")
_UNITS: Final = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True, slots=True)
class TypeForecast:
    """What one type will say in the long run.

    machines: how many there are; None for business events, which no machine says.
    period_seconds: between two regular rows of a machine, or two events on average; inf where there are none.
    regular_per_second: messages by that period.  extra_per_second: rows for jobs that finish between two regular rows.
    """

    key: str
    machines: int | None
    period_seconds: float
    regular_per_second: float
    extra_per_second: float = 0.0

    @property
    def per_second(self) -> float:
        """Messages per second in all."""
        return self.regular_per_second + self.extra_per_second


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plant will say in the long run; `notes` are sentences on what its author may not expect."""

    types: tuple[TypeForecast, ...]
    notes: tuple[str, ...]

    @property
    def machines(self) -> int:
        """Machines that say anything."""
        return sum(each.machines or 0 for each in self.types)

    @property
    def per_second(self) -> float:
        """Messages per second of the whole plant."""
        return math.fsum(each.per_second for each in self.types)

    def text(self) -> str:
        """The forecast as a table, one line a type, the sum, and the notes below."""
        rows = [_HEAD, *map(_cells, self.types), ("total", f"{self.machines:,}", "", _rate(self.per_second))]
        table = _aligned(rows)
        rule = "-" * max(map(len, table))
        notes = [textwrap.fill(f"Note: {note}", 100, subsequent_indent="      ") for note in self.notes]
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1], *([""] if notes else []), *notes])


def forecast(structure: Structure) -> Forecast:
    """What this plant will say."""
    machines = [_machine_type(structure, key, spec, count) for key, spec, count in structure.declared()]
    others = (*_events(structure), *_reports(structure))
    return Forecast((*machines, *others), tuple(_notes(structure, machines)))


def check(path: str | Path, load: Callable[[str | Path], Structure] = load) -> tuple[int, str]:
    """Exit code and text of a check of the file: 0 and its forecast, or 2 and all its mistakes.

    load: how it is read.
    """
    try:
        return 0, forecast(load(path)).text()
    except StructureError as error:
        count = len(error.mistakes)
        return 2, f"{error}\n{count:,} {'mistake' if count == 1 else 'mistakes'} in {path}"


def _machine_type(structure: Structure, key: str, spec: MachineSpec, count: int) -> TypeForecast:
    if not spec.reports:
        return TypeForecast(key, 0, math.inf, 0.0)
    period = structure.period_seconds(spec)
    shortest, longest = structure.job_seconds(spec)
    jobs = count * spec.shares.get(spec.producing_state, 0.0) * 2 / (shortest + longest) / spec.lengthening
    return TypeForecast(key, count, period, count / period, jobs if shortest < period else 0.0)


def _events(structure: Structure) -> Iterator[TypeForecast]:
    orders, dispatches = _hourly(structure.message_types.customer_order), _hourly(structure.message_types.dispatch)
    if orders is not None:
        yield _event("customer_order", orders)
    if dispatches is not None:
        yield _event("dispatch", min(dispatches, orders or 0.0))


def _reports(structure: Structure) -> Iterator[TypeForecast]:
    """The true figures of all machines, where they are asked for."""
    spec = structure.message_types.oee
    if spec is not None and spec.enabled:
        count = sum(count for _, _, count in structure.machines())
        yield TypeForecast("oee", None, spec.report_seconds, count / spec.report_seconds)


def _event(key: str, per_hour: float) -> TypeForecast:
    return TypeForecast(key, None, SECONDS_PER_HOUR / per_hour if per_hour else math.inf, per_hour / SECONDS_PER_HOUR)


def _hourly(event: CustomerOrder | Dispatch | None) -> float | None:
    """Events an hour; None where the plant has none of the kind."""
    if event is None or not event.enabled:
        return None if event is None else 0.0
    return event.orders_per_hour if isinstance(event, CustomerOrder) else event.dispatches_per_hour


def _notes(structure: Structure, types: list[TypeForecast]) -> Iterator[str]:
    for each in types:
        if each.extra_per_second:
            yield _crowded_note(structure, each)
    counts = structure.global_.machine_counts
    for key, (counted, _) in MACHINE_TYPES.items():
        if getattr(structure.message_types, key) is None and (count := getattr(counts, counted)):
            yield f"{key}: {count:,} counted, but message_types does not describe it, so it says nothing."
    orders, dispatches = _hourly(structure.message_types.customer_order), _hourly(structure.message_types.dispatch)
    if (dispatches or 0.0) > (orders or 0.0) and structure.flow is None:
        yield f"dispatch: {dispatches:g} an hour are asked for, but only {orders or 0.0:g} orders come in."


def _crowded_note(structure: Structure, each: TypeForecast) -> str:
    spec: MachineSpec = getattr(structure.message_types, each.key)
    shortest = structure.job_seconds(spec)[0]
    return (
        f"{each.key}: jobs take from {shortest:g} s, but rows come every {each.period_seconds:.3g} s, so each finished"
        f" job gets a row of its own ({_few(each.extra_per_second)} extra rows/s)."
        f" {_remedy(structure, spec, shortest)} avoids that."
    )


def _remedy(structure: Structure, spec: MachineSpec, shortest: float) -> str:
    """The setting with which rows come at least as often as jobs finish, rounded up to three digits."""
    if structure.global_.target_rate is not None:
        rate = structure.global_.target_rate * structure.period_seconds(spec) / shortest
        return f"target_rate: {_rounded_up(rate)}"
    if spec.report_seconds is not None:
        return f"report_seconds: {shortest:g}"
    return f"frequency_weight: {_rounded_up(structure.global_.base_interval * 10 / shortest)}"


def _rounded_up(number: float) -> str:
    step = 10.0 ** (math.floor(math.log10(number)) - 2)
    return f"{math.ceil(number / step - 1e-9) * step:.10g}"


def _few(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def _cells(each: TypeForecast) -> tuple[str, ...]:
    machines = "" if each.machines is None else f"{each.machines:,}"
    return each.key, machines, _duration(each.period_seconds), _rate(each.per_second)


def _duration(seconds: float) -> str:
    if math.isinf(seconds):
        return "never"
    unit, length = next((unit, length) for unit, length in _UNITS if seconds >= length or unit == "s")
    return f"{seconds / length:.3g} {unit}"


def _rate(per_second: float) -> str:
    """Four decimals, of which two noughts at the end are left blank, so that the points stay in line."""
    digits = f"{per_second:,.4f}"
    return f"{digits[:-2]}  " if digits.endswith("00") else digits


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    yield row[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
