"""Expectations in words, for the report."""

from __future__ import annotations

from collections.abc import Iterator

from cli.scenario.definition.expectations import (
    AlarmExpectation,
    Expectation,
    FaultExpectation,
    FieldExpectation,
    LedgerExpectation,
    MessagesExpectation,
    MetricExpectation,
    OeeExpectation,
    OfMessages,
    StateExpectation,
)


def in_words(wanted: Expectation) -> str:
    """Return what is expected, without when."""
    match wanted:
        case MessagesExpectation():
            return f"{_of(wanted)}: {_counts(wanted)}"
        case FieldExpectation():
            return f"{_of(wanted)}: {' and '.join(_values(wanted))}"
        case StateExpectation():
            return f"{wanted.machine_id} is {' or '.join(wanted.state)}"
        case FaultExpectation() | AlarmExpectation():
            return _activity(wanted)
    return _figures(wanted)


def _figures(wanted: MetricExpectation | LedgerExpectation | OeeExpectation) -> str:
    match wanted:
        case MetricExpectation():
            labels = ",".join(f"{name}={value}" for name, value in wanted.labels.items())
            return f"metric {wanted.name}{f'{{{labels}}}' if labels else ''}: {wanted.value}"
        case LedgerExpectation():
            return f"the ledger: {_bounds(wanted, 'balances')}"
        case OeeExpectation():
            whose = wanted.machine_id or wanted.machine_type or "all machines"
            span = "" if wanted.span == "run" else f" in the {wanted.span.replace('_', ' ')}"
            return f"OEE of {whose}{span}: {_bounds(wanted, 'machine_id', 'machine_type', 'span')}"


def _of(wanted: OfMessages) -> str:
    machine = f" of {wanted.machine_id}" if wanted.machine_id else ""
    where = ", ".join(f"{path} {condition}" for path, condition in wanted.where.items())
    return f"messages on {wanted.topic}{machine}{f' with {where}' if where else ''}"


def _counts(wanted: MessagesExpectation) -> str:
    count = "" if wanted.count is None else f"number {wanted.count}"
    rate = "" if wanted.rate is None else f"{wanted.rate} a second"
    return " and ".join(filter(None, (count, rate))) or "at least 1"


def _values(wanted: FieldExpectation) -> Iterator[str]:
    if wanted.path is not None:
        yield f"{wanted.path} {wanted.value}"
    if wanted.keys is not None:
        yield f"the keys {', '.join(wanted.keys)}"


def _activity(wanted: FaultExpectation | AlarmExpectation) -> str:
    what = wanted.fault or "a fault" if isinstance(wanted, FaultExpectation) else f"the alarm {wanted.alarm or '(any)'}"
    return f"{wanted.machine_id} {'has' if wanted.active else 'does not have'} {what}"


def _bounds(wanted: LedgerExpectation | OeeExpectation, *without: str) -> str:
    names = [name for name in type(wanted).model_fields if name in wanted.model_fields_set and name not in without]
    texts = [f"{name} {getattr(wanted, name)}" for name in names]
    return ", ".join([*(["balances"] if getattr(wanted, "balances", None) else []), *texts])
