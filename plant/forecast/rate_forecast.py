"""The forecast of a plant: messages per second by type, computed from its configuration. `check` prints it."""

from __future__ import annotations

import difflib
import math
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from plant.definition.document.errors import quote
from plant.definition.document.value_types import MOST_EVENTS_PER_HOUR
from plant.definition.jobs.job_type import JobType
from plant.definition.machine_types.library import library
from plant.definition.machine_types.machine_type import MachineType, MessageClass
from plant.definition.plant_config import CustomerOrder, Dispatch, PlantConfig, PlantConfigError, load
from plant.forecast.alarm_notes import alarm_notes
from plant.forecast.cause_rates import labels_per_day
from plant.forecast.flow_notes import flow_notes
from plant.forecast.throughput import bottleneck, changeovers_per_job, jobs_per_hour, load_of, units_per_order

SECONDS_PER_HOUR: Final = 3600.0

_LONG_WAIT_HOURS: Final = 24.0
"""Mean wait of an order for its dispatch above which there is a note."""

_USABLE_SHARE: Final = 0.9
"""Share of the capacity of the slowest stage that a line with small buffers reaches."""

_MISSPELLED_SIMILARITY: Final = 0.7
"""Similarity to a good result above which a name is taken for a misspelling."""

_HEAD: Final = ("type", "machines", "every", "messages/s")
_UNITS: Final = (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True, slots=True)
class TypeForecast:
    """The messages of one type in the long run.

    machines: their number; None for orders, dispatches and OEE reports.
    period_seconds: between two regular messages of a machine, or two events on average; inf if there are none.
    regular_per_second: messages at that period.
    extra_per_second: additional messages, for jobs that finish between two regular ones, or changes of the state.
    reports_alarms: whether they are about alarms, of which nobody knows how many there will be.
    """

    key: str
    machines: int | None
    period_seconds: float
    regular_per_second: float
    extra_per_second: float = 0.0
    reports_alarms: bool = False

    @property
    def per_second(self) -> float:
        """All messages per second."""
        return self.regular_per_second + self.extra_per_second


@dataclass(frozen=True, slots=True)
class Forecast:
    """The messages of a plant in the long run. notes: sentences on what the author of the YAML may not expect."""

    types: tuple[TypeForecast, ...]
    machine_count: int
    notes: tuple[str, ...]

    @property
    def machines(self) -> int:
        """Number of machines that send messages."""
        return self.machine_count

    @property
    def per_second(self) -> float:
        """All messages per second of the plant."""
        return math.fsum(each.per_second for each in self.types)

    def text(self) -> str:
        """Return the forecast as a table with one line for each type, the sum, and the notes."""
        rows = [_HEAD, *map(_cells, self.types), ("total", f"{self.machines:,}", "", rate(self.per_second))]
        table = _aligned(rows)
        rule = "-" * max(map(len, table))
        notes = [textwrap.fill(f"Note: {note}", 100, subsequent_indent="      ") for note in self.notes]
        return "\n".join([table[0], rule, *table[1:-1], rule, table[-1], *([""] if notes else []), *notes])


def forecast(config: PlantConfig) -> Forecast:
    """Return the forecast of a plant."""
    machines = [each for _, spec, count in config.declared() for each in _machine_type(config, spec, count)]
    others = (*_events(config), *_reports(config))
    count = sum(count for _, _, count in config.machines())
    return Forecast((*machines, *others), count, tuple(_notes(config, machines)))


def check(
    path: str | Path,
    load: Callable[[str | Path], PlantConfig] = load,
    more: Callable[[PlantConfig, Forecast], str] = lambda _config, _forecast: "",
) -> tuple[int, str]:
    """Check a file; return exit code and text: 0 and the forecast, or 2 and all errors.

    load: reads the file.  more: returns text to add to a forecast.
    """
    try:
        config = load(path)
        found = forecast(config)
        return 0, found.text() + more(config, found)
    except PlantConfigError as error:
        count = len(error.mistakes)
        total = f"\n{count:,} {'error' if count == 1 else 'errors'} in {path}"
        return 2, f"{error}{'' if error.mistakes[0].is_about_file else total}"


def _machine_type(config: PlantConfig, spec: MachineType, count: int) -> Iterator[TypeForecast]:
    """Yield the forecast of each class of a type's messages."""
    for each in spec.messages:
        if not spec.enabled or not (each.is_regular or each.on_change):
            yield TypeForecast(each.kind, 0, math.inf, 0.0)
        else:
            yield _message_class(config, spec, each, count)
    for each in spec.alarm_messages:
        yield TypeForecast(each.kind, count if spec.reports else 0, math.inf, 0.0, reports_alarms=True)


def _message_class(config: PlantConfig, spec: MachineType, each: MessageClass, count: int) -> TypeForecast:
    period = config.class_period_seconds(each)
    extra = _changes_per_second(config, spec, count) if each.on_change else 0.0
    if each.reports_jobs and (config.job_seconds(spec)[0] < period or (spec.job and spec.job.may_be_scrapped)):
        extra += jobs_per_hour(config, spec, count) / SECONDS_PER_HOUR
    return TypeForecast(each.kind, count, period, count / period, extra)


def _changes_per_second(config: PlantConfig, spec: MachineType, count: int) -> float:
    """Return how often machines change their state: of themselves, and to and from changeovers and waiting.

    A machine waits before its changeover, so that the end of the one is the begin of the other.
    """
    (changeovers, seconds), load = changeovers_per_job(config, spec), load_of(config, spec)
    jobs = jobs_per_hour(config, spec, count) / SECONDS_PER_HOUR if changeovers or spec.waits else 0.0
    waits = jobs * (1 - load.full_jobs)
    own = (count * load.mean - jobs * seconds) * spec.changes_per_second
    return own + 2 * jobs * changeovers + waits * (2 - changeovers)


def _events(config: PlantConfig) -> Iterator[TypeForecast]:
    orders, dispatches = (
        _events_per_hour(config.message_types.customer_order),
        _events_per_hour(config.message_types.dispatch),
    )
    if orders is not None:
        yield _event("customer_order", orders)
    if dispatches is not None:
        line = _line_capacity(config)
        yield _event("dispatch", min(dispatches, orders or 0.0, line.orders_per_hour if line else math.inf))


class _LineCapacity(NamedTuple):
    """What a line can ship: its slowest stage, units and orders an hour; and the units an hour that are ordered."""

    key: str
    units_per_hour: float
    orders_per_hour: float
    ordered_per_hour: float


def _line_capacity(config: PlantConfig) -> _LineCapacity | None:
    """Return what the line can ship; None without a flow or without orders."""
    order: CustomerOrder | None = config.message_types.customer_order
    flow, orders = config.flow, _events_per_hour(order)
    if flow is None or order is None or not orders:
        return None
    (key, limit), units = bottleneck(config, flow), units_per_order(order, flow)
    return _LineCapacity(key, limit, limit / units, orders * units)


def _reports(config: PlantConfig) -> Iterator[TypeForecast]:
    """Yield the forecast of OEE reports and labels, if they are enabled; of labels, a begin and an end each."""
    spec = config.message_types.oee
    if spec is not None and spec.enabled:
        count = sum(count for _, _, count in config.machines())
        yield TypeForecast("oee", None, spec.report_seconds, count / spec.report_seconds)
    labels = config.message_types.fault_labels
    if labels is not None and labels.enabled and any(each.labelled_causes for _, each, _ in config.machines()):
        per_second = 2 * math.fsum(labels_per_day(config).values()) / 86_400
        yield TypeForecast("fault_labels", None, 1 / per_second if per_second else math.inf, per_second)


def _event(key: str, per_hour: float) -> TypeForecast:
    return TypeForecast(key, None, SECONDS_PER_HOUR / per_hour if per_hour else math.inf, per_hour / SECONDS_PER_HOUR)


def _events_per_hour(event: CustomerOrder | Dispatch | None) -> float | None:
    """Return the events an hour; None if the plant does not have the kind."""
    if event is None or not event.enabled:
        return None if event is None else 0.0
    return event.orders_per_hour if isinstance(event, CustomerOrder) else event.dispatches_per_hour


def _notes(config: PlantConfig, types: list[TypeForecast]) -> Iterator[str]:
    for each in types:
        if spec := _with_short_jobs(config, each):
            yield _job_message_note(config, spec, each)
    for key in library():
        if config.machine_type(key) is None and (count := config.count(key)):
            yield f"{key}: {count:,} counted, but message_types does not describe it, so its machines send no messages."
    for key, machine_type, _ in config.declared():
        if machine_type.job:
            yield from _result_notes(config.place_of_results(key), machine_type.job)
    yield from alarm_notes(config)
    yield from flow_notes(config)
    yield from _order_notes(config)


def _with_short_jobs(config: PlantConfig, each: TypeForecast) -> MachineType | None:
    """Return the type whose jobs these messages report, if jobs may be shorter than the period."""
    spec = config.machine_type(each.key.partition(".")[0])
    if spec is None or not each.machines or not spec.main.reports_jobs or spec.main.kind != each.key:
        return None
    return spec if config.job_seconds(spec)[0] < each.period_seconds < math.inf else None


def _result_notes(place: str, job: JobType) -> Iterator[str]:
    """Yield notes on a distribution of results in which nothing is good, or a name may be misspelled."""
    good = ", ".join(sorted(job.good))
    for result in job.results.keys() - job.good:
        if near := difflib.get_close_matches(result, job.good, n=1, cutoff=_MISSPELLED_SIMILARITY):
            yield f"{place}: {quote(result)} does not count as good; did you mean {near[0]}?"
    if not any(weight for result, weight in job.results.items() if result in job.good):
        yield f"{place}: no result counts as good, so quality is 0; good are {good}."


def _order_notes(config: PlantConfig) -> Iterator[str]:
    """Yield notes on orders that wait longer and longer, or very long."""
    orders, dispatches = (
        _events_per_hour(config.message_types.customer_order),
        _events_per_hour(config.message_types.dispatch),
    )
    if dispatches and not orders:
        yield f"dispatch: {dispatches:g} dispatches an hour are configured, but no orders are placed."
    if not orders or not dispatches:
        return
    if orders >= dispatches:
        growth = f"by {24 * (orders - dispatches):.3g} a day" if orders > dispatches else "without bound"
        yield (
            f"customer_order: {orders:g} orders an hour are placed, but at most {dispatches:g} are dispatched: open"
            f" orders accumulate {growth}. {_suggested_rate(orders, dispatches)} keeps their number small."
        )
    elif (hours := 1 / (dispatches - orders)) > _LONG_WAIT_HOURS:
        yield (
            f"customer_order: {orders:g} orders an hour are placed, and at most {dispatches:g} are dispatched: an order"
            f" waits for {hours / 24:,.3g} days on average. {_suggested_rate(orders, dispatches)} shortens that."
        )
    if (line := _line_capacity(config)) and line.ordered_per_hour > _USABLE_SHARE * line.units_per_hour:
        yield (
            f"flow: orders need {line.ordered_per_hour:,.0f} units an hour, but {line.key} limits the line to"
            f" {line.units_per_hour:,.0f}, and less when machines wait: open orders accumulate."
            f" orders_per_hour: {_USABLE_SHARE * line.orders_per_hour:.2g} is what the line can ship."
        )


def _suggested_rate(orders: float, dispatches: float) -> str:
    """Return the setting with which a third of the dispatches find no order, so that few orders wait."""
    if 1.5 * orders <= MOST_EVENTS_PER_HOUR:
        return f"dispatches_per_hour: {_rounded_up(1.5 * orders)}"
    return f"orders_per_hour: {_rounded_up(dispatches / 1.5)}"


def _job_message_note(config: PlantConfig, spec: MachineType, each: TypeForecast) -> str:
    shortest = config.job_seconds(spec)[0]
    additional = jobs_per_hour(config, spec, each.machines or 0) / SECONDS_PER_HOUR
    return (
        f"{each.key}: jobs may take only {shortest:g} s, but regular messages are {each.period_seconds:.3g} s apart, so"
        f" each finished job gets a message of its own ({brief(additional)} additional messages/s)."
        f" {_remedy(config, spec, shortest)} avoids that."
    )


def _remedy(config: PlantConfig, spec: MachineType, shortest: float) -> str:
    """Return the setting with which the period is no longer than the shortest job, rounded up to three digits."""
    if config.global_.target_rate is not None:
        target = config.global_.target_rate * config.period_seconds(spec) / shortest
        return f"target_rate: {_rounded_up(target)}"
    if spec.main.report_seconds is not None:
        return f"report_seconds: {shortest:g}"
    return f"frequency_weight: {_rounded_up(config.global_.base_interval * 10 / shortest)}"


def _rounded_up(number: float) -> str:
    step = 10.0 ** (math.floor(math.log10(number)) - 2)
    return f"{math.ceil(number / step - 1e-9) * step:.10g}"


def brief(number: float) -> str:
    """Return a number to two digits, and whole ones from 100 on."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


def _cells(each: TypeForecast) -> tuple[str, ...]:
    machines = "" if each.machines is None else f"{each.machines:,}"
    only_changes = math.isinf(each.period_seconds) and each.extra_per_second > 0
    every = "change" if only_changes else "alarm" if each.reports_alarms else duration(each.period_seconds)
    return each.key, machines, every, rate(each.per_second)


def duration(seconds: float) -> str:
    """Return a time in its usual unit, to three digits."""
    if math.isinf(seconds):
        return "never"
    unit, length = next((unit, length) for unit, length in _UNITS if seconds >= length or unit == "s")
    return f"{seconds / length:.3g} {unit}"


def rate(per_second: float) -> str:
    """Return a rate with four decimals, of which two zeros at the end are blank, so that the points are aligned."""
    digits = f"{per_second:,.4f}"
    return f"{digits[:-2]}  " if digits.endswith("00") else digits


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["   ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    yield row[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
