"""What is seen of the plant and the process at a moment, by kind of expectation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, Protocol

from cli.scenario.definition.conditions import Bounds
from cli.scenario.definition.expectations import (
    AlarmExpectation,
    Expectation,
    FaultExpectation,
    LedgerExpectation,
    MetricExpectation,
    OeeExpectation,
    StateExpectation,
)
from cli.scenario.judging.sampling import CannotLook, Look
from edge.delivery.queue import Ledger
from edge.oee_sums import sum_all
from plant.definition.document.errors import quote, suggestion
from plant.definition.machine_types.machine_type import MachineType
from plant.machines.states import BLOCKED, CHANGEOVER, LATE_START, PLANNED_STOP, STARVED, STOPPED, WAITING
from plant.oee_accounting import Span
from plant.telemetry import KindOee, MachineOee, Oee

Sample = tuple[str, Mapping[str, str], float]
"""A sample of a Prometheus metric: its name, labels and value."""


class Condition(NamedTuple):
    """A machine at a moment. faults: those that are active, and wear that is labelled.  alarms: likewise."""

    machine_type: MachineType
    state: str
    faults: Sequence[str]
    alarms: Sequence[str]


class Sight(Protocol):
    """A run that is looked at, at the plant time that it has reached."""

    @property
    def ledger(self) -> Ledger:
        """The counts of messages."""

    def samples(self) -> Iterable[Sample]:
        """Return the samples of all metrics."""

    def condition(self, machine_id: str) -> Condition | None:
        """Return the condition of a machine; None where there is none."""

    def oee_of_machines(self, span: Span) -> Sequence[MachineOee]:
        """Return the true figures of each machine."""

    def oee_of_kinds(self, span: Span) -> Sequence[KindOee]:
        """Return those of each machine type."""


def look_of(expectation: Expectation, sight: Sight) -> Callable[[], Look]:
    """Return what looks whether an expectation holds."""
    looks: Mapping[type[object], Callable[..., Look]] = {
        MetricExpectation: _metric,
        LedgerExpectation: _ledger,
        StateExpectation: _state,
        FaultExpectation: _fault,
        AlarmExpectation: _alarm,
        OeeExpectation: _oee,
    }
    return partial(looks[type(expectation)], expectation, sight)


def _metric(wanted: MetricExpectation, sight: Sight) -> Look:
    samples = [*sight.samples()]
    of_name = [(labels, value) for name, labels, value in samples if name == wanted.name]
    if not of_name:
        names = sorted({name for name, _, _ in samples})
        raise CannotLook(f"there is no sample {quote(wanted.name)}; {suggestion(wanted.name, names)}")
    values = [value for labels, value in of_name if wanted.labels.items() <= labels.items()]
    if not values:
        raise CannotLook(f"no sample of {wanted.name} has these labels; there are {_labels(of_name)}")
    return Look(wanted.value.holds(sum(values)), f"{wanted.name} {sum(values):.10g}")


def _labels(samples: Sequence[tuple[Mapping[str, str], float]]) -> str:
    texts = (",".join(f"{name}={value}" for name, value in labels.items()) for labels, _ in samples[:5])
    return "; ".join(texts) + (" ..." if len(samples) > 5 else "")


_COUNTS: Final[Mapping[str, Callable[[Ledger], int]]] = {
    "generated": lambda ledger: ledger.generated,
    "acknowledged": lambda ledger: ledger.acknowledged,
    "refused": lambda ledger: ledger.refused.total(),
    "dropped": lambda ledger: ledger.dropped.total(),
    "queued": lambda ledger: ledger.queued,
    "in_flight": lambda ledger: ledger.in_flight,
    "pending": lambda ledger: ledger.pending,
}


def _ledger(wanted: LedgerExpectation, sight: Sight) -> Look:
    ledger = sight.ledger
    bounds: Mapping[str, Bounds | None] = {name: getattr(wanted, name) for name in _COUNTS}
    holds = all(each is None or each.holds(_COUNTS[name](ledger)) for name, each in bounds.items())
    seen = " ".join(f"{name}={read(ledger)}" for name, read in _COUNTS.items() if name != "pending")
    balances = ledger.balances()
    return Look(holds and (not wanted.balances or balances), seen if balances else f"{seen}, which does not balance")


_IMPOSED: Final = [each.name for each in (STOPPED, PLANNED_STOP, BLOCKED, STARVED, CHANGEOVER, LATE_START, WAITING)]
"""States that machines do not draw, but that something else puts them into."""


def _state(wanted: StateExpectation, sight: Sight) -> Look:
    condition = _condition(sight, wanted.machine_id)
    for state in wanted.state:
        _known(state, [*condition.machine_type.states, *_IMPOSED], f"{wanted.machine_id} has no state")
    return Look(condition.state in wanted.state, f"{wanted.machine_id} is {condition.state}")


def _fault(wanted: FaultExpectation, sight: Sight) -> Look:
    condition = _condition(sight, wanted.machine_id)
    machine_type = condition.machine_type
    known = [*dict.fromkeys((*machine_type.causes.faults, *machine_type.labelled_causes))]
    return _active(wanted.machine_id, "fault", wanted.fault, condition.faults, known, expected=wanted.active)


def _alarm(wanted: AlarmExpectation, sight: Sight) -> Look:
    condition = _condition(sight, wanted.machine_id)
    known = [each.name for each in condition.machine_type.alarms]
    return _active(wanted.machine_id, "alarm", wanted.alarm, condition.alarms, known, expected=wanted.active)


def _active(
    machine_id: str, what: str, name: str | None, active: Collection[str], known: Sequence[str], *, expected: bool
) -> Look:
    if name is not None:
        _known(name, known, f"{machine_id} has no {what}")
    there = bool(active) if name is None else name in active
    return Look(there == expected, f"{machine_id} has {', '.join(active) if active else f'no {what}'}")


def _condition(sight: Sight, machine_id: str) -> Condition:
    condition = sight.condition(machine_id)
    if condition is None:
        raise CannotLook(f"no machine has the id {quote(machine_id)}")
    return condition


def _known(name: str, known: Sequence[str], rule: str) -> None:
    if name not in known:
        raise CannotLook(f"{rule} {quote(name)}; {suggestion(name, known) if known else 'there is none'}")


_FIGURES: Final = ("availability", "performance", "quality", "oee", "jobs")


def _oee(wanted: OeeExpectation, sight: Sight) -> Look:
    figures = _figures(wanted, sight)
    given = {name: bounds for name in _FIGURES if (bounds := getattr(wanted, name)) is not None}
    values: Mapping[str, float | None] = {name: getattr(figures, name) for name in given}
    seen = ", ".join(f"{name} {_figure_text(value)}" for name, value in values.items())
    return Look(all(bounds.holds(values[name]) for name, bounds in given.items()), seen)


def _figure_text(value: float | None) -> str:
    return "undefined" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _figures(wanted: OeeExpectation, sight: Sight) -> Oee:
    if wanted.machine_id is not None:
        machines = {each.machine_id: each for each in sight.oee_of_machines(wanted.span)}
        _known(wanted.machine_id, [*machines], "there is no machine")
        return machines[wanted.machine_id]
    kinds = {each.kind: each for each in sight.oee_of_kinds(wanted.span)}
    if wanted.machine_type is None:
        return sum_all([*kinds.values()])
    _known(wanted.machine_type, [*kinds], "there is no machine type with machines")
    return kinds[wanted.machine_type]
