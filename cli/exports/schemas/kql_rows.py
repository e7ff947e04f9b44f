"""OEE in KQL from a table in which a row of a machine has its time, id and status; a row with a result is a job too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from string import Template
from typing import Final

from cli.exports.schemas.kql_tables import TABLE, identifier, literal
from plant.catalogue.catalogue import FieldSource, MessageKind
from plant.telemetry import PLANNED_STOP


def row_functions(machines: Sequence[MessageKind]) -> Iterable[str]:
    """Return the commands that create the functions."""
    content = {
        "table": TABLE,
        "types": ",\n        ".join(map(_nameplate, machines)),
        "machine_type": _machine_type(machines),
        "job": _first_of(machines, FieldSource.FINISHED_ID),
        "result": _first_of(machines, FieldSource.FINISHED_RESULT),
        "is_good": is_good(machines),
        "is_no_planned_stop": is_no_planned_stop(machines),
    }
    texts = (_MACHINE_TYPES, _MACHINE_ROWS, _FIGURES)
    return [*(Template(text).substitute(content) for text in texts), *oee_functions(_SUMS)]


def oee_functions(sums: str) -> list[str]:
    """Return the commands that create the functions of OEE.  sums: of rows, which FactoryFigures takes."""
    return [Template(text).substitute(sums=sums) for text in (_BY_MACHINE, _BY_TYPE)]


def _machine_type(machines: Iterable[MessageKind]) -> str:
    """Return an expression for the type of a machine, by its id; empty if it is not in this plant."""
    forms = (f"machine_id matches regex {literal(kind.machine_ids or '')}, {literal(kind.key)}" for kind in machines)
    return "case(\n        " + ",\n        ".join([*forms, literal("")]) + ")"


def _nameplate(kind: MessageKind) -> str:
    """Return the properties of a type that are not in its messages, as a row of a datatable."""
    period, ideal = kind.period_seconds or 0.0, kind.ideal_cycle_seconds or 0.0
    texts = map(literal, (kind.key, kind.producing_state or ""))
    return ", ".join([*texts, repr(period), repr(ideal), str(kind.reports_each_job).lower()])


def _first_of(machines: Sequence[MessageKind], role: FieldSource) -> str:
    """Return an expression for a role's value, under any name; by type if a name has another role in another type."""
    names = {kind.key: field.name for kind in machines for field in kind.fields if field.role == role}
    if not names:
        return literal("")
    distinct = [identifier(name) for name in dict.fromkeys(names.values())]
    others = {field.name for kind in machines for field in kind.fields if field.role != role}
    if others & {*names.values()}:
        by_type = [(kind, identifier(names[kind.key])) for kind in machines if kind.key in names]
        forms = (f"machine_id matches regex {literal(kind.machine_ids or '')}, {name}" for kind, name in by_type)
        return f"case({', '.join(forms)}, '')"
    return distinct[0] if len(distinct) == 1 else f"coalesce({', '.join(distinct)})"


def is_good(machines: Sequence[MessageKind]) -> str:
    """Return whether a row's result is good, for its type."""
    return _by_type(machines, "result", {kind.key: kind.good for kind in machines}, "false")


def ends_early(machines: Sequence[MessageKind]) -> str:
    """Return whether a row's result is one of jobs that may end early; false for all other types."""
    forms = (
        f"machine_type == {literal(kind.machine_type or '')}, {_is_one_of('result', kind.ends_early)}"
        for kind in machines
    )
    return f"case({', '.join(forms)}, false)"


def is_no_planned_stop(machines: Sequence[MessageKind]) -> str:
    """Return whether a row's status is planned working time, for its type."""
    if all(kind.planned_stops == (PLANNED_STOP,) for kind in machines):
        return f"status != {literal(PLANNED_STOP)}"
    stops = _by_type(machines, "status", {kind.key: kind.planned_stops for kind in machines}, "false")
    return f"not({stops})"


def _by_type(machines: Sequence[MessageKind], column: str, values: Mapping[str, Sequence[str]], otherwise: str) -> str:
    """Return whether a column has one of some values, which depend on the machine's type. values: by kind."""
    if len(set(map(tuple, values.values()))) == 1:
        return _is_one_of(column, values[machines[0].key])
    forms = (
        f"machine_type == {literal(kind.machine_type or kind.key)}, {_is_one_of(column, values[kind.key])}"
        for kind in machines
    )
    return f"case({', '.join(forms)}, {otherwise})"


def _is_one_of(column: str, values: Sequence[str]) -> str:
    return f"{column} in ({', '.join(map(literal, values))})" if values else "false"


_MACHINE_TYPES: Final = """\
.create-or-alter function with (docstring = "Properties of machine types that are not in their rows.")
FactoryMachineTypes() {
    datatable(
        machine_type: string, producing_state: string, period_seconds: real, ideal_cycle_seconds: real, extra_rows: bool
    ) [
        $types
    ]
}"""

_MACHINE_ROWS: Final = """\
.create-or-alter function with (docstring = "Rows of machines after one moment and up to another, each once.")
FactoryMachineRows(since: datetime, until: datetime) {
    $table
    | where timestamp > since and timestamp <= until and isnotempty(machine_id) and isnotempty(status)
    | extend job = $job, result = $result
    | distinct timestamp, machine_id, status, job, result
    | extend machine_type = $machine_type
    | lookup kind=inner (FactoryMachineTypes()) on machine_type
    | extend finished = isnotempty(result)
    | extend beat = not(extra_rows and finished)
    | project timestamp, machine_id, machine_type, status, job, result, period_seconds, ideal_cycle_seconds, finished,
        seconds = iff(beat, period_seconds, 0.0),
        is_good = $is_good,
        is_planned = beat and $is_no_planned_stop,
        is_producing = beat and status == producing_state
}"""

_FIGURES: Final = """\
.create-or-alter function with (docstring = "ISO 22400-2 from counts; null if a denominator is 0.")
FactoryFigures(counts: (planned: long, producing: long, jobs: long, good: long, period: real, ideal: real)) {
    counts
    | extend
        availability = iff(planned > 0, todouble(producing) / planned, real(null)),
        performance = iff(producing > 0, ideal * jobs / (producing * period), real(null)),
        quality = iff(jobs > 0, todouble(good) / jobs, real(null))
    | extend oee = availability * performance * quality
    | project-away period, ideal
}"""

_SUMS: Final = """\
        planned = countif(is_planned), producing = countif(is_producing),
        jobs = countif(finished), good = countif(is_good),
        period = take_any(period_seconds), ideal = take_any(ideal_cycle_seconds)"""

_BY_MACHINE: Final = """\
.create-or-alter function with (docstring = "OEE of each machine, by hour or another span.")
FactoryOeeByMachine(since: datetime, until: datetime, span: timespan = 1h) {
    FactoryMachineRows(since, until)
    | summarize
$sums
        // A row on the hour represents the time before it.
        by machine_type, machine_id, begins = bin(timestamp - 1ms, span)
    | invoke FactoryFigures()
}"""

_BY_TYPE: Final = """\
.create-or-alter function with (docstring = "OEE of all machines of a type together.")
FactoryOeeByType(since: datetime, until: datetime, span: timespan = 1h) {
    FactoryMachineRows(since, until)
    | summarize
        machines = count_distinct(machine_id),
$sums
        by machine_type, begins = bin(timestamp - 1ms, span)
    | invoke FactoryFigures()
}"""
